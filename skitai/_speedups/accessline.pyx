"""The text of access lines, the compiled twin of ``skitai/_pure/accessline.py``.

A recogniser: a line is made here if all its words are certainly plain, by the twin otherwise.
Called by the thread that writes the logs, with the GIL.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.string cimport memchr, memcpy

from skitai._pure.accessline import access_line

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    LINE_MAX = 2048
    DIGITS_MAX = 20  # of a long long, or its sign
    ID_MAX = 128
    PLAIN = 10  # of a record; one with notes, or an id in their place, has one more
    REST_MAX = 5 * DIGITS_MAX + 48  # five numbers, and what stands between the words


def access_lines(records, prefix_of):
    """A line, with its end, for each of ``records``; see the twin."""
    cdef list lines = []
    cdef tuple record
    cdef long long second = -1
    cdef bytes prefix = b""
    for record in records:
        if <long long><double>record[0] != second:
            second = <long long><double>record[0]
            prefix = prefix_of(second).encode("ascii")
        lines.append(_plain_line(prefix, record) or b"%b%b\n" % (prefix, access_line(record).encode("ascii")))
    return lines


cdef bytes _plain_line(bytes prefix, tuple record):
    """The line of ``record``; None if it is not certainly plain."""
    cdef unsigned char[LINE_MAX] line
    cdef unsigned char *at = line
    cdef str address, method, target, version
    cdef long long port, status, size
    cdef double execution, delivery
    cdef str request_id = None
    cdef Py_ssize_t count = PyTuple_GET_SIZE(record)
    if count != PLAIN:
        if count != PLAIN + 1 or type(record[PLAIN]) is not str:
            return None
        request_id = record[PLAIN]
        if PyUnicode_GET_LENGTH(request_id) > ID_MAX or not _is_word(request_id):
            return None
        record = record[:PLAIN]
    _, address, port, method, target, version, status, size, execution, delivery = record
    if PyUnicode_GET_LENGTH(version) != 3 or not (execution >= 0 and delivery >= 0):
        return None
    if (
        PyBytes_GET_SIZE(prefix)
        + PyUnicode_GET_LENGTH(address)
        + PyUnicode_GET_LENGTH(method)
        + PyUnicode_GET_LENGTH(target)
        > LINE_MAX - REST_MAX - ID_MAX
    ):
        return None
    if not (_is_word(address) and _is_word(method) and _is_word(target) and _is_word(version)):
        return None
    at = _put(at, PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
    if memchr(PyUnicode_1BYTE_DATA(address), c":", PyUnicode_GET_LENGTH(address)) == NULL:
        at = _put_word(at, address)
    else:
        at = _put_word(_put(at, "[", 1), address)
        at = _put(at, "]", 1)
    at = _put_number(_put(at, ":", 1), port)
    at = _put_word(_put(at, " ", 1), method)
    at = _put_word(_put(at, " ", 1), target)
    at = _put_word(_put(at, " HTTP/", 6), version)
    at = _put_number(_put(at, " ", 1), status)
    at = _put_number(_put(at, " ", 1), size)
    at = _put_number(_put(at, " ", 1), <long long>(execution * 1000 + 0.5))
    at = _put_number(_put(at, "ms ", 3), <long long>(delivery * 1000 + 0.5))
    at = _put(at, "ms", 2)
    if request_id is not None:
        at = _put_word(_put(at, " request_id=", 12), request_id)
    at = _put(at, "\n", 1)
    return PyBytes_FromStringAndSize(<const char *>line, at - line)


cdef inline bint _is_word(str text) noexcept:
    """Visible ASCII, and not empty."""
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text)
    cdef const unsigned char *at
    cdef Py_ssize_t index
    if length == 0 or not PyUnicode_IS_COMPACT_ASCII(text):
        return False
    at = <const unsigned char *>PyUnicode_1BYTE_DATA(text)
    for index in range(length):
        if not 0x21 <= at[index] <= 0x7E:
            return False
    return True


cdef inline unsigned char *_put(unsigned char *at, const char *text, Py_ssize_t length) noexcept:
    memcpy(at, text, length)
    return at + length


cdef inline unsigned char *_put_word(unsigned char *at, str word) noexcept:
    return _put(at, <const char *>PyUnicode_1BYTE_DATA(word), PyUnicode_GET_LENGTH(word))


cdef inline unsigned char *_put_number(unsigned char *at, long long number) noexcept:
    cdef char[DIGITS_MAX] digits
    cdef int start = DIGITS_MAX
    cdef unsigned long long left = <unsigned long long>number
    if number < 0:
        at = _put(at, "-", 1)
        left = -left
    while True:
        start -= 1
        digits[start] = <char>(c"0" + left % 10)
        left //= 10
        if not left:
            return _put(at, digits + start, DIGITS_MAX - start)
