/* What the server has learnt about routes: which of them last (DESIGN section 5).
 *
 * A route is a mount, a method and the first segments of a path, where a segment that is long or
 * has a digit counts as any other such one: so that /user/17 and /user/18 are learnt together.  A
 * place of the table is given to the first route that falls on it, and to another one once
 * nothing bad is known of the first: the table is bounded whatever clients ask for.
 *
 * Each call in the leader is timed.  One that lasts is SK_STRIKE strikes, as soon as it is taken over
 * or when it ends; a quick one takes one back.  From SK_SLOW on the route is slow and is not called in
 * the leader for SK_PAUSE seconds or more, then once on trial.  So one hiccup of the machine makes no
 * route slow, two in a row do, and a route that became quick is believed after one trial.
 *
 * A slow route waits or burns (spends its time on the processor).  Which of them cannot always be told
 * while several calls fight for the GIL: three that compute look like three that wait for two thirds
 * of their time.  So at first it is taken to burn, its calls run one by one, and each of these is
 * measured (sk_measured) until one tells.
 *
 * Used with the GIL held.
 */
#ifndef SKITAI_HABITS_H
#define SKITAI_HABITS_H

#include <stddef.h>
#include <stdint.h>

enum {
    SK_HABITS = 4096,        /* a power of two */
    SK_SEGMENTS = 3,         /* of a path */
    SK_SEGMENT_LONG = 24,    /* bytes */
    SK_STRIKE = 4,
    SK_SLOW = 8,
    SK_STRIKES_MAX = 16,
    SK_TRIALS_MAX = 4,
    SK_UNSURE_MAX = 8        /* measurements that do not tell, before one of them is believed after all */
};

#define SK_LASTS 0.001 /* seconds: the monitor's measure too */
#define SK_LONG 0.05
#define SK_PAUSE 1.0
/* Of its time, for a call that shares the GIL with the leader: one that only computes gets half of it, and even beside
 * some others more than SK_WAITING. */
#define SK_BURNING 0.35
#define SK_WAITING 0.1
/* Of a call's time, in which nobody in this process was on the processor: it waited, and not for the GIL. */
#define SK_IDLE 0.75

typedef enum { SK_FAST, SK_WAITS, SK_BURNS } sk_kind;

typedef struct {
    uint32_t route;
    uint8_t strikes;
    uint8_t burns;
    uint8_t failed_trials;
    uint8_t measured;        /* whether `burns` is known */
    uint8_t unsure;          /* how often it was measured in vain */
    double trial_at;         /* as time.monotonic() */
} sk_habit;

typedef struct {
    sk_habit table[SK_HABITS];
} sk_habits;

/* `seed` tells mounts and methods apart. */
static inline uint32_t sk_route_of(uint32_t seed, const unsigned char *path, uint32_t length) {
    uint32_t hash = seed * 2654435761u ^ 0x9e3779b9u;
    const unsigned char *end = path + length;
    for (int segment = 0; segment < SK_SEGMENTS && path < end; segment++) {
        uint32_t own = 17;
        const unsigned char *start = ++path; /* behind the slash */
        int folded = 0;
        while (path < end && *path != '/') {
            folded |= *path >= '0' && *path <= '9';
            own = own * 31 + *path++;
        }
        if (folded || path - start > SK_SEGMENT_LONG)
            own = 1;
        hash = (hash ^ own) * 16777619u;
    }
    return hash ^ hash >> 15;
}

/* Its habit; NULL where the place is taken by a route that is known to last. */
static inline sk_habit *sk_habit_of(sk_habits *habits, uint32_t route) {
    sk_habit *habit = &habits->table[(route ^ route >> 12) & (SK_HABITS - 1)];
    if (habit->route == route)
        return habit;
    if (habit->strikes)
        return NULL;
    habit->route = route;
    habit->burns = habit->failed_trials = habit->measured = habit->unsure = 0;
    return habit;
}

/* How to call it now; a slow route whose pause is over is fast, on trial, if the server `can_try`: a trial
 * that fails needs a thread. */
static inline sk_kind sk_kind_now(const sk_habit *habit, double now, int can_try) {
    if (habit->strikes < SK_SLOW || (can_try && now >= habit->trial_at))
        return SK_FAST;
    return habit->burns ? SK_BURNS : SK_WAITS;
}

/* A trial is due where it must not be made: it would last in front of stacks that are parked.  The call is measured
 * outside instead (sk_measured). */
static inline sk_kind sk_try_outside(sk_habit *habit, double now) {
    habit->trial_at = now + SK_PAUSE * (1 << habit->failed_trials);
    if (habit->failed_trials < SK_TRIALS_MAX)
        habit->failed_trials++;
    return SK_BURNS;
}

/* A call in the leader took `elapsed` seconds, or lasts and took so many until now. */
static inline void sk_learn(sk_habit *habit, double elapsed, double now) {
    if (elapsed < SK_LASTS) {
        if (habit->strikes >= SK_SLOW)
            habit->strikes = SK_SLOW - 1; /* on trial, and quick */
        else if (habit->strikes)
            habit->strikes--;
        habit->failed_trials = 0;
        return;
    }
    if (habit->strikes == 0) {
        habit->burns = 1; /* until measured */
        habit->measured = habit->unsure = 0;
    }
    if (habit->strikes >= SK_SLOW && habit->failed_trials < SK_TRIALS_MAX)
        habit->failed_trials++;
    if (habit->strikes <= SK_STRIKES_MAX - SK_STRIKE)
        habit->strikes += SK_STRIKE;
    habit->trial_at = now + SK_PAUSE * (1 << habit->failed_trials);
}

/* The same where it is not sure that the time was the handler's own.  It can be parked: this was the call until its first
 * wait, or the longest piece between two, and many of them stand together in few threads.  Or another handler computes,
 * which takes the GIL from a quick one in the midst of it: two of those in a row made the route slow and had all its
 * requests wait behind what computes, three times a second.  So what lasts but some milliseconds counts as much as a
 * quick one takes back. */
static inline void sk_learn_piece(sk_habit *habit, double elapsed, double now) {
    if (elapsed < SK_LASTS || elapsed >= SK_LONG || habit->strikes + 1 >= SK_SLOW) {
        sk_learn(habit, elapsed, now);
        return;
    }
    if (habit->strikes++ == 0) {
        habit->burns = 1;
        habit->measured = habit->unsure = 0;
    }
}

/* A call outside of the leader took `elapsed` seconds, `burnt` of them on the processor, which the whole process had
 * for `spent` seconds meanwhile. */
static inline void sk_measured(sk_habit *habit, double elapsed, double burnt, double spent) {
    int burns = burnt >= elapsed * SK_BURNING;
    int waits = burnt < elapsed * SK_WAITING || elapsed - spent >= elapsed * SK_IDLE;
    if (burns || waits || (!habit->measured && habit->unsure++ >= SK_UNSURE_MAX)) {
        habit->burns = burns;
        habit->measured = 1;
        habit->unsure = 0;
    }
    if (elapsed < SK_LASTS && habit->strikes >= SK_SLOW)
        habit->strikes = SK_SLOW - 1;
}

#endif
