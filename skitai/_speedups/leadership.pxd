# Who leads the loop: see leadership.pyx.

from skitai._speedups.lanes cimport Lanes, Workspace, sk_lead


cdef class Leadership:
    cdef Lanes lanes
    cdef sk_lead *lead_      # never freed: a thread that is late may look at it when all else is gone
