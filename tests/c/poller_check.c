/* poller.h: what the loop and the lanes rely on, of either half of it. */
#include "check.h"
#include "poller.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { NOTHING = 0, BOTH = SK_READ | SK_WRITE, ENDED = SK_READ | SK_END, PATIENCE = 50 };

static char ours_, theirs_; /* owners are known by their address */
static void *const OURS = &ours_, *const THEIRS = &theirs_;

/* What `owner` is ready for, by all events of one wait: there may be one for each direction. */
static int ready_within(int poller, void *owner, int milliseconds) {
    sk_event events[SK_EVENTS_MAX];
    int ready = 0;
    int count = sk_poller_wait(poller, events, milliseconds);
    CHECK(count >= 0);
    for (int index = 0; index < count; index++) {
        CHECK(events[index].owner == owner);
        CHECK(!(events[index].ready & SK_END) || events[index].ready & SK_READ);
        ready |= events[index].ready;
    }
    return ready;
}

static int ready(int poller) { return ready_within(poller, OURS, PATIENCE); }

static void put(int fd) { CHECK(write(fd, "x", 1) == 1); }

static void take(int fd) {
    char taken[64];
    CHECK(read(fd, taken, sizeof taken) > 0);
}

static int opened(int ends[2]) {
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    return sk_poller_open();
}

static void closed(int poller, int ends[2]) {
    close(ends[0]);
    close(ends[1]);
    close(poller);
}

static void level_triggered_is_told_as_long_as_it_is_ready(void) {
    int ends[2], poller = opened(ends);
    CHECK(!sk_poller_add(poller, ends[0], SK_READ, 0, OURS));
    CHECK(ready(poller) == NOTHING);
    put(ends[1]);
    CHECK(ready(poller) == SK_READ);
    CHECK(ready(poller) == SK_READ);
    take(ends[0]);
    CHECK(ready(poller) == NOTHING);
    closed(poller, ends);
}

static void interest_changes_both_ways(void) {
    int ends[2], poller = opened(ends);
    put(ends[1]);
    CHECK(!sk_poller_add(poller, ends[0], SK_READ, 0, OURS));
    CHECK(!sk_poller_change(poller, ends[0], SK_READ, BOTH, OURS));
    CHECK(ready(poller) == BOTH);
    CHECK(!sk_poller_change(poller, ends[0], BOTH, SK_WRITE, OURS));
    CHECK(ready(poller) == SK_WRITE);
    CHECK(!sk_poller_change(poller, ends[0], SK_WRITE, SK_READ, OURS));
    CHECK(ready(poller) == SK_READ);
    CHECK(!sk_poller_change(poller, ends[0], SK_READ, NOTHING, OURS));
    CHECK(ready(poller) == NOTHING);
    CHECK(!sk_poller_change(poller, ends[0], NOTHING, SK_READ, OURS));
    CHECK(ready(poller) == SK_READ);
    CHECK(!sk_poller_remove(poller, ends[0], SK_READ));
    CHECK(ready(poller) == NOTHING);
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS)); /* as a lane that is gone back to */
    CHECK(ready(poller) == BOTH);
    CHECK(!sk_poller_remove(poller, ends[0], BOTH));
    closed(poller, ends);
}

static void edge_triggered_is_told_once(void) {
    int ends[2], poller = opened(ends);
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS));
    CHECK(ready(poller) == SK_WRITE);
    CHECK(ready(poller) == NOTHING);
    put(ends[1]);
    CHECK(ready(poller) & SK_READ);
    CHECK(ready(poller) == NOTHING); /* though nothing was taken */
    put(ends[1]);
    CHECK(ready(poller) & SK_READ);
    closed(poller, ends);
}

static void what_lay_there_before_is_told(void) {
    int ends[2], poller = opened(ends);
    put(ends[1]);
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS));
    CHECK(ready(poller) == BOTH);
    closed(poller, ends);
}

static void room_to_send_is_told_when_it_comes_back(void) {
    static char block[65536];
    int ends[2], poller = opened(ends);
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[0], block, sizeof block) > 0)
        continue;
    CHECK(errno == EAGAIN);
    ready(poller);
    CHECK(ready(poller) == NOTHING);
    while (read(ends[1], block, sizeof block) > 0)
        continue;
    CHECK(ready(poller) == SK_WRITE);
    closed(poller, ends);
}

