/* What a client likes best: Accept and Accept-Encoding (RFC 9110 sections 12.4 and 12.5) as
 * skitai/core/negotiation.py reads them; tests/core/test_negotiation_in_c.py asks both.
 *
 * What is not written as the RFC has it is left to that: nothing here guesses.
 */
#ifndef SKITAI_NEGOTIATION_H
#define SKITAI_NEGOTIATION_H

#include <string.h>

#include "text.h"

enum {
    SK_LIKED_MAX = 32,          /* items of one field; browsers send up to 8 */
    SK_LIKED_BYTES_MAX = 512,
    SK_LIKED_MOST = 1000,       /* a quality of 1 */
};

/* Instead of a place among what is available. */
enum { SK_LIKES_NONE = -1, SK_LIKES_UNSURE = -2 };

typedef struct {
    sk_text name;               /* as it stands there */
    int quality;                /* thousandths */
} sk_liked;

typedef struct {
    sk_liked items[SK_LIKED_MAX];
    int count;
} sk_likings;

static inline sk_text sk_trimmed(sk_text text) {
    while (text.size > 0 && (*text.bytes == ' ' || *text.bytes == '\t'))
        text.bytes++, text.size--;
    while (text.size > 0 && (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* What stands in front of `mark`, or all; `rest` goes on behind it, and has no bytes at the end. */
static inline sk_text sk_next_part(sk_text *rest, char mark) {
    const char *end = memchr(rest->bytes, mark, rest->size);
    const sk_text part = {rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->size};
    *rest = end != NULL ? (sk_text){end + 1, rest->size - part.size - 1} : (sk_text){NULL, 0};
    return part;
}

/* Whether `name`, in small letters, is the first `size` bytes of `known`. */
static inline int sk_begins(sk_text name, const char *known, size_t size) {
    if (name.size != size)
        return 0;
    for (size_t at = 0; at < size; at++) {
        const char byte = name.bytes[at];
        if ((byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte) != known[at])
            return 0;
    }
    return 1;
}

static inline int sk_is_called(sk_text name, const char *known) { return sk_begins(name, known, strlen(known)); }

/* A qvalue in thousandths; negative: it is none (section 12.4.2). */
static inline int sk_read_quality(sk_text text) {
    int quality, unit = SK_LIKED_MOST;
    if (text.size < 1 || text.size > 5 || (text.bytes[0] != '0' && text.bytes[0] != '1')
        || (text.size > 1 && text.bytes[1] != '.'))
        return -1;
    quality = (text.bytes[0] - '0') * unit;
    for (size_t at = 2; at < text.size; at++) {
        if (text.bytes[at] < '0' || text.bytes[at] > '9')
            return -1;
        quality += (text.bytes[at] - '0') * (unit /= 10);
    }
    return quality <= SK_LIKED_MOST ? quality : -1;
}

/* One item, with parameters perhaps. */
static inline int sk_read_liked(sk_text item, sk_liked *liked) {
    liked->name = sk_trimmed(sk_next_part(&item, ';'));
    liked->quality = SK_LIKED_MOST;
    while (item.bytes != NULL) {
        sk_text value = sk_next_part(&item, ';');
        const sk_text key = sk_trimmed(sk_next_part(&value, '='));
        if (sk_is_called(key, "q")) {
            liked->quality = value.bytes != NULL ? sk_read_quality(sk_trimmed(value)) : -1;
            if (liked->quality < 0)
                return 0;
        }
    }
    return 1;
}

/* 0: it is not plain. */
static inline int sk_read_likings(sk_text field, sk_likings *likings) {
    likings->count = 0;
    if (field.size > SK_LIKED_BYTES_MAX)
        return 0;
    for (size_t at = 0; at < field.size; at++)
        if (field.bytes[at] != '\t' && (field.bytes[at] < ' ' || field.bytes[at] > '~'))
            return 0;
    while (field.bytes != NULL) {
        const sk_text item = sk_next_part(&field, ',');
        if (sk_trimmed(item).size == 0)
            continue;
        if (likings->count == SK_LIKED_MAX || !sk_read_liked(item, &likings->items[likings->count++]))
            return 0;
    }
    return 1;
}

/* The quality of a content coding; negative: it is not named. */
static inline int sk_quality_of(const sk_likings *likings, const char *coding) {
    for (int place = 0; place < likings->count; place++) {
        sk_text name = likings->items[place].name;
        if (sk_is_called(name, "x-gzip") || sk_is_called(name, "x-compress"))
            name = (sk_text){name.bytes + 2, name.size - 2}; /* section 8.4.1 */
        if (sk_is_called(name, coding))
            return likings->items[place].quality;
    }
    return -1;
}

/* Which of the codings `available`, NULL behind the last, a client gets that says `accept`: its place. */
static inline int sk_preferred_coding(sk_text accept, const char *const *available) {
    sk_likings likings;
    int best = SK_LIKES_NONE, best_quality, others;
    if (!sk_read_likings(accept, &likings))
        return SK_LIKES_UNSURE;
    others = sk_quality_of(&likings, "*");
    best_quality = sk_quality_of(&likings, "identity");
    for (int place = 0; available[place] != NULL; place++) {
        int quality = sk_quality_of(&likings, available[place]);
        if (quality < 0)
            quality = others;
        if (quality > 0 && (quality > best_quality || (best < 0 && quality == best_quality))) {
            best = place;
            best_quality = quality;
        }
    }
    return best;
}

/* How well `range` covers `type`: the whole, its first half, or anything; negative: it does not. */
static inline int sk_specificity(sk_text range, const char *type) {
    const size_t half = (size_t)(strchr(type, '/') - type) + 1;
    if (sk_is_called(range, type))
        return 2;
    if (range.size == half + 1 && range.bytes[half] == '*' && sk_begins((sk_text){range.bytes, half}, type, half))
        return 1;
    return sk_is_called(range, "*/*") ? 0 : -1;
}

/* What a media type is worth to a client: the first that differs decides. */
typedef struct {
    int quality, specificity, precedence;
} sk_worth;

static inline int sk_is_worth_more(sk_worth one, sk_worth other) {
    if (one.quality != other.quality)
        return one.quality > other.quality;
    if (one.specificity != other.specificity)
        return one.specificity > other.specificity;
    return one.precedence > other.precedence;
}

static inline sk_worth sk_worth_of(const sk_likings *likings, const char *type) {
    sk_worth worth = {0, 0, 0};
    int specificity = -1;
    for (int place = 0; place < likings->count; place++) {
        const int covers = sk_specificity(likings->items[place].name, type);
        if (covers > specificity) {
            specificity = covers;
            worth = (sk_worth){likings->items[place].quality, covers, -place};
        }
    }
    return worth;
}

/* Which of `count` media types, in small letters, the field `accept` likes best: its place. */
static inline int sk_preferred_type(sk_text accept, const char *const *types, int count) {
    sk_likings likings;
    int best = 0;
    if (!sk_read_likings(accept, &likings))
        return SK_LIKES_UNSURE;
    for (int type = 1; type < count; type++)
        if (sk_is_worth_more(sk_worth_of(&likings, types[type]), sk_worth_of(&likings, types[best])))
            best = type;
    return best;
}

#endif
