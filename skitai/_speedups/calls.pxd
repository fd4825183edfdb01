# One call of an application in its lane: see calls.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from skitai._speedups.answer_head cimport AnswerHead
from skitai._speedups.habits cimport sk_habit
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.parking cimport Stack
from skitai._speedups.workspace cimport Seat, Workspace

# In place of what an application raised: it waits, and its thread is free.
cdef object PARKED

# Whether what an application has raised is a failure of its own.
cdef bint is_failure(object error) except -1

cdef enum Stage:
    # Which code of the application runs, and what becomes of the connection when it lasts.
    ASKED = 1      # its answer is waited for: the call leaves its lane
    BEHIND         # its answer is out: the connection goes on without it


cdef class Call:
    cdef Seat connection
    cdef Lanes lanes
    cdef Workspace work
    cdef Route route
    cdef dict environ         # the application's: it may have changed or emptied it
    cdef object method, target
    # What is made once for many requests: see `end`.
    cdef object context
    cdef object variable      # that leads here in it
    cdef PyObject *settings   # of the context when nothing else was set in it
    cdef object starter       # start_response, as the application gets it
    cdef str request_id       # None: it has none
    cdef double received_at, started_at
    cdef bint keep_alive

    # The answer, its body in one piece.
    cdef AnswerHead answer
    cdef bytes body
    cdef bytes piece          # the one that the application gave in front of `iterator`
    cdef object result        # what the application returned, or stands for it
    cdef object iterator      # what is left of it behind the piece

    # The answer has been sent from the lane, or never will be.  An application may keep
    # start_response and write for longer, when workspace and connection are somebody else's.
    cdef bint over

    # Where it can be parked: the stack that it is on, what its application raised, and its route for habits.
    cdef Stack stack
    cdef object failure
    cdef uint32_t habit_route

    # Set once the call has left its lane.
    cdef readonly object exchange
    cdef object run
    cdef object run_write
    cdef object begun

    cdef object made_services

    # What is known of its route; NULL where nobody takes over, or nothing may be learnt.
    cdef sk_habit *habit

    # Another thread has taken the lead while the application ran.
    cdef bint moved
    # It is leaving its lane while the application runs.
    cdef bint leaving

    cdef int prepare(self) except -1
    cdef int end(self, Workspace work) except -1
    cdef int enter(self, Stage stage) except -1
    cdef int back(self) except -1
    cdef int leave_within(self) except -1
    cdef int await_move(self) except -1
    cdef int move(self, Workspace former) except -1

    cdef object start_response(self, object status, object headers, object exc_info)
    cdef int begin(self, const unsigned char *data, Head *head, object address, object port) except -1
    cdef object ask(self)
    cdef object ask_here(self)
    cdef int ask_parked(self, Stack stack) except -1
    cdef int park(self) except -1
    cdef void release(self) noexcept
    cdef int leave(self) except -1
    cdef bint finish(self, object error) except -1
    cdef int finish_here(self, object error) except -1
    cdef dict asked(self)
    cdef int tell(self, str where, object error) except -1
    cdef bint is_more(self, piece) except -1
    cdef int close_result(self, object result) except -1
    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1
