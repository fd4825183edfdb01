/* Answers on a shelf: files that were asked for before, ready to be sent again without Python.
 *
 * What an answer says (fields, tag, who may have it) is decided by the general path, in Python, and
 * put here by sk_shelf_put under what the request said: where it came in (`site`), Host and path.  The
 * whole of later answers is made of that: the head with the time put in, or the 304 for a
 * client that has it, and the file, small ones from memory, others from an open descriptor.
 *
 * An item is good for SK_TRUST.  Then the path of its file is looked at again (stat): if anything else
 * is there by now, or the same file was changed, the item is dropped and the general path is asked anew.
 * The identity that is compared holds device, inode, size and the times of data and of inode (ctime,
 * which nobody can set): so a link that is swapped can at worst keep alive for SK_TRUST what was
 * allowed before it, and never gets anything else out.
 *
 * Nothing here takes a lock or waits for the network: a shelf has one user at a time (who leads, or the
 * monitor in its place), and so has a parcel.  Plain C without Python, tested alone
 * (tests/c/shelf_check.c).
 */
#ifndef SKITAI_SHELF_H
#define SKITAI_SHELF_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"

enum {
    SK_BUCKETS = 4096,          /* a power of two */
    SK_COPIED_MAX = 16 * 1024,  /* kept in memory: one system call sends head and content */
    SK_CONTENT_MAX = 64 * 1024, /* the same where no descriptor is free: sendfile takes 4/5 of the time at 64 KiB */
    SK_HEAD_MAX = 1024,         /* longer heads are not kept */
    SK_DATE_SIZE = 29,          /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

/* Seconds: how long an item is good without a look at its file; and how old a change of a file must be for
 * the file to be kept: times of files are as coarse as 2 s (FAT), a second change within that is not seen. */
#define SK_TRUST 1.0
#define SK_YOUNG 2.0

#ifdef __APPLE__
#define SK_MTIME(status) ((status)->st_mtimespec)
#define SK_CTIME(status) ((status)->st_ctimespec)
#else
#define SK_MTIME(status) ((status)->st_mtim)
#define SK_CTIME(status) ((status)->st_ctim)
#endif

typedef struct {
    const char *bytes;
    size_t size;
} sk_text;

/* What is put on the shelf; everything is copied.  Without `site` and `host` it is for all of them, and
 * without `file` for ever.  Heads are whole, as for a client that stays, and the
 * date in them begins at `…date`. */
typedef struct {
    const void *site;
    sk_text host, path;
    sk_text head, unchanged; /* of the 200 and the 304; no `unchanged`: there is never a 304 */
    size_t head_date, unchanged_date;
    sk_text etag;
    sk_text content;         /* where there is no file */
    const char *file;        /* its path */
    int descriptor;          /* of the file, at any place */
    const struct stat *status;
} sk_offer;

typedef struct sk_item {
    struct sk_item *next;                 /* in its bucket */
    struct sk_item *newer, *older;        /* in order of arrival; a circle with the shelf's `ends` */
    uint64_t hash;
    int holders;                          /* the shelf, and parcels */
    int was_used;                         /* since it was last in danger */
    int descriptor;                       /* -1: `content` is in memory */
    double looked_at;
    struct stat status;
    const void *site;
    sk_text host, path, head, unchanged, etag, content;
    size_t head_date, unchanged_date;
    const char *file;
    uint64_t size;                        /* of the content */
    size_t memory;                        /* of all this */
} sk_item;

typedef struct {
    sk_item *buckets[SK_BUCKETS];
    sk_item ends;                         /* .newer is the oldest, .older the newest */
    uint64_t seed;
    size_t memory, memory_max;
    int open, open_max;
    uint64_t standing;                    /* a bit for each length of a path that is good at any host */
    uint64_t lengths;                     /* the same for all others that were ever kept: most requests to
                                             applications need no look-up */
    double now;                           /* sk_shelf_clock */
    time_t second;
    char date[SK_DATE_SIZE + 1];
} sk_shelf;

/* An answer on its way. */
typedef struct {
    sk_item *item;                        /* NULL: the parcel is empty */
    uint64_t content;                     /* bytes of it that belong to the answer */
    uint64_t sent;                        /* of head and content */
    size_t head_size;
    int status;
    int stays;                            /* the connection does */
    char head[SK_HEAD_MAX + 32];
} sk_parcel;

typedef enum {
    SK_PARCEL_SENT,
    SK_PARCEL_MORE,    /* the socket takes more, but the others should have their turn */
    SK_PARCEL_WAITS,   /* the socket is full */
    SK_PARCEL_LOST     /* the client is gone, or the file has become shorter: cut the connection */
} sk_parcel_state;

/* -- time ------------------------------------------------------------------------------------- */

/* The date of RFC 9110 section 5.6.7; without the C library's, which knows locales. */
static inline void sk_write_date(char date[SK_DATE_SIZE + 1], time_t when) {
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = when / 86400, second = when % 86400;
    /* Days from 0000-03-01, in eras of 400 years: a year that begins in March has its odd day last. */
    int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    int month_day = (int)(of_year - (153 * shifted_month + 2) / 5 + 1);
    int month = (int)(shifted_month < 10 ? shifted_month + 2 : shifted_month - 10);
    int year = (int)(year_of_era + era * 400 + (month < 2)) % 10000;
    const int numbers[][2] = {{5, month_day}, {12, year / 100}, {14, year % 100},
        {17, (int)(second / 3600)}, {20, (int)(second / 60 % 60)}, {23, (int)(second % 60)}};
    memcpy(date, "Thu, 01 Jan 1970 00:00:00 GMT", SK_DATE_SIZE + 1);
    memcpy(date, days + day % 7 * 3, 3);
    memcpy(date + 8, months + month * 3, 3);
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        date[numbers[index][0]] = (char)('0' + numbers[index][1] / 10);
        date[numbers[index][0] + 1] = (char)('0' + numbers[index][1] % 10);
    }
}

