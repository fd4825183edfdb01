/* Opening a file beneath a folder, and never one that is elsewhere: as skitai/core/beneath.py, which says why.  A path
 * with a link in it is resolved and walked once more, on Linux, whose proc(5) tells where it leads; elsewhere it is left
 * to Python.
 *
 * openat2(2) would do the walk in one call, where there is one.  What is opened here is opened once for many answers;
 * so there is one way, and it is tested everywhere.
 */
#ifndef SKITAI_BENEATH_H
#define SKITAI_BENEATH_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH O_RDONLY /* of Linux; it needs the right to pass through a folder only, not the right to list it */
#endif

enum {
    /* O_NONBLOCK: opening a fifo without a writer would wait for one.  For plain files it means nothing. */
    SK_OPEN_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
    SK_OPEN_FOLDER = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

/* The walk: sk_open_beneath without links. */
static inline int sk_walk_beneath(char *path, size_t root_size) {
    char *name = path, *slash;
    int folder = AT_FDCWD, found = -1, error;
    slash = strchr(path + root_size + 1, '/'); /* the first name is opened by the folder's path: that may have links */
    while (slash != NULL) {
        *slash = '\0';
        found = openat(folder, name, SK_OPEN_FOLDER);
        *slash = '/';
        error = errno;
        if (folder != AT_FDCWD)
            close(folder);
        errno = error;
        if (found < 0)
            return found;
        folder = found;
        name = slash + 1;
        slash = strchr(name, '/');
    }
    found = openat(folder, name, SK_OPEN_FILE);
    error = errno;
    if (folder != AT_FDCWD)
        close(folder);
    errno = error;
    return found;
}

#ifdef __linux__
/* Where `path` leads to: its length, -1 and errno, or 0 where that cannot be told. */
static inline ssize_t sk_real_path(const char *path, char real[PATH_MAX]) {
    char place[40];
    ssize_t size;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    size = readlink(place, real, PATH_MAX);
    close(fd);
    if (size <= 0 || size == PATH_MAX || real[0] != '/')
        return 0;
    real[size] = '\0';
    return size;
}

/* Open what `path`, which has a link, leads to, if that is beneath the folder; ENOENT: it is not, or not there. */
static inline int sk_open_resolved(char *path, size_t root_size) {
    char root[PATH_MAX], real[PATH_MAX];
    const char after = path[root_size];
    const ssize_t size = sk_real_path(path, real);
    ssize_t inside;
    if (size < 0 && (errno == ELOOP || errno == ENOTDIR))
        errno = ENOENT; /* it leads nowhere */
    if (size < 0)
        return -1;
    path[root_size] = '\0';
    inside = sk_real_path(path, root);
    path[root_size] = after;
    if (size == 0 || inside <= 1) {
        errno = ELOOP;
        return -1;
    }
    if (size <= inside + 1 || memcmp(real, root, (size_t)inside) != 0 || real[inside] != '/') {
        errno = size == inside && memcmp(real, root, (size_t)size) == 0 ? EISDIR : ENOENT;
        return -1;
    }
    return sk_walk_beneath(real, (size_t)inside);
}
#else
static inline int sk_open_resolved(char *path, size_t root_size) {
    (void)path, (void)root_size;
    errno = ELOOP;
    return -1;
}
#endif

/* Open `path` for reading: a folder's path of `root_size` bytes, a slash, and names with one slash between them, none of
 * which is empty, "." or "..".  `follows`: wherever links lead to.  As open(2); `path` is as it was.  ENOENT: there is
 * nothing that a client could get. */
static inline int sk_open_beneath(char *path, size_t root_size, int follows) {
    int found;
    if (follows)
        return open(path, SK_OPEN_FILE & ~O_NOFOLLOW);
    found = sk_walk_beneath(path, root_size);
    if (found < 0 && (errno == ELOOP || errno == ENOTDIR || errno == EMLINK)) /* of a link: see beneath.py */
        return sk_open_resolved(path, root_size);
    return found;
}

#endif
