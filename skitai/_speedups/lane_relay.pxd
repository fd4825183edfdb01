# Which requests are passed on from their lane, and to whom: see lane_relay.pyx.

from libc.stdint cimport int64_t

from skitai._speedups.lane_passage cimport RelayTerms
from skitai._speedups.relay_heads cimport Names


cdef class PlainMember:
    # A member that can be asked: the service's `Peer` and its pool, and the line of Host where that is its own.
    cdef object peer, pool
    cdef bytes host_line


cdef class PlainRelay(RelayTerms):
    # What the plain requests of a mount have in common: a `RelayWay` for C.
    cdef dict known               # `PlainMember`s by id
    cdef Names dropped
    cdef Py_ssize_t left_out      # bytes of the path
    cdef double patience, patience_to_repeat
    cdef bint keeps_host
    cdef bint is_ready

    cdef bint settle(self) except -1
    cdef PlainMember member(self, int64_t id)
    cdef object idle(self, PlainMember member, bint is_repeatable)
