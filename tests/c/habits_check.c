/* habits.h: what is learnt of routes, step by step. */
#include "check.h"
#include "habits.h"

#include <string.h>

static sk_habits habits;

static uint32_t route(const char *path) {
    return sk_route_of(7, (const unsigned char *)path, (uint32_t)strlen(path));
}

static void paths_are_folded(void) {
    CHECK(route("/user/17") == route("/user/18"));
    CHECK(route("/user/17") == route("/user/0123456789abcdef0123456789abcdef"));
    CHECK(route("/user/17/edit") != route("/user/17"));
    CHECK(route("/user") != route("/users"));
    CHECK(route("/a/b/c/d") == route("/a/b/c/e"));
    CHECK(route("/") != route("/a"));
    CHECK(sk_route_of(1, (const unsigned char *)"/a", 2) != sk_route_of(2, (const unsigned char *)"/a", 2));
}

static void two_calls_that_last_make_a_route_slow(void) {
    sk_habit *habit = sk_habit_of(&habits, 1);
    CHECK(sk_kind_now(habit, 0, 1) == SK_FAST);
    sk_learn(habit, 0.02, 100);
    CHECK(sk_kind_now(habit, 100, 1) == SK_FAST);
    sk_learn(habit, 0.02, 100);
    CHECK(sk_kind_now(habit, 100, 1) == SK_BURNS); /* until measured */
    sk_measured(habit, 0.05, 0.001, 0.05);
    CHECK(sk_kind_now(habit, 100, 1) == SK_WAITS);
    sk_measured(habit, 0.04, 0.02, 0.04);
    CHECK(sk_kind_now(habit, 100, 1) == SK_BURNS);
}

static void what_computes_beside_others_is_not_taken_to_wait(void) {
    sk_habit *habit = sk_habit_of(&habits, 9);
    sk_learn(habit, 0.02, 100);
    sk_learn(habit, 0.02, 100);
    for (int call = 0; call < SK_UNSURE_MAX; call++) {
        sk_measured(habit, 0.06, 0.02, 0.06);
        CHECK(!habit->measured && sk_kind_now(habit, 100, 1) == SK_BURNS);
    }
    sk_measured(habit, 0.02, 0.02, 0.02);
    CHECK(habit->measured && sk_kind_now(habit, 100, 1) == SK_BURNS);
    for (int call = 0; call < 2 * SK_UNSURE_MAX; call++)
        sk_measured(habit, 0.06, 0.02, 0.06);
    CHECK(sk_kind_now(habit, 100, 1) == SK_BURNS);
}

static void what_waits_in_a_busy_server_is_known_to_wait(void) {
    sk_habit *habit = sk_habit_of(&habits, 10);
    sk_learn(habit, 0.05, 100);
    sk_learn(habit, 0.05, 100);
    sk_measured(habit, 0.05, 0.004, 0.05);
    CHECK(habit->measured && sk_kind_now(habit, 100, 1) == SK_WAITS);
    sk_measured(habit, 0.02, 0.02, 0.02); /* and a route may change */
    CHECK(sk_kind_now(habit, 100, 1) == SK_BURNS);
    sk_measured(habit, 0.05, 0.012, 0.012);
    CHECK(sk_kind_now(habit, 100, 1) == SK_WAITS);
}

static void what_does_some_of_both_in_a_busy_server_is_believed_in_the_end(void) {
    sk_habit *habit = sk_habit_of(&habits, 11);
    sk_learn(habit, 0.05, 100);
    sk_learn(habit, 0.05, 100);
    for (int call = 0; call < SK_UNSURE_MAX; call++)
        sk_measured(habit, 0.05, 0.01, 0.05);
    CHECK(sk_kind_now(habit, 100, 1) == SK_BURNS);
    sk_measured(habit, 0.05, 0.01, 0.05);
    CHECK(sk_kind_now(habit, 100, 1) == SK_WAITS);
}

