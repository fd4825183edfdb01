/* Bytes as the value of an argument in a query string: as urllib.parse.quote_plus writes them.
 *
 * Most texts are of letters and spaces, and then quoting is a copy (`sk_quote_plain`); only what follows the first
 * byte that has to be escaped is gone through twice, for its length and to be written.  Blocks are looked at in loops
 * without an early end, of which the compiler makes vectors, and where the processor has AVX2 by two lookups for
 * 32 bytes.
 */
#ifndef SKITAI_QUOTING_H
#define SKITAI_QUOTING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define SK_HAS_AVX2 __builtin_cpu_supports("avx2")
#define SK_AVX2 __attribute__((target("avx2")))
#include <immintrin.h>
#else
#define SK_HAS_AVX2 0
#endif

enum { SK_QUOTE_BLOCK = 64 /* bytes */ };

/* Letters, digits and "_.-~" (RFC 3986 section 2.3); without a branch, for blocks. */
static inline int sk_is_unreserved(unsigned char byte) {
    return ((unsigned char)((byte | 0x20) - 'a') < 26) | ((unsigned char)(byte - '0') < 10) | (byte == '_') |
           (byte == '-') | (byte == '.') | (byte == '~');
}

/* How many of `size` bytes have to be escaped. */
static inline size_t sk_escapes(const unsigned char *text, size_t size) {
    size_t at = 0, end, escaped = 0;
    unsigned char few;
    while (at < size) {
        end = size - at < SK_QUOTE_BLOCK ? size : at + SK_QUOTE_BLOCK;
        for (few = 0; at < end; at++)
            few += !(sk_is_unreserved(text[at]) | (text[at] == ' '));
        escaped += few;
    }
    return escaped;
}

#ifdef SK_AVX2
/* All ones in each byte of `block` that has to be escaped.  By the upper half of a byte its kind, by the lower half
 * the kinds in which that is good: 0x20 and 0x2D, 0x2E; digits; letters of 0x4x and 0x6x; of 0x5x; of 0x7x. */
SK_AVX2 static inline __m256i sk_to_escape(__m256i block) {
    const __m256i kinds = _mm256_setr_epi8(
        0, 0, 1, 2, 4, 8, 4, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 4, 16, 0, 0, 0, 0, 0, 0, 0, 0
    );
    const __m256i good = _mm256_setr_epi8(
        27, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 4, 4, 5, 21, 12,
        27, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 4, 4, 5, 21, 12
    );
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(block, 4), _mm256_set1_epi8(15));
    return _mm256_cmpeq_epi8(
        _mm256_and_si256(_mm256_shuffle_epi8(kinds, upper), _mm256_shuffle_epi8(good, block)), _mm256_setzero_si256()
    );
}

SK_AVX2 static size_t sk_quote_plain_avx2(unsigned char *to, const unsigned char *text, size_t size) {
    const __m256i change = _mm256_set1_epi8(' ' ^ '+'), space = _mm256_set1_epi8(' ');
    size_t at;
    for (at = 0; size - at >= 32; at += 32) {
        const __m256i block = _mm256_loadu_si256((const __m256i *)(text + at));
        if (_mm256_movemask_epi8(sk_to_escape(block)))
            break;
        _mm256_storeu_si256(
            (__m256i *)(to + at),
            _mm256_xor_si256(block, _mm256_and_si256(_mm256_cmpeq_epi8(block, space), change))
        );
    }
    return at;
}

SK_AVX2 static size_t sk_quoted_size_avx2(const unsigned char *text, size_t size) {
    size_t at, escaped = 0;
    for (at = 0; size - at >= 32; at += 32)
        escaped += (size_t)__builtin_popcount(
            (unsigned)_mm256_movemask_epi8(sk_to_escape(_mm256_loadu_si256((const __m256i *)(text + at))))
        );
    return size + 2 * (escaped + sk_escapes(text + at, size - at));
}
#endif

/* Write what comes before the first byte that has to be escaped; how many bytes that is. */
static inline size_t sk_quote_plain(unsigned char *to, const unsigned char *text, size_t size) {
    size_t at = 0, step;
#ifdef SK_AVX2
    if (SK_HAS_AVX2)
        at = sk_quote_plain_avx2(to, text, size);
    else
#endif
        for (; size - at >= SK_QUOTE_BLOCK && !sk_escapes(text + at, SK_QUOTE_BLOCK); at += SK_QUOTE_BLOCK)
            for (step = at; step < at + SK_QUOTE_BLOCK; step++)
                to[step] = text[step] == ' ' ? '+' : text[step];
    for (; at < size && (sk_is_unreserved(text[at]) || text[at] == ' '); at++)
        to[at] = text[at] == ' ' ? '+' : text[at];
    return at;
}

/* How long `size` bytes become. */
static inline size_t sk_quoted_size(const unsigned char *text, size_t size) {
#ifdef SK_AVX2
    if (SK_HAS_AVX2)
        return sk_quoted_size_avx2(text, size);
#endif
    return size + 2 * sk_escapes(text, size);
}

/* Write them to `to`, which has room for `sk_quoted_size`. */
static inline void sk_quote(unsigned char *to, const unsigned char *text, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    size_t at;
    for (at = 0; at < size; at++) {
        if (sk_is_unreserved(text[at])) {
            *to++ = text[at];
        } else if (text[at] == ' ') {
            *to++ = '+';
        } else {
            *to++ = '%';
            *to++ = (unsigned char)digits[text[at] >> 4];
            *to++ = (unsigned char)digits[text[at] & 15];
        }
    }
}

#endif
