/* Answers on a shelf: files that were asked for before, ready to be sent again without Python.
 *
 * What an answer says (fields, tag, who may have it) is decided by the general path, in Python, or by what that has
 * said of a whole folder (fetching.h), and put here by sk_shelf_put under what the request said: where it came in
 * (`site`), Host and path, and Accept-Encoding where the answer varies by it.  The whole of later answers is made of
 * that (parcel.h): the heads of 200, 304 and 206, and the content, small ones from memory, others from an open
 * descriptor.
 *
 * An item is good for SK_TRUST.  Then its witnesses (witness.h) are looked at again: the file, and what else
 * the general path has looked for, like a compressed copy of it.  If one is not as it was, the item is
 * dropped and the general path is asked anew.  So a link that is swapped can at worst keep alive for SK_TRUST what
 * was allowed before it, and never gets anything else out.
 *
 * Nothing here takes a lock or waits for the network: a shelf has one user at a time (who leads, or the
 * monitor in its place).  Plain C without Python, tested alone (tests/c/shelf_check.c).
 */
#ifndef SKITAI_SHELF_H
#define SKITAI_SHELF_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conditions.h"
#include "httpdate.h"
#include "reading.h"
#include "text.h"
#include "witness.h"

enum {
    SK_BUCKETS = 4096,          /* a power of two */
    SK_COPIED_MAX = 16 * 1024,  /* kept in memory: one system call sends head and content */
    SK_CONTENT_MAX = 64 * 1024, /* the same where no descriptor is free: sendfile takes 4/5 of the time at 64 KiB */
    SK_HEAD_MAX = 1024,         /* longer heads are not kept */
    SK_HEADS = 3,               /* of 200, 304 and 206 */
    SK_VARIANTS_MAX = 8,        /* of one path: there are as many kinds of browsers, and clients may say anything */
    SK_WITNESSES_MAX = 8,
};

/* Seconds: how long an item is good without a look at its witnesses, unless there is news of them (sk_shelf_doubt). */
#define SK_TRUST 1.0

/* Whole, as for a client that stays, but that 206 lacks Content-Range and Content-Length. */
typedef struct {
    sk_text text;               /* empty: there is never such an answer */
    size_t date;                /* where in it the date begins */
} sk_head;

/* What is put on the shelf; everything is copied.  Without `site` and `host` it is for all of them.  With a
 * `descriptor` the file's bytes are the content, else `content`. */
typedef struct {
    const void *site;
    sk_text host, path;
    sk_text accept;             /* Accept-Encoding; no bytes: whatever it is */
    sk_head heads[SK_HEADS];
    sk_text etag;
    sk_text modified;           /* Last-Modified */
    sk_text content;
    int descriptor;             /* at any place; -1: none */
    uint64_t size;              /* of what it leads to */
    int is_makeshift;           /* see sk_shelf_drop_makeshifts */
    int slot;                   /* where it is counted (skitai/counters.py) */
    const sk_witness *witnesses;
    int witness_count;          /* 0: good for ever */
} sk_offer;

typedef struct sk_item {
    struct sk_item *next;                 /* in its bucket */
    struct sk_item *newer, *older;        /* in order of arrival; a circle with the shelf's `ends` */
    uint64_t hash;
    int holders;                          /* the shelf, and parcels */
    int was_used;                         /* since it was last in danger */
    int is_makeshift;
    int slot;
    int descriptor;                       /* -1: `content` is in memory */
    double looked_at;
    const void *site;
    sk_text host, path, accept;
    sk_head heads[SK_HEADS];
    sk_text content;
    uint64_t size;                        /* of the content */
    sk_validators validators;
    size_t memory;                        /* of all this */
    sk_witness *witnesses;
    int witness_count;
} sk_item;

typedef struct {
    sk_item *buckets[SK_BUCKETS];
    sk_item ends;                         /* .newer is the oldest, .older the newest */
    uint64_t seed;
    size_t memory, memory_max;
    int open, open_max;
    int makeshifts;
    uint64_t standing;                    /* a bit for each length of a path that is good at any host */
    uint64_t lengths;                     /* the same for all others that were ever kept: most requests to
                                             applications need no look-up */
    int in_doubt;                         /* nothing is good without a look at its witnesses */
    double doubted_at;                    /* nor is what was last looked at before */
    int ranges_max;                       /* that one request may have */
    double now;                           /* sk_shelf_clock */
    time_t second;
    char date[SK_DATE_SIZE + 1];
} sk_shelf;

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

