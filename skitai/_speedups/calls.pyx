"""One call of an application in its lane: its start_response, and what became of it.

A call stays in its lane as long as all is plain: a head that nobody has to look at (answer_head.pyx), a body
in one piece (answer_body.pyx).  What is not so leaves it, **before anything about it was decided here**: an
exchange is made of the request's bytes, `Service.go_on` gives a run, and the run is told what
the application has said so far, here and now, so that an error reaches it where it made it.

Most applications keep nothing of a call but what they return: neither start_response nor a copy of its
context, in which they have set nothing.  Such a call is used for the next request, context and all
(`end`): making these objects anew took a fifth of the time of a small request.

The leader runs this.  An application may keep what it was given and call it later, from any
thread: `over` is for them.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from cpython.object cimport PyObject
from cpython.pythread cimport WAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock

from io import BytesIO

from skitai._pure.engine.service import Begun
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError

from skitai._speedups.answer_head cimport refuse_again
from skitai._speedups.call_context cimport context_with, is_as_made, settings_of
from skitai._speedups.clock cimport monotonic
from skitai._speedups.habits cimport SK_LASTS, SK_LONG, sk_habit, sk_others_compute
from skitai._speedups.loop cimport end_child, in_child, sk_lead
from skitai._speedups.parking cimport Stack, sk_call_begins, sk_call_ends

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)  # a macro of plain pointers: an object would be counted once more
    ctypedef object (*PyCFunction)(object, object)
    const int METH_FASTCALL, METH_KEYWORDS
    struct PyMethodDef:
        const char *ml_name
        PyCFunction ml_meth
        int ml_flags
        const char *ml_doc
    object PyCFunction_New(PyMethodDef *method, object instance)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

PARKED = object()

cdef Py_ssize_t OWN_REFERENCES = 3  # to a call: our variable, its context's, its start_response's


cdef bint is_failure(object error) except -1:
    return not isinstance(error, (ClientDisconnected, HTTPError, AppLoadError))


@cython.final
@cython.freelist(16)
cdef class Call:
    # -- what the application calls ---------------------------------------------------------

    def services(self):
        """What `skitai.was` means in this request: made when first asked for."""
        if self.made_services is None:
            self.made_services = self.route.services(self.environ, self.route.application)
        return self.made_services

    cdef object start_response(self, status, headers, exc_info):
        """PEP 3333's start_response; it gives the call itself as ``write``."""
        if self.moved or self.leaving:
            self.await_move()
        if self.over:
            refuse_again(exc_info)
        if self.run is None and (
            exc_info is not None or self.answer.status is not None or not self.answer.note(status, headers)
        ):
            self.leave_within()
        if self.run is not None:
            return self.run.start_response(status, headers, exc_info)
        return self

    def __call__(self, data):
        """``write()``: the client must get it now, so the call leaves its lane."""
        if self.moved or self.leaving:
            self.await_move()
        if self.over:
            if self.answer.length < 0:
                raise ClientDisconnected(
                    "the client has gone, or was answered in your place (response_timeout)"
                )
            self.is_more(data)
            return
        if self.run is None:
            self.leave_within()
        self.run_write(data)

    # -- the call ---------------------------------------------------------------------------

    cdef int prepare(self) except -1:
        """For a call that is made anew: the context, in which the services lead here, and start_response."""
        self.answer = AnswerHead.__new__(AnswerHead)
        self.answer.known = self.lanes.lines
        self.variable = self.route.variable
        self.context = context_with(self.variable, self)
        self.settings = settings_of(<PyObject *>self.context)
        self.starter = PyCFunction_New(&START_RESPONSE, self)
        return 0

    cdef int end(self, Workspace work) except -1:
        """The answer is out, or on its way: leave the call for the next request, or to the collector of
        whoever has kept something of it."""
        self.result = None
        if (
            not self.moved
            and self.lanes.work is work
            and work.spare is None
            and Py_REFCNT(<PyObject *>self) == OWN_REFERENCES
            and Py_REFCNT(<PyObject *>self.starter) == 1
            and is_as_made(<PyObject *>self.context, self.settings)
        ):
            self.body = self.piece = self.made_services = None
            self.lanes.environs.take_back(<PyObject *>self.environ)
            self.environ = None
            work.spare = self
        else:
            self.release()
        return 0

    cdef int begin(self, const unsigned char *data, Head *head, object address, object port) except -1:
        """Make the environ of the request that ``data`` begins with."""
        cdef dict environ = self.lanes.environs.make(data, head, self.route, address, port)
        if head.content_length > 0:
            body = PyBytes_FromStringAndSize(<const char *>data + head.consumed, head.content_length)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(head.content_length)
        if self.starter is None or self.variable is not self.route.variable:
            self.prepare()
        self.environ = environ
        self.method = self.route.method
        self.target = self.route.target
        self.request_id = self.lanes.environs.request_id
        self.answer.status = None
        self.answer.told_id = self.request_id if self.route.tells_ids else None
        self.answer.length = -1
        self.iterator = None
        self.over = False
        return 0

    cdef object ask(self):
        """Run the application; what it raised, None, or PARKED."""
        cdef object failure
        self.enter(ASKED)
        if self.route.parks and self.work.hub.can_park():
            if self.habit != NULL:
                self.habit_route = self.habit.route
            failure = self.failure if self.work.hub.perform(self, _ask_on_stack) else PARKED
            self.failure = None
        else:
            failure = self.ask_here()
        self.back()
        return failure

    cdef object ask_here(self):
        cdef object failure = None
        PyContext_Enter(self.context)
        try:
            self.result = self.route.application(self.environ, self.starter)
        except BaseException as error:
            failure = error
        if in_child:
            end_child(failure)
        PyContext_Exit(self.context)
        return failure

    # -- parked: see parking.pyx --------------------------------------------------------------

    cdef int park(self) except -1:
        """The application waits, and its thread is here: it is gone on with outside of its lane."""
        cdef Stack stack = self.stack
        try:
            if self.run is None and not self.over:
                self.leave()
        finally:
            self.connection = None  # thousands may wait, and each would keep one that is no more
            stack.watch(self.exchange)
        return 0

    cdef int ask_parked(self, Stack stack) except -1:
        """On its stack: the application, which has been parked, returned, or raised ``failure``."""
        cdef sk_habit *habit = NULL
        cdef double now = monotonic()
        cdef double longest = max(stack.longest, now - stack.entered_at)
        cdef object failure = self.failure
        self.failure = None
        if self.habit_route and longest >= SK_LASTS:
            habit = self.lanes.habits.of_route(self.habit_route)
            if habit != NULL:
                self.lanes.habits.learn(habit, self.route, self.method, self.target, longest, now, False)
        if self.run is not None:
            self.finish_here(failure)
        elif failure is None:
            self.close_result(self.result)
        else:
            self.tell("", failure)
        self.over = True
        self.release()
        return 0

    # -- the lead ---------------------------------------------------------------------------

    cdef int enter(self, Stage stage) except -1:
        """From here to `back` it is the application's code that runs, and may last."""
        self.work.call = self
        self.work.stage = stage
        if self.lanes.lead != NULL and self.lanes.work is self.work:
            sk_call_begins(self.lanes.lead)
        return 0

    cdef int back(self) except -1:
        """No Python code runs between the question whether this thread leads and the end of the call."""
        if in_child:
            end_child(None)
        if self.leaving:
            self.await_move()
        if self.lanes.work is self.work:
            if self.lanes.lead != NULL:
                sk_call_ends(self.lanes.lead)
        else:
            self.await_move()
        self.work.call = None
        return 0

    cdef int leave_within(self) except -1:
        """Leave while the application runs, which has called us: perhaps from a thread of its own, so that
        its call may end meanwhile (`back`).  Nobody takes over until this is done."""
        cdef sk_lead *lead = self.lanes.lead if self.lanes.work is self.work else NULL
        if in_child:
            end_child(None)
        if self.work.call is not self:
            # A thread of the application's own, which it has not waited for: its answer is being
            # made of what it returned, and the leader is not in a call that could end here.
            raise AssertionError(
                "the application has returned: what start_response and write() were given since is lost (PEP 3333)"
            )
        self.work.hold()
        self.leaving = True
        if lead != NULL:
            sk_call_ends(lead)
        try:
            self.leave()
        finally:
            if lead != NULL:
                sk_call_begins(lead)
            self.leaving = False
            self.work.let_go()
        return 0

    cdef int await_move(self) except -1:
        """Until this call has left its lane, which another thread sees to; its own never comes here."""
        cdef void *moving = self.work.moving
        with nogil:
            PyThread_acquire_lock(moving, WAIT_LOCK)
            PyThread_release_lock(moving)
        return 0

    cdef int move(self, Workspace former) except -1:
        """The new leader: make this call one that its thread can go on with."""
        cdef double lasted
        cdef bint contended
        if self.habit != NULL and former.stage == ASKED:
            # Who computes may be what has kept this call from the GIL.
            contended = sk_others_compute(&self.lanes.lead.workers, former.hub.ident)
            # Counts in full where calls can be parked, too: that somebody else has come by the GIL
            # meanwhile says that it was not just the processor that was busy.
            lasted = SK_LONG if self.route.parks and not contended else SK_LASTS
            self.lanes.habits.learn(
                self.habit, self.route, self.method, self.target, lasted, monotonic(), contended
            )
            self.habit = NULL
        if former.stage == BEHIND:
            self.connection.go_on_without(former)
        elif self.run is None:
            self.leave()
        return 0

    cdef void release(self) noexcept:
        """It is over.  Context and start_response lead back here, and what the application returned may
        too: all would wait for the collector."""
        self.context = self.starter = self.result = self.exchange = None

    # -- behind the answer ------------------------------------------------------------------

    cdef dict asked(self):
        """What the logs are told of the request."""
        asked = {"REQUEST_METHOD": self.method, "REQUEST_URI": self.target}
        if self.request_id is not None:
            asked["skitai.request_id"] = self.request_id
        return asked

    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1:
        """``when``: now, as of time.time(); ``size``: the bytes of the answer that the system took."""
        cdef double execution = self.started_at - self.received_at
        cdef double delivery = delivered_at - self.started_at
        cdef tuple record
        address, port = self.connection.client()
        record = (
            when, address, port, self.method, self.target, "1.1", self.answer.status.code, size, execution, delivery
        )
        self.route.log((*record, self.request_id) if self.route.notes_ids else record)
        return 0

    cdef int tell(self, str where, object error) except -1:
        """What the application has raised, for its log; but not what is no failure of its own."""
        if is_failure(error):
            self.route.failure(self.asked(), where, error)
        return 0

    cdef bint is_more(self, piece) except -1:
        """Whether ``piece``, which comes behind a complete body, is more than was announced."""
        if not piece:
            return False
        if not isinstance(piece, (bytes, str, bytearray, memoryview)):
            raise TypeError(f"a WSGI application's body is made of bytes, not {type(piece).__name__} (PEP 3333)")
        self.route.warn(self.asked(), "the application sent more than its Content-Length; the rest was cut")
        return True

    cdef int close_result(self, object result) except -1:
        """In the call's context."""
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self.tell(": close()", error)
        return 0

    # -- out of the lane --------------------------------------------------------------------

    cdef int leave(self) except -1:
        """Out of the lane: an exchange, and a run that will do again what was done here."""
        exchange = self.exchange = self.connection.leave(self.work)
        if self.stack is not None:
            self.stack.exchange = exchange
        try:
            exchange.received_at = self.received_at
            self.begun = Begun(self.environ, self.work.hub.ident, request_id=self.request_id or "")
            self.run = self.lanes.service.go_on(exchange, self.begun, self.context)
            # The mount's own response_timeout is known only now.
            exchange.connection.deadline = self.received_at + exchange.response_timeout
        except BaseException:
            exchange.abort()  # nobody would answer it
            raise
        if self.answer.status is not None:
            self.run_write = self.run.start_response(
                f"{self.answer.status.code} {self.answer.status.reason}", self.answer.headers()
            )
        return 0

    cdef bint finish(self, object error) except -1:
        """Let the run go on with what the application returned or raised; False if that is parked."""
        cdef bint done = True
        self.enter(ASKED)
        try:
            if self.route.parks and self.work.hub.can_park():
                self.failure = error
                done = self.work.hub.perform(self, _finish_on_stack)
            else:
                self.finish_here(error)
        finally:
            self.back()
        return done

    cdef int finish_here(self, object error) except -1:
        cdef object begun = self.begun
        cdef object result = self.result
        # Through the iterable or a traceback they lead back here, and would wait for the collector.
        self.result = self.iterator = self.begun = None
        begun.result = result
        begun.error = error
        self.run.run()
        if not begun.taken:  # the client had gone while the application ran
            begun.result = begun.error = None
            if error is None:
                PyContext_Enter(self.context)
                try:
                    self.close_result(result)
                finally:
                    PyContext_Exit(self.context)
            else:
                self.tell("", error)
        return 0


