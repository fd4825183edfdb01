/* Bytes of an open file. */
#ifndef SKITAI_READING_H
#define SKITAI_READING_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

/* `size` bytes from `first` on, or 0: it has become shorter, or cannot be read. */
static inline int sk_read_from(int descriptor, off_t first, char *at, size_t size) {
    size_t filled = 0;
    while (filled < size) {
        const ssize_t count = pread(descriptor, at + filled, size - filled, first + (off_t)filled);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        filled += (size_t)count;
    }
    return 1;
}

#endif
