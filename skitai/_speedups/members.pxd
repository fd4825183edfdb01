# The members of a cluster, as C code sees them: see members.h and members.pyx.

from libc.stdint cimport int64_t, uint64_t

cdef extern from "members.h" nogil:
    ctypedef enum sk_ending:
        SK_ENDED_OK
        SK_ENDED_GATEWAY
        SK_ENDED_FAILED
        SK_ENDED_TIMEOUT
        SK_ENDED_CANCELLED
    ctypedef struct sk_member_policy:
        double decay_time, default_rtt
        int cost_tolerance
        double slow_start_window
        int slow_start_min_weight_percent
        int consecutive_gateway_failure
        double base_ejection_time, max_ejection_time
        int max_ejection_percent
        int retry_budget_percent, retry_budget_per_second, hedge_budget_percent
        double budget_window
    ctypedef struct sk_member:
        int64_t id
        int weight, priority, in_flight, failures, ejections, healthy
        double ejected_until
    ctypedef struct sk_members:
        sk_member *members
        int count
    sk_members *sk_members_open(const sk_member_policy *policy, uint64_t seed)
    void sk_members_close(sk_members *all)
    int64_t sk_members_add(sk_members *all, int weight, int priority, double now)
    void sk_members_remove(sk_members *all, int64_t id)
    void sk_members_rank(sk_members *all, int64_t id, int weight, int priority)
    void sk_members_judge(sk_members *all, int64_t id, bint healthy, double now)
    int64_t sk_members_choose(sk_members *all, const int64_t *tried, int tried_count, double now)
    void sk_members_begin(sk_members *all, int64_t id, double now)
    double sk_members_end(sk_members *all, int64_t id, double elapsed, sk_ending how, double now)
    bint sk_members_may_retry(sk_members *all, double now)
    bint sk_members_may_hedge(sk_members *all, double now)
    double sk_members_quantile(sk_members *all, double fraction)
    void sk_members_lock(sk_members *all)
    void sk_members_unlock(sk_members *all)
    double sk_member_latency(const sk_members *all, const sk_member *member, double now)


cdef class Members:
    # `all` is for code without the GIL too, as long as it keeps this object.
    cdef sk_members *all
