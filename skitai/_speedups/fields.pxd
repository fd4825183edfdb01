# What heads of both directions are made of, as C code sees it: the fields, walked over and kept as
# slices of the bytes they stand in.  Who recognises a head says by a verdict how far that went:
#
#     SIMPLE       the head is complete, certainly good and simple
#     INCOMPLETE   good as far as it goes, and within the limits: the pure kernel would
#                  answer NEED_DATA to the same bytes
#     NOT_SIMPLE   bad, or good in a way that is not simple: the pure kernel decides

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp

cdef enum:
    HEAD_FIELDS_MAX = 100
    NOT_SAID = 2 # keep_alive before a Connection field was seen

cdef enum Verdict:
    NOT_SIMPLE = -1
    INCOMPLETE = 0
    SIMPLE = 1

# What a byte may be part of: bits of CLASSES.
cdef enum:
    TCHAR = 1      # RFC 9110 section 5.6.2
    VALUE = 2      # field-vchar, SP, HTAB; section 5.5
    TARGET = 4     # what grammar.REQUEST_LINE takes: VCHAR but "#"
    REG_NAME = 8   # unreserved and sub-delims; RFC 3986 section 3.2.2

cdef unsigned char[256] CLASSES

cdef struct HeadLimits:
    # As in skitai/limits.py, where the line's and the block's last CRLF do not count.
    size_t request_line_max
    size_t header_block_max
    size_t header_fields_max

cdef struct Slice:
    # Bytes of `data`, by offset: it stays good when the buffer is moved.
    uint32_t start
    uint32_t length

cdef struct Field:
    Slice name         # a token, its case as sent
    Slice value        # without the white space around it; may be empty or hold obs-text
    uint32_t name_hash # of the bytes of `name`, for tables of names; not secret, not for dicts

cdef inline Slice slice_of(
    const unsigned char *data, const unsigned char *start, const unsigned char *end
) noexcept nogil:
    cdef Slice part
    part.start = <uint32_t>(start - data)
    part.length = <uint32_t>(end - start)
    return part

# Take note of a field that means something for the connection; false: not simple because of it.
ctypedef bint (*Heed)(void *head, const unsigned char *data, const Field *field) noexcept nogil

# Read the fields behind a start line of `line_length` bytes, its CRLF included, and the empty line:
# all are shown to `heed`; `fields`, with room for HEAD_FIELDS_MAX, and `count` are filled, and
# `consumed` is set to the bytes of the whole head.  Looks after all three limits.
cdef Verdict read_fields(
    const unsigned char *data,
    size_t line_length,
    size_t length,
    const HeadLimits *limits,
    Heed heed,
    void *head,
    Field *fields,
    uint32_t *count,
    uint32_t *consumed,
) noexcept nogil

# `text` without regard to case is `lower`, which has as many characters, letters and "-".
cdef inline bint is_word(const unsigned char *text, size_t length, const char *lower) noexcept nogil:
    cdef size_t index
    for index in range(length):
        # Of the bytes that VALUE admits, only a capital letter becomes a letter by this bit, and
        # only "-" itself becomes "-": CR, which would too, is none of them.
        if text[index] | 0x20 != <unsigned char>lower[index]:
            return False
    return True

# The value of Content-Length: the number, or -1 for what is not 1 to 18 digits (19 may not fit).
cdef int64_t read_length(const unsigned char *text, size_t length) noexcept nogil

# The value of Connection, noted in `keep_alive`; false: there was one before, or it is not simple.
cdef bint read_connection(int *keep_alive, const unsigned char *value, size_t length) noexcept nogil

# The same as objects; these need the GIL.
cdef const HeadLimits *limits_of(limits) except NULL
cdef object name_of(const unsigned char *data, Slice part, uint32_t hashed)
cdef object text_of(const unsigned char *data, Slice part)
cdef list header_list(const unsigned char *data, const Field *fields, uint32_t count)

# Whether `known` is these bytes.
cdef inline bint is_same(bytes known, const unsigned char *data, Py_ssize_t length) noexcept:
    return PyBytes_GET_SIZE(known) == length and memcmp(PyBytes_AS_STRING(known), data, length) == 0
