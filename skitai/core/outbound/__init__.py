"""Requests that we send: the client side of HTTP/1.1 and of WebSockets, for ``was`` and for proxies.

    HttpClient      one for an event loop; whom to ask, when to give up        client.py
      Pool          of one origin: connections kept, in use, being made        pool.py
        Connecting  from a name to a connection that can be asked             connecting.py
                      through a proxy, and by TLS: on a RawSocket             tunnelling.py, handshaking.py
      Fetch         one request on its way, and what became of it              fetch.py
      Exchange      a message over a WebSocket, likewise                       messages.py, wsconnection.py
    Request         what is asked                                              request.py

Everything of a client belongs to its loop thread but for what says otherwise.  What is asked of whom, and
what the answer means, is decided above: redirects, credentials, clusters (`skitai.was`).
"""