static void the_end_of_what_comes(void) {
    int ends[2], poller = opened(ends);
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS));
    CHECK(ready(poller) == SK_WRITE);
    put(ends[1]);
    shutdown(ends[1], SHUT_WR);
    CHECK((ready(poller) & ENDED) == ENDED);
    CHECK(ready(poller) == NOTHING);
    close(ends[1]);
    CHECK(ready(poller) == (ENDED | SK_WRITE)); /* nothing can be sent any more, and a send says so at once */
    CHECK(!sk_poller_remove(poller, ends[0], BOTH));
    CHECK(!sk_poller_add(poller, ends[0], SK_READ, 0, OURS));
    CHECK(ready(poller) & SK_READ);
    take(ends[0]);
    CHECK(ready(poller) & SK_READ); /* the end itself can be read */
    close(ends[0]);
    close(poller);
}

static void who_comes_to_a_listener(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger reset = {1, 0};
    socklen_t size = sizeof name;
    char address[SK_ADDRESS_MAX];
    int port, family, first, second, accepted;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int poller = sk_poller_open();
    CHECK(!bind(listener, (struct sockaddr *)&name, size) && !listen(listener, 8));
    CHECK(!getsockname(listener, (struct sockaddr *)&name, &size));
    fcntl(listener, F_SETFL, O_NONBLOCK);
    CHECK(!sk_poller_add(poller, listener, SK_READ, 1, OURS));
    CHECK(ready(poller) == NOTHING);
    first = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(first, (struct sockaddr *)&name, size));
    CHECK(ready(poller) == SK_READ);
    accepted = sk_accept(listener, address, &port, &family);
    CHECK(accepted >= 0 && family == AF_INET && !strcmp(address, "127.0.0.1"));
    CHECK(fcntl(accepted, F_GETFL) & O_NONBLOCK && fcntl(accepted, F_GETFD) & FD_CLOEXEC);
    CHECK(sk_accept(listener, address, &port, &family) < 0 && errno == EAGAIN);
    second = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(second, (struct sockaddr *)&name, size));
    CHECK(ready(poller) == SK_READ);
    CHECK(!sk_poller_remove(poller, listener, SK_READ));

    CHECK(!sk_poller_add(poller, accepted, BOTH, 1, OURS));
    CHECK(ready(poller) == SK_WRITE);
    CHECK(!setsockopt(first, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    close(first);
    CHECK(ready(poller) == (ENDED | SK_WRITE));
    close(accepted);
    close(second);
    close(listener);
    close(poller);
}

static void closing_forgets(void) {
    int ends[2], others[2], poller = opened(ends), number = ends[0];
    CHECK(!sk_poller_add(poller, ends[0], BOTH, 1, OURS));
    put(ends[1]);
    close(ends[0]);
    close(ends[1]);
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, others));
    CHECK(others[0] == number);
    CHECK(!sk_poller_add(poller, others[0], BOTH, 1, THEIRS));
    CHECK(ready_within(poller, THEIRS, PATIENCE) == SK_WRITE);
    CHECK(sk_poller_remove(poller, -1, BOTH) < 0);
    closed(poller, others);
}

static void a_waker_wakes(void) {
    int ends[2], poller = sk_poller_open();
    CHECK(sk_waker_open(ends) >= 0);
    CHECK(!sk_poller_add(poller, ends[0], SK_READ, 0, OURS));
    CHECK(ready(poller) == NOTHING);
    for (int times = 0; times < 100000; times++)
        sk_waker_wake(ends[1]); /* more than any pipe takes */
    CHECK(ready_within(poller, OURS, -1) == SK_READ);
    sk_waker_drain(ends[0]);
    CHECK(ready(poller) == NOTHING);
    sk_waker_wake(ends[1]);
    CHECK(ready(poller) == SK_READ);
    close(ends[0]);
    if (ends[1] != ends[0])
        close(ends[1]);
    close(poller);
}

static void a_wait_ends_in_time(void) {
    struct timespec before, after;
    int ends[2], poller = opened(ends);
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK(ready_within(poller, OURS, 1030) == NOTHING);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 1029);
    closed(poller, ends);
}

int main(void) {
    level_triggered_is_told_as_long_as_it_is_ready();
    interest_changes_both_ways();
    edge_triggered_is_told_once();
    what_lay_there_before_is_told();
    room_to_send_is_told_when_it_comes_back();
    the_end_of_what_comes();
    who_comes_to_a_listener();
    closing_forgets();
    a_waker_wakes();
    a_wait_ends_in_time();
    return 0;
}
