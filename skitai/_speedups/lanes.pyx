"""The fast lane of one engine: what its lane connections share.

The fast lane is for plain requests to plain applications: read, run and answered in one go by
a `LaneConnection` (lane_connection.pyx), without an exchange.  Its parts, from the request to the answer:

    heads.pyx          the request's head, if it is certainly simple
    lane_routes.pyx    which application it is for
    habits.pyx         whether that is known to last
    lane_environ.pyx   the environ
    calls.pyx          the call of the application
    answer_head.pyx    the head of its answer
    lane_sender.pyx    the way of that to the socket

The leader's only.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from skitai.counters import BOUNDS, STATUSES, Count, Latency

from skitai._speedups.clock cimport monotonic
from skitai._speedups.fields cimport SIMPLE
from skitai._speedups.heads cimport Head, recognise
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.shelf cimport sk_shelf_clock

cdef extern from "<time.h>" nogil:
    long time(long *place)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef int REQUESTS = Count.REQUESTS
cdef int SERVER_ERRORS = Count.SERVER_ERRORS
cdef int FIRST_STATUS = STATUSES
cdef int QUEUE = Latency.QUEUE
cdef int APP = Latency.APP
cdef int DELIVERY = Latency.DELIVERY
cdef int UPSTREAM = Latency.UPSTREAM


@cython.final
cdef class Lanes(BatchEnd):
    def __init__(self, engine):
        cdef int place
        limits = engine.limits
        self.shelf = Shelf(limits)
        self.fetching = Fetching(self.shelf)
        self.log = engine.service.log
        self.engine = engine
        self.service = engine.service
        self.lines = KnownLines(engine)
        self.routes = Routes(engine.service, self.lines)
        self.environs = Environs()
        self.habits = Habits(engine.service.learned)
        self.row = engine.counts
        self.counts = &self.row[0]
        self.bounds.count = <int>len(BOUNDS)
        for place, bound in enumerate(BOUNDS):
            self.bounds.bounds[place] = bound
        self.loop = engine.loop
        self.loop.batch_end = self
        self.clock = Clock(engine.loop)
        self.work = Workspace()
        self.keep_alive = limits.keep_alive
        self.header_timeout = limits.header_timeout
        self.send_stall_timeout = limits.send_stall_timeout
        self.limits.request_line_max = limits.request_line_max
        self.limits.header_block_max = limits.header_block_max
        self.limits.header_fields_max = limits.header_fields_max

    cdef int batch_ends(self) except -1:
        self.work.send_held()
        if self.relief is not None:
            self.relief.batch_ends()
        return 0

    cdef int watch(self, sk_lead *lead) except -1:
        """From here on others take over from calls that last."""
        self.lead = self.loop.watcher = self.habits.lead = lead
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

    cdef void count(self, int status, int slot) noexcept:
        """As `Engine.answered`, and the service's own, in some nanoseconds."""
        self.counts[REQUESTS] += 1
        sk_count_status(self.counts + FIRST_STATUS, slot, status)
        if status >= 500:
            self.counts[SERVER_ERRORS] += 1

    cdef void answered_after(self, double seconds) noexcept:
        """An application has, which nobody had to wait for."""
        self.counts[QUEUE] += 1
        sk_observe(self.counts + APP, &self.bounds, seconds)

    cdef void delivered_after(self, double seconds) noexcept:
        sk_observe(self.counts + DELIVERY, &self.bounds, seconds)

    cdef void others_answered_after(self, double seconds) noexcept:
        """Other servers have, as the client for all other requests to them counts it."""
        sk_observe(self.counts + UPSTREAM, &self.bounds, seconds)

    cdef void count_more(self, unsigned long long requests) noexcept:
        """Answered in our place, without an error of the server."""
        self.counts[REQUESTS] += requests

    cdef sk_shelf *shelf_now(self) noexcept:
        """The shelf, which looks at the clock once for each batch of events."""
        if self.shelf_batch != self.loop.batch:
            self.shelf_batch = self.loop.batch
            sk_shelf_clock(self.shelf.shelf, monotonic(), time(NULL))
        return self.shelf.shelf

    def learned(self):
        """A `Habit` for each route that lasts, or did so lately."""
        return self.habits.learned()


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
        route = self.lanes.routes.find(start, &self.head, self.route, self.info)
        if route is None or route.relay is not None:
            return None
        self.route = route
        return self.lanes.environs.make(start, &self.head, route, self.address, self.port)
