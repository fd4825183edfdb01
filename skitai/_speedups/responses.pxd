# The recogniser of response heads, as C code sees it: the sister of `heads.pxd`; `fields.pxd` says what
# the verdicts mean.  For connections on which we are the client: reverse proxy, `was` calls.
#
#     cdef Answer answer
#     verdict = recognise_answer(data, length, &limits, &answer)
#
# A response head is simple if it has
#
#     HTTP/1.0 or HTTP/1.1, a status from 200 to 999, a space and a reason or neither, and CRLF;
#     at most one Content-Length, of 1 to 18 digits;
#     at most one Transfer-Encoding, its value "chunked", in HTTP/1.1 and without Content-Length;
#     at most one Connection, its value "keep-alive" or "close";
#     nothing beyond `limits`, and at most HEAD_FIELDS_MAX fields.
#
# What a body follows is not in the head alone: none does to HEAD, and 2xx to CONNECT ends HTTP, which
# is the caller's to know.

from libc.stdint cimport int64_t, uint32_t

from skitai._speedups.fields cimport HEAD_FIELDS_MAX, Field, HeadLimits, Slice, Verdict

cdef struct Answer:
    int status         # 200 to 999
    int minor          # HTTP/1.minor: 0 or 1
    Slice reason       # as sent; of length 0 also where there is none
    uint32_t reason_hash
    int keep_alive     # 1: the server would let the connection persist; 0: not
    bint chunked
    int64_t content_length # -1: none was sent
    uint32_t consumed  # bytes, the final CRLF included
    uint32_t count     # of `fields`
    Field fields[HEAD_FIELDS_MAX]

cdef Verdict recognise_answer(
    const unsigned char *data, size_t length, const HeadLimits *limits, Answer *answer
) noexcept nogil

# The same as an object; needs the GIL.
cdef object response_head(const unsigned char *data, const Answer *answer, str method)
