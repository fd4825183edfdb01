"""One call of an application for a message of a WebSocket (``WEBSOCKET_REQDATA``): its start_response, and what
became of it.

It stays here as long as it is plain: a list of bytes, a status from 200 to 399, fields that nobody has to look
at.  What is not so is gone on with by a run (`Begun`), **before anything about it was decided here**; its end
goes to the receiver, as that of any job.

The leader's, but for what a call does that is late, or was parked.  Under the GIL.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit, PyContextVar_Set

from skitai._pure.engine.service import Begun
from skitai._waiting import REQUEST

from skitai._speedups.answer_head cimport refuse_again
from skitai._speedups.call_context cimport is_as_made, settings_of
from skitai._speedups.calls cimport is_failure
from skitai._speedups.clock cimport monotonic
from skitai._speedups.habits cimport SK_LASTS, sk_route_of
from skitai._speedups.loop cimport end_child, in_child

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)  # a macro of plain pointers: an object would be counted once more

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

# To a call: whoever has ended it, its context's, its start_response's.  To a stage: its call's and its context's.
cdef Py_ssize_t OWN_REFERENCES = 3
cdef Py_ssize_t STAGE_REFERENCES = 2


@cython.final
cdef class MessageRoute:
    def __init__(self, Lanes lanes not None, terms, on_done, Py_ssize_t answer_max):
        """``terms``: `CallTerms`; ``on_done``: the receiver's; ``answer_max``: bytes."""
        cdef bytes path = terms.target.partition("?")[0].encode("latin-1", "replace")
        self.lanes = lanes
        self.terms = terms
        self.application = terms.application
        self.learns, self.parks = terms.learns, terms.parks
        self.on_done = on_done
        self.answer_max = answer_max
        self.route = Route.__new__(Route)
        self.route.host = terms.host.encode("latin-1", "replace")
        self.route.method, self.route.target = "WEBSOCKET", terms.target
        self.number = sk_route_of(
            <uint32_t>(hash((terms.host, terms.mount)) & 0xFFFFFFFF),
            <const unsigned char *>PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path),
        )

    cdef int learn(self, sk_habit *habit, double elapsed, double now, bint contended) except -1:
        """A call has taken ``elapsed`` seconds: see `Habits.learn`."""
        return self.lanes.habits.learn(
            habit, self.route, self.route.method, self.route.target, elapsed, now, contended
        )


