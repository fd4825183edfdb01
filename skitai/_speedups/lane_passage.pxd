# One request that is passed on from its lane: see lane_passage.pyx.

from libc.stdint cimport int64_t

from skitai._speedups.answer_head cimport KnownLines
from skitai._speedups.lane_sender cimport LaneSender, Relaying
from skitai._speedups.members cimport Members
from skitai._speedups.outbound cimport OutboundConnection
from skitai._speedups.relay_heads cimport Names
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.responses cimport Answer


cdef class RelayTerms(Relaying):
    # What all passages of a mount have in common.
    cdef object way, log, limits
    cdef KnownLines known_lines
    cdef Members members
    cdef Names dropped_of_answers
    cdef double between
    cdef int slot                 # where they are counted
    cdef bint identifies, tells_ids, notes_ids   # as of `Route`


cdef class PlainPassage(Relayed):
    cdef RelayTerms relay
    cdef LaneSender lane          # None: it is over
    cdef OutboundConnection far
    cdef object peer, pool        # of the member
    cdef int64_t id
    cdef bytes request            # all of it
    cdef Py_ssize_t head_size, method_size, target_size
    cdef bint is_head, is_repeatable, keep_alive
    cdef double began_at, started_at
    cdef object address
    cdef int port
    cdef str request_id           # None: it has none
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
