# The sending half of a lane connection as C code sees it: see lane_sender.pyx.

from skitai._speedups.calls cimport Call
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_seal cimport LOST_BYTES, Seal
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.workspace cimport Seat, Workspace

cdef enum Outcome:
    # The bytes that were to be sent are ...
    SENT
    WAITING    # in part or wholly ours still; the connection is SENDING
    LOST       # of no use to anybody: the client is gone

cdef Py_ssize_t ALL

# Note `calls` (of them, too, those that were `Relayed`) for their access lines; of their answers the system took `sent` bytes.
cdef int log_calls(list calls, Py_ssize_t sent) except -1


cdef class LaneSender(Seat):
    cdef Lanes lanes
    cdef public double deadline
    cdef readonly object address
    cdef readonly int port
    cdef readonly double idle_since
    cdef readonly bint has_answered
    cdef Seal seal               # None: what comes and goes is not encrypted
    cdef bint whole              # no answer breaks off, if it ends now
    cdef int missed              # what it became ready for while it was not RESTING
    cdef bytes left              # read and not yet looked at

    # SENDING: what the socket has not taken, of which `taken` bytes are out by now.
    cdef bytes unsent
    cdef Py_ssize_t taken
    cdef bint last               # close behind it
    cdef list unlogged           # the calls whose answers it holds, with their sizes
    cdef Py_ssize_t sent_before  # of these answers, in front of `unsent`
    cdef object stall
    cdef double waits_since      # monotonic seconds, for the last answer of an application; 0.0: for none

    # RELAYING: the present request.
    cdef Relayed relayed

    cdef bint deliver(self, Workspace work, Call call, Py_ssize_t length) except -1
    cdef int hold(self, Workspace work, double now) except -1
    cdef Outcome push(self, Workspace work, bytes body) except? LOST
    cdef Outcome flush(self, Workspace work) except? LOST
    cdef Py_ssize_t transmit(
        self, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size
    ) except? LOST_BYTES
    cdef int log(self, Workspace work, bint lost) except -1
    cdef int keep(
        self, const unsigned char *answers, Py_ssize_t size, bytes body, Py_ssize_t sent, list unlogged
    ) except -1
    cdef int wait_for_client(self) except -1
    cdef int progressed(self) except -1
    cdef Outcome send_unsent(self) except? LOST
    cdef int log_unsent(self) except -1
    cdef tuple hand_over(self, Workspace work)
    # The exchange of the request that `data` begins with, on a general connection in this one's place; what
    # came behind it, `left`, goes along.
    cdef object leave_with(self, bytes data)
    # The relayed request is answered, `sent` bytes of it have left, and `rest` waits for the client.
    cdef int was_relayed(self, bint keep_alive, Py_ssize_t sent, bytes rest) except -1
    cdef int check_stall(self, double now, Py_ssize_t waiting) except -1


cdef class Relaying:
    # What passes requests of a mount on, as their lane sees it: a `PlainRelay`, which is loaded where there is a
    # cluster to pass them on to.
    # What is said of a client, of requests to `host`.
    cdef bytes lines(self, object address, bytes host)
    # Pass the request of `length` bytes in `work` on.  False if it is not plain, and nothing has happened.
    cdef bint begin(
        self, LaneSender lane, Workspace work, const Head *head, Py_ssize_t length, bytes lines
    ) except -1
