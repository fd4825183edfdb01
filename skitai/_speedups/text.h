/* Bytes that lie somewhere else. */
#ifndef SKITAI_TEXT_H
#define SKITAI_TEXT_H

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *bytes;
    size_t size;
} sk_text;

static inline int sk_same(sk_text one, sk_text other) {
    return one.size == other.size && memcmp(one.bytes, other.bytes, one.size) == 0;
}

#endif
