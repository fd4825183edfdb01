"""Which application a plain request is for.

Which requests have a lane is the service's to say (`skitai._pure.engine.service.Lane`): one for each
host and mount where nothing but the application has a word.  It is asked once for each, and its answer
kept, also that there is none.  What has no lane, and all that is not certainly simple, goes to the
general connection, which reads the same bytes again.

The leader's only.  The table is bounded, because hosts and paths come from the network; and from ROUTES_EAGER
routes on only what comes again gets one, or clients that send a new host each time would fill it with what
nobody asks for twice.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp

from skitai._lazy import LazyModule
from skitai._pure.engine.service import RelayLane

from skitai._speedups.fields cimport is_same

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

lane_relay = LazyModule("skitai._speedups.lane_relay")

cdef enum:
    ROUTES_MAX = 1024
    ROUTES_EAGER = 256
    TEXT_MAX = 255  # longer hosts and mounts have no lane
    TYPES_MAX = 64  # different values of Content-Type: applications have few, but may make more


@cython.final
cdef class Route:
    cdef bint codes(self, str content_type) except -1:
        """Whether bodies of this type may be coded."""
        cdef PyObject *found = PyDict_GetItemWithError(self.coded_types, content_type)
        if found != NULL:
            return <object>found
        wants = self.compression.wants(content_type)
        if len(self.coded_types) < TYPES_MAX:
            self.coded_types[content_type] = wants
        return wants


@cython.final
cdef class Routes:
    def __init__(self, service, KnownLines lines):
        self.service = service
        self.lines = lines
        self.relays = {}
        self.depth = service.depth
        self.known = {}

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
        if head.host.length > TEXT_MAX or border - path > TEXT_MAX:
            return None
        if last is not None and is_same(last.prefix, path, border - path) and is_same(
            last.host, data + head.host.start, head.host.length
        ):
            return last
        key = (
            info,
            PyBytes_FromStringAndSize(<const char *>data + head.host.start, head.host.length),
            PyBytes_FromStringAndSize(<const char *>path, border - path),
        )
        found = PyDict_GetItemWithError(self.known, key)
        if found != NULL:
            return <Route>found
        if len(self.known) >= ROUTES_EAGER and not self.comes_again(key):
            return None
        return self.learn(key)

    cdef bint comes_again(self, tuple key) except -1:
        """Whether it was asked for lately: what shares its place has not come since."""
        cdef uint32_t mark = <uint32_t>hash(key)
        cdef uint32_t *place = &self.seen[mark & (SEEN - 1)]
        if place[0] == mark:
            return True
        place[0] = mark
        return False

    cdef Route learn(self, tuple key):
        cdef Route route = None
        info, host, prefix = key
        lane = self.service.lane(host.decode("latin-1"), prefix.decode("latin-1") or "/", info)
        if lane is not None:
            route = Route.__new__(Route)
            route.host = host
            route.prefix = prefix
            route.log = lane.log
            route.path_start = lane.path_start
            route.body_max = lane.body_max
            route.slot = lane.slot
        if isinstance(lane, RelayLane):
            route.relay = self.relays.get(lane.way)
            if route.relay is None:
                route.relay = self.relays[lane.way] = lane_relay.PlainRelay(
                    lane.way, self.lines, lane.log, lane.slot, lane.ids
                )
        elif lane is not None:
            route.application = lane.application
            route.variable = lane.variable
            route.services = lane.services
            route.warn = lane.warn
            route.failure = lane.failure
            route.template = lane.template.copy()
            route.file_wrapper = lane.template["wsgi.file_wrapper"]
            route.withheld = lane.withheld
            route.compression = lane.compression
            if lane.ids is not None:
                route.identifies = True
                route.tells_ids, route.notes_ids = lane.ids
            if lane.compression is not None:
                route.coded_from = lane.compression.least
                route.coded_types = {}
            route.method = route.target = ""
            self.learnt += 1
            route.parks = lane.parks
            route.seed = self.learnt if lane.learns else 0
        if len(self.known) >= ROUTES_MAX:
            self.known.clear()
        self.known[key] = route
        return route
