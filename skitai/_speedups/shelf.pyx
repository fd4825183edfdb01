"""Which requests are answered from the shelf (shelf.h), and how answers get there.

`Engine.keep` puts there what the general path has answered with a file; `pick` finds it again, in the
lane of a connection or in the monitor.  Only what nobody but the folder has a word about is ever
put there, and only requests that ask for exactly that are answered from it: GET or HEAD of HTTP/1.1,
without a body, without a condition but ``If-None-Match`` with the very tag, without Range.
All others go to the general path, which is the one truth about them.

`pick` needs no GIL; the rest is the leader's.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memset

import os

from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.fields cimport Field, is_word

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    HOST_MAX = 255  # of a name in the DNS, and what longer names are, they need not be kept


cdef class Shelf:
    def __cinit__(self, limits):
        seed = int.from_bytes(os.urandom(8), "little")
        self.shelf = sk_shelf_open(seed, limits.file_cache_max, limits.file_cache_open_max)
        if self.shelf == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.shelf != NULL:
            sk_shelf_close(self.shelf)

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
        offer.head = _text(head)
        offer.head_date = _date_in(head)
        offer.content = _text(content)
        self.look_at_clock()
        return sk_shelf_put(self.shelf, &offer)

    def keep_file(
        self,
        info,
        bytes host not None,
        bytes path not None,
        bytes head not None,
        bytes unchanged not None,
        bytes etag not None,
        bytes file not None,
        int descriptor,
    ):
        """The file at ``file``, open as ``descriptor``, as the answer to ``path`` at ``host`` for those
        who came in by the listener of ``info``; ``head`` and ``unchanged`` are those of 200 and 304.
        Whether it is kept: not if it may change again within the resolution of its times."""
        cdef sk_offer offer
        cdef stat status
        if len(host) > HOST_MAX or fstat(descriptor, &status) or not sk_settled(&status, wall_clock()):
            return False
        memset(&offer, 0, sizeof(offer))
        offer.site = <PyObject *>info
        offer.host = _text(host)
        offer.path = _text(path)
        offer.head = _text(head)
        offer.head_date = _date_in(head)
        offer.unchanged = _text(unchanged)
        offer.unchanged_date = _date_in(unchanged)
        offer.etag = _text(etag)
        offer.file = PyBytes_AS_STRING(file)
        offer.descriptor = descriptor
        offer.status = &status
        self.look_at_clock()
        return sk_shelf_put(self.shelf, &offer)

    cdef int look_at_clock(self) except -1:
        sk_shelf_clock(self.shelf, monotonic(), <long>wall_clock())
        return 0


cdef sk_text _text(bytes text) noexcept:
    cdef sk_text slice
    slice.bytes = PyBytes_AS_STRING(text)
    slice.size = PyBytes_GET_SIZE(text)
    return slice


cdef size_t _date_in(bytes head) except? 0:
    return head.index(b"\r\nDate: ") + 8


cdef bint pick(
    sk_shelf *shelf, const void *site, const unsigned char *data, const Head *head, sk_parcel *parcel
) noexcept nogil:
    cdef sk_text host, path, tag
    cdef sk_item *item
    cdef bint is_head = head.method.length == 4 and memcmp(data + head.method.start, b"HEAD", 4) == 0
    cdef bint unchanged = False
    if not is_head and (head.method.length != 3 or memcmp(data + head.method.start, b"GET", 3) != 0):
        return False
    if head.minor == 0 or head.host.length == 0 or head.host.length > HOST_MAX or head.content_length > 0:
        return False
    path.bytes = <const char *>data + head.path.start
    path.size = head.path.length
    host.bytes = <const char *>data + head.host.start
    host.size = head.host.length
    item = sk_shelf_find(shelf, site, host, path)
    if item == NULL:
        return False
    if not _asks_for_all(data, head, &tag):
        return False
    if tag.bytes != NULL:
        if tag.size != item.etag.size or memcmp(tag.bytes, item.etag.bytes, tag.size) != 0 or tag.size == 0:
            return False
        unchanged = True
    sk_pack(parcel, shelf, item, unchanged, not is_head, head.keep_alive)
    return True


cdef bint _asks_for_all(const unsigned char *data, const Head *head, sk_text *tag) noexcept nogil:
    """Whether there is no condition but ``If-None-Match``, whose value becomes ``tag``, and no Range."""
    cdef const Field *field
    cdef const unsigned char *name
    cdef uint32_t index
    cdef bint has_date = False
    tag.bytes = NULL
    tag.size = 0
    for index in range(head.count):
        field = &head.fields[index]
        name = data + field.name.start
        if field.name.length == 5 and is_word(name, 5, b"range"):
            return False
        if field.name.length > 3 and is_word(name, 3, b"if-"):
            if field.name.length == 13 and is_word(name, 13, b"if-none-match") and tag.bytes == NULL:
                tag.bytes = <const char *>data + field.value.start
                tag.size = field.value.length
            elif field.name.length == 17 and is_word(name, 17, b"if-modified-since"):
                has_date = True  # RFC 9110 section 13.1.3: ignored beside If-None-Match
            else:
                return False
    return tag.bytes != NULL or not has_date
