"""The compiled kernels, built on ``skitai/_pure``: what stands here is a quick way to the same end.

    percent, environ, wsframes
                        twins: the functions of ``_pure/NAME`` once more, in Cython
    heads, responses    no twins but recognisers: they take the simple heads and leave the others
    fields, writing     what both of these are made of; the same for heads on their way out
    chunks              the same for the chunked coding
    http1, websocket, engine
                        the pure ones over these kernels: subclasses of a few lines, plain Python

Nobody imports this package but ``skitai/_kernels.py``, which takes all of it or none.
Names, results and error texts are those of ``_pure``; only the time it takes
differs (``tests/pure/`` holds the two against each other).  Each compiled module carries
``SOURCE_CRC32``, the checksum of the ``.pyx`` and ``.pxd`` it was built from: a module older than its
source fails ``tests/test_build.py`` instead of being tested by mistake.

To add a twin: put its ``.pyx`` and ``.pyi`` here, its pure one in ``_pure/``, and its name in
``_kernels.py``.  ``setup.py`` builds whatever ``.pyx`` it finds.
"""