@cython.final
cdef class MessageCall:
    # -- what the application calls -------------------------------------------------------------

    def services(self):
        """What `skitai.was` means in this call: made when first asked for."""
        if self.made_services is None:
            self.made_services = self.route.terms.services_in(self.environ, self.route.application)
        return self.made_services

    def start_response(self, status, headers, exc_info=None):
        """PEP 3333's start_response; it gives the call itself as ``write``."""
        if self.over:
            refuse_again(exc_info)
        if self.run is None and (
            exc_info is not None or self.answer.status is not None or not self.answer.note(status, headers)
        ):
            self.leave()
        if self.run is not None:
            return self.run.start_response(status, headers, exc_info)
        return self

    def __call__(self, data):
        """``write()``: what the application says in parts is for a run to join."""
        if self.over:
            raise AssertionError("the application has returned: what write() was given since is lost (PEP 3333)")
        if self.run is None:
            self.leave()
        self.run_write(data)

    # -- the call -------------------------------------------------------------------------------

    cdef int prepare(self, MessageRoute route) except -1:
        """A call that is made anew."""
        self.route = route
        self.stage = route.terms.stage(route.on_done)
        self.answer = AnswerHead.__new__(AnswerHead)
        self.answer.known = route.lanes.lines
        self.context = route.terms.context.copy()
        PyContext_Enter(self.context)
        try:
            PyContextVar_Set(REQUEST, self.stage)
            PyContextVar_Set(route.terms.services, self)
        finally:
            PyContext_Exit(self.context)
        self.settings = settings_of(<PyObject *>self.context)
        self.starter = self.start_response
        return 0

    cdef int begin(self, dict environ, unsigned long thread) except -1:
        self.environ = environ
        self.thread = thread
        self.answer.status = None
        self.answer.length = -1
        return 0

    cdef int ask(self, Workspace work) except -1:
        """Run the application, here or on a stack; `stack` is not None behind it if that is parked."""
        if self.route.parks and work.hub.can_park():
            work.hub.perform(self, _ask_on_stack)
        else:
            self.ask_here()
        return 0

    cdef int ask_here(self) except -1:
        PyContext_Enter(self.context)
        try:
            self.result = self.route.application(self.environ, self.starter)
        except BaseException as error:
            self.failure = error
        if in_child:
            end_child(self.failure)
        PyContext_Exit(self.context)
        return 0

    cdef int park(self) except -1:
        """The application waits, and its thread is here: it is gone on with by a run."""
        cdef Stack stack = self.stack
        try:
            if self.run is None:
                self.leave()
        finally:
            stack.watch(self.stage)
        return 0

    cdef int ask_parked(self, Stack stack) except -1:
        """On its stack: the application, which has been parked, has returned or raised."""
        cdef MessageRoute route = self.route
        cdef sk_habit *habit = route.lanes.habits.of_route(route.number)
        cdef double now = monotonic()
        cdef double longest = max(stack.longest, now - stack.entered_at)
        if habit != NULL and route.learns and longest >= SK_LASTS:
            route.learn(habit, longest, now, False)
        self.finish_here()
        self.release()
        return 0

    cdef bytes plain_body(self):
        """The answer's; None: it is not plain."""
        cdef object result = self.result
        cdef Py_ssize_t total = 0
        if self.run is not None or self.failure is not None:
            return None
        if self.answer.status is None or self.answer.status.code >= 400:
            return None
        if type(result) is not list and type(result) is not tuple:
            return None
        for piece in result:
            if type(piece) is not bytes:
                return None
            total += PyBytes_GET_SIZE(piece)
        if total > self.route.answer_max or (self.answer.length >= 0 and self.answer.length != total):
            return None
        return result[0] if len(result) == 1 else b"".join(result)

    cdef dict end(self):
        """The answer is known: all that was about it goes; its environ, which the caller may use again."""
        cdef dict environ = self.environ
        self.result = self.environ = self.made_services = None
        return environ

    cdef bint is_spare(self) except -1:
        """Whether it can be used for the next message; if not it is left to the collector of whoever has kept
        something of it."""
        if (
            Py_REFCNT(<PyObject *>self) == OWN_REFERENCES
            and Py_REFCNT(<PyObject *>self.starter) == 1
            and Py_REFCNT(<PyObject *>self.stage) == STAGE_REFERENCES
            and is_as_made(<PyObject *>self.context, self.settings)
        ):
            return True
        self.over = True
        self.stage.settle()
        self.release()
        return False

    # -- gone on with by a run ------------------------------------------------------------------

    cdef int leave(self) except -1:
        self.begun = Begun(self.environ, self.thread)
        self.run = self.route.terms.go_on(self.stage, self.begun, self.context)
        if self.answer.status is not None:
            self.run_write = self.run.start_response(
                f"{self.answer.status.code} {self.answer.status.reason}", self.answer.headers()
            )
        return 0

    cdef int finish(self, Workspace work) except -1:
        """It is not plain, or late: let a run go on with what the application returned or raised."""
        if self.route.parks and work.hub.can_park():
            work.hub.perform(self, _finish_on_stack)
        else:
            self.finish_here()
            self.release()
        return 0

    cdef int finish_here(self) except -1:
        cdef object result = self.result
        cdef object failure = self.failure
        if self.run is None:
            self.leave()
        cdef object begun = self.begun
        # Through the iterable or a traceback they lead back here, and would wait for the collector.
        self.result = self.failure = self.begun = None
        begun.result = result
        begun.error = failure
        self.run.run()
        if not begun.taken:  # the connection had been closed while the application ran
            begun.result = begun.error = None
            if failure is None:
                failure = self.close_result(result)
            if failure is not None and is_failure(failure):
                self.route.terms.failure(self.environ, "", failure)
        return 0

    def close_result(self, result):
        """What closing it has raised."""
        close = getattr(result, "close", None)
        if close is not None:
            try:
                self.context.run(close)
            except BaseException as error:
                return error
        return None

    cdef void release(self) noexcept:
        """It is over.  Context and start_response lead back here: both would wait for the collector."""
        self.context = self.starter = self.result = self.failure = None


cdef int _ask_on_stack(object task, Stack stack) except -1:
    cdef MessageCall call = <MessageCall>task
    call.stack = stack
    call.ask_here()
    if stack.was_parked:
        call.ask_parked(stack)
    call.stack = None
    return 0


cdef int _finish_on_stack(object task, Stack stack) except -1:
    cdef MessageCall call = <MessageCall>task
    call.finish_here()
    call.release()
    return 0
