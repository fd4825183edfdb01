"""The logs of an instance: three streams that any thread may write to without waiting.

    server   what the server itself has to say          server.log    stderr
    request  one line for each request                  request.log   stdout
    app      what applications say, and tracebacks      app.log       stderr

The way of an entry, from the caller to the disk:

    facade.py    Logs, what everybody calls
    writer.py    the one background thread, and the bounded queue before it
    sinks.py     files and consoles, their failures and their recovery
    rotation.py  files that give way to new ones, whichever process finds that they have to
    forms.py     what entries look like: lines.py, words that cannot be forged, or jsonlines.py
    requestlines.py, pathsoff.py   entries of request.log, and requests that have none
    options.py   what an administrator may say of all this
    bridges.py   the standard ``logging`` and ``wsgi.errors`` as ways into app.log
    journal.py   the server's log for the master, which has neither threads nor requests

Nothing is imported here: the master takes `journal` and must not get the kernels with it.
"""
