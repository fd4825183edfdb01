"""Parking: a handler that waits gives its thread back and keeps its stack (DESIGN section 5).

Each thread has a **hub**: its root stack, which leads the loop, runs jobs and rests.  A handler that
may be parked runs on a **stack** of its own, a greenlet that the hub starts, and keeps for the next
handler.  Where it waits (`skitai._waiting`) its stack switches to the hub, which goes on as if the
handler had returned: the call leaves its lane, the loop goes on, other requests are served by this
thread.  When the wait ends, by its future, the clock or its request, the stack is put on the
`ready` queue of its hub: **only its own thread can go on with it**.  That one is woken for
it, from the poller if it leads, from its rest otherwise (lead.h).

    hub ──perform(task)──▶ stack ──task done──▶ hub, and the stack is idle
                           │   ▲
                        wait   └──────go on───────┐
                           ▼                      │
                          hub     PARKED ──▶ READY┘    future, clock or request, from any thread

* A leader goes on with at most `TURN_STACKS` stacks or for `TURN_MAX` in each turn of the loop: accepting
  and reading never starve.  Each of them is a call for the monitor, as the first piece of the handler
  was: one that blocks gives the lead away, and the other stacks of its thread wait for it.
* A thread that holds parked stacks runs no job that is known to last (crew.py).
* Nothing that others can reach may point into a stack: while it is parked its memory is
  somebody else's, and the bytes of the stack are kept on the heap (greenlet).  All state of waits
  is in objects.
* A stack is started from the hub and never from another stack, whose depth of recursion it would have.
* Applications have greenlets too, and one that ends goes to where it was started, which may be a stack that
  waits, or has another handler by now.  So a stack goes on only when `called`, a hub only when that one
  gives way; whoever came otherwise is sent back with an error.

All under the GIL: each change here is one step of C, with no Python code in between.  Without greenlet a
hub cannot park, and waits block their threads.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from libc.string cimport memset

import heapq
import importlib
import importlib.util
from collections import deque
from functools import partial

from skitai import _waiting
from skitai._waiting import REQUEST
from skitai.errors import ClientDisconnected

from skitai._speedups.clock cimport monotonic
from skitai._speedups.loop cimport end_child, in_child

cdef extern from "Python.h":
    object PyObject_CallNoArgs(object function)
    int Py_EnterRecursiveCall(const char *where) except *  # 1 or -1
    void Py_LeaveRecursiveCall()

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    TURN_STACKS = 64
    IDLE_MAX = 64         # stacks that a hub keeps: each holds some 10 KiB
    ENTRIES_IDLE_MAX = 64 # of the clock, before it looks for those that it may forget
    WAIT_DEPTH = 16       # calls within calls that a wait needs: more than the deepest of them

cdef double TURN_MAX = 0.002
cdef double FOREVER = float("inf")

cdef str _ASTRAY = (
    "from here the server's own greenlet was gone on with, which is not for applications: they have switched to "
    "it, or a greenlet has ended that had been started in another request"
)

cdef enum Ended:
    WAITING
    WOKEN
    TIMED_OUT
    LOST


#: There is greenlet.  It is loaded where something may be parked (`load_greenlet`): it brings the library of C++.
has_greenlet = importlib.util.find_spec("greenlet") is not None
greenlet = _Greenlet = _current = None


def load_greenlet():
    """Whether it could be."""
    global has_greenlet, greenlet, _Greenlet, _current
    try:
        module = importlib.import_module("greenlet")
    except ImportError:  # it was not made for this Python
        has_greenlet = False
        return False

    class Greenlet(module.greenlet):
        """Knows its stack; other greenlets are the application's own, and are not ours to park."""

        __slots__ = ("stack",)

    if _Greenlet is None:  # another thread may have been here meanwhile
        greenlet, _current, _Greenlet = module, module.getcurrent, Greenlet
    return True


cdef int _check_depth() except -1:
    """RecursionError while nothing has begun.  A wait that failed in the midst would leave the clock, which is
    everybody's, or the hub with half of it."""
    cdef int depth = 0
    try:
        while depth < WAIT_DEPTH:
            Py_EnterRecursiveCall(" where a handler begins to wait")
            depth += 1
    finally:
        while depth:
            Py_LeaveRecursiveCall()
            depth -= 1
    return 0


cdef int _run_job(object job, Stack stack) except -1:
    job.run()
    return 0


