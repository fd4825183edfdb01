"""One call of an application in its lane: its start_response, and what became of it.

A call stays in its lane as long as all is plain: a status and fields that nobody has to look at, a
body in one piece.  What is not so leaves it, **before anything about it was decided here**: an
exchange is made of the request's bytes, `Service.go_on` gives a run, and the run is told what
the application has said so far, here and now, so that an error reaches it where it made it.

Most applications keep nothing of a call but what they return: neither start_response nor a copy of its
context, in which they have set nothing.  Such a call is used for the next request, context and all
(`end`): making these objects anew took a fifth of the time of a small request.

The leader runs this.  An application may keep what it was given and call it later, from any
thread: `over` is for them.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport (
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
    PyContextVar_Set,
)
from cpython.object cimport PyObject
from cpython.pythread cimport WAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.string cimport memcpy

from io import BytesIO
from itertools import chain

from skitai._pure.engine.service import Begun
from skitai._speedups.putback import Failed, PutBack
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError

from skitai._speedups.clock cimport monotonic
from skitai._speedups.lanes cimport (
    DATE_FIELD,
    HOP_FIELD,
    LENGTH_FIELD,
    SERVER_FIELD,
    SK_LASTS,
    SK_LONG,
    sk_habit,
    sk_habit_of,
    sk_others_compute,
)
from skitai._speedups.loop cimport sk_lead
from skitai._speedups.parking cimport Stack, sk_call_begins, sk_call_ends
from skitai._speedups.writing cimport NO_ROOM, write_field

cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef struct PyTypeObject:
        int (*tp_traverse)(PyObject *, visitproc, void *) noexcept
    PyTypeObject *Py_TYPE(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)  # a macro of plain pointers: an object would be counted once more
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    ctypedef object (*PyCFunction)(object, object)
    const int METH_FASTCALL, METH_KEYWORDS
    struct PyMethodDef:
        const char *ml_name
        PyCFunction ml_meth
        int ml_flags
        const char *ml_doc
    object PyCFunction_New(PyMethodDef *method, object instance)

cdef extern from *:
    """
    /* Whether what an application gave is for asyncio: see `is_asynchronous` in core/coroutines.py. */
    static inline int sk_is_asynchronous(PyObject *result) {
        const PyTypeObject *type = Py_TYPE(result);
        return type->tp_as_async != NULL
            && (type->tp_as_async->am_await != NULL
                || (type->tp_as_async->am_aiter != NULL && type->tp_iter == NULL));
    }
    """
    bint sk_is_asynchronous(object result)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    LIST_JOIN_MAX = 65536 # longer lists of pieces are sent piece by piece, by a run
    LENGTH_DIGITS_MAX = 18
    OWN_MAX = 64          # the lines of Content-Length and Connection, and the empty one
    SURPLUS_MAX = 64      # empty pieces taken behind a complete body: nobody else's turn comes meanwhile

cdef object _END = object()
PARKED = object()

cdef Py_ssize_t OWN_REFERENCES = 3  # to a call: our variable, its context's, its start_response's


cdef int _note_referent(PyObject *referent, void *place) noexcept:
    (<PyObject **>place)[0] = referent
    return 0


cdef PyObject *_settings_of(PyObject *context) noexcept:
    """What a context that is not entered refers to: the mapping of its variables.  Another one each time
    that a variable is set or reset, and shared by copies (PEP 567)."""
    cdef PyObject *settings = NULL
    Py_TYPE(context).tp_traverse(context, _note_referent, &settings)
    return settings


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
            if exc_info:
                try:
                    raise exc_info[1].with_traceback(exc_info[2])
                finally:
                    exc_info = None
            raise AssertionError("start_response was called twice without exc_info (PEP 3333)")
        if self.run is None and (exc_info is not None or self.status is not None or not self.note(status, headers)):
            self.leave_within()
        if self.run is not None:
            return self.run.start_response(status, headers, exc_info)
        return self

    def __call__(self, data):
        """``write()``: the client must get it now, so the call leaves its lane."""
        if self.moved or self.leaving:
            self.await_move()
        if self.over:
            if self.length < 0:
                raise ClientDisconnected(
                    "the client has gone, or was answered in your place (response_timeout)"
                )
            if _is_piece(data):
                self.warn_of_more()
            return
        if self.run is None:
            self.leave_within()
        self.run_write(data)

    cdef bint note(self, object status, object headers) except -1:
        """Keep what start_response is told; False if it is not plain."""
        cdef bint has_date = False, has_server = False
        cdef int kind
        cdef list fields
        cdef long long length = -1
        cdef StatusLine line
        if type(status) is not str or type(headers) is not list:
            return False
        line = self.lanes.status_line(status)
        if line.code == 0:
            return False
        fields = []
        for field in <list>headers:
            if type(field) is not tuple or len(<tuple>field) != 2:
                return False
            name, value = <tuple>field
            if type(name) is not str or type(value) is not str:
                return False
            kind = self.lanes.kind_of(name)
            if kind == LENGTH_FIELD:
                if length >= 0:
                    return False
                length = _number(value)
                if length < 0:
                    return False
                continue
            if kind == HOP_FIELD:
                return False
            has_date = has_date or kind == DATE_FIELD
            has_server = has_server or kind == SERVER_FIELD
            fields.append(field)
        self.status, self.fields, self.length = line, fields, length
        self.has_date, self.has_server = has_date, has_server
        return True

    # -- the call ---------------------------------------------------------------------------

    cdef int prepare(self) except -1:
        """For a call that is made anew: the context, in which the services lead here, and start_response."""
        self.variable = self.route.variable
        self.context = PyContext_CopyCurrent()
        PyContext_Enter(self.context)
        try:
            PyContextVar_Set(self.variable, self)
        finally:
            PyContext_Exit(self.context)
        self.settings = _settings_of(<PyObject *>self.context)
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
            and Py_REFCNT(<PyObject *>self.context) == 1
            and _settings_of(<PyObject *>self.context) == self.settings
            and Py_REFCNT(self.settings) == 1
        ):
            self.environ = self.body = self.made_services = None
            work.spare = self
        else:
            self.release()
        return 0

    cdef int begin(self, const unsigned char *data, Head *head, object address, object port) except -1:
        """Make the environ of the request that ``data`` begins with."""
        cdef dict environ = self.lanes.environ(data, head, self.route, address, port)
        if head.content_length > 0:
            body = PyBytes_FromStringAndSize(<const char *>data + head.consumed, head.content_length)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(head.content_length)
        if self.starter is None or self.variable is not self.route.variable:
            self.prepare()
        self.environ = environ
        self.method = self.route.method
        self.target = self.route.target
        self.status = None
        self.iterator = None
        self.over = False
        self.length = -1
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
            habit = sk_habit_of(self.lanes.habits, self.habit_route)
            if habit != NULL:
                self.lanes.learn(habit, self.route, self.method, self.target, longest, now, False)
        if self.run is not None:
            self.finish_here(failure)
        elif failure is None:
            self.close_result(self.result)
        elif _is_failure(failure):
            self.route.failure(self.asked(), "", failure)
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
            self.lanes.learn(
                self.habit, self.route, self.method, self.target, lasted, monotonic(), contended
            )
            self.habit = NULL
        if former.stage == BEHIND:
            self.connection.go_on_without(former)
        elif self.run is None:
            self.leave()
        return 0

    cdef bint take_body(self) except -1:
        """The body in one piece, as long as announced; False if it is not so.

        The first piece of an iterable is taken only where its length is announced: as the whole
        body it goes out before the next one is asked for (PEP 3333).
        """
        cdef object result = self.result
        cdef object failure = None
        cdef bint is_file = False
        cdef Py_ssize_t total
        if type(result) is list or type(result) is tuple:
            if len(result) == 1 and type(result[0]) is bytes:
                self.body = result[0]
            else:
                total = 0
                for piece in result:
                    if type(piece) is not bytes:
                        return False
                    total += PyBytes_GET_SIZE(piece)
                if total > LIST_JOIN_MAX:
                    return False
                self.body = b"".join(result)
            return self.length < 0 or self.length == PyBytes_GET_SIZE(self.body)
        if self.length <= 0 or self.route.parks or sk_is_asynchronous(result):
            return False
        PyContext_Enter(self.context)
        self.enter(ASKED)
        try:
            is_file = isinstance(result, self.route.file_wrapper)  # a proxy's own code may answer
            if not is_file:
                iterator = iter(result)
                piece = next(iterator, _END)
        except BaseException as error:
            failure = error
        self.back()
        PyContext_Exit(self.context)
        if is_file:
            return False
        if failure is not None:
            self.result = PutBack(Failed(failure), result)
            return False
        if piece is _END:
            self.result = PutBack(iter(()), result)
            return False
        # It may have called write(), or start_response again, and so have left its lane.
        if self.run is None and type(piece) is bytes and PyBytes_GET_SIZE(piece) == self.length:
            self.body = piece
            self.iterator = iterator
            return True
        self.result = PutBack(chain((piece,), iterator), result)
        return False

    cdef int put_back(self) except -1:
        """The piece that `take_body` took is not sent from here after all."""
        if self.iterator is not None:
            self.result = PutBack(chain((self.body,), self.iterator), self.result)
            self.iterator = None
        return 0

    cdef Py_ssize_t write_head(self, unsigned char *at, Py_ssize_t room) except -3:
        """The response's head: the number of its bytes, NO_ROOM, or UNCERTAIN if a field of it must
        be looked at."""
        cdef Lanes lanes = self.lanes
        cdef unsigned char *start = at
        cdef Py_ssize_t length
        lanes.refresh_date()
        length = (
            PyBytes_GET_SIZE(self.status.line)
            + PyBytes_GET_SIZE(lanes.date_line)
            + PyBytes_GET_SIZE(lanes.server_line)
            + OWN_MAX
        )
        if length > room:
            return NO_ROOM
        room -= length
        at += _copy(at, self.status.line)
        if not self.has_date:
            at += _copy(at, lanes.date_line)
        if not self.has_server:
            at += _copy(at, lanes.server_line)
        for field in self.fields:
            length = write_field(at, room, (<tuple>field)[0], (<tuple>field)[1])
            if length < 0:
                return length
            at += length
            room -= length
        at += _write_length(at, PyBytes_GET_SIZE(self.body))
        if not self.keep_alive:
            at += _copy(at, b"Connection: close\r\n")
        at += _copy(at, b"\r\n")
        return at - start

    cdef void release(self) noexcept:
        """It is over.  Context and start_response lead back here, and what the application returned may
        too: all would wait for the collector."""
        self.context = self.starter = self.result = self.exchange = None

    # -- behind the answer ------------------------------------------------------------------

    cdef int lose(self, object error) except -1:
        """The answer goes nowhere: what the application returned is closed, what it raised is told."""
        self.over = True
        if error is None:
            self.exhaust(True)
        elif _is_failure(error):
            self.route.failure(self.asked(), "", error)
        self.release()
        return 0

    cdef dict asked(self):
        """What the logs are told of the request."""
        return {"REQUEST_METHOD": self.method, "REQUEST_URI": self.target}

    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1:
        """``when``: now, as of time.time(); ``size``: the bytes of the answer that the system took."""
        cdef double execution = self.started_at - self.received_at
        cdef double delivery = delivered_at - self.started_at
        address, port = self.connection.client()
        self.route.log(
            (when, address, port, self.method, self.target, "1.1", self.status.code, size, execution, delivery)
        )
        return 0

    cdef int warn_of_more(self) except -1:
        self.route.warn(self.asked(), "the application sent more than its Content-Length; the rest was cut")
        return 0

    cdef int close_result(self, object result) except -1:
        """In the call's context."""
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            if _is_failure(error):
                self.route.failure(self.asked(), ": close()", error)
        return 0

    cdef int exhaust(self, bint lost) except -1:
        """The body is out; the application's iterable still has its end and its close(), or if the
        client is ``lost`` its close() only."""
        cdef int surplus = 0
        PyContext_Enter(self.context)
        self.enter(BEHIND)
        try:
            if not lost:
                for piece in self.iterator:
                    surplus += 1
                    if _is_piece(piece):
                        self.warn_of_more()
                        break
                    if surplus == SURPLUS_MAX:
                        break
        except BaseException as error:
            if _is_failure(error):
                self.route.failure(self.asked(), "", error)
        self.iterator = None
        self.close_result(self.result)
        self.back()
        PyContext_Exit(self.context)
        return 0

    # -- out of the lane --------------------------------------------------------------------

    cdef int leave(self) except -1:
        """Out of the lane: an exchange, and a run that will do again what was done here."""
        exchange = self.exchange = self.connection.leave(self.work)
        if self.stack is not None:
            self.stack.exchange = exchange
        try:
            exchange.received_at = self.received_at
            self.begun = Begun(self.environ)
            self.run = self.lanes.service.go_on(exchange, self.begun, self.context)
            # The mount's own response_timeout is known only now.
            exchange.connection.deadline = self.received_at + exchange.response_timeout
        except BaseException:
            exchange.abort()  # nobody would answer it
            raise
        if self.status is not None:
            self.run_write = self.run.start_response(
                f"{self.status.code} {self.status.reason}", self.headers()
            )
        return 0

    cdef list headers(self):
        """What start_response was told, for another one."""
        if self.length < 0:
            return self.fields[:]
        return [*self.fields, ("Content-Length", str(self.length))]

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
            elif _is_failure(error):
                self.route.failure(self.asked(), "", error)
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


cdef inline long long _number(str text) noexcept:
    """A Content-Length of few digits; -1 for anything else."""
    cdef const unsigned char *digit
    cdef Py_ssize_t left = PyUnicode_GET_LENGTH(text)
    cdef long long number = 0
    if not PyUnicode_IS_COMPACT_ASCII(text) or not 0 < left <= LENGTH_DIGITS_MAX:
        return -1
    digit = <const unsigned char *>PyUnicode_1BYTE_DATA(text)
    while left:
        if not c"0" <= digit[0] <= c"9":
            return -1
        number = number * 10 + (digit[0] - c"0")
        digit += 1
        left -= 1
    return number


cdef inline Py_ssize_t _copy(unsigned char *at, bytes text) noexcept:
    memcpy(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return PyBytes_GET_SIZE(text)


cdef inline Py_ssize_t _write_length(unsigned char *at, Py_ssize_t length) noexcept:
    """The line of a Content-Length."""
    cdef unsigned char[20] digits
    cdef int count = 0
    memcpy(at, b"Content-Length: ", 16)
    while True:
        count += 1
        digits[20 - count] = <unsigned char>(c"0" + length % 10)
        length //= 10
        if not length:
            break
    memcpy(at + 16, digits + 20 - count, count)
    memcpy(at + 16 + count, b"\r\n", 2)
    return 18 + count


cdef bint _is_piece(piece) except -1:
    """Whether it is a piece of a body, and not an empty one."""
    if not piece:
        return False
    if not isinstance(piece, (bytes, str, bytearray, memoryview)):
        raise TypeError(f"a WSGI application's body is made of bytes, not {type(piece).__name__} (PEP 3333)")
    return True


cdef bint _is_failure(error):
    """Whether it belongs into the application's log."""
    return not isinstance(error, (ClientDisconnected, HTTPError, AppLoadError))
