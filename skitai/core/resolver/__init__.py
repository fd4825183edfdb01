"""From the name of a host to its addresses, for requests of ours: never blocking, and with an end to it.

    Resolver            literals, localhost, the hosts file; then          resolver.py
      names             what may be a name at all                          names.py
      HostsFile         /etc/hosts                                         hosts.py
      Directory         answers that are kept; who waits for which name    directory.py
        Backend         who is asked: one of
          NameServers   DNS, by c-ares on our loop                         nameservers.py, search, channel
          System        getaddrinfo in threads                             system.py
      arranged          which address to try first                         ordering.py
    Address, Service    what is found                                      answers.py
    ResolvConf          servers, attempts, short names                     resolvconf.py, changing.py

c-ares (by pycares) talks to servers: whom it asks in which order, UDP and TCP, repetitions, whether an answer
belongs to its question.  All else is ours, so that it is the same whoever is asked.  Everything here belongs
to the loop thread but for the threads of `System`.
"""

from skitai.core.resolver.answers import Address, Service
from skitai.core.resolver.directory import Lookup
from skitai.core.resolver.resolver import Resolver, ResolverOptions

__all__ = ["Address", "Lookup", "Resolver", "ResolverOptions", "Service"]
