/* Bytes as the value of an argument in a query string: as urllib.parse.quote_plus writes them.
 *
 * How long they become is found by words of eight bytes, in loops without an early end, as in wsframes.h: most texts
 * are of letters, and then that is nearly all that has to be done.
 */
#ifndef SKITAI_QUOTING_H
#define SKITAI_QUOTING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SK_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
/* The highest bit of each byte of `word` that is from `low` to `high`; of bytes below 0x80. */
#define SK_WITHIN(word, low, high) (((word) + SK_EACH(0x80 - (low))) & ~((word) + SK_EACH(0x7F - (high))))

enum { SK_QUOTE_BLOCK = 128 /* words: their escapes are counted in bytes, 255 at most */ };

/* Letters, digits and "_.-~" (RFC 3986 section 2.3). */
static inline int sk_is_unreserved(unsigned char byte) {
    return (unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '0') < 10 || byte == '_' ||
           byte == '-' || byte == '.' || byte == '~';
}

/* One in each byte of `word` that has to be escaped. */
static inline uint64_t sk_escapes(uint64_t word) {
    const uint64_t low = word & SK_EACH(0x7F), lower = low | SK_EACH(0x20);
    const uint64_t good = SK_WITHIN(lower, 'a', 'z') | SK_WITHIN(low, '0', '9') | SK_WITHIN(low, '-', '.') |
                          SK_WITHIN(low, '_', '_') | SK_WITHIN(low, '~', '~') | SK_WITHIN(low, ' ', ' ');
    return (~(good & ~word) & SK_EACH(0x80)) >> 7;
}

/* How long `size` bytes become. */
static inline size_t sk_quoted_size(const unsigned char *text, size_t size) {
    size_t at = 0, words, escaped = 0;
    uint64_t word, few;
    unsigned char counts[8];
    while (size - at >= 8) {
        few = 0;
        words = (size - at) / 8 < SK_QUOTE_BLOCK ? (size - at) / 8 : SK_QUOTE_BLOCK;
        for (; words; words--, at += 8) {
            memcpy(&word, text + at, 8);
            few += sk_escapes(word);
        }
        memcpy(counts, &few, 8);
        escaped += (size_t)counts[0] + counts[1] + counts[2] + counts[3] + counts[4] + counts[5] + counts[6] + counts[7];
    }
    for (; at < size; at++)
        escaped += !sk_is_unreserved(text[at]) && text[at] != ' ';
    return size + 2 * escaped;
}

/* Write them to `to`, which has room for `quoted` bytes: `sk_quoted_size`. */
static inline void sk_quote(unsigned char *to, size_t quoted, const unsigned char *text, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    size_t at;
    if (quoted == size && (size == 0 || !memchr(text, ' ', size))) {
        memcpy(to, text, size);
        return;
    }
    for (at = 0; at < size; at++) {
        unsigned char byte = text[at];
        if (sk_is_unreserved(byte)) {
            *to++ = byte;
        } else if (byte == ' ') {
            *to++ = '+';
        } else {
            *to++ = '%';
            *to++ = (unsigned char)digits[byte >> 4];
            *to++ = (unsigned char)digits[byte & 15];
        }
    }
}

#endif
