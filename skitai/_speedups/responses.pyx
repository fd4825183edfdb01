"""Response heads, recognised: what ``heads.pyx`` is for requests, on the connections that we open.

``recognise_answer`` accepts only what is certainly good and simple (``responses.pxd`` says what
that is) and leaves every error and every odd case, interim responses among them, to the one
truth, ``skitai/_pure/http1``.  The fields are walked by ``fields.pyx``, as those of requests are; here
are the status line, and what the fields of a response mean.  ``tests/pure/test_responses.py``
looks for what it might accept too much.

Called in any thread.  ``recognise_answer`` touches no Python object and needs no GIL.
Never happens here: an error for what the peer sent, a read at or behind ``data + length``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport UINT32_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from skitai._pure.http1.events import ResponseHead
from skitai._pure.http1.framing import response_has_body

from skitai._speedups.fields cimport (
    INCOMPLETE,
    NOT_SAID,
    NOT_SIMPLE,
    SIMPLE,
    header_list,
    is_word,
    limits_of,
    name_of,
    read_connection,
    read_fields,
    read_length,
)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    # "HTTP/1.1 200", and with the CRLF behind it, which is a whole line.
    STATUS_END = 12
    LINE_MIN = 14


cdef inline bint _is_digit(unsigned char byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef inline bint _is_value(unsigned char byte) noexcept nogil:
    """field-vchar, SP or HTAB (RFC 9110 section 5.5), of which a reason-phrase is made too."""
    return byte >= 0x80 or 0x20 <= byte <= 0x7E or byte == 9


cdef Verdict _read_line(
    const unsigned char *data, size_t length, size_t *line_length, Answer *answer
) noexcept nogil:
    """Read the status line; ``line_length`` is set to its bytes, the CRLF included."""
    cdef size_t at = STATUS_END
    cdef uint32_t hashed = 0
    if length < LINE_MIN:
        # Nothing but a token may begin a message; "H" does.
        if length and (data[0] != c"H" or memchr(data, c"\n", length) != NULL):
            return NOT_SIMPLE
        return INCOMPLETE
    if memcmp(data, b"HTTP/1.", 7) != 0 or not c"0" <= data[7] <= c"1" or data[8] != c" ":
        return NOT_SIMPLE
    answer.minor = data[7] - c"0"
    if not (c"2" <= data[9] <= c"9" and _is_digit(data[10]) and _is_digit(data[11])):
        return NOT_SIMPLE
    answer.status = (data[9] - c"0") * 100 + (data[10] - c"0") * 10 + (data[11] - c"0")
    if data[at] == c" ":
        at += 1
        while at < length and _is_value(data[at]):
            hashed = hashed * 31 + data[at]
            at += 1
        answer.reason.start = STATUS_END + 1
    else:
        answer.reason.start = STATUS_END
    answer.reason.length = <uint32_t>at - answer.reason.start
    answer.reason_hash = hashed
    if length - at < 2:
        return INCOMPLETE if at == length or data[at] == c"\r" else NOT_SIMPLE
    if data[at] != c"\r" or data[at + 1] != c"\n":
        return NOT_SIMPLE
    line_length[0] = at + 2
    return SIMPLE


cdef bint _heed(void *head, const unsigned char *data, const Field *field) noexcept nogil:
    """Take note of a field that frames; false if the head is not simple because of it."""
    cdef Answer *answer = <Answer *>head
    cdef const unsigned char *name = data + field.name.start
    cdef const unsigned char *value = data + field.value.start
    cdef size_t length = field.value.length
    if field.name.length == 10:
        if is_word(name, 10, b"connection"):
            return read_connection(&answer.keep_alive, value, length)
    elif field.name.length == 14:
        if is_word(name, 14, b"content-length"):
            if answer.content_length >= 0:
                return False
            answer.content_length = read_length(value, length)
            return answer.content_length >= 0
    elif field.name.length == 17:
        if is_word(name, 17, b"transfer-encoding"):
            if answer.chunked or length != 7 or not is_word(value, 7, b"chunked"):
                return False
            answer.chunked = True
    return True


cdef Verdict recognise_answer(
    const unsigned char *data, size_t length, const HeadLimits *limits, Answer *answer
) noexcept nogil:
    cdef size_t line_length = 0
    cdef Verdict verdict
    if length > UINT32_MAX:
        return NOT_SIMPLE  # slices are of 32 bits
    answer.chunked = False
    answer.content_length = -1
    answer.keep_alive = NOT_SAID
    verdict = _read_line(data, length, &line_length, answer)
    if verdict == INCOMPLETE:
        return INCOMPLETE if length < limits.request_line_max + 2 else NOT_SIMPLE
    if verdict == NOT_SIMPLE:
        return NOT_SIMPLE
    verdict = read_fields(
        data,
        line_length,
        length,
        limits,
        _heed,
        answer,
        answer.fields,
        &answer.count,
        &answer.consumed,
    )
    if verdict == SIMPLE:
        if answer.chunked and (answer.minor == 0 or answer.content_length >= 0):
            return NOT_SIMPLE
        if answer.keep_alive == NOT_SAID:
            answer.keep_alive = answer.minor == 1
    return verdict


def read_response_head(bytes data not None, Py_ssize_t start, limits, str method not None):
    """The simple head that begins at ``data[start]``, answering ``method``, and the number of its bytes.

    ``None`` if there is none for certain: let the pure kernel read.
    """
    cdef Answer answer
    cdef const unsigned char *bytes_
    cdef Py_ssize_t length = PyBytes_GET_SIZE(data) - start
    if start < 0 or length < 0:
        raise IndexError(f"read_response_head: {start} is outside of {PyBytes_GET_SIZE(data)} bytes")
    if method == "CONNECT":
        return None
    bytes_ = <const unsigned char *>PyBytes_AS_STRING(data) + start
    if recognise_answer(bytes_, length, limits_of(limits), &answer) != SIMPLE:
        return None
    return response_head(bytes_, &answer, method), answer.consumed


cdef object response_head(const unsigned char *data, const Answer *answer, str method):
    # Without any of these only the end of the connection is the end of the body.
    cdef bint framed = (
        answer.chunked or answer.content_length >= 0 or not response_has_body(method, answer.status)
    )
    return ResponseHead(
        answer.status,
        name_of(data, answer.reason, answer.reason_hash),
        "1.1" if answer.minor else "1.0",
        header_list(data, answer.fields, answer.count),
        None if answer.content_length < 0 else answer.content_length,
        True if answer.chunked else False,
        True if framed and answer.keep_alive else False,
    )


def verdict(bytes data not None, limits):
    """What ``recognise_answer`` says of ``data``: 1, 0 or -1.  For the tests.

    It reads a copy that fills its block of memory to the last byte, so that valgrind sees a read
    behind the end; behind the bytes of a ``bytes`` object there is always one more.
    """
    cdef Answer answer
    cdef size_t length = PyBytes_GET_SIZE(data)
    cdef const HeadLimits *most = limits_of(limits)
    cdef unsigned char *copy = <unsigned char *>malloc(length)
    cdef Verdict said
    if copy == NULL and length:
        raise MemoryError
    memcpy(copy, PyBytes_AS_STRING(data), length)
    said = recognise_answer(copy, length, most, &answer)
    free(copy)
    return <int>said
