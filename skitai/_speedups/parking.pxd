# Stacks that are parked where they wait: see parking.pyx.

from skitai._speedups.loop cimport EventLoop, Steps, sk_lead

cdef extern from "lead.h" nogil:
    ctypedef struct sk_rester:
        bint holds
    void sk_rester_open(sk_rester *rester)
    void sk_rester_close(sk_rester *rester)
    void sk_call_begins(sk_lead *lead)
    void sk_call_ends(sk_lead *lead)
    void sk_rest(sk_lead *lead, sk_rester *rester)
    void sk_wake_one(sk_lead *lead, sk_rester *rester)


# What a stack does for `task`.  `Stack.was_parked` tells whether whoever gave it waits for it still.
ctypedef int (*Performer)(object task, Stack stack) except -1


cdef class Stack:
    # A greenlet of one thread, which performs one task after the other.
    cdef Hub hub
    cdef object greenlet, switch
    cdef object task
    cdef Performer performer
    cdef object exchange                  # of the request that it is for, once there is one
    cdef Park park                        # what it waits for
    cdef bint called                      # by its hub, and has not given way since
    cdef bint was_parked                  # within the present task
    cdef double entered_at                # when the hub went on with it, once it was parked
    cdef double longest                   # seconds between two waits

    cdef int watch(self, object exchange) except -1
    cdef int give_way(self) except -1


cdef class Park:
    # One wait of one stack.
    cdef Hub hub
    cdef Stack stack
    cdef int ended                        # an `Ended`
    cdef bint timed                       # the clock has it

    cdef int end(self, int how) except -1


cdef class Clock:
    # When waits are over.
    cdef EventLoop loop
    cdef list entries                     # a heap of (time, order, Park)
    cdef list armed                       # the times at which the loop calls `ring`, the next one last
    cdef double next_ring
    cdef unsigned long order
    cdef Py_ssize_t idle                  # entries whose wait has ended otherwise

    cdef int add(self, Park park, double timeout) except -1
    cdef int forget(self) except -1
    cdef int arm(self) except -1


cdef class Hub(Steps):
    # The root stack of a thread, and the stacks that it has started.
    cdef EventLoop loop
    cdef sk_lead *lead                    # NULL: nobody takes over from a call that lasts
    cdef object report
    cdef Clock clock
    cdef unsigned long ident              # of the thread
    cdef sk_rester rester
    cdef object switch                    # to the root stack
    cdef list idle                        # stacks without a task
    cdef object ready                     # parks that have ended
    cdef Stack running
    cdef readonly Py_ssize_t parked

    cdef int settle(self, EventLoop loop, sk_lead *lead, Clock clock, object report) except -1
    cdef bint can_park(self)
    cdef bint perform(self, object task, Performer performer) except -1
    cdef int park(self, Park park) except -1
    cdef int make_ready(self, Park park) except -1
    cdef int go_on(self, Stack stack) except -1
    cdef int enter(self, Stack stack) except -1
    cdef int switch_to(self, object way) except -1
