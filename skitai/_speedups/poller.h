/* Which descriptors are ready: one interface over epoll and kqueue.
 *
 * A descriptor is added once, level-triggered (reported as long as it is ready) or edge-triggered
 * (reported when it becomes ready; whoever is told reads until there is no more).  `owner` comes
 * back with every event.  All functions but sk_poller_wait return at once; none takes the GIL;
 * -1 with errno set is failure.
 */
#ifndef SKITAI_POLLER_H
#define SKITAI_POLLER_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

enum {
    SK_READ = 1,   /* the values of selectors.EVENT_READ and EVENT_WRITE */
    SK_WRITE = 2,
    SK_END = 4     /* no more will come, or the connection is broken; with SK_READ always */
};

typedef struct {
    void *owner;
    int ready;
} sk_event;

#if defined(__linux__) && !defined(SKITAI_KQUEUE)

#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { SK_EVENTS_MAX = 256 }; /* of one wait */

static inline int sk_poller_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline struct epoll_event sk_epoll_event(int interest, int edge, void *owner) {
    struct epoll_event event;
    event.events = (interest & SK_READ ? (uint32_t)EPOLLIN | (edge ? EPOLLRDHUP : 0) : 0)
        | (interest & SK_WRITE ? (uint32_t)EPOLLOUT : 0) | (edge ? (uint32_t)EPOLLET : 0);
    event.data.ptr = owner;
    return event;
}

static inline int sk_poller_add(int poller, int fd, int interest, int edge, void *owner) {
    struct epoll_event event = sk_epoll_event(interest, edge, owner);
    return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* Of a level-triggered descriptor. */
static inline int sk_poller_change(int poller, int fd, int before, int interest, void *owner) {
    struct epoll_event event = sk_epoll_event(interest, 0, owner);
    (void)before;
    return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
}

/* Of an edge-triggered descriptor: report it once more if it is ready now, behind the others. */
static inline int sk_poller_again(int poller, int fd, int interest, void *owner) {
    struct epoll_event event = sk_epoll_event(interest, 1, owner);
    return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
}

static inline int sk_poller_remove(int poller, int fd, int interest) {
    (void)interest;
    return epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
}

/* Milliseconds; -1 waits for ever. */
static inline int sk_poller_wait(int poller, sk_event *events, int milliseconds) {
    struct epoll_event native[SK_EVENTS_MAX];
    int count = epoll_wait(poller, native, SK_EVENTS_MAX, milliseconds);
    for (int index = 0; index < count; index++) {
        uint32_t flags = native[index].events;
        /* As the selectors module has it: an error or a hang-up is whatever was waited for. */
        events[index].owner = native[index].data.ptr;
        events[index].ready = (flags & ~(uint32_t)EPOLLOUT ? SK_READ : 0)
            | (flags & ~(uint32_t)(EPOLLIN | EPOLLRDHUP) ? SK_WRITE : 0)
            | (flags & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? SK_END : 0);
    }
    return count;
}

/* A descriptor that others write to in order to end a wait. */
static inline int sk_waker_open(int ends[2]) {
    ends[0] = ends[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return ends[0];
}

#else

#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

enum { SK_EVENTS_MAX = 256 };

static inline int sk_poller_open(void) {
    int poller = kqueue();
    if (poller >= 0)
        fcntl(poller, F_SETFD, FD_CLOEXEC);
    return poller;
}

/* One filter for reading and one for writing: what changes is said of each alone. */
static inline int sk_kqueue_set(int poller, int fd, int interest, int action, void *owner) {
    struct kevent changes[2];
    int count = 0;
    if (interest & SK_READ) {
        EV_SET(&changes[count], (uintptr_t)fd, EVFILT_READ, action, 0, 0, owner);
        count++;
    }
    if (interest & SK_WRITE) {
        EV_SET(&changes[count], (uintptr_t)fd, EVFILT_WRITE, action, 0, 0, owner);
        count++;
    }
    return kevent(poller, changes, count, NULL, 0, NULL);
}

static inline int sk_poller_add(int poller, int fd, int interest, int edge, void *owner) {
    return sk_kqueue_set(poller, fd, interest, EV_ADD | (edge ? EV_CLEAR : 0), owner);
}

static inline int sk_poller_change(int poller, int fd, int before, int interest, void *owner) {
    if (before & ~interest && sk_kqueue_set(poller, fd, before & ~interest, EV_DELETE, owner))
        return -1;
    return interest & ~before ? sk_kqueue_set(poller, fd, interest & ~before, EV_ADD, owner) : 0;
}

static inline int sk_poller_again(int poller, int fd, int interest, void *owner) {
    return sk_kqueue_set(poller, fd, interest, EV_ADD | EV_CLEAR, owner);
}

static inline int sk_poller_remove(int poller, int fd, int interest) {
    return interest ? sk_kqueue_set(poller, fd, interest, EV_DELETE, NULL) : 0;
}

static inline int sk_poller_wait(int poller, sk_event *events, int milliseconds) {
    struct kevent native[SK_EVENTS_MAX];
    struct timespec patience = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    int count = kevent(poller, NULL, 0, native, SK_EVENTS_MAX, milliseconds < 0 ? NULL : &patience);
    for (int index = 0; index < count; index++) {
        events[index].owner = (void *)native[index].udata;
        events[index].ready = (native[index].filter == EVFILT_READ ? SK_READ : SK_WRITE)
            | (native[index].flags & (EV_EOF | EV_ERROR) ? SK_READ | SK_END : 0);
    }
    return count;
}

static inline int sk_waker_open(int ends[2]) {
    if (pipe(ends))
        return -1;
    for (int index = 0; index < 2; index++) {
        fcntl(ends[index], F_SETFD, FD_CLOEXEC);
        fcntl(ends[index], F_SETFL, O_NONBLOCK);
    }
    return ends[0];
}

#endif

/* A full or closed waker needs no word: the wait ends, or there is none. */
static inline void sk_waker_wake(int end) {
    uint64_t one = 1;
    ssize_t written = write(end, &one, sizeof one);
    (void)written;
}

static inline void sk_waker_drain(int end) {
    uint64_t counted[64];
    while (read(end, counted, sizeof counted) == (ssize_t)sizeof counted)
        continue;
}

#endif
