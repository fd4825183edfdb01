/* BLAKE2b of up to 128 bytes, without a key (RFC 7693): what skitai/core/representation.py makes entity tags by, with
 * hashlib. */
#ifndef SKITAI_BLAKE2_H
#define SKITAI_BLAKE2_H

#include <stdint.h>
#include <string.h>

enum { SK_BLAKE2_BLOCK = 128 };

static inline uint64_t sk_turn_right(uint64_t word, int bits) { return word >> bits | word << (64 - bits); }

static inline void sk_blake2_mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y) {
    *a += *b + x;
    *d = sk_turn_right(*d ^ *a, 32);
    *c += *d;
    *b = sk_turn_right(*b ^ *c, 24);
    *a += *b + y;
    *d = sk_turn_right(*d ^ *a, 16);
    *c += *d;
    *b = sk_turn_right(*b ^ *c, 63);
}

/* The first `length` bytes, 64 at most, of the hash that is so long; `size` is at most SK_BLAKE2_BLOCK. */
static inline void sk_blake2(const void *data, size_t size, unsigned char *hash, size_t length) {
    static const uint64_t start[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b),
        UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1),
        UINT64_C(0x9b05688c2b3e6c1f), UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};
    static const unsigned char orders[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3}, {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8}, {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9}, {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10}, {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
    unsigned char block[SK_BLAKE2_BLOCK] = {0};
    uint64_t words[16] = {0}, state[8], v[16];
    memcpy(block, data, size);
    for (int place = 0; place < SK_BLAKE2_BLOCK; place++)
        words[place / 8] |= (uint64_t)block[place] << place % 8 * 8;
    memcpy(state, start, sizeof start);
    state[0] ^= UINT64_C(0x01010000) ^ length;
    memcpy(v, state, sizeof state);
    memcpy(v + 8, start, sizeof start);
    v[12] ^= size;
    v[14] = ~v[14]; /* the last block, and the first */
    for (int round = 0; round < 12; round++) {
        const unsigned char *order = orders[round % 10];
        for (int column = 0; column < 4; column++)
            sk_blake2_mix(&v[column], &v[column + 4], &v[column + 8], &v[column + 12], words[order[2 * column]],
                words[order[2 * column + 1]]);
        for (int column = 0; column < 4; column++)
            sk_blake2_mix(&v[column], &v[(column + 1) % 4 + 4], &v[(column + 2) % 4 + 8], &v[(column + 3) % 4 + 12],
                words[order[8 + 2 * column]], words[order[9 + 2 * column]]);
    }
    for (size_t place = 0; place < length; place++)
        hash[place] = (unsigned char)((state[place / 8] ^ v[place / 8] ^ v[place / 8 + 8]) >> place % 8 * 8);
}

#endif
