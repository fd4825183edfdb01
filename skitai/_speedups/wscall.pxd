# One call of an application for a message of a WebSocket, as C code sees it: see wscall.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from skitai._speedups.answer_head cimport AnswerHead
from skitai._speedups.habits cimport sk_habit
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.parking cimport Stack
from skitai._speedups.workspace cimport Workspace


cdef class MessageRoute:
    # What all calls of one WebSocket have in common.
    cdef Lanes lanes
    cdef object terms, application, on_done
    cdef bint learns, parks   # see `CallTerms`
    cdef Route route          # as habits know it
    cdef uint32_t number
    cdef Py_ssize_t answer_max

    cdef int learn(self, sk_habit *habit, double elapsed, double now, bint contended) except -1


cdef class MessageCall:
    # One call, used again where nobody has kept anything of it.
    cdef MessageRoute route
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

    cdef int prepare(self, MessageRoute route) except -1
    cdef int begin(self, dict environ, unsigned long thread) except -1
    cdef int ask(self, Workspace work) except -1
    cdef int ask_here(self) except -1
    cdef int ask_parked(self, Stack stack) except -1
    cdef int park(self) except -1
    cdef bytes plain_body(self)
    cdef int leave(self) except -1
    cdef int finish(self, Workspace work) except -1
    cdef int finish_here(self) except -1
    cdef dict end(self)
    cdef bint is_spare(self) except -1
    cdef void release(self) noexcept