static void a_slow_route_is_tried_again_and_ever_more_rarely(void) {
    sk_habit *habit = sk_habit_of(&habits, 2);
    double now = 0, pause;
    sk_learn(habit, 0.02, now);
    sk_learn(habit, 0.02, now);
    for (pause = SK_PAUSE; pause <= 16; pause *= 2) {
        CHECK(sk_kind_now(habit, now + pause - 0.01, 1) != SK_FAST);
        CHECK(sk_kind_now(habit, now + pause, 1) == SK_FAST);
        CHECK(sk_kind_now(habit, now + pause, 0) != SK_FAST); /* no thread is free for it */
        now += pause;
        sk_learn(habit, 0.02, now);
    }
    CHECK(sk_kind_now(habit, now + 15.9, 1) != SK_FAST && sk_kind_now(habit, now + 16, 1) == SK_FAST);
    sk_learn(habit, 0.0001, now + 16);
    CHECK(sk_kind_now(habit, now + 16, 1) == SK_FAST);
}

static void one_hiccup_is_forgotten(void) {
    sk_habit *habit = sk_habit_of(&habits, 3);
    for (int round = 0; round < 10; round++) {
        sk_learn(habit, 0.02, 0);
        CHECK(sk_kind_now(habit, 0, 1) == SK_FAST);
        for (int quick = 0; quick < SK_STRIKE; quick++)
            sk_learn(habit, 0.0001, 0);
        CHECK(habit->strikes == 0);
    }
}

static void a_place_is_given_away_when_nothing_bad_is_known(void) {
    uint32_t other = 4;
    sk_habit *habit = sk_habit_of(&habits, 4);
    while (++other, (other ^ other >> 12) % SK_HABITS != 4)
        continue;
    CHECK(sk_habit_of(&habits, other) == habit && habit->route == other);
    sk_learn(habit, 0.02, 0);
    CHECK(sk_habit_of(&habits, 4) == NULL);
    CHECK(sk_habit_of(&habits, other) == habit);
}

static void a_busy_processor_makes_no_parking_route_slow(void) {
    sk_habit *habit = sk_habit_of(&habits, 6);
    for (int call = 0; call < 1000; call++) {
        sk_learn_piece(habit, call % 2 ? 0.0001 : 0.01, 0);
        CHECK(sk_kind_now(habit, 0, 1) == SK_FAST);
    }
    for (int call = 0; call < SK_SLOW - 1; call++) {
        CHECK(sk_kind_now(habit, 0, 1) == SK_FAST);
        sk_learn_piece(habit, 0.01, 0);
    }
    sk_learn_piece(habit, 0.01, 0);
    CHECK(sk_kind_now(habit, 0, 1) == SK_BURNS);
    habit = sk_habit_of(&habits, 7);
    sk_learn_piece(habit, 1, 0);
    CHECK(sk_kind_now(habit, 0, 1) == SK_FAST);
    sk_learn_piece(habit, 1, 0);
    CHECK(sk_kind_now(habit, 0, 1) == SK_BURNS);
}

static void a_trial_outside_is_measured(void) {
    sk_habit *habit = sk_habit_of(&habits, 8);
    sk_learn(habit, 1, 0);
    sk_learn(habit, 1, 0);
    sk_measured(habit, 1, 0, 0);
    CHECK(sk_kind_now(habit, 0.5, 1) == SK_WAITS && sk_kind_now(habit, 1, 1) == SK_FAST);
    CHECK(sk_try_outside(habit, 1) == SK_BURNS);
    CHECK(sk_kind_now(habit, 1.5, 1) == SK_WAITS && sk_kind_now(habit, 2, 1) == SK_FAST);
    CHECK(sk_try_outside(habit, 2) == SK_BURNS);
    CHECK(sk_kind_now(habit, 3.5, 1) == SK_WAITS && sk_kind_now(habit, 4, 1) == SK_FAST);
    sk_measured(habit, 0.0001, 0, 0);
    CHECK(sk_kind_now(habit, 2.1, 1) == SK_FAST);
}

int main(void) {
    paths_are_folded();
    two_calls_that_last_make_a_route_slow();
    what_computes_beside_others_is_not_taken_to_wait();
    what_waits_in_a_busy_server_is_known_to_wait();
    what_does_some_of_both_in_a_busy_server_is_believed_in_the_end();
    a_slow_route_is_tried_again_and_ever_more_rarely();
    one_hiccup_is_forgotten();
    a_place_is_given_away_when_nothing_bad_is_known();
    a_busy_processor_makes_no_parking_route_slow();
    a_trial_outside_is_measured();
    return 0;
}
