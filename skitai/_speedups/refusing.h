/* Answers about files that are made for one request and not kept: what is refused (404, 412, 416), with the pages of
 * skitai/core/errorpages.py, and several ranges (RFC 9110 section 14.6).  The monitor makes them; who has the GIL asks
 * the general path, and tests/live/test_fetched_files.py holds one to the other.
 *
 * Each is a parcel (parcel.h) with an item of its own, which is on no shelf.
 */
#ifndef SKITAI_REFUSING_H
#define SKITAI_REFUSING_H

#include <stdio.h>
#include <unistd.h>

#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "grounds.h"
#include "negotiation.h"
#include "parcel.h"

enum {
    SK_PARTS_MAX = 64 * 1024,   /* bytes of several ranges, which are put together in memory: a slow client holds it */
    SK_BOUNDARY_BYTES = 16,
    SK_PAGE_TYPES = 3,
    SK_PAGE_MAX = 8 * 1024,
};

typedef enum { SK_NOT_THERE, SK_PRECONDITION_FAILED, SK_NOT_SATISFIABLE, SK_REFUSALS } sk_refusal;

static const int SK_REFUSAL_STATUSES[SK_REFUSALS] = {404, 412, 416};
/* _FORMS of errorpages.py. */
static const char *const SK_PAGE_TYPE_NAMES[SK_PAGE_TYPES] = {"text/plain", "text/html", "application/json"};

/* With slots. */
typedef struct {
    sk_head head;
    sk_text body;
} sk_page;

/* The second ones are of files that have compressed forms. */
typedef struct {
    sk_page pages[SK_REFUSALS][2][SK_PAGE_TYPES];
} sk_pages;

/* An answer that is on no shelf, with room for `size` bytes of content behind it; NULL: there is no memory. */
static inline sk_item *sk_item_alone(sk_text head, size_t date, size_t size, char **content) {
    sk_item *item = calloc(1, sizeof *item + head.size + size);
    char *at = (char *)(item + 1);
    if (item == NULL)
        return NULL;
    item->descriptor = -1;
    item->heads[SK_WHOLE] = (sk_head){sk_copy(&at, head), date};
    item->content = (sk_text){at, size};
    item->size = size;
    *content = at;
    return item;
}

static inline void sk_pack_alone(
    sk_parcel *parcel, const sk_shelf *shelf, sk_item *item, int status, int with_content, int stays) {
    const sk_wish wish = {.kind = SK_WHOLE, .with_content = with_content, .stays = stays};
    sk_pack(parcel, shelf, item, &wish);
    parcel->status = status;
}

/* Whether `item`, which is of a file, has compressed forms beside it: current_codings of precompressed.py. */
static inline int sk_has_forms(const sk_item *item) {
    const int64_t second = 1000000000;
    for (int place = 1; place < item->witness_count; place++) {
        const sk_witness *form = &item->witnesses[place];
        if (form->is_there && form->identity.size > 0
            && form->identity.modified_ns / second >= item->witnesses[0].identity.modified_ns / second)
            return 1;
    }
    return 0;
}

/* Make `parcel` the answer that refuses: `size` is that of the file, `accept` the client's field.  0: the general path
 * has to say. */
static inline int sk_refuse(
    sk_parcel *parcel, const sk_shelf *shelf, const sk_pages *pages, sk_refusal refusal, int has_forms, uint64_t size,
    sk_text accept, int with_content, int stays) {
    const int is_known = pages != NULL && accept.bytes != NULL;
    const int type = is_known ? sk_preferred_type(accept, SK_PAGE_TYPE_NAMES, SK_PAGE_TYPES) : SK_LIKES_UNSURE;
    char head[SK_HEAD_MAX], body[SK_PAGE_MAX], length[24], number[24], *content;
    const sk_page *page;
    sk_text slots[SK_SLOTS] = {{"", 0}}, said, text;
    sk_item *item;
    if (type == SK_LIKES_UNSURE)
        return 0;
    page = &pages->pages[refusal][has_forms][type];
    snprintf(number, sizeof number, "%llu", (unsigned long long)size);
    slots[SK_SLOT_SIZE] = (sk_text){number, strlen(number)};
    text = sk_fill(page->body, slots, body, sizeof body);
    snprintf(length, sizeof length, "%zu", text.size);
    slots[SK_SLOT_LENGTH] = (sk_text){length, strlen(length)};
    said = sk_fill(page->head.text, slots, head, sizeof head);
    if (text.size == 0 || said.size == 0 || (item = sk_item_alone(said, page->head.date, text.size, &content)) == NULL)
        return 0;
    memcpy(content, text.bytes, text.size);
    sk_pack_alone(parcel, shelf, item, SK_REFUSAL_STATUSES[refusal], with_content, stays);
    return 1;
}

