"""The request side of the fast lane: which application a simple request is for, and its environ.

The fast lane is for plain requests to plain applications with ``threads = 0``: read, run and
answered in one go by a `LaneConnection` (lane_connection.pyx), without an exchange.  Which
requests have a lane is the service's to say (`skitai._pure.engine.service.Lane`): one for each
host and mount where nothing but the application has a word.  What has none, and all that is not
certainly simple, goes to the general connection, which reads the same bytes again.

Loop thread only.  The tables are bounded, because names, hosts and paths come from the network.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_GetItemWithError
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.string cimport memchr, memcmp

from skitai._speedups.environ import add_fields

from skitai._speedups.heads cimport Slice

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    ROUTES_MAX = 1024
    NAMES_MAX = 1024  # a power of two
    ANSWERS_MAX = 256 # different statuses and field names of applications
    KEPT_LENGTH_MAX = 255  # longer hosts and mounts have no lane, longer names are not kept

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
    """The name of a field as sent, and its environ key; ``key`` is None where it is withheld."""

    cdef bytes name
    cdef frozenset withheld
    cdef str key


@cython.final
cdef class Lanes:
    def __cinit__(self, engine):
        self.scratch = <unsigned char *>PyMem_Malloc(SCRATCH)
        if self.scratch == NULL:
            raise MemoryError

    def __init__(self, engine):
        self.engine = engine
        self.service = engine.service
        self.own_fields = engine.own_fields
        self.depth = engine.service.depth
        self.limits.request_line_max = engine.limits.request_line_max
        self.limits.header_block_max = engine.limits.header_block_max
        self.limits.header_fields_max = engine.limits.header_fields_max
        self.routes = {}
        self.names = [None] * NAMES_MAX
        self.status_lines = {}
        self.field_kinds = {}

    def __dealloc__(self):
        PyMem_Free(self.scratch)

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
            route.activate = lane.activate
            route.log = lane.log
            route.warn = lane.warn
            route.failure = lane.failure
            route.template = lane.template
            route.withheld = lane.withheld
            route.path_start = lane.path_start
            route.body_max = lane.body_max
        if len(self.routes) >= ROUTES_MAX:
            self.routes.clear()
        self.routes[key] = route
        return route

    cdef dict environ(self, const unsigned char *data, Head *head, Route route):
        """The environ of the request but for its body and the connection's own keys."""
        cdef dict environ = PyDict_Copy(route.template)
        cdef object target = _text(data, head.target)
        cdef uint32_t index
        cdef Field *field
        cdef PyObject *known
        cdef str key
        environ["REQUEST_METHOD"] = _text(data, head.method)
        environ["REQUEST_URI"] = target
        environ["RAW_URI"] = target
        environ["QUERY_STRING"] = _text(data, head.query)
        if route.path_start == 0 and head.path.length == head.target.length:
            environ["PATH_INFO"] = target
        else:
            environ["PATH_INFO"] = PyUnicode_DecodeLatin1(
                <const char *>data + head.path.start + route.path_start,
                head.path.length - route.path_start,
                NULL,
            )
        for index in range(head.count):
            field = &head.fields[index]
            if field.value.start == head.host.start:
                continue  # the template has it
            key = self.key_of(data, field, route.withheld)
            if key is None:
                continue
            value = _text(data, field.value)
            known = PyDict_GetItemWithError(environ, key)
            if known == NULL:
                environ[key] = value
            else:  # RFC 9110 section 5.3; Cookie by RFC 6265 section 5.4
                environ[key] = f"{<object>known}{'; ' if key == 'HTTP_COOKIE' else ', '}{value}"
        return environ

    cdef str key_of(self, const unsigned char *data, Field *field, frozenset withheld):
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
            if field.name.length <= KEPT_LENGTH_MAX:
                self.names[place] = known
        return known.key

    cdef StatusLine status_line(self, str status):
        cdef PyObject *found = PyDict_GetItemWithError(self.status_lines, status)
        if found != NULL:
            return <StatusLine>found
        cdef StatusLine line = StatusLine.__new__(StatusLine)
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
        cdef PyObject *found = PyDict_GetItemWithError(self.field_kinds, name)
        if found != NULL:
            return <object>found
        cdef int kind = SPECIAL_FIELDS.get(name.lower(), PLAIN_FIELD)
        if len(self.field_kinds) < ANSWERS_MAX:
            self.field_kinds[name] = kind
        return kind


cdef inline bint _same(bytes known, const unsigned char *data, Py_ssize_t length) noexcept:
    return PyBytes_GET_SIZE(known) == length and memcmp(PyBytes_AS_STRING(known), data, length) == 0


cdef inline object _text(const unsigned char *data, Slice part):
    return PyUnicode_DecodeLatin1(<const char *>data + part.start, part.length, NULL)
