/* The members of a cluster: which of them is asked next, and what is known of each.  Plain C with a small
 * lock of its own, so that code without the GIL may use it; it does no I/O and has no clock: who calls says
 * what time it is.  `_pure/engine/members.py` is the same in Python and gives the same answers.
 *
 * A choice draws two members, by their weights, and compares what each would cost:
 *
 *     latency x (1 + in flight / share) / trust      share: its weight, in units of the mean weight
 *
 * The latency is a peak-EWMA (Finagle's): a slower answer counts at once and whole, quicker ones take
 * `decay_time` to be believed, and a member that is not asked is forgotten at that rate, so that it is tried
 * again.  While something is in flight, the time since the member last said anything is a lower bound of its
 * latency: one that hangs is left alone before any of its answers is overdue.  One that is slower than usual
 * (the harmonic mean, which a few slow ones hardly change) is drawn as much more rarely, or of several slow
 * ones two would meet in a choice now and then.  The first one drawn is taken
 * unless it costs more than the other by more than `cost_tolerance`: latencies of like servers differ by as much,
 * and without it the weights would count for little.
 *
 * A member that was added or comes back counts for little at first, and for all of its weight after
 * `slow_start_window`.  Each failure in a row halves the trust in it, with which it is drawn more rarely, too:
 * else one that fails at once would look quick.  Some more eject it, for longer each time; so many ejected
 * at once that the others could not bear it there never are.
 *
 * A budget is a number of tokens: each request pays a part of one, time pays too, and what is not spent
 * within `budget_window` is lost, by the same exponential.  So over any longer time no more is repeated
 * than that part of the requests.
 */
#ifndef SKITAI_MEMBERS_H
#define SKITAI_MEMBERS_H

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "latencies.h"

/* As `Ending`: how a request to a member ended.  Of the first three it has said something itself. */
typedef enum { SK_ENDED_OK, SK_ENDED_GATEWAY, SK_ENDED_FAILED, SK_ENDED_TIMEOUT, SK_ENDED_CANCELLED } sk_ending;

/* As `MemberPolicy`. */
typedef struct {
    double decay_time, default_rtt;
    int cost_tolerance;
    double slow_start_window;
    int slow_start_min_weight_percent;
    int consecutive_gateway_failure;
    double base_ejection_time, max_ejection_time;
    int max_ejection_percent;
    int retry_budget_percent, retry_budget_per_second, hedge_budget_percent;
    double budget_window;
} sk_member_policy;

typedef struct {
    int64_t id;
    int weight, priority;
    int in_flight;
    int failures;  /* in a row */
    int ejections; /* that are not forgiven yet */
    int healthy;   /* as active checks say */
    int measured;
    double latency, measured_at;
    double silent_since; /* while something is in flight */
    double ejected_until;
    double warming_since;
} sk_member;

typedef struct {
    pthread_mutex_t lock;
    sk_member_policy policy;
    sk_member *members; /* by rising id */
    int count, room;
    int64_t next_id;
    uint64_t random;
    double retries, hedges, paid_at; /* the budgets */
    sk_latencies latencies;
} sk_members;

enum {
    SK_DOUBTS_MOST = 7, /* halvings of trust */
    SK_REMEMBERED = 4   /* times of decay; what is left of a latency by then says nothing */
};

static inline sk_members *sk_members_open(const sk_member_policy *policy, uint64_t seed) {
    sk_members *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    if (pthread_mutex_init(&all->lock, NULL) != 0) {
        free(all);
        return NULL;
    }
    all->policy = *policy;
    all->random = seed;
    all->retries = policy->retry_budget_per_second * policy->budget_window;
    return all;
}

static inline void sk_members_close(sk_members *all) {
    pthread_mutex_destroy(&all->lock);
    free(all->members);
    free(all);
}

/* For who looks at `members` itself. */
static inline void sk_members_lock(sk_members *all) {
    pthread_mutex_lock(&all->lock);
}

static inline void sk_members_unlock(sk_members *all) {
    pthread_mutex_unlock(&all->lock);
}

