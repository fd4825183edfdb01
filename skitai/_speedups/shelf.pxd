# Answers on a shelf as C code sees them: see shelf.h and shelf.pyx.

from libc.stdint cimport uint32_t, uint64_t

from skitai._speedups.heads cimport Head

cdef extern from "<sys/stat.h>" nogil:
    struct stat:
        pass
    int fstat(int descriptor, stat *status)

cdef extern from "shelf.h" nogil:
    ctypedef struct sk_text:
        const char *bytes
        size_t size
    ctypedef struct sk_offer:
        const void *site
        sk_text host, path, head, unchanged, etag, content
        size_t head_date, unchanged_date
        const char *file
        int descriptor
        const stat *status
    ctypedef struct sk_item:
        sk_text etag
        uint64_t size
    ctypedef struct sk_shelf:
        size_t memory
        int open
    ctypedef struct sk_parcel:
        sk_item *item
        uint64_t content, sent
        size_t head_size
        int status
        bint stays
    ctypedef enum sk_parcel_state:
        SK_PARCEL_SENT
        SK_PARCEL_MORE
        SK_PARCEL_WAITS
        SK_PARCEL_LOST
    sk_shelf *sk_shelf_open(uint64_t seed, size_t memory_max, int open_max)
    void sk_shelf_close(sk_shelf *shelf)
    void sk_shelf_clock(sk_shelf *shelf, double now, long second)
    bint sk_settled(const stat *status, double wall)
    bint sk_shelf_put(sk_shelf *shelf, const sk_offer *offer)
    bint sk_shelf_may_have(const sk_shelf *shelf, size_t length)
    sk_item *sk_shelf_find(sk_shelf *shelf, const void *site, sk_text host, sk_text path)
    void sk_pack(
        sk_parcel *parcel, const sk_shelf *shelf, sk_item *item, bint unchanged, bint with_content, bint stays
    )
    sk_parcel_state sk_parcel_send(sk_parcel *parcel, int fd, uint64_t most)
    uint64_t sk_parcel_rest(const sk_parcel *parcel)
    void sk_parcel_release(sk_parcel *parcel)


cdef class Shelf:
    cdef sk_shelf *shelf
    cdef int look_at_clock(self) except -1

# Make `parcel` the answer to the request with `head` in `data`, which came in at `site`: False if the
# general path has to be asked.
cdef bint pick(
    sk_shelf *shelf, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil
