"""Routes of files, handed over to C code once: by these the monitor finds files that nobody has asked for yet
(fetching.h, grounds.h).

`Fetching.add` is called before the first connection; what it was given stands from then on.  `seek` needs no GIL.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdlib cimport calloc, free

from skitai._speedups.shelf cimport (
    SK_PARTS,
    SK_UNSATISFIED,
    Wishes,
    asks_for_file,
    read_wishes,
    sk_shelf_drop_makeshifts,
    wished,
)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef extern from "deflating.h" nogil:
    char *sk_deflate(const char *bytes, size_t size, bint is_gzip, int level, size_t *coded_size)
    enum:
        SK_DEFLATES

# Fields that are the file's own, and what stands for their values in a head.
_SLOTS = {
    b"Content-Type": bytes([SK_SLOT_TYPE]),
    b"Content-Length": bytes([SK_SLOT_LENGTH]),
    b"Last-Modified": bytes([SK_SLOT_MODIFIED]),
    b"ETag": bytes([SK_SLOT_ETAG]),
    b"Cache-Control": bytes([SK_SLOT_CACHE]),
    b"Content-Encoding": bytes([SK_SLOT_CODING]),
}
_SLOTS_OF_A_PAGE = {b"Content-Length": bytes([SK_SLOT_LENGTH])}


cdef class Block:
    """Memory for C code, all zeros, for as long as this lives."""

    cdef void *memory

    def __cinit__(self, size_t size):
        self.memory = calloc(1, size + 1)
        if self.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.memory)


cdef class Fetching:
    def __cinit__(self, Shelf shelf not None):
        self.fetching = <sk_fetching *>calloc(1, sizeof(sk_fetching))
        if self.fetching == NULL:
            raise MemoryError
        self.shelf = shelf
        self.kept = []
        self.fetching.shelf = shelf.shelf
        self.fetching.notice = shelf.notice
        self.fetching.folders = &shelf.folders
        if SK_DEFLATES:
            self.fetching.code = <sk_coder>sk_deflate

    def __dealloc__(self):
        if self.fetching != NULL:
            sk_fetching_close(self.fetching)
            free(self.fetching)

    def add(self, info, grounds, heads):
        """``grounds`` (`engine.Ground`) are for those who come in by the listener of ``info``; ``heads(terms)``:
        those of 200, 304 and 206, for each of the ``fields`` of `engine.FolderTerms`."""
        cdef Block block
        cdef sk_ground *place
        cdef int before = self.fetching.grounds.count
        cdef int index
        block = Block((before + len(grounds)) * sizeof(sk_ground))
        place = <sk_ground *>block.memory
        for index in range(before):
            place[index] = self.fetching.grounds.grounds[index]
        for index, ground in enumerate(grounds, before):
            place[index].site = <PyObject *>info
            place[index].host = self.text(ground.host)
            place[index].mount = self.text(ground.mount)
            place[index].folder_mount = self.text(ground.folder_mount).size
            place[index].has_our_errors = ground.our_errors
            place[index].ends = ground.ends
            place[index].slot = ground.slot
            if ground.terms is not None:
                place[index].folder = self.folder(ground.terms, heads(ground.terms))
        self.kept += [block, info]
        self.fetching.grounds.grounds = place
        self.fetching.grounds.count = before + <int>len(grounds)

    def refuse_with(self, pages, heads):
        """What is refused is so with ``pages`` (`engine.ErrorPage`), of which ``heads(page)`` is the head."""
        cdef Block block = Block(sizeof(sk_pages))
        cdef sk_pages *refusals = <sk_pages *>block.memory
        cdef sk_page *place
        statuses = [SK_REFUSAL_STATUSES[index] for index in range(SK_REFUSALS)]
        types = [(<bytes>SK_PAGE_TYPE_NAMES[index]).decode("ascii") for index in range(SK_PAGE_TYPES)]
        for page in pages:
            place = &refusals.pages[<int>statuses.index(page.status)][<bint>page.has_forms][
                <int>types.index(page.media_type)
            ]
            place.head = self.head(_with_size(page, heads(page)), _SLOTS_OF_A_PAGE)
            place.body = self.text(_with_size(page, page.body))
        self.kept.append(block)
        self.fetching.pages = refusals

    cdef int settle(self) except -1:
        """Take what was fetched onto the shelf.  The leader, which needs no makeshifts."""
        if sk_has_fetched(self.fetching):
            self.shelf.look_at_clock()
            sk_take_fetched(self.fetching)
        sk_shelf_drop_makeshifts(self.fetching.shelf)
        return 0

    cdef sk_text text(self, object value) except *:
        cdef sk_text found
        cdef bytes encoded = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        self.kept.append(encoded)
        found.bytes = PyBytes_AS_STRING(encoded)
        found.size = PyBytes_GET_SIZE(encoded)
        return found

    cdef const sk_folder *folder(self, object terms, object heads) except NULL:
        cdef Block block = Block(sizeof(sk_folder))
        cdef Block types = Block(len(terms.types) * sizeof(sk_type))
        cdef Block rules = Block(len(terms.rules) * sizeof(sk_cache_rule))
        cdef sk_folder *folder = <sk_folder *>block.memory
        cdef sk_type *type_ = <sk_type *>types.memory
        cdef sk_cache_rule *rule = <sk_cache_rule *>rules.memory
        cdef int kind, status
        self.kept += [block, types, rules]
        folder.root = self.text(terms.root)
        folder.index = self.text(terms.index)
        folder.shows_dotfiles = terms.dotfiles
        folder.follows = terms.follow_links
        folder.looks_beside = terms.precompressed
        for suffix, value, is_coded in terms.types:
            if len(suffix) > SK_SUFFIX_MAX:
                raise ValueError(f"the ending {suffix!r} is longer than {SK_SUFFIX_MAX} characters")
            type_.suffix = self.text(suffix)
            type_.value = self.text(value)
            type_.is_coded = is_coded
            type_ += 1
        folder.types = <sk_type *>types.memory
        folder.type_count = <int>len(terms.types)
        folder.other_type.value = self.text(terms.other_type[0])
        folder.other_type.is_coded = terms.other_type[1]
        for pattern, is_path, value in terms.rules:
            rule.pattern = self.text(pattern)
            rule.is_path = is_path
            rule.value = self.text(value)
            rule += 1
        folder.rules = <sk_cache_rule *>rules.memory
        folder.rule_count = <int>len(terms.rules)
        folder.otherwise = self.text(terms.otherwise)
        if terms.for_hashed is not None:
            folder.for_hashed = self.text(terms.for_hashed)
        folder.coded_from = terms.coded_from
        folder.level = terms.level
        for kind in range(SK_KINDS):
            for status in range(SK_HEADS):
                folder.heads[kind][status] = self.head(heads[kind][status], _SLOTS)
        return folder

    cdef sk_head head(self, bytes whole, dict slots) except *:
        cdef sk_head found
        if not whole:
            found.text = self.text(whole)
            found.date = 0
            return found
        if not whole.partition(b"\r\n")[2].startswith(b"Date: "):
            raise ValueError(f"Date is not the first field of a head: {whole!r}")
        found.text = self.text(_with_slots(whole, slots))
        found.date = whole.index(b"\r\n") + len(b"\r\nDate: ")
        return found


def _with_slots(bytes head not None, dict slots):
    """``head`` of any answer as that of all: what is its own is left out."""
    lines = []
    for line in head.split(b"\r\n"):
        name, colon, _ = line.partition(b": ")
        lines.append(name + colon + slots[name] if colon and name in slots else line)
    return b"\r\n".join(lines)


def _with_size(page, bytes text not None):
    return text.replace(b"%d" % page.size, bytes([SK_SLOT_SIZE])) if page.size else text


cdef int seek(
    sk_fetching *fetching, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil:
    cdef sk_text host, path
    cdef Wishes wishes
    cdef sk_wish wish
    cdef sk_item *item
    cdef int number
    cdef bint with_content = head.method.length != 4
    if not asks_for_file(data, head, &host, &path) or not read_wishes(data, head, &wishes):
        return 0
    item = wished(fetching.shelf, site, data, head, host, path, &wishes, &wish)
    if item != NULL:
        if not _refuse(fetching, site, host, path, item, &wish, wishes.types, parcel):
            return 0
        parcel.slot = item.slot
        return 1
    number = sk_fetch(fetching, site, host, path, wishes.accept)
    if number != SK_IS_ABSENT:
        return -number
    if not sk_refuse(
        parcel,
        fetching.shelf,
        fetching.pages,
        SK_NOT_THERE,
        False,
        0,
        wishes.types,
        with_content,
        head.keep_alive,
    ):
        return 0
    parcel.slot = fetching.slot
    return 1


cdef bint _refuse(
    const sk_fetching *fetching,
    const void *site,
    sk_text host,
    sk_text path,
    const sk_item *item,
    const sk_wish *wish,
    sk_text types,
    sk_parcel *parcel,
) noexcept nogil:
    """What is kept, and asked for in a way that the shelf has no answer for."""
    cdef sk_refusal refusal = SK_NOT_SATISFIABLE if wish.kind == <int>SK_UNSATISFIED else SK_PRECONDITION_FAILED
    if wish.kind == <int>SK_PARTS:
        return sk_pack_parts(parcel, fetching.shelf, item, wish)
    if wish.kind < <int>SK_PARTS or not sk_has_our_errors(&fetching.grounds, site, host, path):
        return False
    return sk_refuse(
        parcel,
        fetching.shelf,
        fetching.pages,
        refusal,
        sk_has_forms(item),
        item.size,
        types,
        wish.with_content,
        wish.stays,
    )