/* `seed`: secret, or clients could have all their paths in one bucket. */
static inline sk_shelf *sk_shelf_open(uint64_t seed, size_t memory_max, int open_max, int ranges_max) {
    sk_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf != NULL) {
        shelf->seed = seed;
        shelf->memory_max = memory_max;
        shelf->open_max = open_max;
        shelf->ranges_max = ranges_max;
        shelf->second = -1;
        shelf->doubted_at = -1.0;
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
    shelf->makeshifts -= item->is_makeshift;
    sk_item_release(item);
}

/* What was good as long as there was nothing better.  They came last. */
static inline void sk_shelf_drop_makeshifts(sk_shelf *shelf) {
    for (sk_item *item = shelf->ends.older, *older; shelf->makeshifts; item = older) {
        older = item->older;
        if (item->is_makeshift)
            sk_shelf_drop(shelf, item);
    }
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

static inline uint64_t sk_length_bit(size_t length) { return UINT64_C(1) << (length < 63 ? length : 63); }

/* Whether anything on the shelf has a path of this length. */
static inline int sk_shelf_may_have(const sk_shelf *shelf, size_t length) {
    return ((shelf->standing | shelf->lengths) & sk_length_bit(length)) != 0;
}

/* Whether it was put under the same. */
static inline int sk_at_place(const sk_item *item, uint64_t hash, const void *site, sk_text host, sk_text path) {
    return item->hash == hash && item->site == site && sk_same(item->path, path) && sk_same(item->host, host);
}

static inline sk_item *sk_shelf_at(const sk_shelf *shelf, const void *site, sk_text host, sk_text path) {
    const uint64_t hash = sk_key(shelf, site, host, path);
    sk_item *item = shelf->buckets[hash % SK_BUCKETS];
    while (item != NULL && !sk_at_place(item, hash, site, host, path))
        item = item->next;
    return item;
}

/* What was put there for a request, be it for other clients or out of date (sk_shelf_take); answers for any host
 * come first. */
static inline sk_item *sk_shelf_find(const sk_shelf *shelf, const void *site, sk_text host, sk_text path) {
    const sk_text any = {"", 0};
    if (shelf->standing & sk_length_bit(path.size)) {
        sk_item *item = sk_shelf_at(shelf, NULL, any, path);
        if (item != NULL)
            return item;
    }
    return shelf->lengths & sk_length_bit(path.size) ? sk_shelf_at(shelf, site, host, path) : NULL;
}

/* Something that is a witness may have changed; `goes_on`: and may do so until the next call. */
static inline void sk_shelf_doubt(sk_shelf *shelf, int goes_on) {
    shelf->in_doubt = goes_on;
    shelf->doubted_at = shelf->now;
}

static inline int sk_is_trusted(const sk_shelf *shelf, const sk_item *item) {
    return !shelf->in_doubt && item->looked_at > shelf->doubted_at && shelf->now - item->looked_at <= SK_TRUST;
}

static inline int sk_is_for(const sk_item *item, sk_text accept) {
    return item->accept.bytes == NULL || sk_same(item->accept, accept);
}

/* What sk_shelf_find has found, or its like, as it is for clients that say `accept`; NULL: nothing, or not any
 * more. */
static inline sk_item *sk_shelf_take(sk_shelf *shelf, sk_item *found, sk_text accept) {
    sk_item *item = found;
    while (item != NULL
           && !(sk_is_for(item, accept) && sk_at_place(item, found->hash, found->site, found->host, found->path)))
        item = item->next;
    if (item == NULL)
        return NULL;
    if (item->witness_count && !sk_is_trusted(shelf, item)) {
        for (int place = 0; place < item->witness_count; place++) {
            if (!sk_still(&item->witnesses[place])) {
                sk_shelf_drop(shelf, item);
                return NULL;
            }
        }
        item->looked_at = shelf->now;
    }
    item->was_used = 1;
    return item;
}

/* Drop what an offer takes the place of: what is for the same clients, and beyond SK_VARIANTS_MAX the oldest. */
static inline void sk_displace(sk_shelf *shelf, const sk_offer *offer) {
    const uint64_t hash = sk_key(shelf, offer->site, offer->host, offer->path);
    sk_item *item = shelf->buckets[hash % SK_BUCKETS], *next, *oldest = NULL;
    int variants = 0;
    for (; item != NULL; item = next) {
        next = item->next;
        if (!sk_at_place(item, hash, offer->site, offer->host, offer->path))
            continue;
        if (offer->accept.bytes == NULL || sk_is_for(item, offer->accept)) {
            sk_shelf_drop(shelf, item);
        } else {
            variants++;
            oldest = item; /* the newest stand in front */
        }
    }
    if (variants >= SK_VARIANTS_MAX)
        sk_shelf_drop(shelf, oldest);
}

/* A field of a head; `bytes` NULL: it has none.  `name`: with a line's end in front and ": " behind. */
static inline sk_text sk_field_of(sk_text head, const char *name) {
    const size_t size = strlen(name);
    for (size_t at = 0; at + size <= head.size; at++) {
        if (memcmp(head.bytes + at, name, size) == 0) {
            const char *value = head.bytes + at + size;
            const char *end = memchr(value, '\r', head.size - at - size);
            return (sk_text){value, end != NULL ? (size_t)(end - value) : 0};
        }
    }
    return (sk_text){NULL, 0};
}

static inline sk_text sk_copy(char **at, sk_text text) {
    sk_text copy = {*at, text.size};
    if (text.size)
        memcpy(*at, text.bytes, text.size);
    *at += text.size;
    return copy;
}

/* Keep an answer, in place of any other to the same request; whether it is kept.  `shelf->now` is recent. */
static inline int sk_shelf_put(sk_shelf *shelf, const sk_offer *offer) {
    const uint64_t most = shelf->open < shelf->open_max ? SK_COPIED_MAX : SK_CONTENT_MAX;
    const int is_file = offer->descriptor >= 0;
    const int in_memory = !is_file || offer->size <= most;
    const size_t content = !is_file ? offer->content.size : in_memory ? (size_t)offer->size : 0;
    size_t memory = sizeof(sk_item) + (size_t)offer->witness_count * sizeof(sk_witness) + offer->host.size
        + offer->path.size + offer->accept.size + offer->etag.size + content;
    sk_item *item;
    sk_item **bucket;
    char *at;
    sk_displace(shelf, offer);
    for (int kind = 0; kind < SK_HEADS; kind++) {
        if (offer->heads[kind].text.size > SK_HEAD_MAX)
            return 0;
        memory += offer->heads[kind].text.size;
    }
    for (int place = 0; place < offer->witness_count; place++)
        memory += strlen(offer->witnesses[place].path) + 1;
    if (offer->site != NULL) {
        if (memory > shelf->memory_max || (!in_memory && shelf->open_max < 1))
            return 0;
        sk_make_room(shelf, memory, !in_memory);
    }
    item = calloc(1, memory);
    if (item == NULL)
        return 0;
    item->newer = item->older = item;
    item->site = offer->site;
    item->slot = offer->slot;
    item->looked_at = shelf->now;
    item->holders = 1;
    item->witness_count = offer->witness_count;
    item->witnesses = (sk_witness *)(item + 1); /* in front, where they are aligned */
    at = (char *)(item->witnesses + item->witness_count);
    item->host = sk_copy(&at, offer->host);
    item->path = sk_copy(&at, offer->path);
    if (offer->accept.bytes != NULL)
        item->accept = sk_copy(&at, offer->accept);
    item->validators.etag = sk_copy(&at, offer->etag);
    item->validators.has_parts = offer->heads[SK_PART].text.size > 0;
    item->validators.has_modified =
        sk_read_date(offer->modified.bytes, offer->modified.size, 0, &item->validators.modified);
    for (int kind = 0; kind < SK_HEADS; kind++)
        item->heads[kind] = (sk_head){sk_copy(&at, offer->heads[kind].text), offer->heads[kind].date};
    for (int place = 0; place < offer->witness_count; place++) {
        const char *path = offer->witnesses[place].path;
        item->witnesses[place] = offer->witnesses[place];
        item->witnesses[place].path = sk_copy(&at, (sk_text){path, strlen(path) + 1}).bytes;
    }
    item->descriptor = -1;
    item->size = item->validators.size = is_file ? offer->size : offer->content.size;
    item->content = is_file ? (sk_text){at, content} : sk_copy(&at, offer->content);
    if (is_file
        && (in_memory ? !sk_read_from(offer->descriptor, 0, at, content)
                      : (item->descriptor = fcntl(offer->descriptor, F_DUPFD_CLOEXEC, 0)) < 0)) {
        free(item);
        return 0;
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
    shelf->makeshifts += item->is_makeshift = offer->is_makeshift;
    return 1;
}

#endif
