"""The event loop of the compiled build: the twin of ``skitai/_pure/engine/loop.py``.

The same rules: one thread leads it, that is, is inside `run`; `call_soon` and `stop` may be called
from any thread, everything else by the leader or before `run`; a callback that raises is reported
and the loop goes on.  The GIL is let go while the system is asked for events, also when calls
are waiting: it is the moment at which other threads get theirs.

Sockets of Python code are watched level-triggered (`watch`).  C code has a `Watched` of its own
(`add`): edge-triggered, registered once and never again.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.errno cimport EINTR, errno
from libc.stdlib cimport free
from libc.string cimport memmove

import heapq
import os
import threading
from collections import deque
from itertools import count

from skitai import _forks
from skitai._pure.engine.loop import READ, WRITE

from skitai._speedups.clock cimport monotonic

cdef extern from "poller.h" nogil:
    int sk_poller_open()
    int sk_poller_add(int poller, int fd, int interest, int edge, void *owner)
    int sk_poller_change(int poller, int fd, int before, int interest, void *owner)
    int sk_poller_again(int poller, int fd, int interest, void *owner)
    int sk_poller_remove(int poller, int fd, int interest)
    int sk_poller_wait(int poller, sk_event *events, int milliseconds)
    int sk_waker_open(int *ends)
    void sk_waker_wake(int end)
    void sk_waker_drain(int end)

cdef extern from "lead.h" nogil:
    void sk_reach_begins(sk_lead *lead)
    void sk_reach_ends(sk_lead *lead)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

assert (READ, WRITE) == (SK_READ, SK_WRITE)


cdef bint in_child = False


def _follow(bint is_child):
    global in_child
    in_child = is_child


_forks.follow(_follow)


cdef int end_child(object error) except -1:
    _forks.end(error)
    return 0


cdef class Watched:
    cdef int on_ready(self, int ready) except -1:
        raise NotImplementedError


cdef class Callback:
    cdef int on_ready(self, int ready) except -1:
        raise NotImplementedError


cdef class BatchEnd:
    cdef int batch_ends(self) except -1:
        raise NotImplementedError


cdef class Steps:
    cdef int take_turn(self) except -1:
        raise NotImplementedError


cdef enum:
    CANCELLED_MIN = 64


@cython.final
cdef class Timer:
    """One call in the future; ``cancel()`` it in the loop thread."""

    cdef EventLoop loop
    cdef object callback  # None: it was called, or cancelled

    def cancel(self):
        if self.callback is not None:
            self.callback = None
            self.loop.timer_cancelled()


@cython.final
cdef class SocketWatch(Watched):
    """A socket of Python code.  The loop's table keeps it alive."""

    cdef int interest
    cdef object sock
    cdef object callback
    cdef bint is_native  # the callback is a `Callback`

    cdef int tell(self, object callback) except -1:
        self.callback = callback
        self.is_native = isinstance(callback, Callback)
        return 0

    cdef int on_ready(self, int ready) except -1:
        cdef object callback = self.callback  # which may be forgotten meanwhile
        ready &= self.interest
        if ready:
            if self.is_native:
                (<Callback>callback).on_ready(ready)
            else:
                callback(ready)
        return 0


