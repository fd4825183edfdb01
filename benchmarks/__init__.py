"""Measurements, always beside a peer in the same run: a figure alone says more about the
machine than about the code.  ``compare`` is for whole servers, ``test_kernel`` for kernels."""
