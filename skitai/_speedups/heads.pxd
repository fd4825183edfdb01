# The recogniser of request heads as C code sees it: `cimport` from here, hold no GIL, pass any bytes.
#
#     cdef Head head
#     verdict = recognise(data, length, &limits, &head)
#
# SIMPLE: `head` is filled, and the head's own bytes are the first `head.consumed` of `data`.  After
# the other verdicts (fields.pxd) the content of `head` is undefined.  A head is simple if it has
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

from skitai._speedups.fields cimport HEAD_FIELDS_MAX, Field, HeadLimits, Slice, Verdict

cdef enum:
    HEAD_KEPT_MAX = 1024

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
    # `recognise_next` only, which must find `kept` false at first: the head's bytes.
    bint kept
    unsigned char bytes[HEAD_KEPT_MAX]

cdef Verdict recognise(
    const unsigned char *data, size_t length, const HeadLimits *limits, Head *head
) noexcept nogil

# The same where `head` is as the last call has left it: clients that poll send one head again and again, and
# to compare it takes a tenth of the time to read it.
cdef Verdict recognise_next(
    const unsigned char *data, size_t length, const HeadLimits *limits, Head *head
) noexcept nogil
