"""One server instance: settings, listeners, routes, WSGI, files, bodies, threads, logs.

Stands on `skitai._kernels` (HTTP and the engine) and knows nothing of `was`, Saddle or the
command line.  `service` is where a request comes in; `ARCHITECTURE.md` has the map.
"""
