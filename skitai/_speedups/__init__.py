"""The compiled kernels: each ``NAME.pyx`` here is the quick twin of ``skitai/_pure/NAME``.

Nobody imports this package but ``skitai/_kernels.py``, which takes all of it or none.
A kernel has the names, results and error texts of its twin; only the time it takes
differs (``tests/pure/`` holds the two against each other).  Each compiled module carries
``SOURCE_CRC32``, the checksum of the ``.pyx`` it was built from: a module older than its
source fails ``tests/test_build.py`` instead of being tested by mistake.

To add a kernel: put its ``.pyx`` and ``.pyi`` here and its twin in ``_pure/``.  ``setup.py``
builds whatever ``.pyx`` it finds.
"""
