# Applications called for the messages of WebSockets, in the thread that leads: see wscalls.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from skitai._speedups.answer_head cimport AnswerHead
from skitai._speedups.habits cimport sk_habit, sk_kind
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.parking cimport Stack
from skitai._speedups.workspace cimport Charge, Workspace

cdef enum Result:
    REPLY = 1   # the answer is in `MessageCalls.body`
    LEFT        # it will be told to the receiver, or has been
    AWAY        # the same, and another thread leads


cdef class MessageCall:
    # One call, used again where nobody has kept anything of it.
    cdef MessageCalls calls
    cdef object context       # in which REQUEST is `stage`, and the services lead here
    cdef PyObject *settings   # of the context when nothing else was set in it
    cdef object starter       # start_response, as the application gets it
    cdef object stage
    cdef dict environ
    cdef AnswerHead answer
    cdef object result, failure
    cdef object made_services
    # The answer has been sent, or is somebody else's to send.
    cdef bint over
    # Once it is gone on with by a run.
    cdef object run, run_write, begun
    cdef unsigned long thread  # in which it was begun
    # Where it can be parked.
    cdef Stack stack

    cdef int prepare(self) except -1
    cdef int leave(self) except -1
    cdef int ask(self, Workspace work) except -1
    cdef int ask_here(self) except -1
    cdef int ask_parked(self, Stack stack) except -1
    cdef int park(self) except -1
    cdef bint take_body(self) except -1
    cdef int finish_here(self) except -1
    cdef void release(self) noexcept


cdef class MessageCalls(Charge):
    # Those of one WebSocket.
    cdef Lanes lanes
    cdef object websocket, receiver, liveness, outgoing
    cdef object terms, application
    cdef dict template
    cdef str query            # what stands in front of the message in QUERY_STRING; None: it is not there
    cdef Route route          # as habits know it
    cdef uint32_t number
    cdef sk_habit *habit      # of the call that is made; NULL where nothing is learnt of it
    cdef sk_kind kind         # how the next call is to be made that was not made here
    cdef MessageCall spare, last
    cdef MessageCall current  # that runs, while nobody else can ask for it
    cdef dict unchanged       # an environ that can be used again, and its version
    cdef uint64_t version
    cdef double last_at       # when the last answer was made
    cdef bint armed
    cdef int fd               # -1: only the general path reads
    cdef Py_ssize_t message_max, answer_max
    # The reader of frames is between two messages, as far as we have seen.
    cdef bint is_between
    # In `read`: bytes in `Workspace.out`, messages read and answered; the client does not take what it is sent.
    cdef bint reading, is_slow
    cdef Py_ssize_t pending, received, answered
    cdef bytes body

    cdef int prepare(self) except -1
    cdef bint may_call(self, Workspace work) except -1
    cdef Result perform(self, Workspace work, object message) except *
    cdef Result finish(self, Workspace work, MessageCall call, bint is_away) except *
    cdef int owe(self, MessageCall call) except -1
    cdef int enter(self, Workspace work) except -1
    cdef bint back(self, Workspace work) except -1
    cdef int end(self, MessageCall call) except -1
    cdef object environ_of(self, object message)
    cdef bint can_read(self) except -1
    cdef int read_plain(self, Workspace work) except -1
    cdef int serve(self, Workspace work) except -1
    cdef int reply(self, Workspace work) except -1
    cdef int flush(self, Workspace work) except -1
    cdef int account(self) except -1
