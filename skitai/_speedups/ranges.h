/* The field Range, read as skitai/core/ranges.py reads it (RFC 9110 section 14): tests/core/test_ranges.py asks
 * both.  What is not understood, or asks for more work than the whole file would be, is the whole.
 */
#ifndef SKITAI_RANGES_H
#define SKITAI_RANGES_H

#include <stdint.h>
#include <string.h>

enum {
    SK_SPANS_MAX = 64,    /* of one request; ranges_max is 64 */
    SK_OVERLAPS_MAX = 2,  /* more that overlap are no reader's wish (section 14.2) */
    SK_DIGITS_MAX = 18,   /* longer numbers lie behind the end of any file */
};

/* What a Range comes to where it is no number of spans. */
enum { SK_RANGE_UNSURE = -2 /* too many to be read here */, SK_RANGE_WHOLE = -1, SK_RANGE_NOTHING = 0 /* 416 */ };

typedef struct {
    uint64_t first, count; /* bytes, of which there is one at least */
} sk_span;

/* One of the list: "first-last", "first-" or "-length", without white space around it. */
typedef struct {
    uint64_t first, last;
    int has_first, has_last;
} sk_range_spec;

static inline int sk_is_digit(char byte) { return byte >= '0' && byte <= '9'; }

/* The digits at `*at`, which is moved behind them; whether there are any. */
static inline int sk_read_number(const char **at, const char *end, uint64_t *number) {
    const char *start = *at, *digits;
    while (*at < end && **at == '0')
        ++*at;
    digits = *at;
    for (*number = 0; *at < end && sk_is_digit(**at); ++*at)
        if (*at - digits < SK_DIGITS_MAX)
            *number = *number * 10 + (uint64_t)(**at - '0');
    if (*at - digits > SK_DIGITS_MAX)
        *number = UINT64_C(1000000000000000000);
    return *at > start;
}

static inline int sk_read_range_spec(const char *at, const char *end, sk_range_spec *spec) {
    spec->has_first = sk_read_number(&at, end, &spec->first);
    if (at == end || *at++ != '-')
        return 0;
    spec->has_last = sk_read_number(&at, end, &spec->last);
    return at == end && (spec->has_first || spec->has_last);
}

/* What `spec` asks for of `size` bytes, perhaps nothing; 0: of that there is no part, but the whole. */
static inline int sk_span_of(const sk_range_spec *spec, uint64_t size, sk_span *span) {
    uint64_t end = size;
    if (!spec->has_first) {
        span->count = spec->last < size ? spec->last : size;
        span->first = size - span->count;
        return span->count > 0 || spec->last == 0; /* Content-Range has no form for the last bytes of nothing */
    }
    if (spec->has_last && spec->last < spec->first)
        return 0;
    if (spec->has_last && spec->last + 1 < size)
        end = spec->last + 1;
    span->first = spec->first;
    span->count = spec->first < end ? end - spec->first : 0;
    return 1;
}

static inline int sk_span_is_before(const sk_span *one, const sk_span *other) {
    return one->first != other->first ? one->first < other->first : one->count < other->count;
}

/* Make one of those that touch or overlap; each stands where the first of it was asked for (section 15.3.7.2). */
static inline int sk_join_spans(sk_span *spans, int count) {
    int order[SK_SPANS_MAX], joined = 0, kept = 0, overlaps = 0;
    for (int place = 0; place < count; place++) { /* few, and mostly in order */
        int at = place;
        for (; at > 0 && sk_span_is_before(&spans[place], &spans[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = place;
    }
    for (int place = 1; place < count; place++) {
        sk_span *before = &spans[order[joined]], *span = &spans[order[place]];
        uint64_t end = before->first + before->count, its_end = span->first + span->count;
        if (span->first > end) {
            order[++joined] = order[place];
            continue;
        }
        overlaps += span->first < end;
        before->count = (its_end > end ? its_end : end) - before->first;
        if (order[place] < order[joined]) {
            *span = *before;
            before->count = 0;
            order[joined] = order[place];
        } else {
            span->count = 0;
        }
    }
    if (overlaps > SK_OVERLAPS_MAX)
        return SK_RANGE_WHOLE;
    for (int place = 0; place < count; place++)
        if (spans[place].count)
            spans[kept++] = spans[place];
    return kept;
}

/* What the value of Range asks for of `size` bytes: so many `spans`, or one of the enum above.  `most`: ranges that
 * one request may have. */
static inline int sk_read_ranges(
    const char *value, size_t length, uint64_t size, int most, sk_span spans[SK_SPANS_MAX]) {
    static const char unit[] = "bytes=";
    const char *at = value + sizeof unit - 1, *end = value + length;
    int specs = 0, count = 0;
    if (length < sizeof unit - 1)
        return SK_RANGE_WHOLE;
    for (size_t place = 0; place < sizeof unit - 1; place++)
        if ((value[place] | 0x20) != (unit[place] | 0x20))
            return SK_RANGE_WHOLE;
    for (int elements = 0;; elements++) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *last = comma != NULL ? comma : end;
        sk_range_spec spec;
        if (comma != NULL && elements == 2 * most)
            return SK_RANGE_WHOLE; /* empty ones count too (section 17.15) */
        while (at < last && (*at == ' ' || *at == '\t'))
            at++;
        while (at < last && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (at < last) {
            if (++specs > most)
                return SK_RANGE_WHOLE;
            if (count == SK_SPANS_MAX)
                return SK_RANGE_UNSURE;
            if (!sk_read_range_spec(at, last, &spec) || !sk_span_of(&spec, size, &spans[count]))
                return SK_RANGE_WHOLE;
            count += spans[count].count > 0;
        }
        if (comma == NULL)
            break;
        at = comma + 1;
    }
    if (specs == 0)
        return SK_RANGE_WHOLE;
    return count < 2 ? count : sk_join_spans(spans, count);
}

#endif
