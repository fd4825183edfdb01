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
