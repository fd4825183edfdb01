"""Applications called for the messages of a WebSocket in the thread that leads the loop (``WEBSOCKET_REQDATA``).

A `MessageCalls` belongs to one WebSocket.  Where nothing is under way and nothing waits, it reads the frames itself
(`read`): whole plain messages go from the socket to the application and its answers back, those to messages that
came together in one piece.  Whatever else comes, or was cut, it gives to the general path, which gives each message
to the receiver, and that one asks here again (`take`).  So what may not be called here is a job as ever.

Calls that last: the leader marks them, and the thread that takes the lead finds the `Charge` in the former one's
workspace (leadership.pyx).  It sends the answers that were ready, gives what was read behind the message to the
general path, and the receiver keeps it until the late call has ended: `receiver.call` is set all that time.  So
nothing of this connection is on the stack of the late thread but the call itself.  Routes are learnt as those of
requests are (habits.h).

The leader's, but for what a call does that is late, or was parked.  Under the GIL.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pythread cimport WAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from skitai._pure.engine.secure import SecureSocket
from skitai._pure.engine.wsphases import OPEN

from skitai._speedups.clock cimport monotonic
from skitai._speedups.habits cimport (
    SK_BURNS, SK_FAST, SK_LASTS, SK_LONG, SK_SLOW, Meter, sk_kind_now, sk_others_compute, sk_try_outside,
)
from skitai._speedups.loop cimport SK_READ, Callback, EventLoop, end_child, in_child, sk_lead
from skitai._speedups.parking cimport sk_call_begins, sk_call_ends
from skitai._speedups.workspace cimport OUT, SCRATCH
from skitai._speedups.wsframes cimport (
    SK_WS_HEAD_MAX, WHOLE_BINARY, WHOLE_TEXT, sk_utf8, sk_utf8_feed, sk_ws_head, sk_ws_mask_word, sk_ws_read_head,
    sk_ws_unmask, sk_ws_write_head, unmasked_text,
)

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void *buffer, size_t size, int flags)

cdef extern from "sockets.h" nogil:
    ssize_t sk_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size)

cdef extern from "lead.h" nogil:
    bint sk_may_call(const sk_lead *lead)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    COPIED_MAX = 4096  # bytes of an answer that is put together with others in any case

cdef double TURN_MAX = 0.002  # seconds, after which the others have their turn


cdef bint is_binary(str content_type) except -1:
    if PyUnicode_GET_LENGTH(content_type) == 0 or content_type[0] not in "aA":
        return False
    return content_type.lower().startswith("application/octet-stream")


@cython.final
cdef class MessageWatch(Callback):
    """What the loop tells of the socket."""

    cdef MessageCalls calls

    def __init__(self, MessageCalls calls not None):
        self.calls = calls

    cdef int on_ready(self, int ready) except -1:
        cdef MessageCalls calls = self.calls  # which the connection may forget meanwhile
        return calls.on_ready(ready)


@cython.final
cdef class MessageCalls(Charge):
    def __init__(self, Lanes lanes not None, websocket, receiver, terms):
        """Of ``websocket``; ``receiver``: a `MessageCaller`, ``terms``: `CallTerms`."""
        self.lanes = lanes
        self.websocket = websocket
        self.receiver = receiver
        self.liveness = websocket.liveness
        self.outgoing = websocket.outgoing
        self.terms = terms
        self.message_max = websocket.message_max
        self.fd = -1
        if not websocket.compresses and not isinstance(websocket.sock, SecureSocket):
            self.fd = websocket.sock.fileno()

    cdef int prepare(self) except -1:
        """What nobody needs who is silent: with the first message."""
        self.environs = MessageEnvirons(self.terms.environ, self.terms.variable)
        self.route = MessageRoute(self.lanes, self.terms, self.receiver.on_done, self.message_max)
        return 0

    def arm(self):
        """The loop, not from within the connection that was there before: a call may give the lead away, and
        whoever has called us must be done then."""
        self.armed = True
        self.websocket.watch_by(MessageWatch(self))

    # -- what the receiver asks -----------------------------------------------------------------

    def take(self, message):
        cdef Workspace work = self.lanes.work
        cdef MessageCall call
        if not self.armed or not self.may_call(work):
            return False
        if self.perform(work, message) == REPLY:
            call = self.last
            self.receiver.answered(call.answer.status.code, call.answer.fields, self.body)
            self.body = None
        return True

    def stage(self):
        stage = self.terms.stage(self.receiver.on_done)
        if self.kind != SK_FAST:
            meter = Meter.__new__(Meter)
            (<Meter>meter).habits = self.lanes.habits
            (<Meter>meter).route = self.route.number
            stage.is_slow(meter, self.kind == SK_BURNS)
        return stage

    # -- one call -------------------------------------------------------------------------------

    cdef bint may_call(self, Workspace work) except -1:
        """Whether the leader may call the application now; else `kind` says how it is to be called."""
        cdef Lanes lanes = self.lanes
        cdef double now
        if self.route is None:
            self.prepare()
        self.kind = SK_FAST
        self.habit = NULL
        if lanes.lead == NULL or lanes.lead.threads == 0:
            return True
        if not sk_may_call(lanes.lead):
            return False
        if not self.route.learns:
            return True
        self.habit = lanes.habits.of_route(self.route.number)
        if self.habit != NULL and self.habit.strikes:
            now = monotonic()
            self.kind = sk_kind_now(self.habit, now, lanes.lead.workers.busy < lanes.lead.threads)
            if self.kind == SK_FAST and self.habit.strikes >= SK_SLOW and work.hub.parked:
                self.kind = sk_try_outside(self.habit, now)
        return self.kind == SK_FAST

    cdef Result perform(self, Workspace work, object message) except *:
        cdef Lanes lanes = self.lanes
        cdef MessageCall call
        cdef double began_at, elapsed, now
        cdef bint is_away
        self.last = None
        if self.spare is not None:
            call, self.spare = self.spare, None
        else:
            call = MessageCall.__new__(MessageCall)
            call.prepare(self.route)
        call.begin(self.environs.make(message), work.hub.ident)
        self.current = call
        began_at = lanes.last_time if lanes.time_batch == lanes.loop.batch else monotonic()
        self.enter(work)
        call.ask(work)
        is_away = self.back(work)
        now = monotonic()
        if not is_away:
            lanes.last_time = now
            lanes.time_batch = lanes.loop.batch
            elapsed = now - began_at
            if self.habit != NULL and (self.habit.strikes or elapsed >= SK_LASTS):
                self.route.learn(
                    self.habit, elapsed, now,
                    elapsed >= SK_LASTS and sk_others_compute(&lanes.lead.workers, work.hub.ident),
                )
        if call.stack is not None:
            self.owe(call)
            call.park()
            return AWAY if is_away else LEFT
        if not is_away:
            self.body = call.plain_body()
            if self.body is not None:
                self.end(call)
                return REPLY
        return self.finish(work, call, is_away)

    cdef Result finish(self, Workspace work, MessageCall call, bint is_away) except *:
        """It is not plain, or late."""
        if not is_away:
            self.owe(call)
            self.flush(work)
            self.account()
            self.habit = NULL
            self.enter(work)
        try:
            call.finish(work)
        finally:
            if not is_away:
                is_away = self.back(work)
        return AWAY if is_away else LEFT

    cdef int owe(self, MessageCall call) except -1:
        """From now on others may ask whether a call is under way; until here nobody could."""
        self.receiver.call = call.stage
        self.websocket.owes = True
        self.current = None
        return 0

    cdef int enter(self, Workspace work) except -1:
        """From here to `back` it is the application's code that runs, and may last."""
        work.charge = self
        if self.lanes.lead != NULL:
            sk_call_begins(self.lanes.lead)
        return 0

    cdef bint back(self, Workspace work) except -1:
        """Whether another thread leads.  No Python code runs between that question and the end of the call."""
        cdef void *moving = work.moving
        if in_child:
            end_child(None)
        if self.lanes.work is work:
            if self.lanes.lead != NULL:
                sk_call_ends(self.lanes.lead)
            work.charge = None
            return False
        with nogil:  # until the other one has done what `overtaken` says
            PyThread_acquire_lock(moving, WAIT_LOCK)
            PyThread_release_lock(moving)
        work.charge = None
        return True

    cdef int overtaken(self, Workspace former) except -1:
        """The new leader: the call lasts.  What was ready in front of it is sent, and what came behind it waits
        with the receiver."""
        cdef Lanes lanes = self.lanes
        cdef bint contended
        cdef bytes rest
        if self.current is not None:
            self.owe(self.current)
        if self.habit != NULL:
            contended = sk_others_compute(&lanes.lead.workers, former.hub.ident)
            self.route.learn(
                self.habit, SK_LONG if self.route.parks and not contended else SK_LASTS, monotonic(), contended
            )
            self.habit = NULL
        if not self.reading:
            self.websocket.go_on_without()
            return 0
        self.flush(former)
        self.reading = False
        self.last_at = monotonic()
        self.account()
        rest = former.rest()
        if rest:
            self.is_between = False
            self.websocket.take(rest)
        return 0

    cdef int end(self, MessageCall call) except -1:
        """The answer is known: leave the call for the next message, or to whoever has kept something of it."""
        self.current = None
        self.environs.take_back(call.end())
        if call.is_spare():
            self.spare = call
        self.last = call
        return 0

    # -- frames ---------------------------------------------------------------------------------

    cdef bint can_read(self) except -1:
        """Nothing is under way on the connection, and nothing waits."""
        if (
            self.fd < 0
            or self.receiver.call is not None
            or self.websocket.phase is not OPEN
            or self.outgoing.size
        ):
            return False
        if not self.is_between:
            self.is_between = self.websocket.is_between
        return self.is_between

    cdef int on_ready(self, int ready) except -1:
        """In place of `Channel._on_ready`."""
        cdef Workspace work = self.lanes.work
        cdef EventLoop loop = self.lanes.loop
        if ready == SK_READ and self.can_read() and self.may_call(work):
            self.read_plain(work)
            return 0
        self.account()
        self.is_between = False
        loop.end_batch()
        loop.batch += 1
        try:
            self.websocket.on_ready(ready)
        finally:
            loop.batch += 1
        return 0

    cdef int read_plain(self, Workspace work) except -1:
        cdef ssize_t size
        work.send_held()
        while True:
            size = recv(self.fd, work.scratch, SCRATCH, 0)
            if size >= 0:
                break
            if errno == EAGAIN:
                return 0
            if errno != EINTR:
                size = 0
                break
        if size == 0:
            self.websocket.ended()
            return 0
        work.start, work.filled = 0, size
        self.pending = 0
        self.is_slow = False
        if self.lanes.time_batch != self.lanes.loop.batch:
            self.lanes.last_time = monotonic()
            self.lanes.time_batch = self.lanes.loop.batch
        self.reading = True
        try:
            self.serve(work)
        except BaseException:
            if self.lanes.work is work:
                self.reading = False
            raise
        return 0

    cdef int serve(self, Workspace work) except -1:
        cdef const unsigned char *at
        cdef sk_ws_head head
        cdef Result result = REPLY
        cdef uint64_t mask
        cdef double until = 0.0
        cdef bytes rest
        while work.start < work.filled and result == REPLY and not self.is_slow:
            at = work.scratch + work.start
            if not sk_ws_read_head(at, work.filled - work.start, &head):
                break
            if head.first != WHOLE_TEXT and head.first != WHOLE_BINARY:
                break
            if (
                head.mask == NULL
                or head.length > <uint64_t>self.message_max
                or head.length > <uint64_t>(work.filled - work.start - head.size)
            ):
                break
            if until and (self.lanes.last_time > until or not self.may_call(work)):
                break
            mask = sk_ws_mask_word(head.mask, 0)
            if head.first == WHOLE_TEXT:
                message = unmasked_text(at + head.size, head.length, mask)
                if message is None:
                    break
            else:
                message = PyBytes_FromStringAndSize(NULL, head.length)
                sk_ws_unmask(<unsigned char *>PyBytes_AS_STRING(message), at + head.size, head.length, mask)
            work.start += head.size + head.length
            self.received += 1
            result = self.perform(work, message)
            if result == AWAY:
                return 0  # whoever leads has seen to the rest
            if result == REPLY:
                self.reply(work)
                if not until:
                    until = self.lanes.last_time + TURN_MAX
        self.flush(work)
        self.reading = False
        self.last_at = self.lanes.last_time
        if work.start < work.filled:
            self.account()
            rest = work.rest()
            self.is_between = False
            self.websocket.take(rest)
        return 0

    cdef int reply(self, Workspace work) except -1:
        """`body` as a message: a text, if it is one and its type does not say otherwise."""
        cdef unsigned char head[SK_WS_HEAD_MAX]
        cdef const unsigned char *body = <const unsigned char *>PyBytes_AS_STRING(self.body)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.body)
        cdef Py_ssize_t head_size, sent
        cdef bint is_alone  # no other answer goes along: it need not be copied
        cdef sk_utf8 text
        cdef str content_type = self.last.answer.content_type
        cdef unsigned char first = WHOLE_TEXT
        if content_type is not None and is_binary(content_type):
            first = WHOLE_BINARY
        else:
            memset(&text, 0, sizeof(text))
            if not sk_utf8_feed(&text, body, size) or text.due:
                first = WHOLE_BINARY
        self.answered += 1
        head_size = sk_ws_write_head(head, first, size, NULL)
        if self.pending + head_size + size > OUT:
            self.flush(work)
        is_alone = self.pending == 0 and size > COPIED_MAX and work.start >= work.filled
        if head_size + size <= OUT and not is_alone:
            memcpy(work.out + self.pending, head, head_size)
            memcpy(work.out + self.pending + head_size, body, size)
            self.pending += head_size + size
        elif self.is_slow:
            self.websocket.send_rest(PyBytes_FromStringAndSize(<const char *>head, head_size) + self.body)
        else:
            sent = max(sk_send(self.fd, head, head_size, body, size), 0)
            if sent < head_size + size:
                self.is_slow = True
                whole = PyBytes_FromStringAndSize(<const char *>head, head_size) + self.body
                self.websocket.send_rest(whole[sent:])
        self.body = None
        return 0

    cdef int flush(self, Workspace work) except -1:
        """Send the answers that are ready."""
        cdef Py_ssize_t size = self.pending
        cdef Py_ssize_t sent
        if size == 0:
            return 0
        self.pending = 0
        sent = 0 if self.is_slow else max(sk_send(self.fd, work.out, size, NULL, 0), 0)
        if sent < size:
            self.is_slow = True
            self.websocket.send_rest(PyBytes_FromStringAndSize(<const char *>work.out + sent, size - sent))
        return 0

    cdef int account(self) except -1:
        cdef Py_ssize_t received = self.received
        cdef Py_ssize_t answered = self.answered
        if received:
            self.received = self.answered = 0
            self.websocket.received += received
            self.websocket.sent += answered
            self.liveness.exchanged(self.last_at)
        return 0

    def tell(self):
        """What was read and answered since the last look: the clocks and counts of the connection learn of it
        when somebody asks for them."""
        self.account()
