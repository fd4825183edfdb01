"""Which requests are answered from the shelf (shelf.h), and how answers get there.

`Engine.keep` puts there what the general path has answered with a file; `pick` finds it again, in the
lane of a connection or in the monitor.  Only what nobody but the folder has a word about is ever
put there, and only requests that ask for exactly that are answered from it: GET or HEAD of HTTP/1.1,
without a body, with conditions and a range that conditions.h can decide about.
All others go to the general path, which is the one truth about them.

`pick` needs no GIL; the rest is the leader's.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memset
from posix.unistd cimport close

import os

from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.fields cimport Field, is_word

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    HOST_MAX = 255  # of a name in the DNS, and what longer names are, they need not be kept
    ACCEPT_MAX = 200  # of Accept-Encoding; browsers send some 25


cdef class Shelf:
    def __cinit__(self, limits):
        seed = int.from_bytes(os.urandom(8), "little")
        self.notice = -1
        self.shelf = sk_shelf_open(
            seed, limits.file_cache_max, limits.file_cache_open_max, limits.ranges_max
        )
        if self.shelf == NULL:
            raise MemoryError
        if limits.file_cache_max:
            self.notice = sk_notice_open()

    def __dealloc__(self):
        if self.shelf != NULL:
            sk_shelf_close(self.shelf)
        if self.notice >= 0:
            close(self.notice)

    def fileno(self):
        """Is readable when there is news of what is kept (`doubt`); -1 where the system tells none."""
        return self.notice

    def doubt(self, bint goes_on):
        """There was news: what is kept is looked at before it is used, ``goes_on``: until the next call."""
        if not goes_on:
            sk_notice_drain(self.notice)
        self.look_at_clock()
        sk_shelf_doubt(self.shelf, goes_on)

    @property
    def memory(self):
        """Bytes of all that is kept."""
        return self.shelf.memory

    @property
    def open(self):
        """Descriptors that are kept."""
        return self.shelf.open

    def keep_always(self, bytes path not None, bytes head not None, bytes content not None):
        """An answer for ``path`` at any host that comes in anywhere."""
        cdef sk_offer offer
        memset(&offer, 0, sizeof(offer))
        offer.path = _text(path)
        offer.heads[<int>SK_WHOLE] = _head(head)
        offer.content = _text(content)
        offer.descriptor = -1
        self.look_at_clock()
        return sk_shelf_put(self.shelf, &offer)

    def has(self, info, bytes host not None, bytes path not None, bytes accept, bytes etag not None):
        """Whether an answer is kept with these, as `keep_file` means them, and is good."""
        cdef sk_text clients = _text(b"" if accept is None else accept)
        cdef sk_item *item
        self.look_at_clock()
        item = sk_shelf_find(self.shelf, <PyObject *>info, _text(host), _text(path))
        if item != NULL:
            item = sk_shelf_take(self.shelf, item, clients)
        return (
            item != NULL
            and (item.accept.bytes == NULL) == (accept is None)
            and sk_same(_text(etag), item.validators.etag)
        )

    def keep_file(
        self,
        info,
        bytes host not None,
        bytes path not None,
        bytes accept,
        tuple heads not None,
        bytes etag not None,
        bytes modified not None,
        tuple witnesses not None,
        bytes content,
        int descriptor,
        int slot=0,
    ):
        """``content``, or where it is None the file that is open as ``descriptor``, as the answer to
        ``path`` at ``host`` for those who came in by the listener of ``info`` and say ``accept``
        (Accept-Encoding; None: whatever they say); ``heads`` are those of 200, 304 and 206; ``slot``: where it is
        counted.  Whether it is
        kept: not if a file among the ``witnesses`` may change again within the resolution of its times."""
        cdef sk_offer offer
        cdef sk_witness files[SK_WITNESSES_MAX]
        cdef stat status
        cdef int kind
        if len(host) > HOST_MAX or (accept is not None and len(accept) > ACCEPT_MAX):
            return False
        if not _witnesses(witnesses, files):
            return False
        memset(&offer, 0, sizeof(offer))
        offer.slot = slot
        offer.site = <PyObject *>info
        offer.host = _text(host)
        offer.path = _text(path)
        if accept is not None:
            offer.accept = _text(accept)
        for kind in range(3):
            offer.heads[kind] = _head(heads[kind])
        offer.etag = _text(etag)
        offer.modified = _text(modified)
        offer.descriptor = -1
        if content is not None:
            offer.content = _text(content)
        else:
            if fstat(descriptor, &status):
                return False
            offer.descriptor = descriptor
            offer.size = status.st_size
        offer.witnesses = files
        offer.witness_count = <int>len(witnesses)
        self.look_at_clock()
        for kind in range(offer.witness_count):
            sk_notice_folder_of(self.notice, files[kind].path, &self.folders)
            if not sk_still(&files[kind]):
                return False  # changed while nobody told of it
        return sk_shelf_put(self.shelf, &offer)

    cdef int look_at_clock(self) except -1:
        sk_shelf_clock(self.shelf, monotonic(), <long>wall_clock())
        return 0


cdef sk_text _text(bytes text) noexcept:
    cdef sk_text slice
    slice.bytes = PyBytes_AS_STRING(text)
    slice.size = PyBytes_GET_SIZE(text)
    return slice


cdef sk_head _head(bytes head) except *:
    cdef sk_head found
    found.text = _text(head)
    found.date = head.index(b"\r\nDate: ") + 8 if head else 0
    return found


cdef bint _witnesses(tuple witnesses, sk_witness *files) except -1:
    """``files`` as C sees them; False if they are too many, or one may change unseen."""
    cdef double now = wall_clock()
    cdef Py_ssize_t index
    if not 0 < len(witnesses) <= SK_WITNESSES_MAX:
        return False
    for index, (path, status) in enumerate(witnesses):
        files[index].path = PyBytes_AS_STRING(path)
        files[index].is_there = status is not None
        if status is not None:
            files[index].identity.device = status.st_dev
            files[index].identity.inode = status.st_ino
            files[index].identity.size = status.st_size
            files[index].identity.modified_ns = status.st_mtime_ns
            files[index].identity.changed_ns = status.st_ctime_ns
        if not sk_settled(&files[index], now):
            return False
    return True


cdef bint pick(
    sk_shelf *shelf, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil:
    cdef sk_text host, path
    cdef Wishes wishes
    cdef sk_wish wish
    cdef sk_item *item
    if not asks_for_file(data, head, &host, &path):
        return False
    item = wished(shelf, site, data, head, host, path, &wishes, &wish)
    if item == NULL or wish.kind > <int>SK_PART:
        return False
    sk_pack(parcel, shelf, item, &wish)
    return True


cdef sk_item *wished(
    sk_shelf *shelf,
    const void *site,
    const unsigned char *data,
    const Head *head,
    sk_text host,
    sk_text path,
    Wishes *wishes,
    sk_wish *wish,
) noexcept nogil:
    cdef sk_item *item = sk_shelf_find(shelf, site, host, path)
    cdef bint is_head = head.method.length == 4
    if item == NULL or not read_wishes(data, head, wishes):
        return NULL
    item = sk_shelf_take(shelf, item, wishes.accept)
    if item == NULL:
        return NULL
    wish.kind = SK_WHOLE
    if not wishes.is_plain and not sk_grant(shelf, item, &wishes.said, is_head, wish):
        return NULL
    wish.with_content = not is_head
    wish.stays = head.keep_alive
    return item


cdef bint asks_for_file(const unsigned char *data, const Head *head, sk_text *host, sk_text *path) noexcept nogil:
    cdef const unsigned char *method = data + head.method.start
    if not (
        (head.method.length == 3 and memcmp(method, b"GET", 3) == 0)
        or (head.method.length == 4 and memcmp(method, b"HEAD", 4) == 0)
    ):
        return False
    if head.minor == 0 or head.host.length == 0 or head.host.length > HOST_MAX or head.content_length > 0:
        return False
    path.bytes = <const char *>data + head.path.start
    path.size = head.path.length
    host.bytes = <const char *>data + head.host.start
    host.size = head.host.length
    return True


cdef bint read_wishes(const unsigned char *data, const Head *head, Wishes *wishes) noexcept nogil:
    cdef const Field *field
    cdef const unsigned char *name
    cdef sk_text *place
    cdef uint32_t index
    cdef bint has_accept = False, has_types = False
    memset(wishes, 0, sizeof(Wishes))
    wishes.is_plain = True
    wishes.accept.bytes = wishes.types.bytes = b""
    for index in range(head.count):
        field = &head.fields[index]
        name = data + field.name.start
        if field.name.length == 15 and is_word(name, 15, b"accept-encoding"):
            if has_accept:
                return False
            has_accept = True
            wishes.accept = _value(data, field)
            continue
        if field.name.length == 6 and is_word(name, 6, b"accept"):
            wishes.types = _value(data, field)
            if has_types:
                wishes.types.bytes = NULL
            has_types = True
            continue
        if field.name.length == 5 and is_word(name, 5, b"range"):
            place = &wishes.said.range
        elif field.name.length > 3 and is_word(name, 3, b"if-"):
            place = _condition(&wishes.said, name + 3, field.name.length - 3)
        else:
            continue
        if place == NULL or place.bytes != NULL:
            return False
        place[0] = _value(data, field)
        wishes.is_plain = False
    return True


cdef sk_text *_condition(sk_conditions *said, const unsigned char *name, size_t length) noexcept nogil:
    """Where the condition ``name``, without its If-, belongs; NULL: it is none of them."""
    if length == 5 and is_word(name, 5, b"match"):
        return &said.match
    if length == 5 and is_word(name, 5, b"range"):
        return &said.if_range
    if length == 10 and is_word(name, 10, b"none-match"):
        return &said.none_match
    if length == 14 and is_word(name, 14, b"modified-since"):
        return &said.modified_since
    if length == 16 and is_word(name, 16, b"unmodified-since"):
        return &said.unmodified_since
    return NULL


cdef sk_text _value(const unsigned char *data, const Field *field) noexcept nogil:
    cdef sk_text text
    text.bytes = <const char *>data + field.value.start
    text.size = field.value.length
    return text
