"""The fast lane: plain requests to plain applications, read, run and answered in one go.

Most requests need nothing of what the general connection (``skitai/_pure/engine/connection.py``)
can do: the whole request lies in the socket, its head is simple, and the application returns
its answer in one piece.  For these a `LaneConnection` does in C what costs the general one
some three hundred calls.  Answers to pipelined requests leave together.

What is not so plain leaves the lane **before anything about it was decided here**:

* bytes that are not certainly a simple request, or not all there: the general connection reads
  them again from the first one, so that refusals, limits and clocks are its own;
* a call whose answer is not plain: see calls.pyx.

The general connection gives the socket back when it is idle (`LaneConnection.__init__`).

    RESTING ──readable──▶ SERVING ──answered──▶ RESTING
                           │  │ ▲
                           │  │ └──turn──────── QUEUED     others were served for a while
                           │  ├──kept a moment─▶ HELD ──sent──▶ RESTING
                           │  └──socket full──▶ SENDING ──taken──▶ RESTING
                           └──not plain, closed──▶ GONE

HELD lasts as long as other connections of the same batch of events are served (held.h): nothing but
the sending of what is held sees it.  The states are those of relief.h: while the leader is away the
monitor may take a connection from RESTING to SENDING and back, from HELD to HELD_SENT, and to ENDED, which
only `close` follows.

SERVING belongs to one thread, the leader as it began.  The socket is watched edge-triggered: who
serves reads on until there is no more, and what is reported meanwhile is kept in `missed`.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memcpy

import socket

from skitai._pure.engine.channel import Stall

from skitai._speedups.calls cimport PARKED, Call
from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.fields cimport SIMPLE
from skitai._speedups.heads cimport Head, recognise_next
from skitai._speedups.lanes cimport (
    OUT,
    SCRATCH,
    SK_BURNS,
    SK_FAST,
    SK_LASTS,
    SK_SLOW,
    Lanes,
    Meter,
    Route,
    Seat,
    Workspace,
    sk_habit,
    sk_hold,
    sk_kind,
    sk_kind_now,
    sk_may_call,
    sk_others_compute,
    sk_try_outside,
)
from skitai._speedups.loop cimport (
    SK_CONNECTION,
    SK_END,
    SK_ENDED,
    SK_GONE,
    SK_HELD,
    SK_HELD_SENT,
    SK_QUEUED,
    SK_READ,
    SK_RESTING,
    SK_SENDING,
    SK_SERVING,
    SK_WRITE,
    sk_pending,
)
from skitai._speedups.shelf cimport (
    SK_PARCEL_LOST,
    SK_PARCEL_MORE,
    SK_PARCEL_SENT,
    pick,
    sk_parcel,
    sk_parcel_release,
    sk_parcel_rest,
    sk_parcel_send,
    sk_parcel_state,
    sk_shelf_may_have,
)
from skitai._speedups.writing cimport NO_ROOM

cdef extern from "relief.h" nogil:
    ctypedef struct sk_asked:
        const char *target
        uint32_t target_size
        bint is_head
    sk_pending *sk_pend(const sk_parcel *parcel, double received_at, const sk_asked *asked)
    void sk_pending_free(sk_pending *pending)

cdef extern from "sockets.h" nogil:
    ssize_t sk_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size)

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *buffer, size_t size, int flags)

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    PARCEL_TURN_MAX = 1 << 20  # bytes of a file that are sent before others have their turn
    SHELF_TURN_MAX = 64        # requests of one connection that are answered from the shelf before that
    COPY_MAX = 16384  # a body up to this is copied behind its head: cheaper than a send of two parts

# Seconds: how long answers wait for those to requests that came with them, and how long one
# connection's requests are served while others wait.
cdef double TOGETHER_MAX = 0.001
cdef double TURN_MAX = 0.001
# Seconds.  An answer that was made quicker than this is sent at once also when other connections wait:
# the client works in parallel then, which is worth more than our caches.
cdef double HELD_FROM = 20e-6

cdef double FOREVER = float("inf")
cdef Py_ssize_t ALL = PY_SSIZE_T_MAX

cdef enum Outcome:
    # The bytes that were to be sent are ...
    SENT
    WAITING    # in part or wholly ours still; the connection is SENDING
    LOST       # of no use to anybody: the client is gone

@cython.final
cdef class LaneConnection(Seat):
    """Stands in the engine's tables where a general connection stands, with the methods that the
    engine calls on one.  ``deadline``: see `Connection.deadline`."""

    cdef public double deadline
    cdef readonly object info
    cdef readonly object address
    cdef readonly int port
    cdef int family              # of the socket
    cdef int missed              # what it became ready for while it was not RESTING
    cdef Route route             # of the last request
    cdef object port_text
    cdef readonly double idle_since
    cdef readonly int returns    # how often in a row a general connection has given it back for nothing
    cdef readonly bint has_answered
    cdef bytes left              # read and not yet looked at

    # SENDING: what the socket has not taken, of which `taken` bytes are out by now.
    cdef bytes unsent
    cdef Py_ssize_t taken
    cdef bint last               # close behind it
    cdef list unlogged           # the calls whose answers it holds, with their sizes
    cdef Py_ssize_t sent_before  # of these answers, in front of `unsent`
    cdef object stall
    cdef Meter meter             # of the request that it leaves to the general connection

    #: Bytes that a general connection may have read ahead of us.
    TAKES_MAX = SCRATCH

    def __init__(
        self,
        Lanes lanes,
        int fd,
        int family,
        str address,
        int port,
        info,
        int returns=-1,
        bytes left=b"",
    ):
        """``fd`` is a connected, non-blocking socket of ``family``, which is ours from here on;
        ``returns`` and ``left``, what was read and not looked at, are told where a general connection
        gives it back."""
        self.lanes = lanes
        self.fd = fd
        self.family = family
        self.address = address
        self.port = port
        self.info = info
        self.returns = max(returns, 0)
        self.port_text = str(port)
        self.view.kind = SK_CONNECTION
        self.view.state = SK_RESTING
        self.view.site = <PyObject *>info
        self.idle_since = monotonic()
        self.deadline = self.idle_since + (lanes.header_timeout if returns < 0 else lanes.keep_alive)
        lanes.loop.add(self, SK_READ | SK_WRITE)
        if left:
            self.left = left
            self.queue()

    cdef tuple client(self):
        return (self.address, self.port)

    @property
    def is_idle(self):
        return self.view.state == SK_RESTING

    @property
    def peer(self):
        return self.client()

    # -- events -----------------------------------------------------------------------------

    cdef int on_ready(self, int ready) except -1:
        try:
            if self.view.state == SK_HELD or self.view.state == SK_HELD_SENT:  # kqueue tells of reading and of writing in two events
                self.lanes.work.send_held()
            if self.view.state == SK_RESTING:
                if ready & SK_READ:
                    self.serve(ready & SK_END)
            elif self.view.state == SK_SENDING:
                self.missed |= ready
                if ready & SK_WRITE:
                    self.send_on()
            elif self.view.state == SK_ENDED:
                self.close()
            else:
                self.missed |= ready
        except Exception:
            # The service broke its promise; only this client pays for it.
            self.lanes.engine.report("answering a request")
            self.close()
        return 0

    def resume(self):
        """The others had their turn."""
        if self.view.state == SK_QUEUED:
            self.view.state = SK_RESTING
            self.on_ready(SK_READ | SK_END)  # the end may have been reported in an earlier turn

    cdef int serve(self, bint ended) except -1:
        """Answer what lies in the socket; ``ended``: nothing will come behind it."""
        cdef Lanes lanes = self.lanes
        cdef Workspace work = lanes.work
        if self.unlogged is not None:
            work.send_held()  # it was held, and the monitor has sent it and served on
        self.log(work, True)  # of a connection that something of ours broke before its answers left
        self.view.state = SK_SERVING
        while True:
            work.begin()
            if self.left is not None:
                work.filled = PyBytes_GET_SIZE(self.left)
                memcpy(work.scratch, PyBytes_AS_STRING(self.left), work.filled)
                self.left = None
                work.more = True  # what was reported meanwhile is in `missed`, or was never looked at
            else:
                work.filled = recv(self.fd, work.scratch, SCRATCH, 0)
                if work.filled < 0 and errno == EINTR:
                    continue
                if work.filled <= 0:
                    if work.filled == 0 or errno != EAGAIN:
                        self.close()
                        return 0
                    break
                work.more = ended or work.filled == SCRATCH
            if not self.serve_received(work):
                return 0
            if self.missed:
                self.missed = 0
            elif not work.more:
                break
        self.rest()
        return 0

    cdef int rest(self) except -1:
        """All is answered."""
        self.view.state = SK_RESTING
        if self.lanes.draining and not self.lanes.gently:
            self.close()
        else:
            self.idle_since = (
                self.lanes.last_time if self.lanes.time_batch == self.lanes.loop.batch else monotonic()
            )
            self.deadline = self.idle_since + self.lanes.keep_alive
        return 0


    cdef bint serve_received(self, Workspace work) except -1:
        """Answer the requests in ``work``; False if the connection is not this thread's any more."""
        cdef Lanes lanes = self.lanes
        cdef Head *head = &work.head
        cdef const unsigned char *data
        cdef Route route
        cdef Py_ssize_t length
        cdef double began_at = 0.0
        cdef double now = 0.0
        cdef sk_habit *habit
        cdef sk_kind kind
        cdef int from_shelf = 0
        while work.start < work.filled:
            data = work.scratch + work.start
            if lanes.draining:
                return self.go_general(work)  # which knows how to end
            if recognise_next(data, work.filled - work.start, &lanes.limits, head) != SIMPLE:
                return self.go_general(work)
            length = head.consumed
            if (
                (head.keep_alive or work.start + length == work.filled)
                and sk_shelf_may_have(lanes.shelf.shelf, head.path.length)
                and pick(lanes.shelf_now(), self.view.site, data, head, &work.parcel)
            ):
                if not self.answer_from_shelf(work, head):
                    return False
                from_shelf += 1
                if from_shelf == SHELF_TURN_MAX and work.start < work.filled:
                    return self.give_way(work)
                continue
            route = lanes.find(data, head, self.route, self.info)
            if route is None or (route.path_start and head.path.length <= route.path_start + 1):
                return self.go_general(work)  # no lane, or the slash rule has a word to say
            if head.content_length > 0:
                if head.content_length > route.body_max or head.content_length > work.filled - work.start - length:
                    return self.go_general(work)  # too much, or not all there
                length += head.content_length
            if not head.keep_alive and work.start + length < work.filled:
                return self.go_general(work)  # bytes behind the last request want the general one's care
            if now and now - began_at > TURN_MAX:
                return self.give_way(work)
            if lanes.lead != NULL and not sk_may_call(lanes.lead):
                return self.go_general(work)  # to wait until one of the threads is free
            habit = lanes.habit(data, head, route)
            if habit != NULL and habit.strikes:
                kind = sk_kind_now(habit, monotonic(), lanes.lead.workers.busy < lanes.lead.threads)
                if kind == SK_FAST and habit.strikes >= SK_SLOW and work.hub.parked:
                    kind = sk_try_outside(habit, monotonic())
                if kind != SK_FAST:
                    self.meter = Meter.__new__(Meter)
                    self.meter.lanes = lanes
                    self.meter.route = habit.route
                    return self.go_general(work, kind)
            self.route = route
            now = self.answer(work, head, length, habit)
            if self.view.state != SK_SERVING or lanes.work is not work:
                return False
            if not began_at:
                began_at = now
        return True

    cdef bint give_way(self, Workspace work) except -1:
        """Let the others have their turn.  Always False."""
        cdef bytes left = _rest(work)
        cdef Outcome outcome = self.flush(work)
        if outcome != LOST:
            self.left = left
        if outcome == SENT:
            self.queue()
        return False

    cdef int queue(self) except -1:
        self.view.state = SK_QUEUED
        self.deadline = FOREVER
        self.lanes.loop.call_soon(self.resume)
        return 0

    # -- what is on the shelf -----------------------------------------------------------------

    cdef bint answer_from_shelf(self, Workspace work, Head *head) except -1:
        """Send the parcel; False if no more is to be read now."""
        cdef sk_parcel *parcel = &work.parcel
        cdef sk_parcel_state state
        cdef sk_asked asked
        cdef double received_at
        cdef Outcome outcome = self.flush(work)
        if outcome != SENT:
            sk_parcel_release(parcel)
            if outcome == WAITING:
                self.left = _rest(work)
            return False
        received_at = monotonic() if self.lanes.log is not None else 0.0
        asked.target = <const char *>work.scratch + work.start + head.target.start
        asked.target_size = head.target.length
        asked.is_head = head.method.length == 4
        work.start += head.consumed
        self.has_answered = True
        state = sk_parcel_send(parcel, self.fd, PARCEL_TURN_MAX)
        if state == SK_PARCEL_SENT or state == SK_PARCEL_LOST:
            return self.parcel_is_over(parcel, state, received_at, &asked)
        self.view.pending = sk_pend(parcel, received_at, &asked)
        if self.view.pending == NULL:
            sk_parcel_release(parcel)
            raise MemoryError
        if work.start < work.filled:
            self.left = _rest(work)
        if self.stall is None:
            self.stall = Stall(self.fd, self.lanes.send_stall_timeout)
        self.stall.progressed()
        self.parcel_rests(state)
        return False

    cdef int parcel_rests(self, sk_parcel_state state) except -1:
        self.view.state = SK_SENDING
        self.view.left = self.left is not None
        self.deadline = monotonic() + self.lanes.send_stall_timeout / 2
        if state == SK_PARCEL_MORE:
            self.lanes.loop.again(self)
        return 0

    cdef bint parcel_is_over(
        self, sk_parcel *parcel, sk_parcel_state state, double received_at, const sk_asked *asked
    ) except -1:
        """Sent, or lost; False if with it the connection is closed."""
        cdef bint stays = state == SK_PARCEL_SENT and parcel.stays
        self.view.state = SK_SERVING
        self.lanes.count(parcel.status)
        self.log_parcel(parcel, received_at, asked)
        sk_parcel_release(parcel)
        if not stays:
            self.close()
        return stays

    cdef int log_parcel(self, sk_parcel *parcel, double received_at, const sk_asked *asked) except -1:
        if self.lanes.log is not None:
            self.lanes.log(
                (
                    wall_clock(),
                    self.address,
                    self.port,
                    "HEAD" if asked.is_head else "GET",
                    asked.target[: asked.target_size].decode("latin-1"),
                    "1.1",
                    parcel.status,
                    parcel.sent,
                    0.0,
                    monotonic() - received_at,
                )
            )
        return 0

    cdef int send_pending(self) except -1:
        """The rest of an answer of the shelf."""
        cdef sk_pending *pending = self.view.pending
        cdef unsigned long long before = pending.parcel.sent
        cdef sk_parcel_state state = sk_parcel_send(&pending.parcel, self.fd, PARCEL_TURN_MAX)
        if state == SK_PARCEL_SENT or state == SK_PARCEL_LOST:
            if self.end_pending(state):
                self.serve(True)
            return 0
        if self.stall is None:  # the monitor has begun with it
            self.stall = Stall(self.fd, self.lanes.send_stall_timeout)
            self.stall.progressed()
        elif pending.parcel.sent != before:
            self.stall.progressed()
        self.parcel_rests(state)
        return 0

    cdef bint end_pending(self, sk_parcel_state state) except -1:
        cdef sk_pending *pending = self.view.pending
        cdef sk_asked asked
        self.view.left = False
        asked.target = pending.target
        asked.target_size = pending.target_size
        asked.is_head = pending.is_head
        self.view.pending = NULL
        try:
            return self.parcel_is_over(&pending.parcel, state, pending.received_at, &asked)
        finally:
            sk_pending_free(pending)

    # -- one request --------------------------------------------------------------------------

    cdef double answer(self, Workspace work, Head *head, Py_ssize_t length, sk_habit *habit) except -1:
        """Run the application for the request of ``length`` bytes and send, or keep for a moment,
        its answer.  The time when it was made; `state` is not SERVING if the connection is closed
        or not this thread's any more."""
        cdef Lanes lanes = self.lanes
        cdef Call call
        cdef const unsigned char *data = work.scratch + work.start
        cdef double answered_at, began_at, elapsed
        cdef bint is_head = head.method.length == 4 and memcmp(data + head.method.start, b"HEAD", 4) == 0
        if work.spare is not None:
            call, work.spare = <Call>work.spare, None
        else:
            call = Call.__new__(Call)
        call.connection = self
        call.lanes = lanes
        call.work = work
        call.route = self.route
        call.begin(data, head, self.address, self.port_text)
        call.keep_alive = head.keep_alive
        call.habit = habit
        # One look at the clock for each request: it began when the one before was answered.
        call.received_at = lanes.last_time if lanes.time_batch == lanes.loop.batch else monotonic()
        # A strike, which may send others out of their lane, is for the application's own time alone.
        began_at = monotonic() if call.route.parks else call.received_at
        failure = call.ask()
        call.started_at = monotonic()
        if lanes.work is work:
            lanes.last_time = call.started_at
            lanes.time_batch = lanes.loop.batch
        if call.over and failure is not PARKED:  # given up: see Leadership.take
            call.lose(failure)
            return 0.0
        # A call that was moved has had its strike, and another route may have its place since.
        elapsed = call.started_at - began_at
        if call.habit != NULL and (habit.strikes or elapsed >= SK_LASTS):
            lanes.learn(
                habit, call.route, call.method, call.target, elapsed, call.started_at,
                elapsed >= SK_LASTS and sk_others_compute(&lanes.lead.workers, work.hub.ident),
            )
        if failure is PARKED:
            self.has_answered = True  # in a way: its next request will find its lane of use
            call.park()
            return 0.0
        if call.run is None:
            if (
                failure is None
                and call.status is not None
                and not is_head
                and call.take_body()
                and self.deliver(work, call, length)
            ):
                answered_at = call.started_at
                call.end(work)
                return answered_at
            if call.over:
                call.lose(failure)
                return 0.0
            if call.run is None:
                call.leave()
        if call.finish(failure):
            call.release()
        return 0.0

    cdef bint deliver(self, Workspace work, Call call, Py_ssize_t length) except -1:
        """Put the answer behind those that are ready, and send them unless more will come soon;
        False if it must be looked at."""
        cdef Lanes lanes = self.lanes
        cdef Py_ssize_t head_size = call.write_head(
            work.out + work.base + work.ready, OUT - work.base - work.ready
        )
        cdef Py_ssize_t body_size = PyBytes_GET_SIZE(call.body)
        cdef Outcome outcome = SENT
        cdef double elapsed
        if head_size == NO_ROOM and work.ready:
            outcome = self.flush(work)
            if outcome == WAITING:
                call.put_back()
                return False
            if outcome == LOST:
                self.lanes.count(call.status.code)
                call.lose(None)
                call.log(wall_clock(), call.started_at, 0)
                return True
            head_size = call.write_head(work.out + work.base, OUT - work.base)
        if head_size < 0:
            call.put_back()
            return False
        call.over = self.has_answered = True
        self.lanes.count(call.status.code)
        work.start += length
        work.ready += head_size
        if call.route.log is not None:
            work.unlogged.append((call, head_size + body_size))
        if body_size > COPY_MAX or body_size > OUT - work.base - work.ready:
            outcome = self.push(work, call.body)
        else:
            memcpy(work.out + work.base + work.ready, PyBytes_AS_STRING(call.body), body_size)
            work.ready += body_size
            elapsed = call.started_at - call.received_at
            if elapsed < TOGETHER_MAX:
                if work.start < work.filled:
                    if call.iterator is None:
                        return True  # the next answer will be with it
                elif (
                    elapsed > HELD_FROM
                    and call.keep_alive
                    and not work.more
                    and not self.missed
                    and lanes.more_to_come()
                ):
                    self.hold(work, call.started_at)
                    if call.iterator is not None:
                        call.exhaust(False)
                    return True
            outcome = self.push(work, None)
        if outcome == WAITING:
            self.last = not call.keep_alive
            if work.start < work.filled:
                self.left = _rest(work)
        elif outcome == LOST or not call.keep_alive:
            self.close()
        # From here on the connection may be another thread's, if the lead goes over.
        if call.iterator is not None:
            call.exhaust(outcome == LOST)
        if outcome != WAITING:
            self.log(work, outcome == LOST)
        return True

    cdef int hold(self, Workspace work, double now) except -1:
        """Keep the answers for a moment: other connections wait to be served."""
        if work.held.count == 0:
            work.held_since = now
        sk_hold(&work.held, <PyObject *>self, self.fd, work.ready)
        work.ready = 0
        if work.unlogged:
            self.unlogged, work.unlogged = work.unlogged, []
        self.view.state = SK_HELD
        self.idle_since = now
        self.deadline = now + self.lanes.keep_alive
        if now - work.held_since > TOGETHER_MAX:
            work.send_held()
        return 0

    cdef int was_sent(self, const unsigned char *answers, Py_ssize_t size, Py_ssize_t sent) except -1:
        unlogged, self.unlogged = self.unlogged, None
        if self.view.state == SK_HELD or self.view.state == SK_HELD_SENT:
            self.view.state = SK_RESTING  # if not, the monitor has served it since
        try:
            if 0 <= sent < size:
                self.keep(answers, size, None, sent, unlogged)
            else:
                if unlogged is not None:
                    _log(unlogged, ALL if sent == size else 0)
                if sent < 0:
                    self.close()
        except Exception:
            self.lanes.engine.report("sending an answer")
            self.close()
        return 0

    cdef Outcome push(self, Workspace work, bytes body) except? LOST:
        """Send what is ready, and ``body``."""
        cdef const unsigned char *answers = work.out + work.base
        cdef Py_ssize_t ready = work.ready
        cdef Py_ssize_t body_size = PyBytes_GET_SIZE(body) if body is not None else 0
        cdef Py_ssize_t sent = sk_send(
            self.fd, answers, ready, PyBytes_AS_STRING(body) if body is not None else NULL, body_size
        )
        work.ready = 0
        if sent == ready + body_size:
            return SENT
        if sent < 0 and errno != EAGAIN and errno != EINTR:
            return LOST
        unlogged, work.unlogged = work.unlogged, []
        self.keep(answers, ready, body, max(sent, 0), unlogged)
        return WAITING

    cdef Outcome flush(self, Workspace work) except? LOST:
        """Send what is ready and log it; where that fails, close."""
        cdef Outcome outcome
        if not work.ready:
            return SENT
        outcome = self.push(work, None)
        if outcome != WAITING:
            self.log(work, outcome == LOST)
            if outcome == LOST:
                self.close()
        return outcome

    cdef int log(self, Workspace work, bint lost) except -1:
        """The access lines of what was sent, or is lost."""
        if work.unlogged:
            unlogged, work.unlogged = work.unlogged, []
            _log(unlogged, 0 if lost else ALL)
        return 0

    # -- SENDING ------------------------------------------------------------------------------

    cdef int keep(
        self, const unsigned char *answers, Py_ssize_t size, bytes body, Py_ssize_t sent, list unlogged
    ) except -1:
        """The socket took ``sent`` bytes of ``answers`` and ``body``; the rest waits for the client."""
        if sent >= size and body is not None:
            self.unsent = body
            self.taken = sent - size
        else:
            self.unsent = PyBytes_FromStringAndSize(<const char *>answers + sent, size - sent)
            if body is not None:
                self.unsent += body
            self.taken = 0
        self.sent_before = sent - self.taken
        self.unlogged = unlogged
        self.last = False
        self.view.state = SK_SENDING
        if self.stall is None:
            self.stall = Stall(self.fd, self.lanes.send_stall_timeout)
        self.stall.progressed()
        self.deadline = monotonic() + self.lanes.send_stall_timeout / 2
        return 0

    cdef int send_on(self) except -1:
        cdef Py_ssize_t sent
        if self.view.pending != NULL:
            return self.send_pending()
        while self.taken < PyBytes_GET_SIZE(self.unsent):
            sent = sk_send(
                self.fd,
                PyBytes_AS_STRING(self.unsent) + self.taken,
                PyBytes_GET_SIZE(self.unsent) - self.taken,
                NULL,
                0,
            )
            if sent < 0 and errno == EINTR:
                continue
            if sent < 0 and errno == EAGAIN:
                return 0
            if sent < 0:
                self.close()
                return 0
            self.taken += sent
            self.stall.progressed()
        self.unsent = None
        unlogged, self.unlogged = self.unlogged, None
        if unlogged is not None:
            _log(unlogged, ALL)
        if self.last:
            self.close()
        else:
            self.serve(True)
        return 0

    cdef int check_stall(self, double now) except -1:
        cdef Py_ssize_t waiting
        if self.view.pending != NULL:
            waiting = sk_parcel_rest(&self.view.pending.parcel)
            if self.stall is None or self.view.served_at > self.deadline - self.lanes.send_stall_timeout / 2:
                # The monitor has sent some of it.
                self.stall = self.stall or Stall(self.fd, self.lanes.send_stall_timeout)
                self.stall.progressed()
        else:
            waiting = PyBytes_GET_SIZE(self.unsent) - self.taken
        self.deadline = self.stall.patience(now, waiting)
        if self.deadline <= now:
            text = f"cut {self.address}, for which {waiting} bytes waited"
            self.close()
            self.lanes.service.limited("send_stall_timeout", text)
        return 0

    # -- out of the lane ----------------------------------------------------------------------

    cdef object become_general(self, Workspace work, sk_kind kind):
        """The general connection that has our socket, and what we have not sent; ``kind``: how the
        present request's handler is to be called."""
        # Only where the lane is of no use to them their connections stay out of it for longer.
        cdef int returns = 0 if self.has_answered or kind != SK_FAST else self.returns + 1
        cdef bytes unsent = PyBytes_FromStringAndSize(<const char *>work.out + work.base, work.ready)
        cdef list unlogged = work.unlogged
        work.ready = 0
        work.unlogged = []
        if self.view.state == SK_SENDING:
            unsent = self.unsent[self.taken :] + unsent
            unlogged = (self.unlogged or []) + unlogged
            self.unsent = self.unlogged = None
        self.view.state = SK_GONE
        self.lanes.loop.forget(self)
        sock = socket.socket(self.family, socket.SOCK_STREAM, 0, self.fd)
        self.fd = -1
        connection = self.lanes.engine.replace(self, sock, returns)
        if kind != SK_FAST:
            connection.next_meter = self.meter
            connection.next_burns = kind == SK_BURNS
            connection.next_lasts = True
        connection.send_first(unsent)
        _log(unlogged, ALL)
        return connection

    cdef bint go_general(self, Workspace work, sk_kind kind=SK_FAST) except -1:
        """The present request is the general connection's.  Always False."""
        cdef bytes data = _rest(work)
        cdef Outcome outcome = self.flush(work)
        work.send_held()  # the others' answers do not wait for Python code
        if outcome == SENT:
            self.become_general(work, kind).take_over(data)
        elif outcome == WAITING:
            self.left = data
        return False

    cdef object leave(self, Workspace work):
        data = _rest(work)
        work.send_held()
        return self.become_general(work, SK_FAST).take_over_request(data)

    cdef int go_on_without(self, Workspace former) except -1:
        if self.view.state == SK_SERVING:
            self.left = _rest(former)
            self.queue()
        return 0

    cdef int give_up(self) except -1:
        self.close()
        return 0

    # -- what the engine calls ----------------------------------------------------------------

    def expire(self, double now):
        """No request came in time, or the client has stopped reading."""
        if self.view.state == SK_SENDING:
            self.check_stall(now)
        elif self.view.state == SK_RESTING:
            self.deadline = self.view.served_at + self.lanes.keep_alive
            if self.deadline <= now:
                self.close()

    def cut(self):
        """The loop has ended."""
        self.close()

    def finish_soon(self):
        """The server stops: answer what has come, then end (`rest`).  Not here: an application may
        last, and who called us must not go on then."""
        if self.view.state == SK_RESTING:
            self.queue()

    def close(self):
        """Idempotent; of no effect once another connection has the socket."""
        cdef list unlogged = self.unlogged
        if self.view.state == SK_GONE:
            return
        if self.view.state == SK_HELD or self.view.state == SK_HELD_SENT:
            self.lanes.work.send_held()
            self.close()
            return
        if self.view.pending != NULL:
            self.end_pending(SK_PARCEL_LOST)
            return
        if self.view.state == SK_SENDING and unlogged is not None:
            self.unlogged = None
            _log(unlogged, self.sent_before + self.taken)
        self.view.state = SK_GONE
        self.deadline = FOREVER
        self.unsent = self.left = None
        self.lanes.loop.forget(self)
        close_descriptor(self.fd)
        self.fd = -1
        self.lanes.engine.forget(self)


cdef bytes _rest(Workspace work):
    """What was read, from the present request on."""
    return PyBytes_FromStringAndSize(<const char *>work.scratch + work.start, work.filled - work.start)


cdef int _log(list calls, Py_ssize_t sent) except -1:
    """Note ``calls`` for their access lines; of their answers the system took ``sent`` bytes."""
    cdef double when = wall_clock()
    cdef double now = monotonic()
    cdef Call call
    cdef Py_ssize_t size
    for call, size in calls:
        size = min(size, sent)
        call.log(when, now, size)
        sent -= size
    return 0
