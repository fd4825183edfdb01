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

from skitai._speedups.fields cimport CLASSES, TCHAR, VALUE

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
