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
                           │  ├──socket full──▶ SENDING ──taken──▶ RESTING
                           │  └──a member's──▶ RELAYING ──answered──▶ RESTING, SENDING
                           └──not plain, closed──▶ GONE

HELD lasts as long as other connections of the same batch of events are served (held.h): nothing but
the sending of what is held sees it; that, and SENDING, is the other half's (lane_sender.pyx).  RELAYING
lasts until a member has answered (lane_relay.pyx), or is left for a general connection.  The states are
those of relief.h: while the leader is away the monitor may take a connection from RESTING to SENDING and
back, from HELD to HELD_SENT, and to ENDED, which only `close` follows.

SERVING belongs to one thread, the leader as it began.  The socket is watched edge-triggered: who
serves reads on until there is no more, and what is reported meanwhile is kept in `missed`.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcmp, memcpy

import socket

from skitai._speedups.answer_body cimport lose, take_body
from skitai._speedups.calls cimport PARKED, Call
from skitai._speedups.clock cimport monotonic
from skitai._speedups.fields cimport SIMPLE
from skitai._speedups.habits cimport (
    SK_BURNS,
    SK_FAST,
    SK_LASTS,
    SK_SLOW,
    Meter,
    sk_habit,
    sk_kind,
    sk_kind_now,
    sk_others_compute,
    sk_try_outside,
)
from skitai._speedups.heads cimport Head, recognise_next
from skitai._speedups.lane_leaving cimport LaneLeaving
from skitai._speedups.lane_routes cimport Route
from skitai._speedups.lane_seal cimport Seal
from skitai._speedups.lane_sender cimport LOST, SENT, WAITING, Outcome
from skitai._speedups.lane_shelf cimport answer_from_shelf, end_pending, rest_of_pending, send_pending
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.loop cimport (
    SK_CONNECTION,
    SK_END,
    SK_ENDED,
    SK_GONE,
    SK_HELD,
    SK_HELD_SENT,
    SK_QUEUED,
    SK_READ,
    SK_RELAYING,
    SK_RESTING,
    SK_SEALED,
    SK_SENDING,
    SK_SERVING,
    SK_WRITE,
    sk_lead,
)
from skitai._speedups.relayed cimport Relayed
from skitai._speedups.shelf cimport SK_PARCEL_LOST, pick, sk_shelf_may_have
from skitai._speedups.sockets cimport MSG_PEEK, recv
from skitai._speedups.workspace cimport SCRATCH, Workspace

cdef extern from "lead.h" nogil:
    bint sk_may_call(const sk_lead *lead)

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    SHELF_TURN_MAX = 64  # requests of one connection that are answered from the shelf while others wait

# Seconds: how long one connection's requests are served while others wait.
cdef double TURN_MAX = 0.001

cdef double FOREVER = float("inf")


