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

typedef struct {
    sk_item *item;                                 /* NULL: the parcel is empty */
    uint64_t first, content;                       /* bytes of the item's content that belong to the answer */
    uint64_t sent;                                 /* of head and content */
    size_t head_size;
    int status;
    int slot;                                      /* where it is counted */
    int stays;
    char head[SK_HEAD_MAX + SK_LINES_MAX];
} sk_parcel;

typedef enum {
    SK_PARCEL_SENT,
    SK_PARCEL_MORE,    /* the socket takes more, but the others should have their turn */
    SK_PARCEL_WAITS,   /* the socket is full */
    SK_PARCEL_LOST     /* the client is gone, or the file has become shorter: cut the connection */
} sk_parcel_state;

/* What of `item` a client that says `said`, by GET or `is_head`, is to have, be it no answer of the shelf's; 0: the
 * general path has to say. */
static inline int sk_grant(
    const sk_shelf *shelf, const sk_item *item, const sk_conditions *said, int is_head, sk_wish *wish) {
    const int this_year = sk_read_digits(shelf->date + 12, 4);
    return sk_judge(said, &item->validators, is_head, shelf->second, this_year, shelf->ranges_max, wish)
        && ((int)wish->kind >= SK_HEADS || item->heads[wish->kind].text.size > 0);
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
    parcel->slot = item->slot;
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
