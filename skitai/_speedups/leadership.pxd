# Who leads the loop: see leadership.pyx.

from skitai._speedups.lanes cimport Lanes
from skitai._speedups.loop cimport sk_lead
from skitai._speedups.relief cimport sk_stand_in
from skitai._speedups.workspace cimport Workspace


cdef class Leadership:
    cdef Lanes lanes
    cdef sk_stand_in stand_in
    cdef sk_lead *lead_      # never freed: a thread that is late may look at it when all else is gone
