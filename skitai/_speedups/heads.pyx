"""Request heads, recognised: the quick way for the heads that nearly every client sends.

``recognise`` walks over the bytes once and accepts only what is certainly good and simple
(``heads.pxd`` says what that is).  Whatever else there is, every error and every odd case, it
leaves to the one truth, ``skitai/_pure/http1``: so the two builds cannot differ in what they
refuse or in how they word it, and a mistake here can only be to accept too much.  That is what
``tests/pure/test_heads.py`` looks for.  The fields are walked by ``fields.pyx``; here are the request
line, and what the fields of a request mean.

Called in any thread.  ``recognise`` touches no Python object and needs no GIL; the Python
entries hold it from beginning to end.
Never happens here: an error for what the peer sent, a read at or behind ``data + length``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport UINT32_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from skitai._pure.http1.events import RequestHead

from skitai._speedups.fields cimport (
    CLASSES,
    INCOMPLETE,
    NOT_SAID,
    NOT_SIMPLE,
    REG_NAME,
    SIMPLE,
    TARGET,
    TCHAR,
    header_list,
    is_word,
    limits_of,
    name_of,
    read_connection,
    read_fields,
    read_length,
    slice_of,
    text_of,
)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef Verdict _read_line(
    const unsigned char *data, const unsigned char *end, const unsigned char **behind, Head *head
) noexcept nogil:
    """Read the request line; ``behind`` is set to the first byte of the fields."""
    cdef const unsigned char *classes = CLASSES
    cdef const unsigned char *at = data
    cdef const unsigned char *start
    cdef const unsigned char *question = NULL
    cdef uint32_t hashed = 0
    while at < end and classes[at[0]] & TCHAR:
        hashed = hashed * 31 + at[0]
        at += 1
    if at == end:
        return INCOMPLETE
    head.method = slice_of(data, data, at)
    head.method_hash = hashed
    if at == data or at[0] != c" " or (at - data == 7 and memcmp(data, b"CONNECT", 7) == 0):
        return NOT_SIMPLE
    at += 1
    start = at
    if at < end and at[0] != c"/":
        return NOT_SIMPLE
    while at < end and classes[at[0]] & TARGET:
        if at[0] == c"?" and question == NULL:
            question = at
        at += 1
    head.target = slice_of(data, start, at)
    if question == NULL:
        head.path = head.target
        head.query = slice_of(data, at, at)
    else:
        head.path = slice_of(data, start, question)
        head.query = slice_of(data, question + 1, at)
    # What may still come is " HTTP/1.1" CRLF: eleven bytes.
    if end - at < 11:
        return INCOMPLETE if memchr(at, c"\n", end - at) == NULL else NOT_SIMPLE
    if memcmp(at, b" HTTP/1.", 8) != 0 or at[9] != c"\r" or at[10] != c"\n":
        return NOT_SIMPLE
    head.minor = at[8] - c"0"
    behind[0] = at + 11
    return SIMPLE if 0 <= head.minor <= 1 else NOT_SIMPLE


cdef bint _read_host(Head *head, const unsigned char *text, size_t length) noexcept nogil:
    """``text`` is ``1*reg-name-byte [ ":" *DIGIT ]``."""
    cdef const unsigned char *classes = CLASSES
    cdef size_t index = 0
    head.host_is_lower = True
    while index < length and classes[text[index]] & REG_NAME:
        if c"A" <= text[index] <= c"Z":
            head.host_is_lower = False
        index += 1
    if index == 0:
        return False
    if index < length and text[index] == c":":
        index += 1
        while index < length and c"0" <= text[index] <= c"9":
            index += 1
    return index == length


cdef bint _heed(void *request, const unsigned char *data, const Field *field) noexcept nogil:
    """Take note of a field that frames or routes; false if the head is not simple because of it."""
    cdef Head *head = <Head *>request
    cdef const unsigned char *name = data + field.name.start
    cdef const unsigned char *value = data + field.value.start
    cdef size_t length = field.value.length
    if field.name.length == 4:
        if is_word(name, 4, b"host"):
            if head.host.length or not _read_host(head, value, length):
                return False
            head.host = field.value
    elif field.name.length == 6:
        return not is_word(name, 6, b"expect")
    elif field.name.length == 7:
        return not is_word(name, 7, b"upgrade")
    elif field.name.length == 10:
        if is_word(name, 10, b"connection"):
            return read_connection(&head.keep_alive, value, length)
    elif field.name.length == 14:
        if is_word(name, 14, b"content-length"):
            if head.content_length >= 0:
                return False
            head.content_length = read_length(value, length)
            return head.content_length >= 0
    elif field.name.length == 17:
        return not is_word(name, 17, b"transfer-encoding")
    return True


cdef Verdict recognise(
    const unsigned char *data, size_t length, const HeadLimits *limits, Head *head
) noexcept nogil:
    cdef const unsigned char *fields = NULL
    cdef Verdict verdict
    if length > UINT32_MAX:
        return NOT_SIMPLE  # slices are of 32 bits
    head.host.length = 0
    head.content_length = -1
    head.keep_alive = NOT_SAID
    verdict = _read_line(data, data + length, &fields, head)
    if verdict == INCOMPLETE:
        return INCOMPLETE if length < limits.request_line_max + 2 else NOT_SIMPLE
    if verdict == NOT_SIMPLE:
        return NOT_SIMPLE
    verdict = read_fields(
        data, fields - data, length, limits, _heed, head, head.fields, &head.count, &head.consumed
    )
    if verdict == SIMPLE:
        if not head.host.length:
            return NOT_SIMPLE
        if head.keep_alive == NOT_SAID:
            head.keep_alive = head.minor == 1
    return verdict


cdef Verdict recognise_next(
    const unsigned char *data, size_t length, const HeadLimits *limits, Head *head
) noexcept nogil:
    cdef Verdict verdict
    if head.kept and length >= head.consumed and memcmp(data, head.bytes, head.consumed) == 0:
        return SIMPLE
    verdict = recognise(data, length, limits, head)
    head.kept = verdict == SIMPLE and head.consumed <= HEAD_KEPT_MAX
    if head.kept:
        memcpy(head.bytes, data, head.consumed)
    return verdict


def read_request_head(bytes data not None, Py_ssize_t start, limits):
    """The simple head that begins at ``data[start]`` and the number of its bytes.

    ``None`` if there is none for certain: let the pure kernel read.
    """
    cdef Head head
    cdef const unsigned char *bytes_
    cdef Py_ssize_t length = PyBytes_GET_SIZE(data) - start
    if start < 0 or length < 0:
        raise IndexError(f"read_request_head: {start} is outside of {PyBytes_GET_SIZE(data)} bytes")
    bytes_ = <const unsigned char *>PyBytes_AS_STRING(data) + start
    if recognise(bytes_, length, limits_of(limits), &head) != SIMPLE:
        return None
    return _request_head(bytes_, &head), head.consumed


def read_in_turn(requests not None, limits):
    """For each of ``requests`` what `read_request_head` gives, read by ``recognise_next``.  For the tests."""
    cdef Head head
    cdef const HeadLimits *most = limits_of(limits)
    cdef const unsigned char *data
    cdef bytes request
    found = []
    head.kept = False
    for request in requests:
        data = <const unsigned char *>PyBytes_AS_STRING(request)
        if recognise_next(data, PyBytes_GET_SIZE(request), most, &head) == SIMPLE:
            found.append((_request_head(data, &head), head.consumed))
        else:
            found.append(None)
    return found


cdef object _request_head(const unsigned char *data, const Head *head):
    cdef list headers = header_list(data, head.fields, head.count)
    cdef uint32_t index = 0
    while head.fields[index].value.start != head.host.start:
        index += 1
    cdef object host = headers[index][1]
    target = text_of(data, head.target)
    return RequestHead(
        name_of(data, head.method, head.method_hash),
        target,
        "1.1" if head.minor else "1.0",
        headers,
        "origin",
        "",
        host if head.host_is_lower else host.lower(),
        target if head.path.length == head.target.length else text_of(data, head.path),
        text_of(data, head.query),
        None if head.content_length < 0 else head.content_length,
        False,
        True if head.keep_alive else False,
        False,
    )


def verdict(bytes data not None, limits):
    """What ``recognise`` says of ``data``: 1, 0 or -1 (``heads.pxd``).  For the tests.

    It reads a copy that fills its block of memory to the last byte, so that valgrind sees a read
    behind the end; behind the bytes of a ``bytes`` object there is always one more.
    """
    cdef Head head
    cdef size_t length = PyBytes_GET_SIZE(data)
    cdef const HeadLimits *most = limits_of(limits)
    cdef unsigned char *copy
    cdef Verdict said
    copy = <unsigned char *>malloc(length)
    if copy == NULL and length:
        raise MemoryError
    memcpy(copy, PyBytes_AS_STRING(data), length)
    said = recognise(copy, length, most, &head)
    free(copy)
    return <int>said
