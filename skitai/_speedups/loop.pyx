"""The event loop of the compiled build, on epoll: the twin of ``skitai/_pure/engine/loop.py``.

The same rules: one thread is inside `run`; `call_soon` and `stop` may be called from any
thread, everything else from the loop thread or before `run`; a callback that raises is reported
and the loop goes on.  The GIL is let go while the kernel is asked for events, also when calls
are waiting: it is the moment at which worker threads get theirs.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint32_t, uint64_t

import heapq
import os
import threading
from collections import deque
from itertools import count
from time import monotonic

from skitai._pure.engine.loop import READ, WRITE, Timer

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        void *ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int most, int timeout)
    const int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    const uint32_t EPOLLIN, EPOLLOUT

cdef extern from "<unistd.h>" nogil:
    ssize_t read(int fd, void *buffer, size_t size)
    ssize_t write(int fd, const void *buffer, size_t size)
    int close(int fd)

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    const int EFD_CLOEXEC, EFD_NONBLOCK

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    EVENTS_MAX = 256  # of one epoll_wait
    _READ = 1
    _WRITE = 2

assert (READ, WRITE) == (_READ, _WRITE)


cdef class Watch:
    """One watched socket.  epoll holds a plain pointer to it: the table of the loop keeps it alive,
    and for the rest of a batch of events the list of the retired."""

    cdef int fd
    cdef int events
    cdef object sock
    cdef object callback


cdef class EventLoop:
    cdef int epoll
    cdef int wake_fd
    cdef bint stopping
    cdef bint wake_pending
    cdef unsigned long thread_id
    cdef object on_error
    cdef object calls
    cdef list timers
    cdef object timer_order
    cdef dict watches
    cdef list retired

    def __cinit__(self, on_error):
        self.epoll = self.wake_fd = -1

    def __init__(self, on_error):
        """``on_error(what)`` is called inside the ``except`` block of a failed callback."""
        cdef epoll_event event
        self.on_error = on_error
        self.calls = deque()
        self.timers = []
        self.timer_order = count()
        self.watches = {}
        self.retired = []
        self.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        event.events = EPOLLIN
        event.data.ptr = NULL
        if self.epoll < 0 or self.wake_fd < 0 or epoll_ctl(self.epoll, EPOLL_CTL_ADD, self.wake_fd, &event):
            raise _os_error()

    def __dealloc__(self):
        self.release()

    cdef void release(self) noexcept:
        if self.epoll >= 0:
            close(self.epoll)
        if self.wake_fd >= 0:
            close(self.wake_fd)
        self.epoll = self.wake_fd = -1

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
        cdef uint64_t one = 1
        # Set before the writing and cleared before the calls are taken, so that a call that is
        # appended after the taking always writes anew.  A full or closed eventfd needs no word.
        self.wake_pending = True
        write(self.wake_fd, &one, sizeof(one))

    # -- loop thread --------------------------------------------------------------------

    def call_later(self, double delay, callback):
        """Run ``callback()`` once, ``delay`` seconds from now."""
        timer = Timer(callback)
        heapq.heappush(self.timers, (monotonic() + delay, next(self.timer_order), timer))
        return timer

    def watch(self, sock, int events, callback):
        """Call ``callback(events)`` whenever ``sock`` is ready (level-triggered)."""
        cdef Watch watch = Watch.__new__(Watch)
        watch.fd = sock.fileno()
        watch.events = events
        watch.sock = sock
        watch.callback = callback
        if watch.fd in self.watches:  # of a socket whose descriptor somebody else has closed
            raise KeyError(f"descriptor {watch.fd} is watched already")
        self.control(EPOLL_CTL_ADD, watch)
        self.watches[watch.fd] = watch

    def rewatch(self, sock, int events, callback):
        cdef Watch watch = self.watches[sock.fileno()]
        watch.events = events
        watch.callback = callback
        self.control(EPOLL_CTL_MOD, watch)

    def unwatch(self, sock):
        cdef Watch watch
        cdef int fd = sock.fileno()
        if fd < 0:  # closed before
            fd = self.former_fd(sock)
        watch = self.watches.pop(fd)
        # The rest of this batch of events may still point to it, whatever the system says.
        self.retired.append(watch)
        epoll_ctl(self.epoll, EPOLL_CTL_DEL, watch.fd, NULL)  # as selectors: it may be closed already
        watch.events = 0
        watch.sock = watch.callback = None

    cdef int former_fd(self, sock) except -2:
        cdef Watch watch
        for watch in self.watches.values():
            if watch.sock is sock:
                return watch.fd
        return -1

    cdef int control(self, int operation, Watch watch) except -1:
        cdef epoll_event event
        event.events = (EPOLLIN if watch.events & _READ else 0) | (EPOLLOUT if watch.events & _WRITE else 0)
        event.data.ptr = <PyObject *>watch
        if epoll_ctl(self.epoll, operation, watch.fd, &event):
            raise _os_error()
        return 0

    def run(self):
        """Serve until `stop`; then close the loop's own descriptors."""
        self.thread_id = threading.get_ident()
        try:
            while not self.stopping:
                self.turn()
        finally:
            self.thread_id = 0
            self.release()

    cdef int turn(self) except -1:
        cdef epoll_event events[EVENTS_MAX]
        cdef int index, ready, reported
        cdef int timeout = self.patience()
        cdef uint64_t counted
        cdef Watch watch
        with nogil:
            ready = epoll_wait(self.epoll, events, EVENTS_MAX, timeout)
        if ready < 0:
            if errno == EINTR:
                PyErr_CheckSignals()
                return 0
            raise _os_error()
        for index in range(ready):
            if events[index].data.ptr == NULL:
                self.wake_pending = False
                read(self.wake_fd, &counted, sizeof(counted))
                continue
            watch = <Watch>events[index].data.ptr
            # As the selectors module has it: an error or a hang-up is whatever was waited for.
            reported = 0
            if events[index].events & ~EPOLLIN:
                reported |= _WRITE
            if events[index].events & ~EPOLLOUT:
                reported |= _READ
            reported &= watch.events
            if reported:
                callback = watch.callback
                try:
                    callback(reported)
                except Exception:
                    self.report(callback)
        if self.retired:
            self.retired.clear()
        # As many calls as there are now: those that they add come after the next poll, so
        # that a call which renews itself (a long generator) never starves the sockets.
        for index in range(len(self.calls)):
            callback, args = self.calls.popleft()
            try:
                callback(*args)
            except Exception:
                self.report(callback)
        if self.timers:
            self.run_timers()
        return 0

    cdef int patience(self) except -2:
        """Milliseconds; -1 for ever."""
        if self.calls or self.stopping:
            return 0
        if not self.timers:
            return -1
        delay = self.timers[0][0] - monotonic()
        return 0 if delay <= 0 else <int>min(delay * 1000 + 1, 3600000.0)

    cdef int run_timers(self) except -1:
        cdef double now = monotonic()
        while self.timers and self.timers[0][0] <= now:
            callback = heapq.heappop(self.timers)[2].callback
            if callback is not None:
                try:
                    callback()
                except Exception:
                    self.report(callback)
        return 0

    cdef int report(self, callback) except -1:
        self.on_error(f"event loop callback {getattr(callback, '__qualname__', callback)}")
        return 0


cdef object _os_error():
    return OSError(errno, os.strerror(errno))
