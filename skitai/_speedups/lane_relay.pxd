# Requests that are passed on from their lane: see lane_relay.pyx.

from libc.stdint cimport int64_t

from skitai._speedups.answer_head cimport KnownLines
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_sender cimport LaneSender
from skitai._speedups.members cimport Members
from skitai._speedups.outbound cimport OutboundConnection
from skitai._speedups.relay_heads cimport Names
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.responses cimport Answer
from skitai._speedups.workspace cimport Workspace


cdef class PlainMember:
    # A member that can be asked: the service's `Peer` and its pool, and the line of Host where that is its own.
    cdef object peer, pool
    cdef bytes host_line


cdef class PlainRelay:
    # What the plain requests of a mount have in common: a `RelayWay` for C.
    cdef object way, log, limits
    cdef KnownLines known_lines
    cdef Members members
    cdef dict known               # `PlainMember`s by id
    cdef Names dropped, dropped_of_answers
    cdef Py_ssize_t left_out      # bytes of the path
    cdef double patience, patience_to_repeat, between
    cdef bint keeps_host
    cdef bint is_ready

    cdef bint settle(self) except -1
    cdef bytes lines(self, object address, bytes host)
    cdef PlainMember member(self, int64_t id)
    cdef object idle(self, PlainMember member, bint is_repeatable)
    cdef bint begin(
        self, LaneSender lane, Workspace work, const Head *head, Py_ssize_t length, bytes lines
    ) except -1


cdef class PlainPassage(Relayed):
    cdef PlainRelay relay
    cdef LaneSender lane          # None: it is over
    cdef OutboundConnection far
    cdef PlainMember member
    cdef int64_t id               # of the member
    cdef bytes request            # all of it
    cdef Py_ssize_t head_size, method_size, target_size
    cdef bint is_head, is_repeatable, keep_alive
    cdef double began_at, started_at
    cdef object address
    cdef int port
    # Of the answer.
    cdef int status               # 0: it has not begun
    cdef long long body_left      # to come
    cdef Py_ssize_t sent
    cdef bytes waiting            # for the client; `taken` bytes of it have left
    cdef Py_ssize_t taken

    cdef bint begin_answer(self, const unsigned char *data, Py_ssize_t size) except -1
    cdef int pass_on(self, const unsigned char *data, Py_ssize_t size) except -1
    cdef int note_keeping(self, const unsigned char *data, const Answer *answer) except -1
    cdef int go_on(self, bytes rest, bint is_clean) except -1
    cdef int give_up(self, bint is_clean) except -1
    cdef int end_of_member(self, bint is_clean) except -1
    cdef int leave(self) except -1
    cdef int cut(self, object error, int how) except -1
    cdef str method(self)
    cdef str target(self)