/* From 0 to 1, without 1 (Steele, Lea, Flood 2014: splitmix64). */
static inline double sk_members_random(sk_members *all) {
    uint64_t mixed = all->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (double)((mixed ^ mixed >> 31) >> 11) * 0x1p-53;
}

/* --- who there is ------------------------------------------------------------------------------- */

/* NULL where it was removed; what was begun before may end later. */
static inline sk_member *sk_member_of(const sk_members *all, int64_t id) {
    int low = 0, high = all->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (all->members[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->count && all->members[low].id == id ? &all->members[low] : NULL;
}

/* -1 without memory. */
static inline int64_t sk_members_add(sk_members *all, int weight, int priority, double now) {
    int64_t id = -1;
    sk_members_lock(all);
    if (all->count == all->room) {
        int room = all->room ? 2 * all->room : 8;
        sk_member *members = realloc(all->members, (size_t)room * sizeof *members);
        if (members != NULL) {
            all->members = members;
            all->room = room;
        }
    }
    if (all->count < all->room) {
        sk_member *member = &all->members[all->count++];
        memset(member, 0, sizeof *member);
        id = member->id = all->next_id++;
        member->weight = weight;
        member->priority = priority;
        member->healthy = 1;
        member->warming_since = now;
        member->ejected_until = now;
    }
    sk_members_unlock(all);
    return id;
}

static inline void sk_members_remove(sk_members *all, int64_t id) {
    sk_member *member;
    sk_members_lock(all);
    member = sk_member_of(all, id);
    if (member != NULL) {
        sk_member *end = all->members + all->count--;
        memmove(member, member + 1, (size_t)(end - member - 1) * sizeof *member);
    }
    sk_members_unlock(all);
}

static inline void sk_members_rank(sk_members *all, int64_t id, int weight, int priority) {
    sk_member *member;
    sk_members_lock(all);
    member = sk_member_of(all, id);
    if (member != NULL) {
        member->weight = weight;
        member->priority = priority;
    }
    sk_members_unlock(all);
}

/* What active checks say. */
static inline void sk_members_judge(sk_members *all, int64_t id, int healthy, double now) {
    sk_member *member;
    sk_members_lock(all);
    member = sk_member_of(all, id);
    if (member != NULL) {
        if (healthy && !member->healthy && member->warming_since < now)
            member->warming_since = now;
        if (!healthy)
            member->measured = 0;
        member->healthy = healthy;
    }
    sk_members_unlock(all);
}

/* --- who is asked -------------------------------------------------------------------------------- */

static inline int sk_member_is_known(const sk_members *all, const sk_member *member, double now) {
    return member->measured && now - member->measured_at < SK_REMEMBERED * all->policy.decay_time;
}

/* Its latency as it is believed now. */
static inline double sk_member_latency(const sk_members *all, const sk_member *member, double now) {
    double latency = 0; /* nothing is known: it is tried */
    if (sk_member_is_known(all, member, now))
        latency = member->latency * exp((member->measured_at - now) / all->policy.decay_time);
    else if (member->in_flight)
        latency = all->policy.default_rtt;
    if (member->in_flight && now - member->silent_since > latency)
        latency = now - member->silent_since;
    return latency;
}

static inline double sk_member_trust(const sk_member *member) {
    return ldexp(1, -(member->failures < SK_DOUBTS_MOST ? member->failures : SK_DOUBTS_MOST));
}

static inline double sk_member_weight(const sk_members *all, const sk_member *member, double now) {
    double weight = member->weight * sk_member_trust(member);
    double warm = now - member->warming_since, least = all->policy.slow_start_min_weight_percent / 100.0;
    if (warm >= all->policy.slow_start_window || all->policy.slow_start_window <= 0)
        return weight;
    warm /= all->policy.slow_start_window;
    return weight * (warm > least ? warm : least);
}

static inline int
sk_member_is_eligible(const sk_member *member, const int64_t *tried, int tried_count, double now) {
    if (!member->healthy || member->ejected_until > now)
        return 0;
    while (tried_count--)
        if (*tried++ == member->id)
            return 0;
    return 1;
}

/* One that a choice is among. */
typedef struct {
    const sk_member *member;
    double weight, latency;
    double chance; /* to be drawn, in no unit */
} sk_candidate;

static inline double sk_candidate_cost(const sk_candidate *candidate, double mean) {
    const sk_member *member = candidate->member;
    double share = candidate->weight / mean;
    return candidate->latency * (1 + member->in_flight / share) / sk_member_trust(member);
}

/* Its place; never that of `other`, besides which there is at least one. */
static inline int
sk_members_draw(sk_members *all, const sk_candidate *from, int count, double total, int other) {
    int drawn = -1;
    double left = sk_members_random(all) * total;
    for (int place = 0; place < count; place++) {
        if (place == other)
            continue;
        drawn = place;
        left -= from[place].chance;
        if (left < 0)
            break;
    }
    return drawn;
}

/* The chances of all; gives their sum. */
static inline double sk_members_weigh(const sk_members *all, sk_candidate *from, int count) {
    double pace = 0, usual = 0, total = 0;
    int known = 0;
    for (int place = 0; place < count; place++)
        if (from[place].latency > 0) {
            pace += 1 / from[place].latency;
            known++;
        }
    if (known)
        usual = known / pace * (100 + all->policy.cost_tolerance) / 100;
    for (int place = 0; place < count; place++) {
        from[place].chance = from[place].weight;
        if (from[place].latency > usual)
            from[place].chance *= usual / from[place].latency;
        total += from[place].chance;
    }
    return total;
}

static inline void sk_members_pay(sk_members *all, double now) {
    const sk_member_policy *policy = &all->policy;
    double kept;
    if (now <= all->paid_at)
        return;
    kept = exp((all->paid_at - now) / policy->budget_window);
    all->retries = all->retries * kept + policy->retry_budget_per_second * policy->budget_window * (1 - kept);
    all->hedges *= kept;
    all->paid_at = now;
}

static inline int64_t sk_members_take(sk_members *all, sk_candidate *from, int count) {
    double total = sk_members_weigh(all, from, count), mean = 0;
    int first, second;
    if (count == 1)
        return from->member->id;
    for (int place = 0; place < count; place++)
        mean += from[place].weight;
    mean /= count;
    first = sk_members_draw(all, from, count, total, -1);
    second = sk_members_draw(all, from, count, total - from[first].chance, first);
    if (sk_candidate_cost(&from[second], mean) * (100 + all->policy.cost_tolerance) <
        sk_candidate_cost(&from[first], mean) * 100)
        first = second;
    return from[first].member->id;
}

/* The member to ask, of those with the lowest priority of which one can be asked; -1: none can.  A choice
 * without `tried` is a new request, and pays into the budgets.  `from` has room for all members. */
static inline int64_t sk_members_choose_among(
    sk_members *all, const int64_t *tried, int tried_count, sk_candidate *from, double now
) {
    int count = 0;
    if (tried_count == 0) {
        sk_members_pay(all, now);
        all->retries += all->policy.retry_budget_percent / 100.0;
        all->hedges += all->policy.hedge_budget_percent / 100.0;
    }
    for (int place = 0; place < all->count; place++) {
        const sk_member *member = &all->members[place];
        if (!sk_member_is_eligible(member, tried, tried_count, now))
            continue;
        if (count && member->priority > from->member->priority)
            continue;
        if (count && member->priority < from->member->priority)
            count = 0;
        from[count].member = member;
        from[count].weight = sk_member_weight(all, member, now);
        from[count].latency = sk_member_latency(all, member, now);
        count++;
    }
    return count ? sk_members_take(all, from, count) : -1;
}

/* As above; -1 without memory, too. */
static inline int64_t
sk_members_choose(sk_members *all, const int64_t *tried, int tried_count, double now) {
    enum { FEW = 64 };
    sk_candidate few[FEW], *from = few;
    int64_t id = -1;
    sk_members_lock(all);
    if (all->count > FEW)
        from = malloc((size_t)all->count * sizeof *from);
    if (from != NULL)
        id = sk_members_choose_among(all, tried, tried_count, from, now);
    if (from != few)
        free(from);
    sk_members_unlock(all);
    return id;
}

/* --- what comes of it ------------------------------------------------------------------------------ */

static inline void sk_members_begin(sk_members *all, int64_t id, double now) {
    sk_member *member;
    sk_members_lock(all);
    member = sk_member_of(all, id);
    if (member != NULL && member->in_flight++ == 0)
        member->silent_since = now;
    sk_members_unlock(all);
}

/* How long what is no good answer took is a lower bound at most: it may have failed quickly. */
static inline void
sk_member_learn(const sk_members *all, sk_member *member, double elapsed, int is_good, double now) {
    double kept = exp((member->measured_at - now) / all->policy.decay_time);
    int is_known = sk_member_is_known(all, member, now);
    double known = is_known ? member->latency * kept : is_good ? 0 : all->policy.default_rtt;
    if (elapsed < known && !is_good) {
        if (is_known)
            return;
        elapsed = known;
    }
    member->latency = elapsed < known ? known + elapsed * (1 - kept) : elapsed;
    member->measured_at = now;
    member->measured = 1;
}

/* For how long it is ejected; 0: it may not be. */
static inline double sk_members_eject(sk_members *all, sk_member *member, double now) {
    const sk_member_policy *policy = &all->policy;
    int64_t ejected = 1;
    double forgiven = floor((now - member->ejected_until) / policy->base_ejection_time);
    double time;
    for (int place = 0; place < all->count; place++)
        ejected += all->members[place].ejected_until > now;
    if (ejected * 100 > (int64_t)all->count * policy->max_ejection_percent)
        return 0;
    member->ejections = member->ejections > forgiven ? member->ejections - (int)forgiven + 1 : 1;
    time = policy->base_ejection_time * member->ejections;
    if (time > policy->max_ejection_time)
        time = policy->max_ejection_time;
    member->ejected_until = now + time;
    member->warming_since = member->ejected_until;
    member->failures = 0;
    member->measured = 0; /* whoever comes back may be another */
    return time;
}

/* For how long the member is ejected now, because of this; 0: it is not. */
static inline double
sk_members_end(sk_members *all, int64_t id, double elapsed, sk_ending how, double now) {
    const sk_member_policy *policy = &all->policy;
    sk_member *member;
    double ejected = 0;
    sk_members_lock(all);
    member = sk_member_of(all, id);
    if (member != NULL) {
        if (member->in_flight)
            member->in_flight--;
        if (how <= SK_ENDED_FAILED)
            member->silent_since = now;
        sk_member_learn(all, member, elapsed, how == SK_ENDED_OK, now);
        if (how == SK_ENDED_OK)
            member->failures = 0;
        else if (how != SK_ENDED_CANCELLED && member->ejected_until <= now) {
            member->failures++;
            if (policy->consecutive_gateway_failure && member->failures >= policy->consecutive_gateway_failure)
                ejected = sk_members_eject(all, member, now);
        }
    }
    if (how != SK_ENDED_GATEWAY && how != SK_ENDED_FAILED)
        sk_latencies_add(&all->latencies, elapsed); /* given up: it would have taken even longer */
    sk_members_unlock(all);
    return ejected;
}

/* Whether there is a token in the budget; it is spent then. */
static inline int sk_members_may(sk_members *all, double *budget, double now) {
    int may;
    sk_members_lock(all);
    sk_members_pay(all, now);
    may = *budget >= 1;
    if (may)
        *budget -= 1;
    sk_members_unlock(all);
    return may;
}

static inline int sk_members_may_retry(sk_members *all, double now) {
    return sk_members_may(all, &all->retries, now);
}

static inline int sk_members_may_hedge(sk_members *all, double now) {
    return sk_members_may(all, &all->hedges, now);
}

static inline double sk_members_quantile(sk_members *all, double fraction) {
    double latency;
    sk_members_lock(all);
    latency = sk_latencies_quantile(&all->latencies, fraction);
    sk_members_unlock(all);
    return latency;
}

#endif
