"""Request heads, recognised: the quick way for the heads that nearly every client sends.

``recognise`` walks over the bytes once and accepts only what is certainly good and simple
(``heads.pxd`` says what that is).  Whatever else there is, every error and every odd case, it
leaves to the one truth, ``skitai/_pure/http1``: so the two builds cannot differ in what they
refuse or in how they word it, and a mistake here can only be to accept too much.  That is what
``tests/pure/test_heads.py`` looks for.  The productions are those of ``_pure/http1/grammar.py``.

``encode_head`` does the same for response heads: ``None`` where it is not certain.

Called in any thread.  ``recognise`` touches no Python object and needs no GIL; the Python
entries hold it from beginning to end and run no Python code while they hold borrowed references.
Never happens here: an error for what the peer sent, a read at or behind ``data + length``.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport (
    PyUnicode_1BYTE_DATA,
    PyUnicode_1BYTE_KIND,
    PyUnicode_CheckExact,
    PyUnicode_DecodeLatin1,
    PyUnicode_GET_LENGTH,
    PyUnicode_KIND,
)
from libc.stdint cimport UINT32_MAX, int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from sys import intern

from skitai._pure.http1.events import RequestHead

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

# What a byte may be part of.
cdef enum:
    TCHAR = 1      # RFC 9110 section 5.6.2
    VALUE = 2      # field-vchar, SP, HTAB; section 5.5
    TARGET = 4     # what grammar.REQUEST_LINE takes: VCHAR but "#"
    REG_NAME = 8   # unreserved and sub-delims; RFC 3986 section 3.2.2

cdef unsigned char[256] CLASSES


cdef void _classify() noexcept:
    cdef int byte
    for byte in range(256):
        CLASSES[byte] = 0
        if c"0" <= byte <= c"9" or c"A" <= byte <= c"Z" or c"a" <= byte <= c"z":
            CLASSES[byte] |= TCHAR | REG_NAME
        if byte == 9 or 0x20 <= byte <= 0x7E or byte >= 0x80:
            CLASSES[byte] |= VALUE
        if 0x21 <= byte <= 0x7E and byte != c"#":
            CLASSES[byte] |= TARGET
    for byte in b"!#$%&'*+-.^_`|~":
        CLASSES[byte] |= TCHAR
    for byte in b"-._~!$&'()*+,;=":
        CLASSES[byte] |= REG_NAME


_classify()


cdef inline Slice _slice(
    const unsigned char *data, const unsigned char *start, const unsigned char *end
) noexcept nogil:
    cdef Slice part
    part.start = <uint32_t>(start - data)
    part.length = <uint32_t>(end - start)
    return part


cdef bint is_word(const unsigned char *text, size_t length, const char *lower) noexcept nogil:
    """``text`` without regard to case is ``lower``, which has as many characters, letters and "-"."""
    cdef size_t index
    for index in range(length):
        # Of the bytes that VALUE admits, only a capital letter becomes a letter by this bit, and
        # only "-" itself becomes "-": CR, which would too, is none of them.
        if text[index] | 0x20 != <unsigned char>lower[index]:
            return False
    return True


cdef bint _read_host(Head *head, const unsigned char *text, size_t length) noexcept nogil:
    """``text`` is ``1*reg-name-byte [ ":" *DIGIT ]``."""
    cdef size_t index = 0
    head.host_is_lower = True
    while index < length and CLASSES[text[index]] & REG_NAME:
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


cdef int64_t read_length(const unsigned char *text, size_t length) noexcept nogil:
    """The number, or -1 for what is not 1 to 18 digits (19 may not fit)."""
    cdef int64_t number = 0
    cdef size_t index
    if not 1 <= length <= 18:
        return -1
    for index in range(length):
        if not c"0" <= text[index] <= c"9":
            return -1
        number = number * 10 + (text[index] - c"0")
    return number


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


cdef bint read_connection(
    int *keep_alive, const unsigned char *value, size_t length
) noexcept nogil:
    if keep_alive[0] != NOT_SAID:
        return False
    if length == 10 and is_word(value, 10, b"keep-alive"):
        keep_alive[0] = True
        return True
    if length == 5 and is_word(value, 5, b"close"):
        keep_alive[0] = False
        return True
    return False


cdef Verdict _read_line(
    const unsigned char *data, const unsigned char *end, const unsigned char **behind, Head *head
) noexcept nogil:
    """Read the request line; ``behind`` is set to the first byte of the fields."""
    cdef const unsigned char *at = data
    cdef const unsigned char *start
    cdef const unsigned char *question = NULL
    cdef uint32_t hashed = 0
    while at < end and CLASSES[at[0]] & TCHAR:
        hashed = hashed * 31 + at[0]
        at += 1
    if at == end:
        return INCOMPLETE
    head.method = _slice(data, data, at)
    head.method_hash = hashed
    if at == data or at[0] != c" " or (at - data == 7 and memcmp(data, b"CONNECT", 7) == 0):
        return NOT_SIMPLE
    at += 1
    start = at
    if at < end and at[0] != c"/":
        return NOT_SIMPLE
    while at < end and CLASSES[at[0]] & TARGET:
        if at[0] == c"?" and question == NULL:
            question = at
        at += 1
    head.target = _slice(data, start, at)
    if question == NULL:
        head.path = head.target
        head.query = _slice(data, at, at)
    else:
        head.path = _slice(data, start, question)
        head.query = _slice(data, question + 1, at)
    # What may still come is " HTTP/1.1" CRLF: eleven bytes.
    if end - at < 11:
        return INCOMPLETE if memchr(at, c"\n", end - at) == NULL else NOT_SIMPLE
    if memcmp(at, b" HTTP/1.", 8) != 0 or at[9] != c"\r" or at[10] != c"\n":
        return NOT_SIMPLE
    head.minor = at[8] - c"0"
    behind[0] = at + 11
    return SIMPLE if 0 <= head.minor <= 1 else NOT_SIMPLE


cdef Verdict _walk_fields(
    const unsigned char *data,
    const unsigned char *at,
    const unsigned char *end,
    size_t most,
    Heed heed,
    void *head,
    Field *fields,
    uint32_t *count,
    uint32_t *consumed,
) noexcept nogil:
    """Read the fields and the empty line, which begin at ``at``."""
    cdef const unsigned char *start
    cdef const unsigned char *last
    cdef Field *field
    cdef uint32_t hashed
    count[0] = 0
    while True:
        if at == end:
            return INCOMPLETE
        if at[0] == c"\r":
            break
        if count[0] == most:
            return NOT_SIMPLE
        field = &fields[count[0]]
        start = at
        hashed = 0
        while at < end and CLASSES[at[0]] & TCHAR:
            hashed = hashed * 31 + at[0]
            at += 1
        if at == end:
            return INCOMPLETE
        if at == start or at[0] != c":":
            return NOT_SIMPLE
        field.name = _slice(data, start, at)
        field.name_hash = hashed
        at += 1
        while at < end and (at[0] == c" " or at[0] == c"\t"):
            at += 1
        start = at
        while at < end and CLASSES[at[0]] & VALUE:
            at += 1
        if end - at < 2:
            return INCOMPLETE if at == end or at[0] == c"\r" else NOT_SIMPLE
        if at[0] != c"\r" or at[1] != c"\n":
            return NOT_SIMPLE
        last = at
        while last > start and ((last - 1)[0] == c" " or (last - 1)[0] == c"\t"):
            last -= 1
        field.value = _slice(data, start, last)
        if not heed(head, data, field):
            return NOT_SIMPLE
        count[0] += 1
        at += 2
    if end - at < 2:
        return INCOMPLETE
    if at[1] != c"\n":
        return NOT_SIMPLE
    consumed[0] = <uint32_t>(at + 2 - data)
    return SIMPLE


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
) noexcept nogil:
    cdef size_t most = min(limits.header_fields_max, <size_t>HEAD_FIELDS_MAX)
    cdef Verdict verdict
    if line_length > limits.request_line_max + 2:
        return NOT_SIMPLE
    verdict = _walk_fields(
        data, data + line_length, data + length, most, heed, head, fields, count, consumed
    )
    if verdict == INCOMPLETE:
        return INCOMPLETE if length - line_length < limits.header_block_max + 2 else NOT_SIMPLE
    if verdict == SIMPLE and consumed[0] - line_length > limits.header_block_max + 2:
        return NOT_SIMPLE
    return verdict


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


# Field names and methods as str.  A place in the table is given once, to the first name that
# falls on it, and not to a long one: what clients send can fill the table and no more than
# that, since some Pythons never give up an interned string.
cdef enum:
    NAMES_MAX = 1024
    NAME_LENGTH_MAX = 64

cdef PyObject *NAMES[NAMES_MAX]


cdef object name_of(const unsigned char *data, Slice part, uint32_t hashed):
    cdef PyObject **place = &NAMES[(hashed ^ hashed >> 10) & (NAMES_MAX - 1)]
    cdef object name
    if place[0] != NULL:
        name = <object>place[0]
        if (
            PyUnicode_GET_LENGTH(name) == part.length
            and memcmp(PyUnicode_1BYTE_DATA(name), data + part.start, part.length) == 0
        ):
            return name
    name = text_of(data, part)
    if place[0] == NULL and part.length <= NAME_LENGTH_MAX:
        name = intern(name)
        Py_INCREF(name)
        place[0] = <PyObject *>name
    return name


cdef object text_of(const unsigned char *data, Slice part):
    return PyUnicode_DecodeLatin1(<const char *>data + part.start, part.length, NULL)


# The limits of the last call: an instance has one object, which never changes.
cdef object known_limits = None
cdef HeadLimits known


cdef const HeadLimits *limits_of(limits) except NULL:
    global known_limits, known
    cdef HeadLimits fresh
    if limits is not known_limits:
        fresh.request_line_max = limits.request_line_max
        fresh.header_block_max = limits.header_block_max
        fresh.header_fields_max = limits.header_fields_max
        known = fresh
        known_limits = limits
    return &known


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


cdef list header_list(const unsigned char *data, const Field *fields, uint32_t count):
    cdef list headers = PyList_New(count)
    cdef const Field *field
    cdef uint32_t index
    for index in range(count):
        field = &fields[index]
        pair = (name_of(data, field.name, field.name_hash), text_of(data, field.value))
        Py_INCREF(pair)
        PyList_SET_ITEM(headers, index, pair)
    return headers


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


cdef inline Py_ssize_t _length_if_certain(PyObject *text) noexcept:
    """Of a str that can be written as latin-1 byte by byte; -1 for anything else."""
    # A subclass of str may say something else when it is formatted.
    if PyUnicode_CheckExact(<object>text) and PyUnicode_KIND(<object>text) == PyUnicode_1BYTE_KIND:
        return PyUnicode_GET_LENGTH(<object>text)
    return -1


cdef inline unsigned char _write(unsigned char *target, PyObject *text, Py_ssize_t length) noexcept:
    """Copy ``text``; what all its bytes may be part of."""
    cdef const unsigned char *source = <const unsigned char *>PyUnicode_1BYTE_DATA(<object>text)
    cdef unsigned char classes = 0xFF
    cdef Py_ssize_t index
    for index in range(length):
        classes &= CLASSES[source[index]]
        target[index] = source[index]
    return classes


cdef Py_ssize_t write_field(unsigned char *at, Py_ssize_t room, object name, object value) noexcept:
    cdef Py_ssize_t name_length = _length_if_certain(<PyObject *>name)
    cdef Py_ssize_t value_length = _length_if_certain(<PyObject *>value)
    if name_length < 1 or value_length < 0:
        return UNCERTAIN
    if name_length + value_length + 4 > room:
        return NO_ROOM
    if not _write(at, <PyObject *>name, name_length) & TCHAR:
        return UNCERTAIN
    at += name_length
    memcpy(at, b": ", 2)
    at += 2
    if not _write(at, <PyObject *>value, value_length) & VALUE:
        return UNCERTAIN
    at += value_length
    memcpy(at, b"\r\n", 2)
    return name_length + value_length + 4


def encode_head(bytes status_line not None, list fields not None):
    """``status_line`` (with its CRLF), the lines of ``fields`` and the empty line.

    ``None`` if a field is not certainly good: let the pure kernel write, or refuse.
    """
    cdef Py_ssize_t length = PyBytes_GET_SIZE(status_line)
    cdef Py_ssize_t total = length + 2
    cdef Py_ssize_t index, name_length, value_length
    cdef PyObject *field
    cdef unsigned char *at
    for index in range(PyList_GET_SIZE(fields)):
        field = <PyObject *>PyList_GET_ITEM(fields, index)
        if not PyTuple_CheckExact(<object>field) or PyTuple_GET_SIZE(<object>field) != 2:
            return None
        name_length = _length_if_certain(<PyObject *>PyTuple_GET_ITEM(<object>field, 0))
        value_length = _length_if_certain(<PyObject *>PyTuple_GET_ITEM(<object>field, 1))
        if name_length < 1 or value_length < 0:
            return None
        total += name_length + value_length + 4
    head = PyBytes_FromStringAndSize(NULL, total)
    at = <unsigned char *>PyBytes_AS_STRING(head)
    memcpy(at, PyBytes_AS_STRING(status_line), length)
    at += length
    for index in range(PyList_GET_SIZE(fields)):
        field = <PyObject *>PyList_GET_ITEM(fields, index)
        name_length = write_field(
            at,
            <unsigned char *>PyBytes_AS_STRING(head) + total - at,
            <object>PyTuple_GET_ITEM(<object>field, 0),
            <object>PyTuple_GET_ITEM(<object>field, 1),
        )
        if name_length < 0:
            return None
        at += name_length
    memcpy(at, b"\r\n", 2)
    return head