cdef class EventLoop:
    def __cinit__(self, on_error):
        self.poller = self.waker[0] = self.waker[1] = -1

    def __init__(self, on_error):
        """``on_error(what)`` is called inside the ``except`` block of a failed callback."""
        self.on_error = on_error
        self.is_of_child = in_child  # it has made this one for itself, and serves nobody by it
        self.calls = deque()
        self.timers = []
        self.timer_order = count()
        self.watches = {}
        self.retired = []
        self.poller = sk_poller_open()
        if (
            self.poller < 0
            or sk_waker_open(self.waker) < 0
            or sk_poller_add(self.poller, self.waker[0], SK_READ, False, NULL)
        ):
            raise _os_error()

    def __dealloc__(self):
        self.release()
        free(self.kept.owners)

    cdef void release(self) noexcept:
        if self.poller >= 0:
            close(self.poller)
        if self.waker[0] >= 0:
            close(self.waker[0])
        if self.waker[1] >= 0 and self.waker[1] != self.waker[0]:
            close(self.waker[1])
        self.poller = self.waker[0] = self.waker[1] = -1

    def in_loop_thread(self):
        return threading.get_ident() == self.thread_id

    # -- any thread ---------------------------------------------------------------------

    def call_soon(self, callback, *args):
        """Run ``callback(*args)`` in the loop thread, after what is already waiting."""
        self.calls.append((callback, args))
        if not self.wake_pending and threading.get_ident() != self.thread_id:
            self.wake()

    def stop(self):
        self.stopping = True
        self.wake()

    cdef void wake(self) noexcept:
        # Set before the writing and cleared before the calls are taken, so that a call that is
        # appended after the taking always writes anew.
        self.wake_pending = True
        sk_waker_wake(self.waker[1])

    # -- the leader ---------------------------------------------------------------------

    def call_later(self, double delay, callback):
        """Run ``callback()`` once, ``delay`` seconds from now."""
        cdef Timer timer = Timer.__new__(Timer)
        timer.loop = self
        timer.callback = callback
        heapq.heappush(self.timers, (monotonic() + delay, next(self.timer_order), timer))
        self.next_timer = self.timers[0][0]
        return timer

    cdef int timer_cancelled(self) except -1:
        """See the pure twin."""
        self.cancelled += 1
        if self.cancelled > CANCELLED_MIN and self.cancelled * 2 > len(self.timers):
            self.timers = [entry for entry in self.timers if (<Timer>entry[2]).callback is not None]
            heapq.heapify(self.timers)
            self.cancelled = 0
            if self.timers:
                self.next_timer = self.timers[0][0]
        return 0

    def watch(self, sock, int events, callback):
        """Call ``callback(events)`` whenever ``sock`` is ready (level-triggered)."""
        cdef SocketWatch watch = SocketWatch.__new__(SocketWatch)
        watch.fd = sock.fileno()
        watch.interest = events
        watch.sock = sock
        watch.tell(callback)
        if watch.fd in self.watches:  # of a socket whose descriptor somebody else has closed
            raise KeyError(f"descriptor {watch.fd} is watched already")
        if sk_poller_add(self.poller, watch.fd, events, False, <PyObject *>watch):
            raise _os_error()
        self.watches[watch.fd] = watch

    def rewatch(self, sock, int events, callback):
        cdef SocketWatch watch = self.watches[sock.fileno()]
        if sk_poller_change(self.poller, watch.fd, watch.interest, events, <PyObject *>watch):
            raise _os_error()
        watch.interest = events
        watch.tell(callback)

    def unwatch(self, sock):
        cdef SocketWatch watch
        cdef int fd = sock.fileno()
        if fd < 0:  # closed before
            fd = self.former_fd(sock)
        watch = self.watches.pop(fd)
        # The rest of this batch of events may still point to it, whatever the system says.
        self.retired.append(watch)
        sk_poller_remove(self.poller, watch.fd, watch.interest)  # as selectors: it may be closed already
        watch.interest = 0
        watch.sock = None
        watch.tell(None)

    cdef int former_fd(self, sock) except -2:
        cdef SocketWatch watch
        for watch in self.watches.values():
            if watch.sock is sock:
                return watch.fd
        return -1

    cdef int add(self, Watched watched, int interest) except -1:
        """Watch its descriptor, edge-triggered."""
        watched.view.fd = watched.fd
        if sk_poller_add(self.poller, watched.fd, interest, True, <PyObject *>watched):
            raise _os_error()
        return 0

    cdef int again(self, Watched watched) except -1:
        """Tell it once more what it is ready for, after the others; of `SK_READ | SK_WRITE`."""
        if sk_poller_again(self.poller, watched.fd, SK_READ | SK_WRITE, <PyObject *>watched):
            raise _os_error()
        return 0

    cdef int forget(self, Watched watched) except -1:
        """Watch it no more; before its descriptor is closed.

        Closing alone is not enough: the system forgets a descriptor once its last copy is closed, and
        an application that forks leaves copies in its child.  The poller would go on with a plain
        pointer to what is no more.
        """
        self.retired.append(watched)
        sk_poller_remove(self.poller, watched.fd, SK_READ | SK_WRITE)
        return 0

    def run(self):
        """Serve until `stop`; then close the loop's own descriptors."""
        self.thread_id = threading.get_ident()
        try:
            self.lead(self.thread_id)
        finally:
            self.thread_id = 0
            self.batch_end = None
            self.release()

    cdef int lead(self, unsigned long ident) except -1:
        """Serve until `stop`, or until another thread than ``ident`` leads."""
        while not self.stopping and self.thread_id == ident:
            self.turn(ident)
        return 0

    cdef int turn(self, unsigned long ident) except -1:
        cdef sk_event *event
        cdef Watched watched
        cdef Py_ssize_t calls
        cdef bint is_python
        if in_child and not self.is_of_child:
            end_child(None)
        if self.next_event == self.event_count:
            self.end_batch()  # calls and timers may have left something too
            self.batch += 1
            if self.kept.count:
                self.take_kept()
            elif self.wait() < 0:
                return 0
        while self.next_event < self.event_count:
            event = &self.events[self.next_event]
            self.next_event += 1
            if event.owner == NULL:
                self.wake_pending = False
                sk_waker_drain(self.waker[0])
                continue
            watched = <Watched>event.owner
            is_python = type(watched) is SocketWatch and not (<SocketWatch>watched).is_native
            if is_python:
                self.end_batch()
                self.batch += 1
            try:
                watched.on_ready(event.ready)
            except Exception:
                self.report(watched)
            if is_python:
                self.batch += 1
            if self.thread_id != ident:
                return 0
        self.end_batch()
        if self.retired and self.kept.count == 0:
            self.retired.clear()
        if self.steps is not None and self.steps.due:
            self.batch += 1
            self.steps.take_turn()
            self.batch += 1
            if self.thread_id != ident:
                return 0
        # As many calls as there are now: those that they add come after the next wait, so
        # that a call which renews itself (a long generator) never starves the sockets.
        calls = len(self.calls)
        while calls:
            calls -= 1
            self.batch += 1
            callback, args = self.calls.popleft()
            try:
                callback(*args)
            except Exception:
                self.report(callback)
            if self.thread_id != ident:
                return 0
        if self.timers:
            self.run_timers(ident)
        return 0

    cdef int wait(self) except -2:
        """Ask the system for events; -1: a signal came.  Who waits for the GIL behind that may wait for
        long, and says so: the events stand in the loop by then."""
        cdef int timeout = self.patience()
        cdef sk_lead *watcher = self.watcher
        cdef int failure = 0
        with nogil:
            self.event_count = sk_poller_wait(self.poller, self.events, timeout)
            self.heard_at = monotonic()  # not behind the GIL: what comes until then is in the next batch
            self.next_event = 0
            if self.event_count < 0:
                self.event_count = 0
                failure = errno
            if watcher != NULL:
                sk_reach_begins(watcher)
        if watcher != NULL:
            sk_reach_ends(watcher)
        if failure == EINTR:
            PyErr_CheckSignals()
            return -1
        if failure:
            raise OSError(failure, os.strerror(failure))
        return 0

    cdef void take_kept(self) noexcept:
        """Events that the monitor has left to us, in place of a batch from the system; first come, first
        served."""
        cdef Watched watched
        cdef int count = min(self.kept.count, <int>SK_EVENTS_MAX)
        cdef int place
        for place in range(count):
            watched = <Watched>self.kept.owners[place]
            self.events[place].owner = <PyObject *>watched
            self.events[place].ready = watched.view.kept
            watched.view.kept = 0
        self.kept.count -= count
        memmove(self.kept.owners, self.kept.owners + count, self.kept.count * sizeof(void *))
        self.next_event = 0
        self.event_count = count

    cdef int end_batch(self) except -1:
        if self.batch_end is not None:
            try:
                self.batch_end.batch_ends()
            except Exception:
                self.on_error("event loop, at the end of a batch of events")
        return 0

    cdef int patience(self) except -2:
        """Milliseconds; -1 for ever."""
        if self.stopping or len(self.calls) or (self.steps is not None and self.steps.due):
            return 0
        if not self.timers:
            return -1
        cdef double delay = self.next_timer - monotonic()
        return 0 if delay <= 0 else <int>min(delay * 1000 + 1, 3600000.0)

    cdef int run_timers(self, unsigned long ident) except -1:
        """Those that were due when the system was asked last: what came before a clock rings is heard first."""
        cdef Timer timer
        while self.timers and self.next_timer <= self.heard_at and self.thread_id == ident:
            timer = heapq.heappop(self.timers)[2]
            callback, timer.callback = timer.callback, None
            if self.timers:
                self.next_timer = self.timers[0][0]
            if callback is not None:
                try:
                    callback()
                except Exception:
                    self.report(callback)
            else:
                self.cancelled -= 1
        return 0

    cdef int report(self, callback) except -1:
        if type(callback) is SocketWatch:
            callback = (<SocketWatch>callback).callback
        self.on_error(f"event loop callback {getattr(callback, '__qualname__', callback)}")
        return 0


cdef object _os_error():
    return OSError(errno, os.strerror(errno))
