# Which application a plain request is for, as C code sees it: see lane_routes.pyx.

from libc.stdint cimport uint32_t

from skitai._speedups.answer_head cimport KnownLines
from skitai._speedups.heads cimport Head

cdef enum:
    SEEN = 256  # a power of two


cdef class Route:
    # A `Lane` or a `RelayLane` for C: one host and one mount.
    cdef bytes host
    cdef bytes prefix
    cdef object application, variable, services, log, warn, failure
    cdef dict template
    cdef frozenset withheld
    cdef Py_ssize_t path_start
    cdef long long body_max
    cdef object file_wrapper
    # Its requests get ids, which their answers tell, and their access lines.
    cdef bint identifies, tells_ids, notes_ids
    # What decides about coded bodies, None for none; the shortest; of which types, as far as was asked.
    cdef object compression
    cdef Py_ssize_t coded_from
    cdef dict coded_types
    # Of the last request, as they stand in the template.
    cdef str method, target
    cdef object address, port
    cdef uint32_t seed           # tells mounts apart, for habits; 0: nothing is learnt
    cdef int slot                # where its requests are counted
    cdef bint parks              # its handlers may be parked where they wait
    # Of what a member answers in the place of an application, the `PlainRelay`; else None.
    cdef object relay


    cdef bint codes(self, str content_type) except -1


cdef class Routes:
    # All that were asked for, by site, host and mount.
    cdef object service
    cdef int depth
    cdef KnownLines lines
    cdef dict known
    # `PlainRelay`s, by their ways: one for all hosts and mounts that share one.
    cdef dict relays
    cdef uint32_t learnt
    cdef uint32_t[SEEN] seen

    cdef Route find(self, const unsigned char *data, Head *head, Route last, object info)
    cdef bint comes_again(self, tuple key) except -1
    cdef Route learn(self, tuple key)
