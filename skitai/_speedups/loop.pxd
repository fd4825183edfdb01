# The event loop as C code sees it: see loop.pyx.

from libc.stdint cimport uint32_t

from skitai._speedups.shelf cimport sk_parcel

cdef extern from "poller.h" nogil:
    enum:
        SK_READ
        SK_WRITE
        SK_END
        SK_EVENTS_MAX
    ctypedef struct sk_event:
        void *owner
        int ready


cdef extern from "relief.h" nogil:
    ctypedef enum sk_state:
        SK_RESTING
        SK_SERVING
        SK_QUEUED
        SK_HELD
        SK_HELD_SENT
        SK_SENDING
        SK_RELAYING
        SK_ENDED
        SK_GONE
    ctypedef enum sk_view_kind:
        SK_PYTHON
        SK_CONNECTION
        SK_LISTENER
        SK_SEALED
    ctypedef struct sk_pending:
        sk_parcel parcel
        double received_at
        bint is_head
        uint32_t target_size
        char *target
    ctypedef struct sk_view:
        sk_view_kind kind
        int fd
        sk_state state
        int kept
        const void *site
        sk_pending *pending
        bint left
        double served_at
    ctypedef struct sk_kept:
        void **owners
        int count

cdef extern from "workers.h" nogil:
    ctypedef struct sk_worker:
        pass
    ctypedef struct sk_workers:
        int busy

cdef extern from "lead.h" nogil:
    ctypedef struct sk_lead:
        int threads
        sk_workers workers
        int waiting


# This process is a child that a handler has forked (skitai/_forks.py): whoever comes back from an application's
# code ends it.
cdef bint in_child
cdef int end_child(object error) except -1


cdef class Watched:
    # A descriptor that the loop watches.  The poller holds a plain pointer to it: whoever calls
    # `add` keeps it alive until `forget`, and the loop for the rest of the batch of events.
    cdef int fd
    # What the monitor may see and do in the leader's place: relief.h.
    cdef sk_view view
    # Tells which of SK_READ, SK_WRITE and SK_END it is ready for.
    cdef int on_ready(self, int ready) except -1


cdef class Callback:
    # In the place of a callback of Python code for a socket that is watched for it.
    cdef int on_ready(self, int ready) except -1


cdef class BatchEnd:
    # What has to be done before the loop waits for events again, or calls Python code.
    cdef int batch_ends(self) except -1


cdef class Steps:
    # What else the leader's thread has to do: see parking.pyx.
    cdef readonly bint due
    cdef int take_turn(self) except -1


cdef class EventLoop:
    cdef int poller
    cdef int[2] waker
    cdef bint stopping
    cdef bint wake_pending
    cdef bint is_of_child                   # made in a child that a handler has forked
    cdef readonly unsigned long thread_id   # of the thread that leads; 0: nobody
    cdef object on_error
    cdef object calls
    cdef list timers
    cdef object timer_order
    cdef Py_ssize_t cancelled               # of the timers
    cdef double next_timer                  # when the first of them is due
    cdef double heard_at                    # when the system said last what is ready
    cdef Steps steps                        # of the leader; None: it has none
    cdef dict watches
    cdef list retired
    # The events of one wait.  Here and not on a stack: whoever takes the lead in the midst of
    # them goes on with the next one.
    cdef sk_event[SK_EVENTS_MAX] events
    cdef int next_event, event_count
    # Owners of events that the monitor has fetched and left to us.
    cdef sk_kept kept
    # Who looks whether we wait for the GIL; NULL: nobody.
    cdef sk_lead *watcher
    cdef BatchEnd batch_end                 # None: nothing
    # Counts the waits and whatever else of Python code may have taken time: what C code has looked
    # up since, the clock for one, is still fresh.
    cdef unsigned long batch

    cdef int add(self, Watched watched, int interest) except -1
    cdef int again(self, Watched watched) except -1
    cdef int forget(self, Watched watched) except -1
    cdef int lead(self, unsigned long ident) except -1
    cdef int turn(self, unsigned long ident) except -1
    cdef int end_batch(self) except -1
    cdef int wait(self) except -2
    cdef void take_kept(self) noexcept
    cdef int patience(self) except -2
    cdef int timer_cancelled(self) except -1
    cdef int run_timers(self, unsigned long ident) except -1
    cdef int report(self, callback) except -1
    cdef void wake(self) noexcept
    cdef void release(self) noexcept
    cdef int former_fd(self, sock) except -2
