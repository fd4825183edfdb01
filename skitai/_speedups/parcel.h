/* An answer of the shelf (shelf.h) on its way: a head with the time put in, and of the content what belongs
 * to it.
 *
 * Nothing here takes a lock or waits for the network: a parcel has one user at a time (who leads, or the
 * monitor in its place).  Plain C without Python, tested alone (tests/c/shelf_check.c).
 */
#ifndef SKITAI_PARCEL_H
#define SKITAI_PARCEL_H

#include <stdio.h>

#include "shelf.h"
#include "sockets.h"

enum { SK_LINES_MAX = 160 }; /* what a parcel adds to a head: Content-Range, Content-Length, Connection */

/* What of an item is asked for. */
typedef struct {
    enum { SK_WHOLE, SK_UNCHANGED, SK_PART } kind; /* 200, 304, 206 */
    uint64_t first, count;                         /* of the content, for SK_PART */
    int with_content;
    int stays;                                     /* the connection does */
} sk_wish;

typedef struct {
    sk_item *item;                                 /* NULL: the parcel is empty */
    uint64_t first, content;                       /* bytes of the item's content that belong to the answer */
    uint64_t sent;                                 /* of head and content */
    size_t head_size;
    int status;
    int stays;
    char head[SK_HEAD_MAX + SK_LINES_MAX];
} sk_parcel;

typedef enum {
    SK_PARCEL_SENT,
    SK_PARCEL_MORE,    /* the socket takes more, but the others should have their turn */
    SK_PARCEL_WAITS,   /* the socket is full */
    SK_PARCEL_LOST     /* the client is gone, or the file has become shorter: cut the connection */
} sk_parcel_state;

/* A number of 1 to 18 digits at `*at`, which is moved behind it; 0: there is none. */
static inline int sk_read_number(const char **at, const char *end, uint64_t *number) {
    const char *start = *at;
    *number = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 19)
        *number = *number * 10 + (uint64_t)(*(*at)++ - '0');
    return *at > start && *at - start < 19;
}

/* The one range that `text`, the value of Range, asks for of `size` bytes (RFC 9110 section 14.1.2); 0: it is
 * not as simple as that, or cannot be satisfied. */
static inline int sk_read_range(sk_text text, uint64_t size, uint64_t *first, uint64_t *count) {
    const char *at = text.bytes + 6, *end = text.bytes + text.size;
    uint64_t last = size;
    if (text.size < 8 || memcmp(text.bytes, "bytes=", 6) != 0 || size == 0)
        return 0;
    if (*at == '-') {
        at++;
        if (!sk_read_number(&at, end, count) || at != end || *count == 0)
            return 0;
        *count = *count < size ? *count : size;
        *first = size - *count;
        return 1;
    }
    if (!sk_read_number(&at, end, first) || at == end || *at++ != '-' || *first >= size)
        return 0;
    if (at < end && (!sk_read_number(&at, end, &last) || at != end || last < *first))
        return 0;
    *count = (last < size - 1 ? last : size - 1) - *first + 1;
    return 1;
}

/* Make `parcel` the answer of `item` to `wish`, which the item can grant: it has a head of that kind. */
static inline void sk_pack(sk_parcel *parcel, const sk_shelf *shelf, sk_item *item, const sk_wish *wish) {
    static const int statuses[] = {200, 304, 206};
    const sk_head *head = &item->heads[wish->kind];
    char *at = parcel->head + head->text.size;
    item->holders++;
    parcel->item = item;
    parcel->first = wish->kind == SK_PART ? wish->first : 0;
    parcel->content = wish->kind == SK_PART ? wish->count : wish->kind == SK_WHOLE ? item->size : 0;
    parcel->sent = 0;
    parcel->status = statuses[wish->kind];
    parcel->stays = wish->stays;
    memcpy(parcel->head, head->text.bytes, head->text.size);
    memcpy(parcel->head + head->date, shelf->date, SK_DATE_SIZE);
    if (wish->kind == SK_PART || !wish->stays) {
        char *end = parcel->head + sizeof parcel->head;
        at -= 2; /* the empty line */
        if (wish->kind == SK_PART)
            at += snprintf(at, (size_t)(end - at), "Content-Range: bytes %llu-%llu/%llu\r\nContent-Length: %llu\r\n",
                (unsigned long long)wish->first, (unsigned long long)(wish->first + wish->count - 1),
                (unsigned long long)item->size, (unsigned long long)wish->count);
        at += snprintf(at, (size_t)(end - at), wish->stays ? "\r\n" : "Connection: close\r\n\r\n");
    }
    parcel->head_size = (size_t)(at - parcel->head);
    if (!wish->with_content)
        parcel->content = 0;
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
        const uint64_t place = parcel->first + done;
        const char *from = parcel->head + parcel->head_size - head;
        ssize_t sent;
        if (parcel->sent - begun > most)
            return SK_PARCEL_MORE;
        if (item->descriptor < 0)
            sent = sk_send(fd, from, head, item->content.bytes + place, rest);
        else if (head)
            sent = sk_send_more(fd, from, head, rest > 0);
        else
            sent = sk_send_file(fd, item->descriptor, place, rest < most ? rest : most);
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

/* Copy some of what is still to be sent, from `skip` bytes on; 0, or less: the file has become shorter, or
 * cannot be read. */
static inline ssize_t sk_parcel_read(const sk_parcel *parcel, uint64_t skip, char *buffer, size_t room) {
    const sk_item *item = parcel->item;
    const uint64_t begin = parcel->sent + skip;
    const size_t head = begin < parcel->head_size ? parcel->head_size - begin : 0;
    const size_t first = head < room ? head : room;
    const uint64_t done = head ? 0 : begin - parcel->head_size;
    const uint64_t left = parcel->content - done;
    const uint64_t place = parcel->first + done;
    const size_t wanted = left < room - first ? (size_t)left : room - first;
    ssize_t got = (ssize_t)wanted;
    memcpy(buffer, parcel->head + parcel->head_size - head, first);
    if (item->descriptor < 0)
        memcpy(buffer + first, item->content.bytes + place, wanted);
    else if (wanted)
        got = pread(item->descriptor, buffer + first, wanted, (off_t)place);
    return first ? (ssize_t)first + (got > 0 ? got : 0) : got;
}

#endif
