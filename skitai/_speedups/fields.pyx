"""The fields of a head, recognised: what heads of requests and of responses have in common.

``read_fields`` walks over the lines behind a start line once and accepts only what is certainly good and
simple; what a field means in its direction it asks ``heed``, which ``heads.pyx`` and ``responses.pyx``
have one each of.  Here is also how bytes of a head become objects.  The productions are those of
``_pure/http1/grammar.py``.

Called in any thread.  What is ``nogil`` touches no Python object; the rest holds the GIL.
Never happens here: an error for what the peer sent, a read at or behind ``data + length``.
"""

from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_DecodeLatin1, PyUnicode_GET_LENGTH
from libc.string cimport memcmp

from sys import intern

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


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


cdef int64_t read_length(const unsigned char *text, size_t length) noexcept nogil:
    cdef int64_t number = 0
    cdef size_t index
    if not 1 <= length <= 18:
        return -1
    for index in range(length):
        if not c"0" <= text[index] <= c"9":
            return -1
        number = number * 10 + (text[index] - c"0")
    return number


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
        field.name = slice_of(data, start, at)
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
        field.value = slice_of(data, start, last)
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
