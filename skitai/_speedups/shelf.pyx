"""Which requests are answered from the shelf (shelf.h), and how answers get there.

`Engine.keep` puts there what the general path has answered with a file; `pick` finds it again, in the
lane of a connection or in the monitor.  Only what nobody but the folder has a word about is ever
put there, and only requests that ask for exactly that are answered from it: GET or HEAD of HTTP/1.1,
without a body; without a condition, or with ``If-None-Match`` and the very tag, or with
``If-Modified-Since`` and the very date; or GET of one range that lies in the file.
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


# What a request says that is more than its path.
cdef struct Wishes:
    sk_text tag       # If-None-Match; each is NULL where there is none
    sk_text since     # If-Modified-Since
    sk_text range     # Range
    sk_text accept    # Accept-Encoding; empty where there is none


cdef class Shelf:
    def __cinit__(self, limits):
        seed = int.from_bytes(os.urandom(8), "little")
        self.notice = -1
        self.shelf = sk_shelf_open(seed, limits.file_cache_max, limits.file_cache_open_max)
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
    ):
        """``content``, or where it is None the file that is open as ``descriptor``, as the answer to
        ``path`` at ``host`` for those who came in by the listener of ``info`` and say ``accept``
        (Accept-Encoding; None: whatever they say); ``heads`` are those of 200, 304 and 206.  Whether it is
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
    cdef sk_item *item
    cdef Wishes wishes
    cdef sk_wish wish
    cdef bint is_head = head.method.length == 4 and memcmp(data + head.method.start, b"HEAD", 4) == 0
    if not is_head and (head.method.length != 3 or memcmp(data + head.method.start, b"GET", 3) != 0):
        return False
    if head.minor == 0 or head.host.length == 0 or head.host.length > HOST_MAX or head.content_length > 0:
        return False
    path.bytes = <const char *>data + head.path.start
    path.size = head.path.length
    host.bytes = <const char *>data + head.host.start
    host.size = head.host.length
    item = sk_shelf_find(shelf, site, host, path)
    if item == NULL or not _read_wishes(data, head, &wishes):
        return False
    item = sk_shelf_take(shelf, item, wishes.accept)
    if item == NULL or not _can_grant(item, &wishes, is_head, &wish):
        return False
    wish.with_content = not is_head
    wish.stays = head.keep_alive
    sk_pack(parcel, shelf, item, &wish)
    return True


cdef bint _can_grant(const sk_item *item, const Wishes *wishes, bint is_head, sk_wish *wish) noexcept nogil:
    """What of ``item`` is asked for; False: the general path has to say."""
    wish.kind = SK_WHOLE
    if wishes.tag.bytes != NULL:  # and a date beside it is ignored (RFC 9110 section 13.1.3)
        if not _is_same(wishes.tag, item.etag):
            return False
        wish.kind = SK_UNCHANGED
    elif wishes.since.bytes != NULL:
        if not _is_same(wishes.since, item.modified):
            return False
        wish.kind = SK_UNCHANGED
    elif wishes.range.bytes != NULL:
        if is_head or not sk_read_range(wishes.range, item.size, &wish.first, &wish.count):
            return False
        wish.kind = SK_PART
    return item.heads[wish.kind].text.size > 0


cdef bint _is_same(sk_text said, sk_text known) noexcept nogil:
    return said.size == known.size and said.size > 0 and memcmp(said.bytes, known.bytes, said.size) == 0


cdef bint _read_wishes(const unsigned char *data, const Head *head, Wishes *wishes) noexcept nogil:
    """False: there are others, or one of them twice."""
    cdef const Field *field
    cdef const unsigned char *name
    cdef uint32_t index
    cdef bint has_accept = False
    memset(wishes, 0, sizeof(Wishes))
    wishes.accept.bytes = b""
    for index in range(head.count):
        field = &head.fields[index]
        name = data + field.name.start
        if field.name.length == 5 and is_word(name, 5, b"range"):
            if wishes.range.bytes != NULL:
                return False
            wishes.range = _value(data, field)
        elif field.name.length == 15 and is_word(name, 15, b"accept-encoding"):
            if has_accept:
                return False
            has_accept = True
            wishes.accept = _value(data, field)
        elif field.name.length > 3 and is_word(name, 3, b"if-"):
            if field.name.length == 13 and is_word(name, 13, b"if-none-match") and wishes.tag.bytes == NULL:
                wishes.tag = _value(data, field)
            elif field.name.length == 17 and is_word(name, 17, b"if-modified-since") and wishes.since.bytes == NULL:
                wishes.since = _value(data, field)
            else:
                return False
    return True


cdef sk_text _value(const unsigned char *data, const Field *field) noexcept nogil:
    cdef sk_text text
    text.bytes = <const char *>data + field.value.start
    text.size = field.value.length
    return text
