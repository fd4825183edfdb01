"""The request side of the fast lane: which application a simple request is for, and its environ.

The fast lane is for plain requests to plain applications: read, run and answered in one go by
a `LaneConnection` (lane_connection.pyx), without an exchange.  Which
requests have a lane is the service's to say (`skitai._pure.engine.service.Lane`): one for each
host and mount where nothing but the application has a word.  What has none, and all that is not
certainly simple, goes to the general connection, which reads the same bytes again.

The leader's only.  The tables are bounded, because names, hosts and paths come from the network.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_GetItemWithError, PyDict_SetDefault, PyDict_Size
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_DecodeLatin1, PyUnicode_GET_LENGTH
from libc.string cimport memchr, memcmp

from time import process_time, thread_time

from skitai.counters import Count

from skitai._speedups.environ import add_fields
from skitai._speedups.lasting import Lasting
from skitai._waiting import HERE

from skitai._speedups.clock cimport monotonic
from skitai._speedups.fields cimport SIMPLE, Slice
from skitai._speedups.heads cimport recognise
from skitai._speedups.shelf cimport sk_shelf_clock

cdef extern from "<time.h>" nogil:
    long time(long *place)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    ROUTES_MAX = 1024
    NAMES_MAX = 1024  # a power of two
    ANSWERS_MAX = 256 # different statuses and field names of applications
    HELD_SIZE_MAX = 32768  # of OUT: the rest is for the next connection's answers
    KEPT_LENGTH_MAX = 255  # longer hosts and mounts have no lane, longer names are not kept

cdef int REQUESTS = Count.REQUESTS
cdef int SERVER_ERRORS = Count.SERVER_ERRORS

cdef dict SPECIAL_FIELDS = {
    # RFC 9110 section 7.6.1; what an application may not say of them is the gateway's to judge.
    "connection": HOP_FIELD,
    "keep-alive": HOP_FIELD,
    "proxy-connection": HOP_FIELD,
    "te": HOP_FIELD,
    "trailer": HOP_FIELD,
    "transfer-encoding": HOP_FIELD,
    "upgrade": HOP_FIELD,
    "content-length": LENGTH_FIELD,
    "date": DATE_FIELD,
    "server": SERVER_FIELD,
}


@cython.final
cdef class Route:
    pass


@cython.final
cdef class StatusLine:
    pass


@cython.final
cdef class KnownName:
    pass


@cython.final
cdef class Workspace:
    def __cinit__(self):
        self.scratch = <unsigned char *>PyMem_Malloc(SCRATCH)
        self.out = <unsigned char *>PyMem_Malloc(OUT)
        self.moving = PyThread_allocate_lock()
        if self.scratch == NULL or self.out == NULL or self.moving == NULL:
            raise MemoryError

    def __init__(self):
        self.unlogged = []
        self.held.bytes = self.out

    def __dealloc__(self):
        PyMem_Free(self.scratch)
        PyMem_Free(self.out)
        if self.moving != NULL:
            PyThread_free_lock(self.moving)

    cdef int settle(self, Lanes lanes) except -1:
        """In the thread that works here."""
        HERE.in_lane = self.request
        self.hub = Hub()
        if lanes is not None:
            self.hub.settle(lanes.loop, lanes.lead, lanes.clock, lanes.engine.report)
        return 0

    cdef int begin(self) except -1:
        """A connection is going to be served."""
        if self.held.size > HELD_SIZE_MAX or self.held.count == SK_HELD_MAX:
            self.send_held()
        self.base = self.held.size
        self.start = self.ready = 0
        return 0

    cdef int send_held(self) except -1:
        """Send what is kept for several connections, and tell each how far it got."""
        cdef sk_answer *answer
        cdef int place = 0
        cdef const unsigned char *bytes = self.out
        if self.held.count == 0:
            return 0
        sk_send_held(&self.held)
        while place < self.held.count:
            answer = &self.held.answers[place]
            place += 1
            (<Seat>answer.owner).was_sent(bytes, answer.size, answer.sent)
            bytes += answer.size
        sk_held_begin(&self.held)
        return 0

    def request(self):
        """What the call that lasts in this thread has become."""
        return None if self.call is None else self.call.exchange

    cdef void hold(self) noexcept:
        """Make those who come meanwhile wait until the call has left its lane (`Call.await_move`).

        One thread at a time does that.  Who waited for an earlier call may still have the lock,
        for an instant in which it does not need the GIL: so we wait, and keep the GIL.
        """
        PyThread_acquire_lock(self.moving, WAIT_LOCK)

    cdef void let_go(self) noexcept:
        PyThread_release_lock(self.moving)


@cython.final
cdef class Meter:
    def begin(self):
        """The calling thread begins the call."""
        self.began_at, self.burnt_before, self.spent_before = monotonic(), thread_time(), process_time()

    def end(self):
        """The same thread: it has ended, or is parked."""
        cdef sk_habit *habit = sk_habit_of(self.lanes.habits, self.route)
        cdef double elapsed = monotonic() - self.began_at
        cdef double burnt = thread_time() - self.burnt_before
        if habit != NULL:
            sk_measured(habit, elapsed, burnt, process_time() - self.spent_before)
            self.lanes.lasting.measured(
                habit - self.lanes.habits.table, habit.route, _kind_of(habit), elapsed, burnt
            )


cdef class Seat(Watched):
    cdef object leave(self, Workspace work):
        raise NotImplementedError

    cdef tuple client(self):
        raise NotImplementedError

    cdef int was_sent(self, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t sent) except -1:
        raise NotImplementedError

    cdef int go_on_without(self, Workspace former) except -1:
        raise NotImplementedError

    cdef int give_up(self) except -1:
        raise NotImplementedError


@cython.final
cdef class Lanes(BatchEnd):
    def __cinit__(self, engine):
        self.habits = <sk_habits *>PyMem_Calloc(1, sizeof(sk_habits))
        if self.habits == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.habits)

    def __init__(self, engine):
        limits = engine.limits
        self.shelf = Shelf(limits)
        self.log = engine.service.log
        self.engine = engine
        self.service = engine.service
        self.lasting = Lasting(engine.service.learned)
        self.row = engine.counts
        self.counts = &self.row[0]
        self.loop = engine.loop
        self.loop.batch_end = self
        self.clock = Clock(engine.loop)
        self.work = Workspace()
        self.depth = engine.service.depth
        self.keep_alive = limits.keep_alive
        self.header_timeout = limits.header_timeout
        self.send_stall_timeout = limits.send_stall_timeout
        self.limits.request_line_max = limits.request_line_max
        self.limits.header_block_max = limits.header_block_max
        self.limits.header_fields_max = limits.header_fields_max
        self.routes = {}
        self.names = [None] * NAMES_MAX
        self.status_lines = {}
        self.field_kinds = {}
        self.date_second = -1

    cdef int batch_ends(self) except -1:
        self.work.send_held()
        if self.relief is not None:
            self.relief.batch_ends()
        return 0

    cdef bint more_to_come(self) noexcept:
        """Whether events of other connections wait, and somebody sends for us if one of them lasts."""
        return self.lead != NULL and self.loop.next_event < self.loop.event_count

    def run(self, job):
        """The leader: run ``job`` on a stack that can be parked."""
        self.work.hub.run(job)

    def drain(self, bint gently):
        """Nothing more is answered in a lane; those that are idle end, or ``gently`` rest on."""
        self.draining = True
        self.gently = gently

    cdef void count(self, int status) noexcept:
        """As `Engine.answered`, in a nanosecond."""
        self.counts[REQUESTS] += 1
        if status >= 500:
            self.counts[SERVER_ERRORS] += 1

    cdef void count_more(self, unsigned long long requests) noexcept:
        """Answered in our place, without an error."""
        self.counts[REQUESTS] += requests

    cdef int refresh_date(self) except -1:
        """The clock is looked at once for each batch of events."""
        cdef long second
        if self.date_batch == self.loop.batch and self.date_second >= 0:
            return 0
        self.date_batch = self.loop.batch
        second = time(NULL)
        if second != self.date_second:
            self.date_second = second
            date, server = self.engine.own_fields()
            self.date_line = f"{date[0]}: {date[1]}\r\n".encode("ascii")
            self.server_line = f"{server[0]}: {server[1]}\r\n".encode("ascii")
        return 0

    cdef sk_shelf *shelf_now(self) noexcept:
        """The shelf, which looks at the clock once for each batch of events."""
        if self.shelf_batch != self.loop.batch:
            self.shelf_batch = self.loop.batch
            sk_shelf_clock(self.shelf.shelf, monotonic(), time(NULL))
        return self.shelf.shelf

    cdef Route find(self, const unsigned char *data, Head *head, Route last, object info):
        """The route of the request, None where there is no lane for it; ``last`` is that of the
        connection's last request, which is nearly always the one."""
        cdef const unsigned char *path = data + head.path.start
        cdef const unsigned char *end = path + head.path.length
        cdef const unsigned char *border = path
        cdef int segments = self.depth
        cdef PyObject *found
        if head.minor == 0 or head.host.length == 0 or not head.host_is_lower:
            return None
        if head.path.length == 5 and memcmp(path, b"/ping", 5) == 0:
            return None
        if memchr(path, c"%", head.path.length) != NULL:
            return None
        # Where the path is mounted is decided in front of the slash behind `depth` segments.
        while segments and border != end:
            border = <const unsigned char *>memchr(border + 1, c"/", end - border - 1)
            if border == NULL:
                border = end
            segments -= 1
        if head.host.length > KEPT_LENGTH_MAX or border - path > KEPT_LENGTH_MAX:
            return None
        if last is not None and _same(last.prefix, path, border - path) and _same(
            last.host, data + head.host.start, head.host.length
        ):
            return last
        key = (
            info,
            PyBytes_FromStringAndSize(<const char *>data + head.host.start, head.host.length),
            PyBytes_FromStringAndSize(<const char *>path, border - path),
        )
        found = PyDict_GetItemWithError(self.routes, key)
        return <Route>found if found != NULL else self.learn_route(key)

    cdef Route learn_route(self, tuple key):
        cdef Route route = None
        info, host, prefix = key
        lane = self.service.lane(host.decode("latin-1"), prefix.decode("latin-1") or "/", info)
        if lane is not None:
            route = Route.__new__(Route)
            route.host = host
            route.prefix = prefix
            route.application = lane.application
            route.variable = lane.variable
            route.services = lane.services
            route.log = lane.log
            route.warn = lane.warn
            route.failure = lane.failure
            route.template = lane.template.copy()
            route.file_wrapper = lane.template["wsgi.file_wrapper"]
            route.withheld = lane.withheld
            route.path_start = lane.path_start
            route.body_max = lane.body_max
            route.method = route.target = ""
            self.routes_learnt += 1
            route.parks = lane.parks
            route.seed = self.routes_learnt if lane.learns else 0
        if len(self.routes) >= ROUTES_MAX:
            self.routes.clear()
        self.routes[key] = route
        return route

    cdef sk_habit *habit(self, const unsigned char *data, Head *head, Route route) noexcept:
        """What is known of the request's route; NULL where nothing is learnt."""
        if self.lead == NULL or self.lead.threads == 0 or route.seed == 0:
            return NULL
        return sk_habit_of(
            self.habits,
            sk_route_of(route.seed ^ head.method_hash, data + head.path.start, head.path.length),
        )

    cdef int learn(
        self, sk_habit *habit, Route route, str method, str target, double elapsed, double now,
        bint contended
    ) except -1:
        """A call in the leader took ``elapsed`` seconds, or lasts and took so many until now; for calls
        that last, and for routes of which something bad is known.  ``contended``: there is somebody who
        perhaps had the GIL meanwhile."""
        cdef bint was_slow = habit.strikes >= SK_SLOW
        if route.parks or contended:
            sk_learn_piece(habit, elapsed, now)
        else:
            sk_learn(habit, elapsed, now)
        if was_slow or elapsed >= SK_LASTS:
            self.lasting.lasted(
                habit - self.habits.table,
                habit.route,
                _kind_of(habit),
                elapsed,
                method,
                route.host.decode("latin-1"),
                target,
            )
        return 0

    def learned(self):
        """A `Habit` for each route that lasts, or did so lately."""
        return self.lasting.habits(self._strikes)

    def _strikes(self, int place, uint32_t route):
        cdef sk_habit *habit = &self.habits.table[place]
        return habit.strikes if habit.route == route else 0

    cdef dict environ(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    ):
        """The environ of the request of the client at ``address`` and ``port``, but for its body."""
        cdef dict environ
        cdef uint32_t index
        cdef Field *field
        cdef PyObject *known
        cdef KnownName name
        cdef Py_ssize_t size
        cdef str value
        # The template has what the last request had: the next one is often for the same.
        if not _holds(route.method, data, head.method):
            route.method = _text(data, head.method, None)
            route.template["REQUEST_METHOD"] = route.method
        if not _holds(route.target, data, head.target):
            route.target = _text(data, head.target, None)
            if route.path_start == 0 and head.path.length == head.target.length:
                path_info = route.target
            else:
                path_info = PyUnicode_DecodeLatin1(
                    <const char *>data + head.path.start + route.path_start,
                    head.path.length - route.path_start,
                    NULL,
                )
            route.template["REQUEST_URI"] = route.template["RAW_URI"] = route.target
            route.template["QUERY_STRING"] = _text(data, head.query, None)
            route.template["PATH_INFO"] = path_info
        environ = PyDict_Copy(route.template)
        for index in range(head.count):
            field = &head.fields[index]
            if field.value.start == head.host.start:
                continue  # the template has it
            name = self.known_name(data, field, route.withheld)
            if name.key is None:
                continue
            value = _text(data, field.value, name.value)
            if field.value.length <= KEPT_LENGTH_MAX:
                name.value = value
            # One look-up instead of two; the size tells whether the key is new.
            size = PyDict_Size(environ)
            known = PyDict_SetDefault(environ, name.key, value)
            if PyDict_Size(environ) == size:  # RFC 9110 section 5.3; Cookie by RFC 6265 section 5.4
                environ[name.key] = f"{<object>known}{'; ' if name.key == 'HTTP_COOKIE' else ', '}{value}"
        environ["REMOTE_ADDR"] = address
        environ["REMOTE_PORT"] = port
        return environ

    cdef KnownName known_name(self, const unsigned char *data, Field *field, frozenset withheld):
        cdef int place = (field.name_hash ^ field.name_hash >> 10) & (NAMES_MAX - 1)
        cdef KnownName known = self.names[place]
        cdef dict keys
        if (
            known is None
            or known.withheld is not withheld
            or not _same(known.name, data + field.name.start, field.name.length)
        ):
            known = KnownName.__new__(KnownName)
            known.name = PyBytes_FromStringAndSize(<const char *>data + field.name.start, field.name.length)
            known.withheld = withheld
            keys = {}
            add_fields(keys, [(known.name.decode("latin-1"), "")], withheld)  # the one rule about names
            known.key = next(iter(keys), None)
            known.value = ""
            if field.name.length <= KEPT_LENGTH_MAX:
                self.names[place] = known
        return known

    cdef StatusLine status_line(self, str status):
        cdef PyObject *found
        cdef StatusLine line = self.last_line
        if status is self.last_status:
            return line
        found = PyDict_GetItemWithError(self.status_lines, status)
        if found != NULL:
            self.last_status, self.last_line = status, <StatusLine>found
            return <StatusLine>found
        line = StatusLine.__new__(StatusLine)
        code, _, reason = status.partition(" ")
        if len(code) == 3 and code.isascii() and code.isdigit() and reason.isascii() and reason.isprintable():
            line.code = int(code)
            if not 200 <= line.code <= 599 or line.code == 204 or line.code == 304:
                line.code = 0
            line.reason = reason
            line.line = f"HTTP/1.1 {code} {reason}\r\n".encode("ascii")
        if len(self.status_lines) < ANSWERS_MAX:
            self.status_lines[status] = line
        return line

    cdef int kind_of(self, str name) except -1:
        cdef int place = (<size_t><PyObject *>name >> 4) & (KNOWN_KINDS - 1)
        cdef PyObject *found
        cdef int kind
        if self.known_kinds[place].name == <PyObject *>name:
            return self.known_kinds[place].kind
        found = PyDict_GetItemWithError(self.field_kinds, name)
        if found != NULL:
            return <object>found
        kind = SPECIAL_FIELDS.get(name.lower(), PLAIN_FIELD)
        if len(self.field_kinds) < ANSWERS_MAX:
            self.field_kinds[name] = kind
            # The very object, which the dict keeps alive: applications write names as constants.
            self.known_kinds[place].name = <PyObject *>name
            self.known_kinds[place].kind = kind
        return kind


@cython.final
cdef class EnvironReader:
    """From the bytes of a request to its environ, as a `LaneConnection` does it: for tests and
    benchmarks, since in the server only the application sees what comes out."""

    cdef Lanes lanes
    cdef Route route
    cdef object info, address, port
    cdef Head head

    def __init__(self, Lanes lanes not None, info, str address, str port):
        self.lanes = lanes
        self.info = info
        self.address = address
        self.port = port

    def read(self, bytes data not None):
        """The environ of the request that ``data`` begins with; None if it has no lane."""
        cdef const unsigned char *start = <const unsigned char *>PyBytes_AS_STRING(data)
        if recognise(start, PyBytes_GET_SIZE(data), &self.lanes.limits, &self.head) != SIMPLE:
            return None
        route = self.lanes.find(start, &self.head, self.route, self.info)
        if route is None:
            return None
        self.route = route
        return self.lanes.environ(start, &self.head, route, self.address, self.port)


cdef str _kind_of(const sk_habit *habit):
    """As in `Habit`."""
    if habit.strikes < SK_SLOW:
        return "fast"
    if not habit.measured:
        return "lasts"
    return "burns" if habit.burns else "waits"


cdef inline bint _same(bytes known, const unsigned char *data, Py_ssize_t length) noexcept:
    return PyBytes_GET_SIZE(known) == length and memcmp(PyBytes_AS_STRING(known), data, length) == 0


cdef inline bint _holds(str known, const unsigned char *data, Slice part) noexcept:
    """``known`` is made by `_text`, so all its characters are of one byte."""
    return (
        PyUnicode_GET_LENGTH(known) == part.length
        and memcmp(PyUnicode_1BYTE_DATA(known), data + part.start, part.length) == 0
    )


cdef inline str _text(const unsigned char *data, Slice part, str known):
    """``part`` as str; ``known`` if it is the same."""
    if known is not None and _holds(known, data, part):
        return known
    return PyUnicode_DecodeLatin1(<const char *>data + part.start, part.length, NULL)
