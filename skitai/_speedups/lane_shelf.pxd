# Answers of the shelf to a lane connection, as C code sees them: see lane_shelf.pyx.

from skitai._speedups.heads cimport Head
from skitai._speedups.lane_sender cimport LOST, LaneSender, Outcome
from skitai._speedups.shelf cimport sk_parcel_state
from skitai._speedups.workspace cimport Workspace

cdef bint answer_from_shelf(LaneSender connection, Workspace work, Head *head) except -1
cdef Outcome send_pending(LaneSender connection) except? LOST
cdef bint end_pending(LaneSender connection, sk_parcel_state state) except -1
cdef Py_ssize_t rest_of_pending(LaneSender connection) except -1