/* -- several ranges ------------------------------------------------------------------------------------ */

static inline int sk_write_boundary(char boundary[2 * SK_BOUNDARY_BYTES + 1]) {
    unsigned char bytes[SK_BOUNDARY_BYTES];
    if (getentropy(bytes, sizeof bytes))
        return 0;
    for (int place = 0; place < SK_BOUNDARY_BYTES; place++)
        snprintf(boundary + 2 * place, 3, "%02x", bytes[place]);
    return 1;
}

/* The head of a part, in `room` bytes; its length. */
static inline size_t sk_write_part_head(
    char *at, size_t room, const char *boundary, sk_text type, const sk_span *span, uint64_t size) {
    return (size_t)snprintf(at, room, "\r\n--%s\r\nContent-Type: %.*s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
        boundary, (int)type.size, type.bytes, (unsigned long long)span->first,
        (unsigned long long)(span->first + span->count - 1), (unsigned long long)size);
}

static inline int sk_read_span(const sk_item *item, const sk_span *span, char *at) {
    if (item->descriptor >= 0)
        return sk_read_from(item->descriptor, (off_t)span->first, at, span->count);
    memcpy(at, item->content.bytes + span->first, span->count);
    return 1;
}

/* Of the head of 206, `type` is replaced by that of several parts, and the length put at its end. */
static inline sk_text sk_head_of_parts(
    sk_text head, sk_text type, const char *boundary, size_t length, char room[SK_HEAD_MAX]) {
    const int before = (int)(type.bytes - head.bytes), behind = (int)(head.size - 2 - (size_t)before - type.size);
    const int size = snprintf(room, SK_HEAD_MAX,
        "%.*smultipart/byteranges; boundary=%s%.*sContent-Length: %zu\r\n\r\n", before, head.bytes, boundary, behind,
        type.bytes + type.size, length);
    return (sk_text){room, size < SK_HEAD_MAX ? (size_t)size : 0};
}

/* Make `parcel` the answer of `item` to `wish`, which is for several ranges; 0: the general path has to say. */
static inline int sk_pack_parts(sk_parcel *parcel, const sk_shelf *shelf, const sk_item *item, const sk_wish *wish) {
    const sk_head *part = &item->heads[SK_PART];
    const sk_text type = sk_field_of(part->text, "\r\nContent-Type: ");
    char boundary[2 * SK_BOUNDARY_BYTES + 1], room[SK_HEAD_MAX], end[sizeof boundary + 16], *at, *last;
    size_t length = 0, end_size;
    sk_text head;
    sk_item *alone;
    if (type.bytes == NULL || sk_field_of(part->text, "\r\nContent-Encoding: ").bytes != NULL
        || part->date > (size_t)(type.bytes - part->text.bytes) || !sk_write_boundary(boundary))
        return 0;
    end_size = (size_t)snprintf(end, sizeof end, "\r\n--%s--\r\n", boundary);
    for (int place = 0; place < wish->span_count; place++) {
        const sk_span *span = &wish->spans[place];
        if (span->count > SK_PARTS_MAX)
            return 0;
        length += sk_write_part_head(NULL, 0, boundary, type, span, item->size) + span->count;
    }
    head = sk_head_of_parts(part->text, type, boundary, length + end_size, room);
    if (length > SK_PARTS_MAX || head.size == 0
        || (alone = sk_item_alone(head, part->date, length + end_size, &at)) == NULL)
        return 0;
    last = at + length;
    for (int place = 0; place < wish->span_count; place++) {
        const sk_span *span = &wish->spans[place];
        at += sk_write_part_head(at, (size_t)(last + end_size - at), boundary, type, span, item->size);
        if (!sk_read_span(item, span, at)) {
            free(alone);
            return 0;
        }
        at += span->count;
    }
    memcpy(last, end, end_size);
    sk_pack_alone(parcel, shelf, alone, 206, wish->with_content, wish->stays);
    return 1;
}

#endif