cdef int _ask_on_stack(object task, Stack stack) except -1:
    cdef Call call = <Call>task
    call.stack = stack
    call.failure = call.ask_here()
    if stack.was_parked:
        call.ask_parked(stack)
    call.stack = None
    return 0


cdef int _finish_on_stack(object task, Stack stack) except -1:
    cdef Call call = <Call>task
    failure, call.failure = call.failure, None
    call.finish_here(failure)
    if stack.was_parked:
        call.release()
    return 0


cdef object _start_response(PyObject *call, PyObject *const *args, Py_ssize_t count, PyObject *names):
    """``start_response(status, headers, exc_info=None)`` as applications get it: by a method of C, for
    looking it up and binding it would cost more than what it does."""
    if names == NULL and count == 2:
        return (<Call>call).start_response(<object>args[0], <object>args[1], None)
    if names == NULL and count == 3:
        return (<Call>call).start_response(<object>args[0], <object>args[1], <object>args[2])
    return _start_response_named(
        <Call>call,
        *[<object>args[index] for index in range(count)],
        **{name: <object>args[count + index] for index, name in enumerate(<object>names if names != NULL else ())},
    )


def _start_response_named(Call call, status, headers, exc_info=None):
    return call.start_response(status, headers, exc_info)


cdef PyMethodDef START_RESPONSE = PyMethodDef(
    "start_response",
    <PyCFunction><void *>_start_response,
    METH_FASTCALL | METH_KEYWORDS,
    "start_response(status, headers, exc_info=None): see PEP 3333.",
)