@cython.final
cdef class LaneConnection(LaneLeaving):
    """Stands in the engine's tables where a general connection stands, with the methods that the
    engine calls on one.  ``deadline``: see `Connection.deadline`."""

    cdef object port_text

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
        secure=None,
    ):
        """``fd`` is a connected, non-blocking socket of ``family``, which is ours from here on;
        ``returns`` and ``left``, what was read and not looked at, are told where a general connection
        gives it back.  ``secure``: the `SecureSocket` that ``fd`` is of, where TLS is spoken."""
        self.lanes = lanes
        self.fd = fd
        self.family = family
        self.address = address
        self.port = port
        self.info = info
        self.returns = max(returns, 0)
        self.port_text = str(port)
        self.view.kind = SK_CONNECTION
        self.whole = True
        if secure is not None:
            self.view.kind = SK_SEALED
            self.seal = Seal(secure)
        self.view.state = SK_RESTING
        self.view.site = <PyObject *>info
        self.idle_since = monotonic()
        self.deadline = self.idle_since + (lanes.header_timeout if returns < 0 else lanes.keep_alive)
        lanes.loop.add(self, SK_READ | SK_WRITE)
        if left:
            self.left = left
            self.queue()

    @property
    def is_idle(self):
        return self.view.state == SK_RESTING

    def is_silent(self):
        """As `Channel.is_silent`."""
        cdef unsigned char first
        return recv(self.fd, &first, 1, MSG_PEEK) <= 0

    @property
    def peer(self):
        return self.client()

    # -- events -----------------------------------------------------------------------------

    cdef int on_ready(self, int ready) except -1:
        cdef Relayed relayed
        try:
            # HELD here: kqueue tells of reading and of writing in two events.
            if self.view.state == SK_HELD or self.view.state == SK_HELD_SENT:
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
                if self.view.state == SK_RELAYING:
                    relayed = self.relayed  # which we may forget meanwhile
                    relayed.client_ready(ready)
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

    cdef int send_on(self) except -1:
        """The client may take more; once it has all, it is served on."""
        cdef Outcome outcome = send_pending(self) if self.view.pending != NULL else self.send_unsent()
        if outcome == SENT:
            self.serve(True)
        return 0

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
                work.filled = self.receive(work)
                if work.filled == 0:
                    self.close()
                    return 0
                if work.filled < 0:
                    break
                work.more = work.more or ended
            if not self.serve_received(work):
                return 0
            if self.missed:
                self.missed = 0
            elif not work.more:
                break
        self.rest()
        return 0

    cdef Py_ssize_t receive(self, Workspace work) except -2:
        """Into the scratch of ``work``: how many bytes; 0: the end, or a failure; -1: nothing has come."""
        cdef Py_ssize_t size
        if self.seal is not None:
            return self.seal.receive(self.fd, work)
        while True:
            size = recv(self.fd, work.scratch, SCRATCH, 0)
            if size >= 0:
                work.more = size == SCRATCH
                return size
            if errno != EINTR:
                return -1 if errno == EAGAIN else 0

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
                if not answer_from_shelf(self, work, head):
                    return False
                from_shelf += 1
                if from_shelf == SHELF_TURN_MAX and work.start < work.filled:
                    return self.give_way(work)
                continue
            route = lanes.routes.find(data, head, self.route, self.info)
            if route is None or (route.path_start and head.path.length <= route.path_start + 1):
                return self.go_general(work)  # no lane, or the slash rule has a word to say
            if head.content_length > 0:
                if head.content_length > route.body_max or head.content_length > work.filled - work.start - length:
                    return self.go_general(work)  # too much, or not all there
                length += head.content_length
            if not head.keep_alive and work.start + length < work.filled:
                return self.go_general(work)  # bytes behind the last request want the general one's care
            if route.relay is not None:
                self.route = route
                return self.relay(work, head, length)
            if now and now - began_at > TURN_MAX:
                return self.give_way(work)
            if lanes.lead != NULL and not sk_may_call(lanes.lead):
                return self.go_general(work)  # to wait until one of the threads is free
            habit = lanes.habits.of_request(data, head, route)
            if habit != NULL and habit.strikes:
                kind = sk_kind_now(habit, monotonic(), lanes.lead.workers.busy < lanes.lead.threads)
                if kind == SK_FAST and habit.strikes >= SK_SLOW and work.hub.parked:
                    kind = sk_try_outside(habit, monotonic())
                if kind != SK_FAST:
                    self.meter = Meter.__new__(Meter)
                    self.meter.habits = lanes.habits
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
        cdef bytes left = work.rest()
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
            lose(call, failure)
            return 0.0
        # A call that was moved has had its strike, and another route may have its place since.
        elapsed = call.started_at - began_at
        if call.habit != NULL and (habit.strikes or elapsed >= SK_LASTS):
            lanes.habits.learn(
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
                and call.answer.status is not None
                and not is_head
                and take_body(call)
                and self.deliver(work, call, length)
            ):
                answered_at = call.started_at
                call.end(work)
                return answered_at
            if call.over:
                lose(call, failure)
                return 0.0
            if call.run is None:
                call.leave()
        if call.finish(failure):
            call.release()
        return 0.0

    # -- another leader -----------------------------------------------------------------------

    cdef int go_on_without(self, Workspace former) except -1:
        if self.view.state == SK_SERVING:
            self.left = former.rest()
            self.queue()
        return 0

    # -- what the engine calls ----------------------------------------------------------------

    def expire(self, double now):
        """No request came in time, the client has stopped reading, or a member takes too long."""
        cdef Relayed relayed
        if self.view.state == SK_SENDING:
            if self.view.pending != NULL:
                self.check_stall(now, rest_of_pending(self))
            else:
                self.check_stall(now, PyBytes_GET_SIZE(self.unsent) - self.taken)
        elif self.view.state == SK_RELAYING:
            relayed = self.relayed
            relayed.expire(now)
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
        cdef Relayed relayed
        if self.view.state == SK_RESTING:
            self.queue()
        elif self.view.state == SK_RELAYING:
            relayed = self.relayed
            relayed.finish_soon()

    cpdef close(self):
        cdef Relayed relayed
        if self.view.state == SK_GONE:
            return
        if self.view.state == SK_HELD or self.view.state == SK_HELD_SENT:
            self.lanes.work.send_held()
            self.close()
            return
        if self.view.pending != NULL:
            end_pending(self, SK_PARCEL_LOST)
            return
        if self.view.state == SK_RELAYING:
            relayed, self.relayed = self.relayed, None
            self.view.state = SK_GONE
            relayed.lose()
        if self.view.state == SK_SENDING:
            self.whole = False
            self.log_unsent()
        self.view.state = SK_GONE
        self.deadline = FOREVER
        self.unsent = self.left = None
        self.lanes.loop.forget(self)
        if self.seal is not None:
            self.seal.close(self.whole)
        else:
            close_descriptor(self.fd)
        self.fd = -1
        self.lanes.engine.forget(self)
