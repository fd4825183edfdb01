"""Heads on their way out, in C: the lines of fields whose every byte is certainly good.

The quick way to what ``_pure/http1/writing.py`` does, for heads of both directions.  Where anything is
not certain it says so and leaves no trace: the pure kernel writes, or refuses in its own words.

Called in any thread, with the GIL.  Never happens here: a byte on the wire that the grammar does not
have (a line end in a value would split the response), Python code run while references are borrowed.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport (
    PyUnicode_1BYTE_DATA,
    PyUnicode_1BYTE_KIND,
    PyUnicode_CheckExact,
    PyUnicode_GET_LENGTH,
    PyUnicode_KIND,
)
from libc.string cimport memcpy

from skitai._speedups.fields cimport CLASSES, TARGET, TCHAR, VALUE, is_word, read_length

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef inline Py_ssize_t _length_if_certain(PyObject *text) noexcept:
    """Of a str that can be written as latin-1 byte by byte; -1 for anything else."""
    # A subclass of str may say something else when it is formatted.
    if PyUnicode_CheckExact(<object>text) and PyUnicode_KIND(<object>text) == PyUnicode_1BYTE_KIND:
        return PyUnicode_GET_LENGTH(<object>text)
    return -1


cdef inline unsigned char _write(unsigned char *target, PyObject *text, Py_ssize_t length) noexcept:
    """Copy ``text``; what all its bytes may be part of."""
    cdef const unsigned char *source = <const unsigned char *>PyUnicode_1BYTE_DATA(<object>text)
    cdef const unsigned char *classes = CLASSES
    cdef unsigned char common = 0xFF
    cdef Py_ssize_t index
    for index in range(length):
        common &= classes[source[index]]
        target[index] = source[index]
    return common


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


cdef enum Meaning:
    NOTHING        # for the connection
    HOST
    LENGTH
    SOMETHING


cdef inline Meaning _meaning(const unsigned char *name, Py_ssize_t length) noexcept:
    if length == 4:
        return HOST if is_word(name, 4, b"host") else NOTHING
    if length == 7:
        return SOMETHING if is_word(name, 7, b"upgrade") else NOTHING
    if length == 10:
        return SOMETHING if is_word(name, 10, b"connection") else NOTHING
    if length == 14:
        return LENGTH if is_word(name, 14, b"content-length") else NOTHING
    if length == 17:
        return SOMETHING if is_word(name, 17, b"transfer-encoding") else NOTHING
    return NOTHING


cdef bytes encode_request(str method, str target, str host, list fields, Py_ssize_t body_size):
    cdef Py_ssize_t method_length = _length_if_certain(<PyObject *>method)
    cdef Py_ssize_t target_length = _length_if_certain(<PyObject *>target)
    cdef Py_ssize_t total, index, name_length, value_length, written
    cdef bint has_host = False
    cdef bint has_length = False
    cdef PyObject *field
    cdef PyObject *name
    cdef PyObject *value
    cdef Meaning meaning
    cdef unsigned char *at
    cdef bytes head
    if method_length < 1 or target_length < 1 or method == "CONNECT":
        return None
    # "METHOD target HTTP/1.1" CRLF, the lines, and the empty one.
    total = method_length + target_length + 14
    for index in range(PyList_GET_SIZE(fields)):
        field = <PyObject *>PyList_GET_ITEM(fields, index)
        if not PyTuple_CheckExact(<object>field) or PyTuple_GET_SIZE(<object>field) != 2:
            return None
        name = <PyObject *>PyTuple_GET_ITEM(<object>field, 0)
        value = <PyObject *>PyTuple_GET_ITEM(<object>field, 1)
        name_length = _length_if_certain(name)
        value_length = _length_if_certain(value)
        if name_length < 1 or value_length < 0:
            return None
        meaning = _meaning(<const unsigned char *>PyUnicode_1BYTE_DATA(<object>name), name_length)
        if meaning == HOST:
            if has_host:
                return None
            has_host = True
        elif meaning == LENGTH:
            if has_length:
                return None
            has_length = True
            if read_length(<const unsigned char *>PyUnicode_1BYTE_DATA(<object>value), value_length) != body_size:
                return None
        elif meaning == SOMETHING:
            return None
        total += name_length + value_length + 4
    if body_size and not has_length:
        return None
    if not has_host:
        value_length = _length_if_certain(<PyObject *>host)
        if value_length < 0:
            return None
        total += value_length + 8
    head = PyBytes_FromStringAndSize(NULL, total)
    at = <unsigned char *>PyBytes_AS_STRING(head)
    if not _write(at, <PyObject *>method, method_length) & TCHAR:
        return None
    at += method_length
    at[0] = c" "
    at += 1
    if not _write(at, <PyObject *>target, target_length) & TARGET:
        return None
    at += target_length
    memcpy(at, b" HTTP/1.1\r\n", 11)
    at += 11
    if not has_host:
        written = write_field(at, value_length + 8, "Host", host)
        if written < 0:
            return None
        at += written
    for index in range(PyList_GET_SIZE(fields)):
        field = <PyObject *>PyList_GET_ITEM(fields, index)
        written = write_field(
            at,
            <unsigned char *>PyBytes_AS_STRING(head) + total - at,
            <object>PyTuple_GET_ITEM(<object>field, 0),
            <object>PyTuple_GET_ITEM(<object>field, 1),
        )
        if written < 0:
            return None
        at += written
    memcpy(at, b"\r\n", 2)
    return head
