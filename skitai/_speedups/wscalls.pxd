# Applications called for the messages of WebSockets, in the thread that leads: see wscalls.pyx.

from skitai._speedups.habits cimport sk_habit, sk_kind
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.workspace cimport Charge, Workspace
from skitai._speedups.wscall cimport MessageCall, MessageRoute
from skitai._speedups.wsenviron cimport MessageEnvirons

cdef enum Result:
    REPLY = 1   # the answer is in `MessageCalls.body`
    LEFT        # it will be told to the receiver, or has been
    AWAY        # the same, and another thread leads


cdef class MessageCalls(Charge):
    # Those of one WebSocket.
    cdef Lanes lanes
    cdef object websocket, receiver, liveness, outgoing, terms
    # None until the first message.
    cdef MessageRoute route
    cdef MessageEnvirons environs
    cdef sk_habit *habit      # of the call that is made; NULL where nothing is learnt of it
    cdef sk_kind kind         # how the next call is to be made that was not made here
    cdef MessageCall spare, last
    cdef MessageCall current  # that runs, while nobody else can ask for it
    cdef double last_at       # when the last answer was made
    cdef bint armed
    cdef int fd               # -1: only the general path reads
    cdef Py_ssize_t message_max
    # The general path has got nothing, but between two messages, since it said that it is.
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
    cdef bint can_read(self) except -1
    cdef int on_ready(self, int ready) except -1
    cdef int read_plain(self, Workspace work) except -1
    cdef int serve(self, Workspace work) except -1
    cdef int reply(self, Workspace work) except -1
    cdef int flush(self, Workspace work) except -1
    cdef int account(self) except -1
