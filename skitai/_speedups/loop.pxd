# The event loop as C code sees it: see loop.pyx.

cdef extern from "poller.h" nogil:
    enum:
        SK_READ
        SK_WRITE
        SK_END
        SK_EVENTS_MAX
    ctypedef struct sk_event:
        void *owner
        int ready


cdef class Watched:
    # A descriptor that the loop watches.  The poller holds a plain pointer to it: whoever calls
    # `add` keeps it alive until `forget`, and the loop for the rest of the batch of events.
    cdef int fd
    # Tells which of SK_READ, SK_WRITE and SK_END it is ready for.
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
    cdef readonly unsigned long thread_id   # of the thread that leads; 0: nobody
    cdef object on_error
    cdef object calls
    cdef list timers
    cdef object timer_order
    cdef double next_timer                  # when the first of them is due
    cdef Steps steps                        # of the leader; None: it has none
    cdef dict watches
    cdef list retired
    # The events of one wait.  Here and not on a stack: whoever takes the lead in the midst of
    # them goes on with the next one.
    cdef sk_event[SK_EVENTS_MAX] events
    cdef int next_event, event_count
    cdef BatchEnd batch_end                 # None: nothing
    # Counts the waits and whatever else of Python code may have taken time: what C code has looked
    # up since, the clock for one, is still fresh.
    cdef unsigned long batch

    cdef int add(self, Watched watched, int interest) except -1
    cdef int forget(self, Watched watched) except -1
    cdef int lead(self, unsigned long ident) except -1
    cdef int turn(self, unsigned long ident) except -1
    cdef int end_batch(self) except -1
    cdef int patience(self) except -2
    cdef int run_timers(self, unsigned long ident) except -1
    cdef int report(self, callback) except -1
    cdef void wake(self) noexcept
    cdef void release(self) noexcept
    cdef int former_fd(self, sock) except -2