@cython.final
cdef class Stack:
    def __init__(self, Hub hub not None):
        self.hub = hub
        self.greenlet = _Greenlet(self.serve, _current())
        self.greenlet.stack = self
        self.switch = self.greenlet.switch

    def serve(self):
        """Perform tasks until the hub has too many of us."""
        cdef Hub hub = self.hub
        while True:
            try:
                self.performer(self.task, self)
            except greenlet.GreenletExit:
                raise
            except BaseException:
                hub.report("a handler that can be parked")  # it broke its promise to tell by itself
            self.task = self.exchange = None
            if len(hub.idle) >= IDLE_MAX:
                self.greenlet = self.switch = None
                self.called = False
                return
            hub.idle.append(self)
            self.give_way()

    cdef int give_way(self) except -1:
        """To the hub, until that calls."""
        self.called = False
        while not self.called:
            try:
                PyObject_CallNoArgs(self.hub.switch)
            except greenlet.GreenletExit:
                raise  # `Hub.close`
            except BaseException:
                self.hub.report("a greenlet that has outlived its handler")
        return 0

    cdef int watch(self, object exchange) except -1:
        """It is parked, and answers ``exchange``; None: nobody needs its answer."""
        self.exchange = exchange
        if exchange is not None:
            exchange.is_parked = True
        if exchange is None or not exchange.when_lost(self.park.lose) and exchange.loss is not None:
            self.park.end(LOST)
        return 0


@cython.final
cdef class Park:
    """A `Waiter`."""

    def wait(self, timeout):
        cdef Stack stack = self.stack
        cdef double seconds = FOREVER if timeout is None else timeout
        _check_depth()
        cdef object request = REQUEST.get(None) or stack.exchange
        if request is not None:
            if not request.when_lost(self.lose) and request.loss is not None:
                raise request.loss
            request.is_parked = True
        try:
            if seconds <= 0:
                self.end(TIMED_OUT)
            elif seconds != FOREVER and not self.ended:
                self.timed = True
                self.hub.clock.add(self, seconds)
            self.hub.park(self)
        finally:
            request = REQUEST.get(None) or stack.exchange  # its lane has none before it is left
            if request is not None:
                request.is_parked = False
        if self.ended == LOST:
            raise (request and request.loss) or ClientDisconnected("the client has gone")
        return self.ended == WOKEN

    def wake(self):
        self.end(WOKEN)

    def frame(self):
        """Of the handler that waits; None: it does not, any more.  Any thread."""
        cdef object parked = self.stack.greenlet if self.stack.park is self else None
        return None if parked is None else parked.gr_frame

    def lose(self):
        """The request needs no answer any more."""
        self.end(LOST)

    cdef int end(self, int how) except -1:
        if self.ended:
            return 0
        self.ended = how
        if self.timed and how != TIMED_OUT:
            self.hub.clock.forget()
        if self.stack.park is self:  # and not about to be parked
            self.hub.make_ready(self)
        return 0


@cython.final
cdef class Clock:
    """The heap is the leader's and of whoever waits, each under the GIL and by single steps of C.

    The loop is asked to call only for a time that is earlier than all for which it will call anyway.
    """

    def __init__(self, EventLoop loop not None):
        self.loop = loop
        self.entries = []
        self.armed = []
        self.next_ring = FOREVER

    cdef int add(self, Park park, double timeout) except -1:
        cdef double due = monotonic() + timeout
        self.order += 1
        heapq.heappush(self.entries, (due, self.order, park))
        if due < self.next_ring:
            if self.loop.thread_id == <unsigned long>PyThread_get_thread_ident():
                self.arm()
            else:
                self.loop.call_soon(self.arm_soon)
        return 0

    cdef int forget(self) except -1:
        """A wait has ended before its time."""
        cdef Py_ssize_t place = 0
        cdef Py_ssize_t kept = 0
        cdef list entries = self.entries
        self.idle += 1
        if self.idle <= ENTRIES_IDLE_MAX or self.idle * 2 < len(entries):
            return 0
        self.idle = 0
        for place in range(len(entries)):
            if not (<Park>(<tuple>entries[place])[2]).ended:
                entries[kept], entries[place] = entries[place], entries[kept]
                kept += 1
        del entries[kept:]
        heapq.heapify(entries)
        return 0

    def arm_soon(self):
        self.arm()

    cdef int arm(self) except -1:
        cdef double due
        if self.entries:
            due = (<tuple>self.entries[0])[0]
            if due < self.next_ring:
                # First, for it calls Python code, and may fail in a handler: who is not armed must not seem so.
                self.loop.call_later(max(due - monotonic(), 0.0), self.ring)
                self.armed.append(due)
                self.next_ring = due
        return 0

    def ring(self):
        """The leader: it is time."""
        self.armed.pop()
        self.next_ring = self.armed[len(self.armed) - 1] if self.armed else FOREVER
        self.go_on()

    def go_on(self):
        cdef double now = monotonic()
        cdef int left = TURN_STACKS
        cdef Park park
        while self.entries and (<tuple>self.entries[0])[0] <= now:
            if not left:
                self.loop.call_soon(self.go_on)  # the others have their turn
                return
            left -= 1
            park = <Park>(<tuple>heapq.heappop(self.entries))[2]
            if park.ended:
                self.idle -= 1
            else:
                park.end(TIMED_OUT)
        self.arm()


