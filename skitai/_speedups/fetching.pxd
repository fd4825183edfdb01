# Files that nobody has asked for yet, as C code sees them: see fetching.h and fetching.pyx.

from libc.stdint cimport uint64_t

from skitai._speedups.heads cimport Head
from skitai._speedups.shelf cimport Shelf, sk_head, sk_item, sk_parcel, sk_shelf, sk_text, sk_wish

cdef extern from "grounds.h" nogil:
    enum:
        SK_SUFFIX_MAX
        SK_SLOT_TYPE
        SK_SLOT_LENGTH
        SK_SLOT_MODIFIED
        SK_SLOT_ETAG
        SK_SLOT_CACHE
        SK_SLOT_CODING
        SK_SLOT_SIZE
        SK_KINDS
        SK_HEADS
    ctypedef struct sk_type:
        sk_text suffix, value
        bint is_coded
    ctypedef struct sk_cache_rule:
        sk_text pattern
        bint is_path
        sk_text value
    ctypedef struct sk_folder:
        sk_text root, index
        bint shows_dotfiles, follows, looks_beside
        const sk_type *types
        int type_count
        sk_type other_type
        const sk_cache_rule *rules
        int rule_count
        sk_text otherwise, for_hashed
        uint64_t coded_from
        int level
        sk_head heads[5][3]
    ctypedef struct sk_ground:
        const void *site
        sk_text host, mount
        const sk_folder *folder
        size_t folder_mount
        bint has_our_errors, ends
        int slot
    ctypedef struct sk_grounds:
        const sk_ground *grounds
        int count
    bint sk_has_our_errors(const sk_grounds *grounds, const void *site, sk_text host, sk_text path)

cdef extern from "refusing.h" nogil:
    enum:
        SK_PAGE_TYPES
        SK_REFUSALS
    ctypedef enum sk_refusal:
        SK_NOT_THERE
        SK_PRECONDITION_FAILED
        SK_NOT_SATISFIABLE
    const int SK_REFUSAL_STATUSES[3]
    const char *const SK_PAGE_TYPE_NAMES[3]
    ctypedef struct sk_page:
        sk_head head
        sk_text body
    ctypedef struct sk_pages:
        sk_page pages[3][2][3]
    bint sk_has_forms(const sk_item *item)
    bint sk_refuse(
        sk_parcel *parcel,
        const sk_shelf *shelf,
        const sk_pages *pages,
        sk_refusal refusal,
        bint has_forms,
        uint64_t size,
        sk_text accept,
        bint with_content,
        bint stays,
    )
    bint sk_pack_parts(sk_parcel *parcel, const sk_shelf *shelf, const sk_item *item, const sk_wish *wish)

cdef extern from "finding.h" nogil:
    ctypedef char *(*sk_coder)(const char *bytes, size_t size, bint is_gzip, int level, size_t *coded_size)

cdef extern from "fetching.h" nogil:
    ctypedef struct sk_fetching:
        sk_shelf *shelf
        int notice
        int *folders
        sk_grounds grounds
        sk_coder code
        const sk_pages *pages
        int slot
    enum:
        SK_IS_ABSENT
    int sk_fetch(sk_fetching *fetching, const void *site, sk_text host, sk_text path, sk_text accept)
    bint sk_has_fetched(const sk_fetching *fetching)
    int sk_take_fetched(sk_fetching *fetching)
    void sk_fetching_close(sk_fetching *fetching)


cdef class Fetching:
    cdef sk_fetching *fetching
    cdef Shelf shelf
    cdef list kept               # what the C half points to

    cdef int settle(self) except -1
    cdef sk_text text(self, object value) except *
    cdef sk_head head(self, bytes whole, dict slots) except *
    cdef const sk_folder *folder(self, object terms, object heads) except NULL

# What can be said without Python to the request with `head` in `data`, which came in at `site`, beyond what is on the
# shelf: 1, `parcel` is the answer; -N: not yet, errand N has to end; 0: nothing.
cdef int seek(
    sk_fetching *fetching, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil
