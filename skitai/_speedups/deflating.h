/* gzip and deflate by zlib, with the windows and the head of skitai/_pure/coders.py: the same bytes where that has
 * zlib, too.  Without the library, for which setup.py looks, or its header nothing is coded here.
 *
 * Pure functions; any thread.
 */
#ifndef SKITAI_DEFLATING_H
#define SKITAI_DEFLATING_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(SKITAI_ZLIB) && __has_include(<zlib.h>)
#include <zlib.h>

enum { SK_DEFLATES = 1 };
enum { SK_WINDOW_BITS = 14, SK_GZIP_BITS = 16 /* zlib's sign for the format */, SK_DEFLATE_MEMORY = 7 };

/* `size` bytes in the format of gzip, or that of zlib; NULL: there is no memory.  The caller frees it. */
static inline char *sk_deflate(const char *bytes, size_t size, int is_gzip, int level, size_t *coded_size) {
    z_stream stream;
    const int bits = SK_WINDOW_BITS + (is_gzip ? SK_GZIP_BITS : 0);
    char *coded = NULL;
    size_t room;
    memset(&stream, 0, sizeof stream);
    if (deflateInit2(&stream, level, Z_DEFLATED, bits, SK_DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    room = deflateBound(&stream, (uLong)size);
    coded = malloc(room);
    if (coded != NULL) {
        stream.next_in = (Bytef *)bytes;
        stream.avail_in = (uInt)size;
        stream.next_out = (Bytef *)coded;
        stream.avail_out = (uInt)room;
        if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
            free(coded);
            coded = NULL;
        }
    }
    *coded_size = stream.total_out;
    deflateEnd(&stream);
    return coded;
}
#else
enum { SK_DEFLATES = 0 };

static inline char *sk_deflate(const char *bytes, size_t size, int is_gzip, int level, size_t *coded_size) {
    (void)bytes, (void)size, (void)is_gzip, (void)level, (void)coded_size;
    return NULL;
}
#endif

#endif