@cython.final
cdef class Hub(Steps):
    def __cinit__(self):
        memset(&self.rester, 0, sizeof(self.rester))
        sk_rester_open(&self.rester)

    def __dealloc__(self):
        sk_rester_close(&self.rester)

    def __init__(self):
        """In its thread, of which it is the root stack that makes it."""
        self.ident = PyThread_get_thread_ident()
        self.idle = []
        self.ready = deque()

    cdef int settle(self, EventLoop loop, sk_lead *lead, Clock clock, object report) except -1:
        """From here on it can park, where there is greenlet."""
        self.loop = loop
        self.lead = lead
        self.report = report
        if has_greenlet:
            self.clock = clock
        return 0

    def close(self):
        """Its thread ends.  Greenlets can end in their own thread only: what is left to the collector of
        another one has crashed the interpreter at its end (greenlet 2.0)."""
        cdef Stack stack
        idle, self.idle = self.idle, []
        for stack in idle:
            stack.greenlet.throw()
            stack.greenlet = stack.switch = None
        self.switch = None

    cdef bint can_park(self):
        """And is not on one of its stacks already."""
        if self.clock is None or self.running is not None:
            return False
        return _Greenlet is not None or (has_greenlet and load_greenlet())

    def run(self, job):
        """Until it is done or parked."""
        if self.can_park():
            self.perform(job, _run_job)
        else:
            job.run()

    cdef bint perform(self, object task, Performer performer) except -1:
        """Have a stack perform it; whether it is done, and not parked."""
        cdef Stack stack
        if self.switch is None:
            self.switch = _current().switch
        stack = <Stack>self.idle.pop() if self.idle else Stack(self)
        stack.task = task
        stack.performer = performer
        stack.was_parked = False
        stack.longest = 0.0
        self.enter(stack)
        return not stack.was_parked

    cdef int enter(self, Stack stack) except -1:
        self.running = stack
        stack.called = True
        self.switch_to(stack.switch)
        if in_child:
            end_child(None)
        while stack.called and not stack.greenlet.dead:
            self.switch_to(partial(stack.greenlet.throw, RuntimeError(_ASTRAY)))
        self.running = None
        return 0

    cdef int switch_to(self, object way) except -1:
        try:
            PyObject_CallNoArgs(way)
        except BaseException:
            self.report("a greenlet that went to the server's own")
        return 0

    # -- a stack ----------------------------------------------------------------------------

    cdef int park(self, Park park) except -1:
        """Give the thread back until the wait has ended."""
        cdef Stack stack = park.stack
        stack.park = park
        stack.was_parked = True
        self.parked += 1
        if park.ended:
            self.make_ready(park)
        stack.give_way()
        return 0

    # -- any thread -------------------------------------------------------------------------

    cdef int make_ready(self, Park park) except -1:
        self.ready.append(park)
        self.due = True
        if <unsigned long>PyThread_get_thread_ident() == self.ident:
            return 0  # it looks before it waits
        if self.loop.thread_id == self.ident:
            if not self.loop.wake_pending:
                self.loop.wake()
        elif self.lead != NULL:
            sk_wake_one(self.lead, &self.rester)
        return 0

    # -- its thread ---------------------------------------------------------------------------

    cdef int take_turn(self) except -1:
        """Go on with those that are ready."""
        cdef double now = monotonic()
        cdef double until = now + TURN_MAX
        cdef int left = TURN_STACKS
        cdef bint leads = self.loop.thread_id == self.ident
        cdef Park park
        cdef Stack stack
        while left and self.ready:
            left -= 1
            park = <Park>self.ready.popleft()
            stack = park.stack
            stack.park = None
            stack.entered_at = now
            self.parked -= 1
            self.go_on(stack)
            now = monotonic()
            stack.longest = max(stack.longest, now - stack.entered_at)
            if leads and (self.loop.thread_id != self.ident or now > until):
                break
        self.due = len(self.ready) > 0
        self.rester.holds = self.parked > 0
        return 0

    def go_on_in_turn(self):
        """In a thread that does not lead: as long as some are ready."""
        while self.due and self.loop.thread_id != self.ident:
            self.take_turn()

    cdef int go_on(self, Stack stack) except -1:
        """As a call, which may last."""
        if self.lead != NULL and self.loop.thread_id == self.ident:
            sk_call_begins(self.lead)
        self.enter(stack)
        if self.lead != NULL and self.loop.thread_id == self.ident:
            sk_call_ends(self.lead)
        return 0


def parking():
    """The waiter that parks the calling stack: see `skitai._waiting.install`."""
    cdef Stack stack
    cdef Park park
    if _Greenlet is None:
        return None
    current = _current()
    if type(current) is not _Greenlet:
        return None
    stack = current.stack
    park = Park.__new__(Park)
    park.hub = stack.hub
    park.stack = stack
    return park


_waiting.install(parking)
