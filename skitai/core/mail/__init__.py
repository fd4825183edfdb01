"""E-mail between the handler that writes it and the agent that delivers it: files of a folder.

    letter.py    one message: a file with its envelope, its text and what came of it
    spool.py     the folder of those files: nothing that was put into it is lost
    bell.py      how the agent hears at once that there is something new

Who writes is `skitai.was` in any process of a server, or any program; who delivers is `skitai.mail`, in a
process of its own.  They share nothing but the folder.
"""
