"""The sending half of a lane connection: an answer's way from the call to the socket.

Answers are put together in the leader's workspace.  Those to requests that came together leave together;
one that took its application longer than others can wait is kept for a moment, with those of other
connections (HELD: held.h); what the socket has not taken waits here for the client (SENDING), who has
`send_stall_timeout` to take some of it.  Access lines are noted once it is known what was taken.

The states are drawn in lane_connection.pyx, the reading half.  Whoever serves the connection runs this.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy

from skitai._pure.engine.channel import Stall

from skitai._speedups.answer_body cimport exhaust, lose, put_back
from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.lane_seal cimport LOST_BYTES, NO_ROOM_NOW
from skitai._speedups.loop cimport SK_HELD, SK_HELD_SENT, SK_RESTING, SK_SENDING
from skitai._speedups.sockets cimport sk_send
from skitai._speedups.workspace cimport OUT, sk_hold
from skitai._speedups.writing cimport NO_ROOM

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    COPY_MAX = 16384  # a body up to this is copied behind its head: cheaper than a send of two parts

# Seconds: how long answers wait for those to requests that came with them.
cdef double TOGETHER_MAX = 0.001
# Seconds.  An answer that was made quicker than this is sent at once also when other connections wait:
# the client works in parallel then, which is worth more than our caches.
cdef double HELD_FROM = 20e-6

ALL = PY_SSIZE_T_MAX


cdef class LaneSender(Seat):
    cdef tuple client(self):
        return (self.address, self.port)

    # -- what is ready ------------------------------------------------------------------------

    cdef bint deliver(self, Workspace work, Call call, Py_ssize_t length) except -1:
        """Put the answer behind those that are ready, and send them unless more will come soon;
        False if it must be looked at."""
        cdef Lanes lanes = self.lanes
        cdef Py_ssize_t body_size = PyBytes_GET_SIZE(call.body)
        cdef Py_ssize_t head_size = call.answer.write(
            work.out + work.base + work.ready, OUT - work.base - work.ready, body_size, call.keep_alive
        )
        cdef Outcome outcome = SENT
        cdef double elapsed
        if head_size == NO_ROOM and work.ready:
            outcome = self.flush(work)
            if outcome == WAITING:
                put_back(call)
                return False
            if outcome == LOST:
                lanes.count(call.answer.status.code, call.route.slot)
                lose(call, None)
                call.log(wall_clock(), call.started_at, 0)
                return True
            head_size = call.answer.write(
                work.out + work.base, OUT - work.base, body_size, call.keep_alive
            )
        if head_size < 0:
            put_back(call)
            return False
        call.over = self.has_answered = True
        elapsed = call.started_at - call.received_at
        lanes.count(call.answer.status.code, call.route.slot)
        lanes.answered_after(elapsed)
        work.start += length
        work.ready += head_size
        if call.route.log is not None:
            work.unlogged.append((call, head_size + body_size))
        if body_size > COPY_MAX or body_size > OUT - work.base - work.ready:
            outcome = self.push(work, call.body)
        else:
            memcpy(work.out + work.base + work.ready, PyBytes_AS_STRING(call.body), body_size)
            work.ready += body_size
            if elapsed < TOGETHER_MAX:
                if work.start < work.filled:
                    if call.iterator is None:
                        lanes.delivered_after(0.0)
                        return True  # the next answer will be with it
                elif (
                    elapsed > HELD_FROM
                    and call.keep_alive
                    and not work.more
                    and not self.missed
                    and self.seal is None  # the monitor, which may have to send it, cannot encrypt
                    and lanes.more_to_come()
                ):
                    self.hold(work, call.started_at)
                    lanes.delivered_after(0.0)
                    if call.iterator is not None:
                        exhaust(call, False)
                    return True
            outcome = self.push(work, None)
        if outcome == SENT:
            lanes.delivered_after(0.0)  # at once
        if outcome == WAITING:
            self.waits_since = call.started_at
            self.last = not call.keep_alive
            if work.start < work.filled:
                self.left = work.rest()
        elif outcome == LOST or not call.keep_alive:
            self.close()
        # From here on the connection may be another thread's, if the lead goes over.
        if call.iterator is not None:
            exhaust(call, outcome == LOST)
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
                    log_calls(unlogged, ALL if sent == size else 0)
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
        cdef Py_ssize_t sent = self.transmit(
            answers, ready, <const unsigned char *>PyBytes_AS_STRING(body) if body is not None else NULL, body_size
        )
        work.ready = 0
        if sent == ready + body_size:
            return SENT
        if sent == LOST_BYTES:
            return LOST
        unlogged, work.unlogged = work.unlogged, []
        self.keep(answers, ready, body, max(sent, 0), unlogged)
        return WAITING

    cdef Py_ssize_t transmit(
        self, const unsigned char *head, Py_ssize_t head_size, const unsigned char *body, Py_ssize_t body_size
    ) except? LOST_BYTES:
        """How many of these bytes the system took; or NO_ROOM_NOW, LOST_BYTES."""
        cdef Py_ssize_t sent
        if self.seal is not None:
            return self.seal.send(self.fd, head, head_size, body, body_size)
        while True:
            sent = sk_send(self.fd, head, head_size, body, body_size)
            if sent >= 0:
                return sent
            if errno != EINTR:
                return NO_ROOM_NOW if errno == EAGAIN else LOST_BYTES

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
            log_calls(unlogged, 0 if lost else ALL)
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
        self.progressed()
        self.wait_for_client()
        return 0

    cdef int wait_for_client(self) except -1:
        self.view.state = SK_SENDING
        self.deadline = monotonic() + self.lanes.send_stall_timeout / 2
        return 0

    cdef int progressed(self) except -1:
        """The client has taken something, or is given something to take."""
        if self.stall is None:
            self.stall = Stall(self.fd, self.lanes.send_stall_timeout)
        self.stall.progressed()
        return 0

    cdef object leave_with(self, bytes data):
        raise NotImplementedError

    cdef int was_relayed(self, bint keep_alive, Py_ssize_t sent, bytes rest) except -1:
        raise NotImplementedError

    cdef Outcome send_unsent(self) except? LOST:
        """Send on; where that fails, or nothing comes behind it, close."""
        cdef Py_ssize_t sent
        while self.taken < PyBytes_GET_SIZE(self.unsent):
            sent = self.transmit(
                <const unsigned char *>PyBytes_AS_STRING(self.unsent) + self.taken,
                PyBytes_GET_SIZE(self.unsent) - self.taken,
                NULL,
                0,
            )
            if sent == NO_ROOM_NOW:
                return WAITING
            if sent == LOST_BYTES:
                self.close()
                return LOST
            self.taken += sent
            self.progressed()
        self.unsent = None
        if self.waits_since != 0.0:
            self.lanes.delivered_after(monotonic() - self.waits_since)
            self.waits_since = 0.0
        unlogged, self.unlogged = self.unlogged, None
        if unlogged is not None:
            log_calls(unlogged, ALL)
        if self.last:
            self.close()
            return LOST
        return SENT

    cdef int check_stall(self, double now, Py_ssize_t waiting) except -1:
        """Close if the client has stopped taking of the bytes that are ``waiting``."""
        self.deadline = self.stall.patience(now, waiting)
        if self.deadline <= now:
            text = f"cut {self.address}, for which {waiting} bytes waited"
            self.close()
            self.lanes.service.limited("send_stall_timeout", text)
        return 0

    cdef int log_unsent(self) except -1:
        """What is not out by now never will be."""
        unlogged, self.unlogged = self.unlogged, None
        if unlogged is not None:
            log_calls(unlogged, self.sent_before + self.taken)
        return 0

    cdef tuple hand_over(self, Workspace work):
        """What is ready or waits, and the calls whose answers these are: not ours any more."""
        cdef bytes unsent = PyBytes_FromStringAndSize(<const char *>work.out + work.base, work.ready)
        cdef list unlogged = work.unlogged
        work.ready = 0
        work.unlogged = []
        if self.view.state == SK_SENDING:
            unsent = self.unsent[self.taken :] + unsent
            unlogged = (self.unlogged or []) + unlogged
            self.unsent = self.unlogged = None
        return unsent, unlogged


cdef int log_calls(list calls, Py_ssize_t sent) except -1:
    cdef double when = wall_clock()
    cdef double now = monotonic()
    cdef Py_ssize_t size
    for call, size in calls:
        size = min(size, sent)
        if type(call) is Call:
            (<Call>call).log(when, now, size)
        else:
            (<Relayed>call).log(when, now, size)
        sent -= size
    return 0


cdef class Relaying:
    cdef bytes lines(self, object address, bytes host):
        raise NotImplementedError

    cdef bint begin(
        self, LaneSender lane, Workspace work, const Head *head, Py_ssize_t length, bytes lines
    ) except -1:
        raise NotImplementedError