/* Look at the clock: before each use.  `now`: of a monotonic clock, seconds. */
static inline void sk_shelf_clock(sk_shelf *shelf, double now, time_t second) {
    shelf->now = now;
    if (second != shelf->second) {
        shelf->second = second;
        sk_write_date(shelf->date, second);
    }
}

/* -- the table -------------------------------------------------------------------------------- */

static inline uint64_t sk_mix(uint64_t hash, const char *bytes, size_t size) {
    uint64_t word = 0;
    hash ^= size;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    word = 0;
    if (size)
        memcpy(&word, bytes, size);
    hash = (hash ^ word) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

static inline uint64_t sk_key(const sk_shelf *shelf, const void *site, sk_text host, sk_text path) {
    uint64_t hash = shelf->seed ^ (uint64_t)(uintptr_t)site;
    return sk_mix(sk_mix(hash, host.bytes, host.size), path.bytes, path.size);
}

static inline int sk_same(sk_text one, sk_text other) {
    return one.size == other.size && memcmp(one.bytes, other.bytes, one.size) == 0;
}

/* `seed`: secret, or clients could have all their paths in one bucket. */
static inline sk_shelf *sk_shelf_open(uint64_t seed, size_t memory_max, int open_max) {
    sk_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf != NULL) {
        shelf->seed = seed;
        shelf->memory_max = memory_max;
        shelf->open_max = open_max;
        shelf->second = -1;
        shelf->ends.newer = shelf->ends.older = &shelf->ends;
    }
    return shelf;
}

static inline void sk_item_release(sk_item *item) {
    if (--item->holders)
        return;
    if (item->descriptor >= 0)
        close(item->descriptor);
    free(item);
}

static inline void sk_shelf_drop(sk_shelf *shelf, sk_item *item) {
    sk_item **place = &shelf->buckets[item->hash % SK_BUCKETS];
    while (*place != item)
        place = &(*place)->next;
    *place = item->next;
    item->newer->older = item->older;
    item->older->newer = item->newer;
    shelf->memory -= item->memory;
    shelf->open -= item->descriptor >= 0;
    sk_item_release(item);
}

static inline void sk_shelf_close(sk_shelf *shelf) {
    for (size_t bucket = 0; bucket < SK_BUCKETS; bucket++)
        while (shelf->buckets[bucket] != NULL)
            sk_shelf_drop(shelf, shelf->buckets[bucket]);
    free(shelf);
}

static inline void sk_append(sk_shelf *shelf, sk_item *item) {
    item->newer = &shelf->ends;
    item->older = shelf->ends.older;
    item->older->newer = item;
    shelf->ends.older = item;
}

/* Drop what came first and was not used since it was last in danger, until there is room. */
static inline void sk_make_room(sk_shelf *shelf, size_t memory, int descriptors) {
    while (shelf->memory + memory > shelf->memory_max || shelf->open + descriptors > shelf->open_max) {
        sk_item *oldest = shelf->ends.newer;
        if (oldest == &shelf->ends)
            return;
        if (!oldest->was_used) {
            sk_shelf_drop(shelf, oldest);
            continue;
        }
        oldest->was_used = 0;
        oldest->newer->older = oldest->older;
        oldest->older->newer = oldest->newer;
        sk_append(shelf, oldest);
    }
}

static inline int sk_same_time(const struct timespec *one, const struct timespec *other) {
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

static inline int sk_same_file(const struct stat *one, const struct stat *other) {
    return one->st_ino == other->st_ino && one->st_dev == other->st_dev && one->st_size == other->st_size
        && sk_same_time(&SK_MTIME(one), &SK_MTIME(other)) && sk_same_time(&SK_CTIME(one), &SK_CTIME(other));
}

static inline uint64_t sk_length_bit(size_t length) { return UINT64_C(1) << (length < 63 ? length : 63); }

/* Whether anything on the shelf has a path of this length. */
static inline int sk_shelf_may_have(const sk_shelf *shelf, size_t length) {
    return ((shelf->standing | shelf->lengths) & sk_length_bit(length)) != 0;
}

/* What is known for exactly this; NULL: nothing, or not any more. */
static inline sk_item *sk_shelf_at(sk_shelf *shelf, const void *site, sk_text host, sk_text path) {
    uint64_t hash = sk_key(shelf, site, host, path);
    sk_item *item = shelf->buckets[hash % SK_BUCKETS];
    struct stat status;
    while (item != NULL
           && !(item->hash == hash && item->site == site && sk_same(item->path, path) && sk_same(item->host, host)))
        item = item->next;
    if (item == NULL)
        return NULL;
    if (item->file != NULL && shelf->now - item->looked_at > SK_TRUST) {
        if (stat(item->file, &status) || !sk_same_file(&status, &item->status)) {
            sk_shelf_drop(shelf, item);
            return NULL;
        }
        item->looked_at = shelf->now;
    }
    item->was_used = 1;
    return item;
}

/* What is known for a request; answers for any host come first. */
static inline sk_item *sk_shelf_find(sk_shelf *shelf, const void *site, sk_text host, sk_text path) {
    const sk_text any = {"", 0};
    if (shelf->standing & sk_length_bit(path.size)) {
        sk_item *item = sk_shelf_at(shelf, NULL, any, path);
        if (item != NULL)
            return item;
    }
    return shelf->lengths & sk_length_bit(path.size) ? sk_shelf_at(shelf, site, host, path) : NULL;
}

static inline sk_text sk_copy(char **at, sk_text text) {
    sk_text copy = {*at, text.size};
    if (text.size)
        memcpy(*at, text.bytes, text.size);
    *at += text.size;
    return copy;
}

/* The whole file, or 0 if it is another length by now. */
static inline int sk_read_whole(int descriptor, char *at, size_t size) {
    size_t filled = 0;
    while (filled < size) {
        ssize_t count = pread(descriptor, at + filled, size - filled, (off_t)filled);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        filled += (size_t)count;
    }
    return 1;
}

/* May the file be kept?  `wall`: as of time.time(). */
static inline int sk_settled(const struct stat *status, double wall) {
    return S_ISREG(status->st_mode) && (double)SK_CTIME(status).tv_sec < wall - SK_YOUNG
        && (double)SK_MTIME(status).tv_sec < wall - SK_YOUNG;
}

/* Keep an answer, in place of any other to the same request; whether it is kept.  `shelf->now` is recent. */
static inline int sk_shelf_put(sk_shelf *shelf, const sk_offer *offer) {
    const off_t most = shelf->open < shelf->open_max ? SK_COPIED_MAX : SK_CONTENT_MAX;
    const int in_memory = offer->file == NULL || offer->status->st_size <= most;
    const size_t content = offer->file == NULL ? offer->content.size
        : in_memory ? (size_t)offer->status->st_size : 0;
    const size_t name = offer->file == NULL ? 0 : strlen(offer->file) + 1;
    const size_t memory = sizeof(sk_item) + offer->host.size + offer->path.size + offer->head.size
        + offer->unchanged.size + offer->etag.size + content + name;
    sk_item *former = sk_shelf_at(shelf, offer->site, offer->host, offer->path);
    sk_item *item;
    sk_item **bucket;
    char *at;
    if (former != NULL)
        sk_shelf_drop(shelf, former);
    if (offer->head.size > SK_HEAD_MAX || offer->unchanged.size > SK_HEAD_MAX)
        return 0;
    if (offer->site != NULL) {
        if (memory > shelf->memory_max || (!in_memory && shelf->open_max < 1))
            return 0;
        sk_make_room(shelf, memory, !in_memory);
    }
    item = calloc(1, memory);
    if (item == NULL)
        return 0;
    item->newer = item->older = item;
    at = (char *)(item + 1);
    item->site = offer->site;
    item->host = sk_copy(&at, offer->host);
    item->path = sk_copy(&at, offer->path);
    item->head = sk_copy(&at, offer->head);
    item->unchanged = sk_copy(&at, offer->unchanged);
    item->etag = sk_copy(&at, offer->etag);
    item->head_date = offer->head_date;
    item->unchanged_date = offer->unchanged_date;
    item->looked_at = shelf->now;
    item->holders = 1;
    item->descriptor = -1;
    item->content = offer->content;
    item->size = content;
    if (offer->file != NULL) {
        item->file = sk_copy(&at, (sk_text){offer->file, name}).bytes;
        item->status = *offer->status;
        item->size = (uint64_t)offer->status->st_size;
        item->content = (sk_text){at, content};
        if (in_memory ? !sk_read_whole(offer->descriptor, at, content)
                      : (item->descriptor = fcntl(offer->descriptor, F_DUPFD_CLOEXEC, 0)) < 0) {
            free(item);
            return 0;
        }
    } else {
        item->content = sk_copy(&at, offer->content);
    }
    item->hash = sk_key(shelf, offer->site, offer->host, offer->path);
    bucket = &shelf->buckets[item->hash % SK_BUCKETS];
    item->next = *bucket;
    *bucket = item;
    if (offer->site == NULL) { /* these are few, and stay */
        shelf->standing |= sk_length_bit(offer->path.size);
        return 1;
    }
    shelf->lengths |= sk_length_bit(offer->path.size);
    sk_append(shelf, item);
    item->memory = memory;
    shelf->memory += memory;
    shelf->open += item->descriptor >= 0;
    return 1;
}

/* -- sending ---------------------------------------------------------------------------------- */

/* Make `parcel` the answer of `item`: 304 if `unchanged`, without content if not `with_content`. */
static inline void sk_pack(
    sk_parcel *parcel, const sk_shelf *shelf, sk_item *item, int unchanged, int with_content, int stays) {
    const sk_text *head = unchanged ? &item->unchanged : &item->head;
    item->holders++;
    parcel->item = item;
    parcel->content = with_content && !unchanged ? item->size : 0;
    parcel->sent = 0;
    parcel->status = unchanged ? 304 : 200;
    parcel->stays = stays;
    memcpy(parcel->head, head->bytes, head->size);
    memcpy(parcel->head + (unchanged ? item->unchanged_date : item->head_date), shelf->date, SK_DATE_SIZE);
    parcel->head_size = head->size;
    if (!stays) {
        static const char close_line[] = "Connection: close\r\n\r\n";
        memcpy(parcel->head + head->size - 2, close_line, sizeof close_line - 1);
        parcel->head_size += sizeof close_line - 3;
    }
}

static inline void sk_parcel_release(sk_parcel *parcel) {
    if (parcel->item != NULL)
        sk_item_release(parcel->item);
    parcel->item = NULL;
}

static inline uint64_t sk_parcel_rest(const sk_parcel *parcel) {
    return parcel->head_size + parcel->content - parcel->sent;
}

/* Send, `most` bytes of content or a little more at once; as send(2) may. */
static inline sk_parcel_state sk_parcel_send(sk_parcel *parcel, int fd, uint64_t most) {
    const sk_item *item = parcel->item;
    const uint64_t begun = parcel->sent;
    while (sk_parcel_rest(parcel)) {
        const size_t head = parcel->sent < parcel->head_size ? parcel->head_size - parcel->sent : 0;
        const uint64_t done = head ? 0 : parcel->sent - parcel->head_size;
        const uint64_t rest = parcel->content - done;
        const char *from = parcel->head + parcel->head_size - head;
        ssize_t sent;
        if (parcel->sent - begun > most)
            return SK_PARCEL_MORE;
        if (item->descriptor < 0)
            sent = sk_send(fd, from, head, item->content.bytes + done, rest);
        else if (head)
            sent = sk_send_more(fd, from, head, rest > 0);
        else
            sent = sk_send_file(fd, item->descriptor, done, rest < most ? rest : most);
        if (sent > 0) {
            parcel->sent += (uint64_t)sent;
        } else if (sent == 0) {
            return SK_PARCEL_LOST;
        } else if (errno == EAGAIN) {
            return SK_PARCEL_WAITS;
        } else if (errno != EINTR) {
            return SK_PARCEL_LOST;
        }
    }
    return SK_PARCEL_SENT;
}

#endif
