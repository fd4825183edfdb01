"""The kernels in plain Python: the twin of ``skitai._speedups``, differing in speed only.

Rank 1: knows ``errors``, ``limits``, ``_constants`` and ``_httpdate`` and nothing above.  Import from
``skitai._kernels``, which chooses between the two builds once for the whole process.
"""
