"""Requests that are passed on from their lane: plain ones, to a member of whom a connection is kept.

Most exchanges through a proxy need nothing of what a `Passage` (``skitai/proxy/passage.py``) can do: the request
lies whole in the socket, its head is simple, a connection to a member is idle, and the answer that comes is a
simple head with a body of a known length.  Such a request is written anew in one pass (relay_heads.pyx) and
sent; the answer's head likewise, and what comes of its body behind it, from one socket to the other.

    ASKED ──a plain head──▶ ANSWERING ──all of it has come──▶ over; the client's connection sends the rest
      │                        └──the member breaks off: the client's connection is reset
      └──anything else──▶ left: a `Passage` goes on with the member and the connection that were chosen

What is not plain is left **before anything about it was decided here**: an exchange is made of the request's
bytes, and `Service.go_on_relaying` makes the passage that would have been made at first, at the stage it would
have come to.  It hears the bytes that made the difference.  So fail-over, interim answers, answers in chunks,
errors, clocks that run out, a client that leaves are the general way's, and only once the first byte of an
answer has left it is ours to see it to its end.

A body flows as fast as its reader: what the client has no room for waits here, at most what one read of a
member has brought, and meanwhile the member is not read.

The members are asked by the same numbers as ever (members.h), and the pools keep the connections.
The leader's only.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.errno cimport errno
from libc.string cimport memchr, memcmp, memcpy

import os

from skitai.errors import NetworkTimeout, ReadError

from skitai._speedups.answer_head cimport write_length
from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.fields cimport SIMPLE, is_word, limits_of
from skitai._speedups.lane_seal cimport LOST_BYTES, NO_ROOM_NOW
from skitai._speedups.loop cimport SK_END, SK_READ, SK_RELAYING, SK_WRITE
from skitai._speedups.members cimport (
    SK_ENDED_CANCELLED,
    SK_ENDED_FAILED,
    SK_ENDED_OK,
    SK_ENDED_TIMEOUT,
    sk_members_begin,
    sk_members_choose,
    sk_members_end,
)
from skitai._speedups.relay_heads cimport write_answer_head, write_request_fields
from skitai._speedups.responses cimport Answer, recognise_answer
from skitai._speedups.workspace cimport OUT

cdef extern from "<sys/socket.h>" nogil:
    const int SOL_SOCKET, SO_LINGER, MSG_PEEK
    struct linger:
        int l_onoff
        int l_linger
    int setsockopt(int fd, int level, int name, const void *value, unsigned int size)
    ssize_t recv(int fd, void *buffer, size_t size, int flags)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    BODY_MAX = 16384    # of a request; longer ones flow
    COPY_MAX = 16384    # a body up to this leaves in one piece with its head
    START_MAX = 1024    # the request line without its target, and the line of Host
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
    def __init__(self, way, KnownLines known_lines, log):
        """``way``: a `RelayWay`; ``log`` notes access lines, None: there are none."""
        self.way = way
        self.log = log
        self.known_lines = known_lines
        self.limits = way.limits
        self.dropped = Names(way.dropped, True)
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
        room -= method_size + target_size + START_MAX + PyBytes_GET_SIZE(lines) + 64
        if room < 0:
            return False
        size = write_request_fields(fields, room, data, head, self.dropped)
        if size < 0:
            return False
        memcpy(fields + size, PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines))
        size += PyBytes_GET_SIZE(lines)
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
        passage.member = member
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
        if passage.far is None or not passage.far.ask_plainly(
            fields - start_size, size + start_size, data + head.consumed, body_size, passage
        ):
            passage.leave()
        return True


@cython.final
cdef class PlainPassage(Relayed):
    # -- the member -----------------------------------------------------------------------------

    cdef bint heard(self, const unsigned char *data, Py_ssize_t size) except -1:
        if self.status:
            if size > 0:
                self.pass_on(data, size)
            elif size == 0:
                self.cut(ReadError("the connection ended before the answer"), SK_ENDED_FAILED)
            else:
                self.cut(ReadError(f"reading from the server failed: {os.strerror(errno)}"), SK_ENDED_FAILED)
            return True
        if size > 0 and self.begin_answer(data, size):
            return True
        self.leave()
        return self.far is None

    cdef bint begin_answer(self, const unsigned char *data, Py_ssize_t size) except -1:
        """False: it is not plain, and nothing has happened."""
        cdef LaneSender lane = self.lane
        cdef Workspace work = lane.lanes.work
        cdef Answer answer
        cdef Py_ssize_t here, head_size, sent
        cdef long long length
        cdef unsigned char *out
        cdef bytes rest = None
        if recognise_answer(data, size, limits_of(self.relay.limits), &answer) != SIMPLE:
            return False
        if answer.chunked or not answer.keep_alive or 502 <= answer.status <= 504:
            return False
        here = size - answer.consumed
        if self.is_head or answer.status == 204 or answer.status == 304:
            length = 0
        else:
            length = answer.content_length
        if here > length:
            return False
        work.begin()
        out = work.out + work.base
        head_size = write_answer_head(
            out,
            OUT - work.base - COPY_MAX,
            data,
            &answer,
            self.relay.dropped_of_answers,
            self.relay.known_lines,
            answer.content_length >= 0 and answer.status != 204,
            self.keep_alive,
        )
        if head_size < 0:
            return False
        self.note_keeping(data, &answer)
        self.started_at = monotonic()
        self.status = answer.status
        self.body_left = length - here
        lane.lanes.count(answer.status)
        if here <= COPY_MAX:
            memcpy(out + head_size, data + answer.consumed, here)
            sent = lane.transmit(out, head_size + here, NULL, 0)
        else:
            sent = lane.transmit(out, head_size, data + answer.consumed, here)
        if sent == LOST_BYTES:
            self.give_up(True)
            return True
        sent = max(sent, 0)
        self.sent = sent
        if sent < head_size:
            rest = PyBytes_FromStringAndSize(<const char *>out + sent, head_size - sent)
            rest += PyBytes_FromStringAndSize(<const char *>data + answer.consumed, here)
        elif sent < head_size + here:
            sent -= head_size
            rest = PyBytes_FromStringAndSize(<const char *>data + answer.consumed + sent, here - sent)
        self.go_on(rest, True)
        return True

    cdef int note_keeping(self, const unsigned char *data, const Answer *answer) except -1:
        """How long the member keeps the connection, where it says so."""
        cdef size_t index
        for index in range(answer.count):
            if answer.fields[index].name.length == 10 and is_word(
                data + answer.fields[index].name.start, 10, b"keep-alive"
            ):
                value = PyBytes_FromStringAndSize(
                    <const char *>data + answer.fields[index].value.start, answer.fields[index].value.length
                )
                self.far.kept_for = self.relay.way.kept_for(value.decode("latin-1"))
        return 0

    cdef int pass_on(self, const unsigned char *data, Py_ssize_t size) except -1:
        """A piece of the body, all that was before it having left."""
        cdef Py_ssize_t wanted = <Py_ssize_t>min(<long long>size, self.body_left)
        cdef Py_ssize_t sent = self.lane.transmit(data, wanted, NULL, 0)
        cdef bytes rest = None
        self.body_left -= wanted
        if sent == LOST_BYTES:
            self.give_up(wanted == size)
            return 0
        sent = max(sent, 0)
        self.sent += sent
        if sent < wanted:
            rest = PyBytes_FromStringAndSize(<const char *>data + sent, wanted - sent)
        self.go_on(rest, wanted == size)
        return 0

    cdef int go_on(self, bytes rest, bint is_clean) except -1:
        """``rest`` is what the client has no room for; ``is_clean``: nothing came that belongs to nobody."""
        cdef LaneSender lane = self.lane
        if rest is not None:
            lane.progressed()
        if self.body_left == 0:
            self.end_of_member(is_clean)
            self.lane = None
            if rest is None and self.relay.log is not None:
                self.log(wall_clock(), monotonic(), self.sent)
            lane.was_relayed(self.keep_alive, self.sent, rest)
        elif rest is None:
            lane.deadline = monotonic() + self.relay.between
        else:
            self.waiting = rest
            self.taken = 0
            self.far.hold(True)
            lane.deadline = monotonic() + lane.lanes.send_stall_timeout / 2
        return 0

    cdef int give_up(self, bint is_clean) except -1:
        """The client has gone."""
        cdef LaneSender lane = self.lane
        if self.body_left == 0:
            self.end_of_member(is_clean)
        lane.close()
        return 0

    cdef int end_of_member(self, bint is_clean) except -1:
        """All of its answer has come."""
        cdef OutboundConnection far = self.far
        cdef double took = self.started_at - self.began_at
        self.far = None
        sk_members_end(self.relay.members.all, self.id, took, SK_ENDED_OK, monotonic())
        far.answered(is_clean)
        return 0

    cdef int leave(self) except -1:
        """A `Passage` goes on from here."""
        cdef LaneSender lane = self.lane
        cdef OutboundConnection far = self.far
        exchange = None
        self.lane = None
        try:
            exchange = lane.leave_with(self.request)
            exchange.received_at = self.began_at
            lane.lanes.service.go_on_relaying(
                exchange,
                self.relay.way,
                self.member.peer,
                None if far is None else self.member.pool,
                far,
                self.began_at,
                self.request[self.head_size :],
            )
            exchange.connection.deadline = FOREVER  # the passage has clocks of its own
        except BaseException:
            self.far = None
            sk_members_end(self.relay.members.all, self.id, 0.0, SK_ENDED_CANCELLED, monotonic())
            if far is not None:
                far.give_up()
            if exchange is not None:
                exchange.abort()  # nobody would answer it
            raise
        if far is not None and far.taker is None:  # nobody wants an answer any more
            self.far = None
        return 0

    cdef int cut(self, object error, int how) except -1:
        """The member does not come to its end."""
        cdef LaneSender lane = self.lane
        cdef OutboundConnection far = self.far
        cdef double now = monotonic()
        cdef double ejected
        self.far = None
        if how == SK_ENDED_TIMEOUT:
            ejected = sk_members_end(self.relay.members.all, self.id, now - self.began_at, SK_ENDED_TIMEOUT, now)
        else:
            ejected = sk_members_end(self.relay.members.all, self.id, now - self.began_at, SK_ENDED_FAILED, now)
        far.give_up()
        self.relay.way.cut(
            self.member.peer, ejected, self.status, self.method(), self.target().partition("?")[0], error
        )
        lane.close()
        return 0

    # -- the client -----------------------------------------------------------------------------

    cdef int client_ready(self, int ready) except -1:
        cdef LaneSender lane = self.lane
        cdef char byte
        cdef Py_ssize_t sent
        if self.status == 0:
            if ready & SK_END:
                self.leave()  # who has said all may still want the answer, or has gone
            return 0
        if ready & SK_END and recv(lane.fd, &byte, 1, MSG_PEEK) < 0:
            lane.close()
            return 0
        if self.waiting is None or not ready & SK_WRITE:
            return 0
        while self.taken < PyBytes_GET_SIZE(self.waiting):
            sent = lane.transmit(
                <const unsigned char *>PyBytes_AS_STRING(self.waiting) + self.taken,
                PyBytes_GET_SIZE(self.waiting) - self.taken,
                NULL,
                0,
            )
            if sent == NO_ROOM_NOW:
                return 0
            if sent == LOST_BYTES:
                lane.close()
                return 0
            self.taken += sent
            self.sent += sent
            lane.progressed()
        self.waiting = None
        lane.deadline = monotonic() + self.relay.between
        self.far.hold(False)
        return 0

    cdef int expire(self, double now) except -1:
        cdef LaneSender lane = self.lane
        if self.status == 0:
            self.leave()  # whose clocks have run out, too
        elif self.waiting is not None:
            lane.check_stall(now, PyBytes_GET_SIZE(self.waiting) - self.taken)
        else:
            self.cut(
                NetworkTimeout(
                    "nothing was sent or received for too long", limit="between_bytes_timeout"
                ),
                SK_ENDED_TIMEOUT,
            )
        return 0

    cdef int finish_soon(self) except -1:
        if self.status == 0:
            self.leave()
        return 0

    cdef int lose(self) except -1:
        cdef LaneSender lane = self.lane
        cdef OutboundConnection far = self.far
        cdef double now = monotonic()
        cdef linger at_once
        self.lane = self.far = None
        if far is not None:
            sk_members_end(self.relay.members.all, self.id, now - self.began_at, SK_ENDED_CANCELLED, now)
            far.give_up()
        if self.status == 0:
            lane.lanes.count(0)
        # What is cut never looks whole.
        at_once.l_onoff = 1
        at_once.l_linger = 0
        setsockopt(lane.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))
        lane.whole = False
        if self.relay.log is not None:
            self.log(wall_clock(), now, self.sent)
        return 0

    # -- for people -------------------------------------------------------------------------------

    cdef str method(self):
        return self.request[: self.method_size].decode("latin-1")

    cdef str target(self):
        return self.request[self.method_size + 1 : self.method_size + 1 + self.target_size].decode("latin-1")

    cdef int log(self, double when, double delivered_at, Py_ssize_t size) except -1:
        cdef double answered_at = self.started_at if self.status else delivered_at
        # 499 as in `HttpService.finished`.
        self.relay.log(
            (
                when, self.address, self.port, self.method(), self.target(), "1.1", self.status or 499, size,
                answered_at - self.began_at, delivered_at - answered_at,
            )
        )
        return 0
