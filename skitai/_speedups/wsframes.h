/* The bytes of WebSocket frames (RFC 6455 section 5): masks, UTF-8, heads.
 *
 * Nothing here knows Python or keeps memory.  Masking goes by words of eight bytes, in loops without an
 * early end: the compiler makes vectors of them (SSE2, NEON), so none are written by hand.
 */
#ifndef SKITAI_WSFRAMES_H
#define SKITAI_WSFRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SK_NOT_ASCII 0x8080808080808080u

enum {
    SK_WS_HEAD_MAX = 14, /* two bytes, a length of eight, a mask of four */
    SK_WS_BLOCK = 64     /* bytes between two looks whether text is still ASCII */
};

/* `mask` as a word, from its byte `phase` (0 to 3) on; masks are sequences of bytes, so no order matters. */
static inline uint64_t sk_ws_mask_word(const unsigned char *mask, unsigned phase) {
    unsigned char bytes[8];
    uint64_t word;
    unsigned at;
    for (at = 0; at < 8; at++)
        bytes[at] = mask[(phase + at) & 3];
    memcpy(&word, bytes, 8);
    return word;
}

/* Mask or unmask: the same.  Not 0 if some byte of the result is not ASCII. */
static inline uint64_t sk_ws_unmask(unsigned char *to, const unsigned char *from, size_t count, uint64_t mask) {
    uint64_t seen = 0, word;
    unsigned char tail[8] = {0};
    size_t at, whole = count & ~(size_t)7;
    for (at = 0; at < whole; at += 8) {
        memcpy(&word, from + at, 8);
        word ^= mask;
        seen |= word;
        memcpy(to + at, &word, 8);
    }
    if (at < count) {
        memcpy(tail, from + at, count - at);
        memcpy(&word, tail, 8);
        word ^= mask;
        memcpy(tail, &word, 8);
        memset(tail + (count - at), 0, 8 - (count - at)); /* what lies behind is mask, and not text */
        memcpy(&word, tail, 8);
        seen |= word;
        memcpy(to + at, tail, count - at);
    }
    return seen & SK_NOT_ASCII;
}

/* Where in a character a text ends that comes in pieces: how many bytes are still due, and between which
 * the next one must lie.  All zero at the start. */
typedef struct {
    unsigned char due, low, high;
} sk_utf8;

static inline size_t sk_utf8_ascii(const unsigned char *text, size_t count) {
    size_t at = 0, step;
    uint64_t word, seen;
    for (; count - at >= SK_WS_BLOCK; at += SK_WS_BLOCK) {
        seen = 0;
        for (step = 0; step < SK_WS_BLOCK; step += 8) {
            memcpy(&word, text + at + step, 8);
            seen |= word;
        }
        if (seen & SK_NOT_ASCII)
            break;
    }
    for (; count - at >= 8; at += 8) {
        memcpy(&word, text + at, 8);
        if (word & SK_NOT_ASCII)
            break;
    }
    while (at < count && text[at] < 0x80)
        at++;
    return at;
}

/* False for what can never become UTF-8 (RFC 3629 section 4): no surrogates, nothing overlong, nothing
 * beyond U+10FFFF; at the first byte that shows it. */
static inline bool sk_utf8_feed(sk_utf8 *state, const unsigned char *text, size_t count) {
    size_t at = 0;
    unsigned char byte, due = state->due, low = state->low, high = state->high;
    while (at < count) {
        if (!due) {
            at += sk_utf8_ascii(text + at, count - at);
            if (at == count)
                break;
            byte = text[at++];
            low = 0x80, high = 0xBF;
            if (byte >= 0xC2 && byte <= 0xDF) {
                due = 1;
            } else if (byte >= 0xE0 && byte <= 0xEF) {
                due = 2;
                if (byte == 0xE0)
                    low = 0xA0;
                else if (byte == 0xED)
                    high = 0x9F;
            } else if (byte >= 0xF0 && byte <= 0xF4) {
                due = 3;
                if (byte == 0xF0)
                    low = 0x90;
                else if (byte == 0xF4)
                    high = 0x8F;
            } else {
                return false;
            }
        } else {
            byte = text[at++];
            if (byte < low || byte > high)
                return false;
            low = 0x80, high = 0xBF;
            due--;
        }
    }
    state->due = due, state->low = low, state->high = high;
    return true;
}

typedef struct {
    uint64_t length;
    const unsigned char *mask; /* NULL: there is none */
    unsigned char size;        /* of the head itself */
    unsigned char first;       /* FIN, reserved bits, opcode */
} sk_ws_head;

/* The head at `data`; false if it is not all there, or its length is not written in the shortest way. */
static inline bool sk_ws_read_head(const unsigned char *data, size_t count, sk_ws_head *head) {
    unsigned at, wide;
    uint64_t length;
    if (count < 2)
        return false;
    length = data[1] & 0x7F;
    wide = length < 126 ? 0 : length == 126 ? 2 : 8;
    head->size = (unsigned char)(2 + wide + (data[1] & 0x80 ? 4 : 0));
    if (count < head->size)
        return false;
    if (wide) {
        for (length = 0, at = 2; at < 2 + wide; at++)
            length = length << 8 | data[at];
        if (length < (wide == 2 ? 126 : 65536) || length >> 63)
            return false;
    }
    head->first = data[0];
    head->length = length;
    head->mask = data[1] & 0x80 ? data + 2 + wide : NULL;
    return true;
}

/* Writes a head at `to`, which has room for SK_WS_HEAD_MAX bytes; how long it is. */
static inline size_t sk_ws_write_head(
    unsigned char *to, unsigned char first, uint64_t length, const unsigned char *mask
) {
    unsigned at, wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
    to[0] = first;
    to[1] = (unsigned char)((mask ? 0x80 : 0) | (wide == 0 ? length : wide == 2 ? 126 : 127));
    for (at = 0; at < wide; at++)
        to[2 + at] = (unsigned char)(length >> 8 * (wide - 1 - at));
    if (mask)
        memcpy(to + 2 + wide, mask, 4);
    return 2 + wide + (mask ? 4 : 0);
}

#endif
