# What the lane connections of one engine share, as C code sees it: see lanes.pyx.

from skitai._speedups.answer_head cimport KnownLines
from skitai._speedups.fetching cimport Fetching
from skitai._speedups.fields cimport HeadLimits
from skitai._speedups.habits cimport Habits
from skitai._speedups.lane_environ cimport Environs
from skitai._speedups.lane_routes cimport Routes
from skitai._speedups.loop cimport BatchEnd, EventLoop, sk_lead
from skitai._speedups.parking cimport Clock
from skitai._speedups.shelf cimport Shelf, sk_shelf
from skitai._speedups.workspace cimport Workspace

cdef extern from "counting.h" nogil:
    ctypedef struct sk_bounds:
        double *bounds
        int count
    void sk_count_status(unsigned long long *statuses, int slot, int status)
    void sk_observe(unsigned long long *latency, const sk_bounds *bounds, double seconds)


cdef class Lanes(BatchEnd):
    cdef readonly object engine
    cdef readonly object service
    cdef EventLoop loop
    cdef Workspace work          # of the leader
    cdef Clock clock
    cdef sk_lead *lead           # NULL: nobody takes over from a call that lasts
    cdef Routes routes
    cdef Environs environs
    cdef KnownLines lines
    cdef Habits habits
    cdef readonly Shelf shelf
    cdef readonly Fetching fetching
    cdef unsigned long shelf_batch
    cdef object log              # the access lines of what is answered from the shelf; None: there are none
    cdef BatchEnd relief         # None: nobody serves in our place
    cdef bint draining, gently
    cdef unsigned long long[::1] row
    cdef unsigned long long *counts   # by `Count`
    cdef double keep_alive, header_timeout, send_stall_timeout
    cdef HeadLimits limits
    # The time when the last answer of this batch was made.
    cdef double last_time
    cdef unsigned long time_batch

    cdef int watch(self, sk_lead *lead) except -1
    cdef sk_shelf *shelf_now(self) noexcept
    cdef bint more_to_come(self) noexcept
    cdef sk_bounds bounds
    cdef void count(self, int status, int slot) noexcept
    cdef void answered_after(self, double seconds) noexcept
    cdef void delivered_after(self, double seconds) noexcept
    cdef void others_answered_after(self, double seconds) noexcept
    cdef void count_more(self, unsigned long long requests) noexcept
