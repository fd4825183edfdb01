"""Percent-decoding (RFC 3986 section 2.1), the compiled twin of ``skitai/_pure/percent.py``.

Called for every request path and query, from any thread.  The walk itself (``_decode``)
touches no Python object and is ``nogil``, so the engine may use it on its own buffers
without the GIL; the Python entry keeps the GIL, because the walk over a path takes less
time than letting go of the GIL and asking for it again.

Never happens here: an error for a bad escape (it stays as it is), a write beyond the
output (which is never longer than the input).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport (
    PyUnicode_1BYTE_DATA,
    PyUnicode_1BYTE_KIND,
    PyUnicode_GET_LENGTH,
    PyUnicode_KIND,
)
from libc.string cimport memchr, memcpy

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef inline int _hex_value(unsigned char byte) noexcept nogil:
    """0 to 15, or -1 for a byte that is no HEXDIG."""
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 0x20  # to lower case
    if c"a" <= byte <= c"f":
        return byte - c"a" + 10
    return -1


cdef Py_ssize_t _escapes(const unsigned char *source, Py_ssize_t length) noexcept nogil:
    """How many good escapes ``source`` has: each makes the result two bytes shorter."""
    cdef const unsigned char *at = source
    cdef const unsigned char *end = source + length
    cdef Py_ssize_t count = 0
    while True:
        at = <const unsigned char *>memchr(at, c"%", end - at)
        if at == NULL or end - at < 3:
            return count
        if _hex_value(at[1]) >= 0 and _hex_value(at[2]) >= 0:
            count += 1
            at += 3
        else:
            at += 1


cdef void _decode(
    const unsigned char *source, Py_ssize_t length, unsigned char *target
) noexcept nogil:
    """Write the decoded bytes to ``target``, which has room for exactly them."""
    cdef const unsigned char *end = source + length
    cdef int high, low
    while source < end:
        if source[0] == c"%" and end - source >= 3:
            high = _hex_value(source[1])
            low = _hex_value(source[2])
            if high >= 0 and low >= 0:
                target[0] = <unsigned char>(high << 4 | low)
                target += 1
                source += 3
                continue
        target[0] = source[0]
        target += 1
        source += 1


cdef object _beyond_latin_1(str data):
    """The ValueError for ``data``, which has a character that no byte stands for."""
    cdef Py_ssize_t index = 0
    while ord(data[index]) <= 0xFF:
        index += 1
    return ValueError(
        f"percent_decode: character U+{ord(data[index]):04X} at index {index} is not latin-1"
    )


def percent_decode(data):
    """The bytes that ``data`` (str, every character at most U+00FF) stands for.

    ``%XX`` becomes the byte ``XX``; a ``%`` without two hex digits stays, as in browsers
    (WHATWG URL, "percent-decode").  Raises ValueError for a character beyond U+00FF.
    """
    cdef Py_ssize_t length, escapes
    cdef const unsigned char *source
    if not isinstance(data, str):
        raise TypeError(f"percent_decode() takes a str, not {type(data).__name__}")
    if PyUnicode_KIND(data) != PyUnicode_1BYTE_KIND:
        raise _beyond_latin_1(data)
    length = PyUnicode_GET_LENGTH(data)
    source = <const unsigned char *>PyUnicode_1BYTE_DATA(data)
    escapes = _escapes(source, length)
    result = PyBytes_FromStringAndSize(NULL, length - 2 * escapes)
    if escapes:
        _decode(source, length, <unsigned char *>PyBytes_AS_STRING(result))
    else:
        memcpy(PyBytes_AS_STRING(result), source, length)
    return result
