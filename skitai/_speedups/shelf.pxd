# Answers on a shelf as C code sees them: see shelf.h and shelf.pyx.

from libc.stdint cimport int64_t, uint64_t

from skitai._speedups.heads cimport Head

cdef extern from "<sys/stat.h>" nogil:
    struct stat:
        long long st_size
    int fstat(int descriptor, stat *status)

cdef extern from "witness.h" nogil:
    ctypedef struct sk_identity:
        uint64_t device, inode, size
        int64_t modified_ns, changed_ns
    ctypedef struct sk_witness:
        const char *path
        bint is_there
        sk_identity identity
    bint sk_still(const sk_witness *witness)
    bint sk_settled(const sk_witness *witness, double wall)

cdef extern from "text.h" nogil:
    ctypedef struct sk_text:
        const char *bytes
        size_t size
    bint sk_same(sk_text one, sk_text other)

cdef extern from "conditions.h" nogil:
    enum:
        SK_WHOLE
        SK_UNCHANGED
        SK_PART
        SK_PARTS
        SK_FAILED
        SK_UNSATISFIED
    ctypedef struct sk_conditions:
        sk_text match, unmodified_since, none_match, modified_since, if_range, range
    ctypedef struct sk_validators:
        sk_text etag
    ctypedef struct sk_wish:
        int kind
        bint with_content, stays

cdef extern from "shelf.h" nogil:
    enum:
        SK_WITNESSES_MAX
    ctypedef struct sk_head:
        sk_text text
        size_t date
    ctypedef struct sk_offer:
        int slot
        const void *site
        sk_text host, path, accept, etag, modified, content
        sk_head heads[3]
        int descriptor
        uint64_t size
        const sk_witness *witnesses
        int witness_count
    ctypedef struct sk_item:
        int slot
        sk_head heads[3]
        sk_text accept
        sk_validators validators
        uint64_t size
    ctypedef struct sk_shelf:
        size_t memory
        int open
    sk_shelf *sk_shelf_open(uint64_t seed, size_t memory_max, int open_max, int ranges_max)
    void sk_shelf_close(sk_shelf *shelf)
    void sk_shelf_drop_makeshifts(sk_shelf *shelf)
    void sk_shelf_clock(sk_shelf *shelf, double now, long second)
    bint sk_shelf_put(sk_shelf *shelf, const sk_offer *offer)
    bint sk_shelf_may_have(const sk_shelf *shelf, size_t length)
    sk_item *sk_shelf_find(const sk_shelf *shelf, const void *site, sk_text host, sk_text path)
    void sk_shelf_doubt(sk_shelf *shelf, bint goes_on)
    sk_item *sk_shelf_take(sk_shelf *shelf, sk_item *found, sk_text accept)

cdef extern from "notice.h" nogil:
    int sk_notice_open()
    void sk_notice_folder_of(int fd, const char *path, int *watched)
    void sk_notice_drain(int fd)

cdef extern from "parcel.h" nogil:
    ctypedef struct sk_parcel:
        sk_item *item
        uint64_t content, sent
        size_t head_size
        int status, slot
        bint stays
    ctypedef enum sk_parcel_state:
        SK_PARCEL_SENT
        SK_PARCEL_MORE
        SK_PARCEL_WAITS
        SK_PARCEL_LOST
    bint sk_grant(
        const sk_shelf *shelf, const sk_item *item, const sk_conditions *said, bint is_head, sk_wish *wish
    )
    void sk_pack(sk_parcel *parcel, const sk_shelf *shelf, sk_item *item, const sk_wish *wish)
    sk_parcel_state sk_parcel_send(sk_parcel *parcel, int fd, uint64_t most)
    ssize_t sk_parcel_read(const sk_parcel *parcel, uint64_t skip, char *buffer, size_t room)
    uint64_t sk_parcel_rest(const sk_parcel *parcel)
    void sk_parcel_release(sk_parcel *parcel)


cdef class Shelf:
    cdef sk_shelf *shelf
    cdef int notice              # of folders: notice.h; -1: there is none
    cdef int folders             # that it tells of
    cdef int look_at_clock(self) except -1

# Make `parcel` the answer to the request with `head` in `data`, which came in at `site`: False if the
# general path has to be asked.
cdef bint pick(
    sk_shelf *shelf, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil

# Whether it is GET or HEAD of HTTP/1.1 without a body, and of what.
cdef bint asks_for_file(const unsigned char *data, const Head *head, sk_text *host, sk_text *path) noexcept nogil

# What a request says that is more than its path.
cdef struct Wishes:
    sk_conditions said
    bint is_plain     # nothing of that is said
    sk_text accept    # Accept-Encoding; empty where there is none
    sk_text types     # Accept; empty where there is none, NULL where it is there twice

# False: there are conditions of other kinds, or something of it is there twice.
cdef bint read_wishes(const unsigned char *data, const Head *head, Wishes *wishes) noexcept nogil

# What is kept for the request, and what of that it is to have, be it no answer of the shelf's; NULL: the general path
# has to say.
cdef sk_item *wished(
    sk_shelf *shelf,
    const void *site,
    const unsigned char *data,
    const Head *head,
    sk_text host,
    sk_text path,
    Wishes *wishes,
    sk_wish *wish,
) noexcept nogil
