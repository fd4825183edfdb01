# The recogniser of request heads as C code sees it: `cimport` from here, hold no GIL, pass any bytes.
#
#     cdef Head head
#     verdict = recognise(data, length, &limits, &head)
#
#     SIMPLE       the head is complete, certainly good and simple; `head` is filled and the
#                  head's own bytes are the first `head.consumed` of `data`
#     INCOMPLETE   good as far as it goes, and within the limits: the pure kernel would
#                  answer NEED_DATA to the same bytes
#     NOT_SIMPLE   bad, or good in a way that is not simple: the pure kernel decides
#
# After INCOMPLETE and NOT_SIMPLE the content of `head` is undefined.  A head is simple if it has
#
#     a method other than CONNECT, a target in origin-form, HTTP/1.0 or HTTP/1.1 and CRLF,
#       with no empty line in front;
#     one Host, its value reg-name (IPv4 address included) [ ":" port ] without percent-escapes;
#     at most one Content-Length, of 1 to 18 digits;
#     at most one Connection, its value "keep-alive" or "close";
#     no Transfer-Encoding, no Expect, no Upgrade;
#     nothing beyond `limits`, and at most HEAD_FIELDS_MAX fields.
#
# Whether a Content-Length is too large (413) is the caller's to say.

from libc.stdint cimport int64_t, uint32_t

cdef enum:
    HEAD_FIELDS_MAX = 100

cdef enum Verdict:
    NOT_SIMPLE = -1
    INCOMPLETE = 0
    SIMPLE = 1

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

cdef struct Head:
    Slice method
    Slice target       # = path [ "?" query ]
    Slice path
    Slice query        # without its question mark; of length 0 also where there is none
    Slice host         # the value of the Host field
    uint32_t method_hash
    bint host_is_lower # no capital letter in `host`
    int minor          # HTTP/1.minor: 0 or 1
    int keep_alive     # 1: the client lets the connection persist (RFC 9112 section 9.3); 0: not
    int64_t content_length # -1: none was sent
    uint32_t consumed  # bytes, the final CRLF included
    uint32_t count     # of `fields`
    Field fields[HEAD_FIELDS_MAX]

cdef Verdict recognise(
    const unsigned char *data, size_t length, const HeadLimits *limits, Head *head
) noexcept nogil

# One line of a head, "name: value" CRLF, written to `at`, where `room` bytes are free: the number
# of its bytes; NO_ROOM; UNCERTAIN if name or value is not certainly good (let the pure kernel say).
# The GIL is held; no Python code is run.
cdef enum:
    NO_ROOM = -1
    UNCERTAIN = -2

cdef Py_ssize_t write_field(unsigned char *at, Py_ssize_t room, object name, object value) noexcept

# What heads of both directions are made of.

cdef enum:
    NOT_SAID = 2 # keep_alive before a Connection field was seen

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

cdef bint is_word(const unsigned char *text, size_t length, const char *lower) noexcept nogil
cdef int64_t read_length(const unsigned char *text, size_t length) noexcept nogil
cdef bint read_connection(int *keep_alive, const unsigned char *value, size_t length) noexcept nogil

# The same as objects; these need the GIL.
cdef const HeadLimits *limits_of(limits) except NULL
cdef object name_of(const unsigned char *data, Slice part, uint32_t hashed)
cdef object text_of(const unsigned char *data, Slice part)
cdef list header_list(const unsigned char *data, const Field *fields, uint32_t count)
