/* News of folders, from inotify(7): that something in one of them has changed, not what.
 *
 * Where there is no inotify, or the system has no more to give, there is no news: whoever wants to know
 * looks for himself from time to time.  Nothing here waits.
 */
#ifndef SKITAI_NOTICE_H
#define SKITAI_NOTICE_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/inotify.h>
#endif

enum {
    SK_FOLDERS_MAX = 1024, /* the system has 8192 of them for a user, if no more */
    SK_PATH_MAX = 4096
};

/* A descriptor that becomes readable with news; -1: there is none. */
static inline int sk_notice_open(void) {
#ifdef __linux__
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
#else
    return -1;
#endif
}

/* From now on there is news of the folder of `path`.  `*watched` counts them, more or less: the system numbers
 * them in the order in which it hears of them. */
static inline void sk_notice_folder_of(int fd, const char *path, int *watched) {
#ifdef __linux__
    const char *name = strrchr(path, '/');
    char folder[SK_PATH_MAX];
    int number;
    if (fd < 0 || name == NULL || name == path || name - path >= SK_PATH_MAX || *watched >= SK_FOLDERS_MAX)
        return;
    memcpy(folder, path, (size_t)(name - path));
    folder[name - path] = '\0';
    number = inotify_add_watch(fd, folder,
        IN_ONLYDIR | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF);
    if (number > *watched)
        *watched = number;
#else
    (void)fd, (void)path, (void)watched;
#endif
}

/* Take what has come. */
static inline void sk_notice_drain(int fd) {
    char news[8192];
    ssize_t size;
    do
        size = read(fd, news, sizeof news);
    while (size > 0 || (size < 0 && errno == EINTR));
}

#endif
