"""Measurements, always beside a peer in the same run: a figure alone says more about the
machine than about the code.  ``python -m benchmarks`` is for whole servers (docs/benchmarks.md),
``test_kernel`` and ``test_environ`` for kernels, ``test_saddle`` for Saddle without a server.

| file | one sentence |
|---|---|
| `scenarios.py` | what is asked of which servers: the table to change when a question is new |
| `servers.py` | how each server is started, and whether it is there |
| `apps.py`, `flaskhello.py`, `saddlehello.py`, `load/` | what servers run, what wrk sends |
| `process.py` | servers while they run |
| `procfs.py`, `wrk.py` | what is read of Linux and of wrk |
| `slices.py` | rounds of one-second slices |
| `figures.py` | ratios and quartiles |
| `results.py`, `machine.py` | what is kept of a run, and where it ran |
| `table.py`, `draw.py` | results for people: text, and a picture for the docs |
"""
