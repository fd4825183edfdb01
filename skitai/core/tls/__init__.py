"""TLS as a site sees it: certificates, who may connect, and what applications learn of it.

    pairs.py       certificate and key: read, and what is wrong with them said clearly
    contexts.py    our policy: versions, ciphers, clients' certificates
    current.py     a context that follows its files; a listener's, which chooses by server name
    looking.py     what a certificate says: names and dates
    checking.py    everything that the settings name, before somebody relies on it
    clients.py     the connection and its client's certificate, for the environ

The bytes of TLS are the engine's.  All of this is the standard library's `ssl`.
"""

from skitai.core.tls.checking import check
from skitai.core.tls.clients import connection_fields
from skitai.core.tls.current import ListenerContext

__all__ = ["ListenerContext", "check", "connection_fields"]
