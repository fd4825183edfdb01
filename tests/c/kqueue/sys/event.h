/* A stand-in for <sys/event.h> of the BSDs on Linux, for tests only: as much of kqueue(2) as poller.h uses,
 * over epoll.  With it the kqueue half of poller.h is compiled, and the engine runs on it, where there is
 * no BSD.  It shows that our side keeps to the interface; it cannot show what a BSD's kernel does.
 *
 * What it has of kqueue that epoll has not: reading and writing are two filters, registered and removed
 * each for itself and reported by an event each; a change that fails ends the call; EV_EOF instead of hang-ups.
 */
#ifndef SKITAI_TESTS_EVENT_H
#define SKITAI_TESTS_EVENT_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2 };
enum { EV_ADD = 0x1, EV_DELETE = 0x2, EV_CLEAR = 0x20, EV_ERROR = 0x4000, EV_EOF = 0x8000 };

struct kevent {
    uintptr_t ident; /* set by the caller only; not reported back */
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_)                                       \
    (*(event) = (struct kevent){(ident_), (filter_), (unsigned short)(flags_), (fflags_), (data_), (udata_)})

/* A queue is an epoll descriptor in which two others lie, one for each filter.  They are closed when the
 * queue's number comes again. */
enum { KQ_FILTERS = 2, KQ_QUEUES_MAX = 4096, KQ_EVENTS_MAX = 256 };
static int kq_filters[KQ_QUEUES_MAX][KQ_FILTERS];

static inline int kqueue(void) {
    int queue = epoll_create1(0);
    if (queue < 0)
        return -1;
    if (queue >= KQ_QUEUES_MAX)
        abort();
    for (int index = 0; index < KQ_FILTERS; index++) {
        struct epoll_event inner = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
        if (kq_filters[queue][index])
            close(kq_filters[queue][index]);
        kq_filters[queue][index] = epoll_create1(EPOLL_CLOEXEC);
        if (kq_filters[queue][index] < 0 || epoll_ctl(queue, EPOLL_CTL_ADD, kq_filters[queue][index], &inner))
            abort();
    }
    return queue;
}

static inline int kq_change(int queue, const struct kevent *change) {
    int index = change->filter == EVFILT_WRITE;
    int filter = kq_filters[queue][index];
    struct epoll_event native = {.data.ptr = change->udata};
    if (change->flags & EV_DELETE)
        return epoll_ctl(filter, EPOLL_CTL_DEL, (int)change->ident, NULL);
    native.events = index ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
    if (change->flags & EV_CLEAR)
        native.events |= EPOLLET;
    if (!epoll_ctl(filter, EPOLL_CTL_ADD, (int)change->ident, &native))
        return 0;
    return errno == EEXIST ? epoll_ctl(filter, EPOLL_CTL_MOD, (int)change->ident, &native) : -1;
}

static inline int kq_collect(int queue, int index, struct kevent *events, int room) {
    struct epoll_event native[KQ_EVENTS_MAX];
    int count = epoll_wait(kq_filters[queue][index], native, room < KQ_EVENTS_MAX ? room : KQ_EVENTS_MAX, 0);
    uint32_t end = index ? EPOLLHUP | EPOLLERR : EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    for (int at = 0; at < count; at++) {
        EV_SET(&events[at], 0, index ? EVFILT_WRITE : EVFILT_READ, 0, 0, 0, native[at].data.ptr);
        if (native[at].events & end)
            events[at].flags |= EV_EOF;
    }
    return count;
}

static inline int kevent(
    int queue, const struct kevent *changes, int change_count, struct kevent *events, int room,
    const struct timespec *patience) {
    struct epoll_event ready[KQ_FILTERS];
    int ready_count, count = 0;
    for (int index = 0; index < change_count; index++)
        if (kq_change(queue, &changes[index]))
            return -1;
    if (!room)
        return 0;
    ready_count = epoll_wait(
        queue, ready, KQ_FILTERS, patience ? (int)(patience->tv_sec * 1000 + patience->tv_nsec / 1000000) : -1);
    if (ready_count < 0)
        return -1;
    for (int index = 0; index < ready_count; index++) {
        int found = count < room ? kq_collect(queue, (int)ready[index].data.u32, events + count, room - count) : 0;
        if (found < 0)
            return -1;
        count += found;
    }
    return count;
}

#endif
