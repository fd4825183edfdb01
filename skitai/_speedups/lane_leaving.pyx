"""Requests of a lane connection that are answered otherwise: by a general connection in its place, or by a member of a
cluster (lane_relay.pyx).

Whoever answers, what was ready for the client before leaves first.  The states are drawn in lane_connection.pyx.
Whoever serves the connection runs this.
"""

from cpython.bytes cimport PyBytes_GET_SIZE

import socket

from skitai._speedups.habits cimport SK_BURNS, SK_FAST
from skitai._speedups.lane_sender cimport ALL, SENT, WAITING, Outcome, Relaying, log_calls
from skitai._speedups.loop cimport SK_GONE, SK_RESTING, SK_SERVING
from skitai._speedups.relayed cimport Relayed

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef class LaneLeaving(LaneSender):
    cdef int serve(self, bint ended) except -1:
        raise NotImplementedError

    cdef int rest(self) except -1:
        raise NotImplementedError

    # -- by a general connection --------------------------------------------------------------------

    cdef object become_general(self, Workspace work, sk_kind kind):
        """The general connection that has our socket, and what we have not sent; ``kind``: how the
        present request's handler is to be called."""
        # Only where the lane is of no use to them their connections stay out of it for longer.
        cdef int returns = 0 if self.has_answered or kind != SK_FAST else self.returns + 1
        unsent, unlogged = self.hand_over(work)
        self.view.state = SK_GONE
        self.lanes.loop.forget(self)
        if self.seal is not None:
            sock = self.seal.leave()
        else:
            sock = socket.socket(self.family, socket.SOCK_STREAM, 0, self.fd)
        self.fd = -1
        connection = self.lanes.engine.replace(self, sock, returns)
        if kind != SK_FAST:
            connection.next_meter = self.meter
            connection.next_burns = kind == SK_BURNS
            connection.next_lasts = True
        connection.send_first(unsent)
        log_calls(unlogged, ALL)
        return connection

    cdef bint go_general(self, Workspace work, sk_kind kind=SK_FAST) except -1:
        """The present request is the general connection's.  Always False."""
        cdef bytes data = work.rest()
        cdef Outcome outcome = self.flush(work)
        work.send_held()  # the others' answers do not wait for Python code
        if outcome == SENT:
            self.become_general(work, kind).take_over(data)
        elif outcome == WAITING:
            self.left = data
        return False

    cdef object leave(self, Workspace work):
        data = work.rest()
        work.send_held()
        return self.become_general(work, SK_FAST).take_over_request(data)

    # -- by a member: see lane_relay.pyx ----------------------------------------------------------

    cdef bint relay(self, Workspace work, Head *head, Py_ssize_t length) except -1:
        """Pass the present request on.  Always False."""
        cdef Relaying relay = <Relaying>self.route.relay
        cdef Outcome outcome = self.flush(work)  # what it came behind is answered first
        if outcome == WAITING:
            self.left = work.rest()
        if outcome != SENT:
            return False
        if self.lines_route is not self.route:
            self.lines_route = self.route
            self.member_lines = relay.lines(self.address, self.route.host)
        if not relay.begin(self, work, head, length, self.member_lines):
            return self.go_general(work)
        return False

    cdef int was_relayed(self, bint keep_alive, Py_ssize_t sent, bytes rest) except -1:
        cdef Relayed relayed = self.relayed
        self.relayed = None
        self.view.state = SK_SERVING
        self.has_answered = True
        if rest is None and keep_alive:
            self.rest()
            if self.view.state == SK_RESTING and (self.missed or self.left is not None):
                self.missed = 0
                self.serve(True)
        elif rest is None:
            self.close()
        else:
            self.unsent = rest
            self.taken = 0
            self.sent_before = sent
            self.unlogged = [(relayed, sent + PyBytes_GET_SIZE(rest))] if self.route.log is not None else None
            self.last = not keep_alive
            self.wait_for_client()
        return 0

    cdef object leave_with(self, bytes data):
        cdef Workspace work = self.lanes.work
        cdef bytes left = self.left
        self.relayed = self.left = None
        self.has_answered = True  # in a way: its next request will find its lane of use
        work.send_held()
        return self.become_general(work, SK_FAST).take_over_request(data if left is None else data + left)
