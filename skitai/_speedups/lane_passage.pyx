"""One request that is passed on from its lane, and the answer on its way back.

Most exchanges through a proxy need nothing of what a `Passage` (``skitai/proxy/passage.py``) can do: the request
is plain (lane_relay.pyx), and the answer that comes is a simple head with a body of a known length.  The head is
written anew, and the body follows as it comes, from one socket to the other.

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

The leader's only.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport errno
from libc.string cimport memcpy

import os

from skitai.errors import NetworkTimeout, ReadError

from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.fields cimport SIMPLE, is_word, limits_of
from skitai._speedups.lane_seal cimport LOST_BYTES, NO_ROOM_NOW
from skitai._speedups.loop cimport SK_END, SK_WRITE
from skitai._speedups.members cimport (
    SK_ENDED_CANCELLED,
    SK_ENDED_FAILED,
    SK_ENDED_OK,
    SK_ENDED_TIMEOUT,
    sk_members_end,
)
from skitai._speedups.relay_heads cimport write_answer_head
from skitai._speedups.responses cimport recognise_answer
from skitai._speedups.sockets cimport MSG_PEEK, recv
from skitai._speedups.workspace cimport OUT, Workspace

cdef extern from "<sys/socket.h>" nogil:
    const int SOL_SOCKET, SO_LINGER
    struct linger:
        int l_onoff
        int l_linger
    int setsockopt(int fd, int level, int name, const void *value, unsigned int size)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    COPY_MAX = 16384  # a body up to this leaves in one piece with its head

cdef double FOREVER = float("inf")


cdef class RelayTerms:
    pass


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
            self.request_id if self.relay.tells_ids else None,
        )
        if head_size < 0:
            return False
        self.note_keeping(data, &answer)
        self.started_at = monotonic()
        self.status = answer.status
        self.body_left = length - here
        lane.lanes.count(answer.status, self.relay.slot)
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
        if self.lane is not None:
            self.lane.lanes.others_answered_after(took)
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
                self.peer,
                None if far is None else self.pool,
                far,
                self.began_at,
                self.request[self.head_size :],
                self.request_id or "",
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
            self.peer, ejected, self.status, self.method(), self.target().partition("?")[0], error
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
            lane.lanes.count(0, self.relay.slot)
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
        cdef tuple record = (
            when, self.address, self.port, self.method(), self.target(), "1.1", self.status or 499, size,
            answered_at - self.began_at, delivered_at - answered_at,
        )
        self.relay.log((*record, self.request_id) if self.relay.notes_ids else record)
        return 0
