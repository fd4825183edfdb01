/* members.h, what Python cannot show: more members than a choice has room for on its stack, ids at the ends
 * of the table, and members that are gone when their answers come.  The rest: tests/pure/test_members.py. */
#include "members.h"

#include "check.h"

enum { MANY = 200 };

static const sk_member_policy POLICY = {
    .decay_time = 10, .default_rtt = 0.01, .cost_tolerance = 25, .slow_start_window = 0,
    .slow_start_min_weight_percent = 10, .consecutive_gateway_failure = 1, .base_ejection_time = 30,
    .max_ejection_time = 300, .max_ejection_percent = 100, .retry_budget_percent = 10,
    .retry_budget_per_second = 3, .hedge_budget_percent = 5, .budget_window = 10
};

static void many_members_take_turns(void) {
    sk_members *all = sk_members_open(&POLICY, 1);
    int64_t tried[MANY];
    for (int member = 0; member < MANY; member++)
        CHECK(sk_members_add(all, 1, 0, 100) == member);
    for (int count = 0; count < MANY; count++) {
        int64_t id = sk_members_choose(all, tried, count, 100);
        CHECK(id >= 0 && id < MANY);
        for (int before = 0; before < count; before++)
            CHECK(tried[before] != id);
        tried[count] = id;
    }
    CHECK(sk_members_choose(all, tried, MANY, 100) == -1);
    sk_members_close(all);
}

static void what_is_gone_is_not_asked(void) {
    sk_members *all = sk_members_open(&POLICY, 1);
    for (int member = 0; member < MANY; member++)
        sk_members_add(all, 1, 0, 100);
    for (int member = 0; member < MANY; member++) {
        sk_members_begin(all, member, 100);
        if (member % 3 != 1)
            sk_members_remove(all, member);
        sk_members_end(all, member, 0.01, SK_ENDED_FAILED, 100);
    }
    CHECK(all->count == (MANY + 1) / 3);
    CHECK(sk_members_choose(all, NULL, 0, 100) == -1); /* those that stay are ejected */
    CHECK(sk_members_choose(all, NULL, 0, 131) % 3 == 1);
    sk_members_remove(all, MANY);
    sk_members_remove(all, -1);
    CHECK(sk_members_add(all, 1, 0, 100) == MANY);
    sk_members_close(all);
}

int main(void) {
    many_members_take_turns();
    what_is_gone_is_not_asked();
    return 0;
}
