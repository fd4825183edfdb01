/* Files by which an answer stands or falls: it is good as long as each is as it was, there or not there.
 *
 * What is compared of a file is device, inode, size and the times of data and of inode (ctime, which nobody can
 * set): so another file in its place shows, and so does a second change within the same second.
 */
#ifndef SKITAI_WITNESS_H
#define SKITAI_WITNESS_H

#include <stdint.h>
#include <sys/stat.h>

#ifdef __APPLE__
#define SK_MTIME(status) ((status)->st_mtimespec)
#define SK_CTIME(status) ((status)->st_ctimespec)
#else
#define SK_MTIME(status) ((status)->st_mtim)
#define SK_CTIME(status) ((status)->st_ctim)
#endif

/* Seconds: how old a change must be.  Times of files are as coarse as 2 s (FAT), and a second change within
 * that is not seen. */
#define SK_YOUNG 2.0

typedef struct {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns; /* since 1970 */
} sk_identity;

typedef struct {
    const char *path;
    int is_there;
    sk_identity identity;
} sk_witness;

static inline int64_t sk_in_ns(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static inline sk_identity sk_identity_of(const struct stat *status) {
    return (sk_identity){(uint64_t)status->st_dev, (uint64_t)status->st_ino, (uint64_t)status->st_size,
        sk_in_ns(&SK_MTIME(status)), sk_in_ns(&SK_CTIME(status))};
}

static inline int sk_same_identity(const sk_identity *one, const sk_identity *other) {
    return one->inode == other->inode && one->device == other->device && one->size == other->size
        && one->modified_ns == other->modified_ns && one->changed_ns == other->changed_ns;
}

/* Is it still as it was?  A path that cannot be looked at counts as one where nothing is. */
static inline int sk_still(const sk_witness *witness) {
    struct stat status;
    sk_identity identity;
    if (stat(witness->path, &status))
        return !witness->is_there;
    if (!witness->is_there)
        return 0;
    identity = sk_identity_of(&status);
    return sk_same_identity(&identity, &witness->identity);
}

/* Would a further change show?  `wall`: as of time.time(). */
static inline int sk_settled(const sk_witness *witness, double wall) {
    const double young = wall - SK_YOUNG;
    return !witness->is_there
        || ((double)witness->identity.modified_ns / 1e9 < young && (double)witness->identity.changed_ns / 1e9 < young);
}

#endif
