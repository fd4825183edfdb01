/* What conditions and Range of a request make of an answer that is at hand (RFC 9110 sections 13 and 14), as
 * skitai/core/conditional.py and representation.py have it: tests/core/test_conditions.py asks both.
 *
 * Where a tag is named in another form than the answer's own the general path has to say: sk_judge leaves that to it.
 * What it comes to is not said here where that is no answer of the shelf's (refusing.h).
 *
 * An answer that was coded on its way has a weak tag, and no head of 206; If-Match and If-Range, which compare
 * strongly, are about the strong tag inside, which is that of the file.
 */
#ifndef SKITAI_CONDITIONS_H
#define SKITAI_CONDITIONS_H

#include <stdint.h>
#include <string.h>

#include "httpdate.h"
#include "ranges.h"
#include "text.h"

/* What a request says that is more than its path; `bytes` NULL: it does not.  Of If-, all that there is. */
typedef struct {
    sk_text match, unmodified_since, none_match, modified_since, if_range, range;
} sk_conditions;

/* Of the answer.  `modified`: Last-Modified, seconds since 1970. */
typedef struct {
    sk_text etag;
    int64_t modified;
    int has_modified;
    uint64_t size;
    int has_parts; /* it is given in parts too */
} sk_validators;

/* What of an answer is asked for. */
typedef struct {
    enum { SK_WHOLE, SK_UNCHANGED, SK_PART /* 200, 304, 206 */, SK_PARTS /* of several ranges */,
        SK_FAILED /* 412 */, SK_UNSATISFIED /* 416 */ } kind;
    uint64_t first, count;                         /* of the content, for SK_PART */
    sk_span spans[SK_SPANS_MAX];                   /* for SK_PARTS */
    int span_count;
    int with_content;
    int stays;                                     /* the connection does */
} sk_wish;

/* In which forms a list names a tag. */
enum { SK_STRONG = 1, SK_WEAK = 2, SK_ANY = 4 };

/* Seconds: times of files are as coarse as 2 s (FAT). */
enum { SK_DATE_SETTLED = 2 };

static inline int sk_is_etagc(unsigned char byte) { return byte == '!' || (byte >= '#' && byte != 0x7f); }

/* The form of what ends in front of `at`, and begins no earlier than `start`. */
static inline int sk_form_at(const char *start, const char *at) {
    return at - start >= 2 && at[-2] == 'W' && at[-1] == '/' ? SK_WEAK : SK_STRONG;
}

/* The forms in which the list `value` names the strong tag `etag`.  A tag may contain commas: the list is searched
 * for tags, never split. */
static inline int sk_named_forms(sk_text value, sk_text etag) {
    const char *at = value.bytes, *end = at + value.size, *behind = at;
    int forms = 0;
    if (value.size == 1 && *at == '*')
        return SK_ANY;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        const char *start = at++;
        while (at < end && sk_is_etagc((unsigned char)*at))
            at++;
        if (at == end || *at != '"')
            continue;
        at++;
        if (sk_same((sk_text){start, (size_t)(at - start)}, etag))
            forms |= sk_form_at(behind, start);
        behind = at;
    }
    return forms;
}

/* The same of all places where its bytes are, be they a tag of the list or not: by that the general path chooses
 * the tag of a 304 (skitai/core/compression.py). */
static inline int sk_mentioned_forms(sk_text value, sk_text etag) {
    int forms = 0;
    for (size_t place = 0; place + etag.size <= value.size; place++)
        if (memcmp(value.bytes + place, etag.bytes, etag.size) == 0)
            forms |= sk_form_at(value.bytes, value.bytes + place);
    return forms;
}

static inline int sk_is_said(sk_text text) { return text.bytes != NULL; }

/* Whether a client that says `said`, by GET or `is_head`, is to have the whole of it, a part, or nothing new, and which
 * part; 0: the general path has to say.  `now`: seconds since 1970; `ranges_max`: see skitai/limits.py. */
static inline int sk_judge(
    const sk_conditions *said, const sk_validators *of, int is_head, int64_t now, int this_year, int ranges_max,
    sk_wish *wish) {
    const int own = of->etag.size > 1 && of->etag.bytes[0] == 'W' ? SK_WEAK : SK_STRONG;
    const sk_text tag = own == SK_WEAK ? (sk_text){of->etag.bytes + 2, of->etag.size - 2} : of->etag;
    int64_t date;
    wish->kind = SK_WHOLE;
    if (of->etag.size == 0 || !of->has_modified) /* it is no file */
        return !sk_is_said(said->match) && !sk_is_said(said->unmodified_since) && !sk_is_said(said->none_match)
            && !sk_is_said(said->modified_since) && !sk_is_said(said->range);
    if (sk_is_said(said->match)) {
        if (!(sk_named_forms(said->match, tag) & (SK_STRONG | SK_ANY)))
            wish->kind = SK_FAILED;
    } else if (sk_is_said(said->unmodified_since)) {
        if (sk_read_date(said->unmodified_since.bytes, said->unmodified_since.size, this_year, &date)
            && of->modified > date)
            wish->kind = SK_FAILED;
    }
    if (wish->kind == SK_FAILED)
        return 1;
    if (sk_is_said(said->none_match)) {
        const int forms = sk_named_forms(said->none_match, tag);
        if (forms && forms != SK_ANY && sk_mentioned_forms(said->none_match, tag) != own)
            return 0;
        wish->kind = forms ? SK_UNCHANGED : SK_WHOLE;
    } else if (sk_is_said(said->modified_since)) {
        if (sk_read_date(said->modified_since.bytes, said->modified_since.size, this_year, &date)
            && of->modified <= date)
            wish->kind = SK_UNCHANGED;
    }
    if (wish->kind == SK_UNCHANGED || is_head || !sk_is_said(said->range))
        return 1;
    if (!of->has_parts)
        return 0;
    if (sk_is_said(said->if_range) && !sk_same(said->if_range, tag)) {
        if (!sk_read_date(said->if_range.bytes, said->if_range.size, this_year, &date) || date != of->modified)
            return 1;
        if (of->modified + SK_DATE_SETTLED >= now)
            return 0; /* the clock has fractions */
    }
    wish->span_count = sk_read_ranges(said->range.bytes, said->range.size, of->size, ranges_max, wish->spans);
    if (wish->span_count == SK_RANGE_UNSURE)
        return 0;
    if (wish->span_count == SK_RANGE_NOTHING)
        wish->kind = SK_UNSATISFIED;
    else if (wish->span_count > 1)
        wish->kind = SK_PARTS;
    else if (wish->span_count == 1) {
        wish->kind = SK_PART;
        wish->first = wish->spans[0].first;
        wish->count = wish->spans[0].count;
    }
    return 1;
}

#endif
