"""Which requests are passed on from their lane, and to whom: plain ones, to a member of whom a connection is kept.

Such a request is written anew in one pass (relay_heads.pyx) and sent; what comes of it is the passage's
(lane_passage.pyx).  Plain is what lies whole in the socket with a simple head, a path without dots, and no field
that asks more of a proxy than to pass it on.  What is not goes to a general connection, **before anything about
it was decided here**.

The members are asked by the same numbers as ever (members.h), and the pools keep the connections.
The leader's only.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp, memcpy

from skitai._speedups.answer_head cimport KnownLines, write_length
from skitai._speedups.clock cimport monotonic
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_passage cimport PlainPassage
from skitai._speedups.lane_sender cimport LaneSender
from skitai._speedups.loop cimport SK_READ, SK_RELAYING
from skitai._speedups.members cimport sk_members_begin, sk_members_choose
from skitai._speedups.relay_heads cimport write_request_fields
from skitai._speedups.workspace cimport OUT, Workspace
from skitai._speedups.writing cimport write_field

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    BODY_MAX = 16384    # of a request; longer ones flow
    START_MAX = 1024    # the request line without its target, and the line of Host
    ID_LINE_MAX = 64    # that of X-Request-ID: an id has 32 digits
    MEMBERS_MAX = 1024  # that are known here: those of names come and go

cdef double FOREVER = float("inf")


cdef inline bint _may_be_repeated(const unsigned char *method, size_t length) noexcept:
    """As `request.IDEMPOTENT`, without TRACE, which is not passed on."""
    if length == 3:
        return memcmp(method, b"GET", 3) == 0 or memcmp(method, b"PUT", 3) == 0
    if length == 4:
        return memcmp(method, b"HEAD", 4) == 0
    if length == 6:
        return memcmp(method, b"DELETE", 6) == 0
    return length == 7 and memcmp(method, b"OPTIONS", 7) == 0


cdef inline bint _says_length(const unsigned char *method, size_t length) noexcept:
    """Also of an empty body (RFC 9110 section 8.6)."""
    if length == 3:
        return memcmp(method, b"PUT", 3) == 0
    if length == 4:
        return memcmp(method, b"POST", 4) == 0
    return length == 5 and memcmp(method, b"PATCH", 5) == 0


cdef inline bint _may_have_dots(const unsigned char *path, size_t length) noexcept:
    """Whether a segment begins with a dot: `targets.py` says which of these are refused."""
    cdef const unsigned char *end = path + length
    cdef const unsigned char *dot = <const unsigned char *>memchr(path, c".", length)
    while dot != NULL:
        if dot > path and ((dot - 1)[0] == c"/" or (dot - 1)[0] == c"\\"):
            return True
        dot = <const unsigned char *>memchr(dot + 1, c".", end - dot - 1)
    return False


@cython.final
cdef class PlainMember:
    pass


@cython.final
cdef class PlainRelay:
    def __init__(self, way, KnownLines known_lines, log, int slot, ids):
        """``way``: a `RelayWay`; ``log`` notes access lines, None: there are none; ``ids``: see `RelayLane`."""
        self.way = way
        self.log = log
        self.slot = slot
        self.known_lines = known_lines
        self.limits = way.limits
        if ids is not None:
            self.identifies = True
            self.tells_ids, self.notes_ids = ids
        self.dropped = Names(way.dropped | {"x-request-id"} if self.identifies else way.dropped, True)
        self.dropped_of_answers = Names(way.dropped_of_answers, False)
        self.left_out = way.left_out
        self.patience, self.patience_to_repeat = way.patience
        self.between = way.limits.relay_between_bytes_timeout or FOREVER
        self.keeps_host = way.keeps_host
        self.known = {}

    cdef bint settle(self) except -1:
        """Whether it is known who there is: the first requests are for others."""
        self.members = self.way.members()
        self.is_ready = self.members is not None
        return self.is_ready

    cdef bytes lines(self, object address, bytes host):
        """What is said of a client, of requests to ``host``."""
        return self.way.lines(address, host.decode("latin-1"))

    cdef PlainMember member(self, int64_t id):
        """None: it has gone in this moment."""
        cdef PyObject *found = PyDict_GetItemWithError(self.known, id)
        cdef PlainMember member
        if found != NULL:
            return <PlainMember>found
        peer = self.way.peer(id)
        if peer is None:
            return None
        member = PlainMember.__new__(PlainMember)
        member.peer = peer
        member.host_line = b"" if self.keeps_host else self.way.host_line(peer)
        if len(self.known) >= MEMBERS_MAX:
            self.known.clear()
        self.known[id] = member
        return member

    cdef object idle(self, PlainMember member, bint is_repeatable):
        """A connection that is ours from here on; None: there is none that is kept."""
        connection = None if member.pool is None else member.pool.take(is_repeatable)
        if connection is None:
            # One that was empty is forgotten, and another one made in its place.
            pool = self.way.pool(member.peer)
            if pool is not None and pool is not member.pool:
                member.pool = pool
                connection = pool.take(is_repeatable)
        return connection

    cdef bint begin(
        self, LaneSender lane, Workspace work, const Head *head, Py_ssize_t length, bytes lines
    ) except -1:
        """Pass on the request of ``length`` bytes in ``work``; ``lines``: what is said of its client.  False if it
        is not plain, and nothing has happened."""
        cdef const unsigned char *data = work.scratch + work.start
        cdef const unsigned char *method = data + head.method.start
        cdef Py_ssize_t method_size = head.method.length
        cdef Py_ssize_t target_size = head.target.length - self.left_out
        cdef Py_ssize_t body_size = length - head.consumed
        cdef Py_ssize_t room = OUT - work.base
        cdef Py_ssize_t size, start_size
        cdef unsigned char *fields
        cdef unsigned char *at
        cdef bytes host_line
        cdef str request_id = None
        cdef PlainMember member
        cdef PlainPassage passage
        cdef int64_t id
        cdef double now
        if not self.is_ready and not self.settle():
            return False
        if (
            body_size > BODY_MAX
            or _may_have_dots(data + head.path.start, head.path.length)
            or (method_size == 5 and memcmp(method, b"TRACE", 5) == 0)
        ):
            return False
        # The lines behind that of Host first: whose that is is known once a member is chosen.
        fields = work.out + work.base + method_size + target_size + START_MAX
        room -= method_size + target_size + START_MAX + PyBytes_GET_SIZE(lines) + ID_LINE_MAX + 64
        if room < 0:
            return False
        size = write_request_fields(fields, room, data, head, self.dropped)
        if size < 0:
            return False
        memcpy(fields + size, PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines))
        size += PyBytes_GET_SIZE(lines)
        if self.identifies:
            request_id = lane.lanes.environs.ids.next()
            size += write_field(fields + size, ID_LINE_MAX, "X-Request-ID", request_id)
        if body_size or _says_length(method, method_size):
            size += write_length(fields + size, body_size)
        memcpy(fields + size, b"\r\n", 2)
        size += 2

        now = monotonic()
        id = sk_members_choose(self.members.all, NULL, 0, now)
        if id < 0:
            return False
        member = self.member(id)
        if member is None:
            return False
        host_line = member.host_line
        start_size = method_size + target_size + 11 + 1
        start_size += head.host.length + 8 if self.keeps_host else PyBytes_GET_SIZE(host_line)
        if start_size - target_size - method_size > START_MAX:
            return False
        at = fields - start_size
        memcpy(at, method, method_size)
        at += method_size
        at[0] = c" "
        at += 1
        memcpy(at, data + head.target.start + self.left_out, target_size)
        at += target_size
        memcpy(at, b" HTTP/1.1\r\n", 11)
        at += 11
        if self.keeps_host:
            memcpy(at, b"Host: ", 6)
            memcpy(at + 6, data + head.host.start, head.host.length)
            memcpy(at + 6 + head.host.length, b"\r\n", 2)
        else:
            memcpy(at, PyBytes_AS_STRING(host_line), PyBytes_GET_SIZE(host_line))

        passage = PlainPassage.__new__(PlainPassage)
        passage.relay = self
        passage.lane = lane
        passage.peer = member.peer
        passage.id = id
        passage.request = PyBytes_FromStringAndSize(<const char *>data, length)
        passage.head_size = head.consumed
        passage.method_size = method_size
        passage.target_size = head.target.length
        passage.is_head = method_size == 4 and memcmp(method, b"HEAD", 4) == 0
        passage.is_repeatable = _may_be_repeated(method, method_size)
        passage.keep_alive = head.keep_alive
        passage.began_at = now
        passage.address, passage.port = lane.address, lane.port
        passage.request_id = request_id
        # What came behind it waits until it is answered.
        work.start += length
        if work.start < work.filled:
            lane.left = work.rest()
        if work.more:
            lane.missed |= SK_READ
        lane.relayed = passage
        lane.view.state = SK_RELAYING
        lane.deadline = now + (self.patience_to_repeat if passage.is_repeatable else self.patience)
        sk_members_begin(self.members.all, id, now)
        passage.far = self.idle(member, passage.is_repeatable)
        passage.pool = member.pool
        if passage.far is None or not passage.far.ask_plainly(
            fields - start_size, size + start_size, data + head.consumed, body_size, passage
        ):
            passage.leave()
        return True
