"""The members of a cluster: members.h for Python.

Any thread.  The GIL is kept: who has the lock of the table never waits for anything.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc

import os

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    TRIED_FEW = 16


@cython.final
cdef class Members:
    def __cinit__(self, policy, seed=None):
        """``seed`` (64 bits) makes the choices always the same ones."""
        cdef sk_member_policy numbers
        numbers.decay_time = policy.decay_time
        numbers.default_rtt = policy.default_rtt
        numbers.cost_tolerance = policy.cost_tolerance
        numbers.slow_start_window = policy.slow_start_window
        numbers.slow_start_min_weight_percent = policy.slow_start_min_weight_percent
        numbers.consecutive_gateway_failure = policy.consecutive_gateway_failure
        numbers.base_ejection_time = policy.base_ejection_time
        numbers.max_ejection_time = policy.max_ejection_time
        numbers.max_ejection_percent = policy.max_ejection_percent
        numbers.retry_budget_percent = policy.retry_budget_percent
        numbers.retry_budget_per_second = policy.retry_budget_per_second
        numbers.hedge_budget_percent = policy.hedge_budget_percent
        numbers.budget_window = policy.budget_window
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        self.all = sk_members_open(&numbers, seed & 0xFFFFFFFFFFFFFFFF)
        if self.all == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.all != NULL:
            sk_members_close(self.all)

    # -- who there is

    def add(self, int weight, double now, int priority=0):
        """Its id, which no other one will have.  Of lower ``priority`` are those that are asked first."""
        cdef int64_t id = sk_members_add(self.all, weight, priority, now)
        if id < 0:
            raise MemoryError
        return id

    def remove(self, int64_t id):
        """It is asked no more; what was begun may still `end`."""
        sk_members_remove(self.all, id)

    def rank(self, int64_t id, int weight, int priority):
        """Another weight and priority; what is known of it stays."""
        sk_members_rank(self.all, id, weight, priority)

    def judge(self, int64_t id, bint healthy, double now):
        """What active checks say: an unhealthy one is not asked."""
        sk_members_judge(self.all, id, healthy, now)

    def snapshot(self, double now):
        cdef list states = []
        cdef sk_member *member
        cdef sk_member *copies
        cdef int count, place
        sk_members_lock(self.all)
        count = self.all.count
        copies = <sk_member *>PyMem_Malloc((count or 1) * sizeof(sk_member))
        if copies != NULL:
            for place in range(count):
                copies[place] = self.all.members[place]
        sk_members_unlock(self.all)
        if copies == NULL:
            raise MemoryError
        try:
            for place in range(count):
                member = &copies[place]
                states.append({
                    "id": member.id,
                    "weight": member.weight,
                    "priority": member.priority,
                    "in_flight": member.in_flight,
                    "latency": sk_member_latency(self.all, member, now),
                    "failures": member.failures,
                    "ejections": member.ejections,
                    "ejected_for": max(0.0, member.ejected_until - now),
                    "healthy": bool(member.healthy),
                })
        finally:
            PyMem_Free(copies)
        return states

    # -- who is asked

    def choose(self, double now, tried=()):
        """The id of the member to ask, none of ``tried``; -1: none can be asked.

        A choice with nothing tried is a new request, and pays into the budgets.
        """
        cdef int64_t few[TRIED_FEW]
        cdef int64_t *before = few
        cdef list ids = list(tried)
        cdef int count = <int>len(ids)
        cdef int place
        if count > TRIED_FEW:
            before = <int64_t *>PyMem_Malloc(count * sizeof(int64_t))
            if before == NULL:
                raise MemoryError
        try:
            for place in range(count):
                before[place] = ids[place]
            return sk_members_choose(self.all, before, count, now)
        finally:
            if before != few:
                PyMem_Free(before)

    # -- what comes of it

    def begin(self, int64_t id, double now):
        """A request is on its way to the member; `end` follows."""
        sk_members_begin(self.all, id, now)

    def end(self, int64_t id, double now, double elapsed, int how):
        """The request that was begun ``elapsed`` seconds ago has ended; ``how``: an `Ending`.  For how long the
        member is ejected now, because of this; 0: it is not."""
        return sk_members_end(self.all, id, elapsed, <sk_ending>how, now)

    def may_retry(self, double now):
        """Whether the budget has a request that may be repeated; it is spent then."""
        return sk_members_may_retry(self.all, now)

    def may_hedge(self, double now):
        """The same for a second request beside one that takes long."""
        return sk_members_may_hedge(self.all, now)

    def quantile(self, double fraction):
        """What ``fraction`` of the answers did not take longer than; 0 while too few are known."""
        return sk_members_quantile(self.all, fraction)
