/* conditions.h for tests/core/test_conditions.py, which asks it and the Python code the same. */
#include "conditions.h"

/* `said`: in the order of sk_conditions, NULL for what is not.  The kind of the wish and, in `spans`, the parts; -1:
 * the general path has to say. */
int judge(
    const char *const said[6], const char *etag, long long modified, unsigned long long size, int has_parts, int is_head,
    long long now, int ranges_max, unsigned long long spans[2 * SK_SPANS_MAX]) {
    sk_text texts[6];
    sk_wish wish = {0};
    char date[SK_DATE_SIZE + 1];
    for (int place = 0; place < 6; place++)
        texts[place] = (sk_text){said[place], said[place] == NULL ? 0 : strlen(said[place])};
    const sk_conditions conditions = {texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]};
    const sk_validators of = {
        .etag = {etag, strlen(etag)}, .modified = modified, .has_modified = 1, .size = size, .has_parts = has_parts};
    sk_write_date(date, (time_t)now);
    if (!sk_judge(&conditions, &of, is_head, now, sk_read_digits(date + 12, 4), ranges_max, &wish))
        return -1;
    memset(spans, 0, 2 * SK_SPANS_MAX * sizeof *spans);
    spans[1] = size;
    for (int place = 0; wish.kind >= SK_PART && wish.kind <= SK_PARTS && place < wish.span_count; place++) {
        spans[2 * place] = wish.spans[place].first;
        spans[2 * place + 1] = wish.spans[place].count;
    }
    return wish.kind == SK_PART && (wish.first != spans[0] || wish.count != spans[1]) ? -2 : (int)wish.kind;
}

/* 0: `text` is no date. */
int read_date(const char *text, int this_year, long long *seconds) {
    int64_t found = 0;
    int is_date = sk_read_date(text, strlen(text), this_year, &found);
    *seconds = found;
    return is_date;
}

/* As sk_read_ranges. */
int read_ranges(const char *text, unsigned long long size, int most, unsigned long long spans[2 * SK_SPANS_MAX]) {
    sk_span found[SK_SPANS_MAX];
    int count = sk_read_ranges(text, strlen(text), size, most, found);
    for (int place = 0; place < count; place++) {
        spans[2 * place] = found[place].first;
        spans[2 * place + 1] = found[place].count;
    }
    return count;
}
