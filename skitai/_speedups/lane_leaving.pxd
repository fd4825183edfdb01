# Requests that a lane connection does not answer itself: see lane_leaving.pyx.

from skitai._speedups.habits cimport Meter, sk_kind
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.lane_sender cimport LaneSender
from skitai._speedups.workspace cimport Workspace


cdef class LaneLeaving(LaneSender):
    cdef readonly object info
    cdef int family              # of the socket
    cdef Route route             # of the last request
    cdef Route lines_route       # whose lines for members are in `member_lines`
    cdef bytes member_lines
    cdef readonly int returns    # how often in a row a general connection has given it back for nothing
    cdef Meter meter             # of the request that it leaves to the general connection

    # The other half's: answer what lies in the socket; all is answered.
    cdef int serve(self, bint ended) except -1
    cdef int rest(self) except -1

    cdef object become_general(self, Workspace work, sk_kind kind)
    cdef bint go_general(self, Workspace work, sk_kind kind=*) except -1
    cdef bint relay(self, Workspace work, Head *head, Py_ssize_t length) except -1
