"""From a plain request to the environ that its application gets.

Clients send the same again and again: the route's template has what its last request had, and of many
fields the name, its key and the last value are kept.  What is new is made, what is not is taken as the
object that it was.  Where a whole head comes again, as from clients that pipeline or poll, the environ
itself is: if its application has neither changed it nor kept it, nobody can tell it from a new one.
Where requests have ids (`skitai._pure.engine.service.Ids`), each environ gets a new one.

The leader's only.  The table of names is bounded, because they come from the network.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Copy, PyDict_SetDefault, PyDict_Size
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_DecodeLatin1, PyUnicode_GET_LENGTH
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from os import urandom

from skitai._speedups.environ import add_fields

from skitai._speedups.fields cimport Slice, is_same

cdef extern from *:
    """
    /* Another number after each change of any dict (PEP 509), for as long as CPython has it (PEP 699); 0 where
       it has none: then every environ is a new one. */
    #if PY_VERSION_HEX < 0x030E0000
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    static inline uint64_t sk_dict_version(PyObject *dict) { return ((PyDictObject *)dict)->ma_version_tag; }
    #pragma GCC diagnostic pop
    #else
    static inline uint64_t sk_dict_version(PyObject *dict) { return 0; }
    #endif
    """
    uint64_t sk_dict_version(PyObject *dict) noexcept

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)  # a macro of plain pointers: an object would be counted once more
    object PyUnicode_New(Py_ssize_t size, unsigned int highest)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    NAMES_MAX = 1024  # a power of two
    KEPT_LENGTH_MAX = 255  # longer names and values are not kept
    ID_SIZE = 16
    RANDOM_SIZE = 256 * ID_SIZE  # to ask the system for one alone takes longer than all the rest

cdef const unsigned char *DIGITS = b"0123456789abcdef"


@cython.final
cdef class RequestIds:
    cdef str next(self):
        """128 random bits in hexadecimal, as `skitai/core/requestnotes.py` makes them."""
        cdef str text = PyUnicode_New(2 * ID_SIZE, 127)
        cdef unsigned char *digit = <unsigned char *>PyUnicode_1BYTE_DATA(text)
        cdef const unsigned char *byte
        cdef int place
        if self.random is None or self.used == RANDOM_SIZE:
            self.random = urandom(RANDOM_SIZE)
            self.used = 0
        byte = <const unsigned char *>PyBytes_AS_STRING(self.random) + self.used
        self.used += ID_SIZE
        for place in range(ID_SIZE):
            digit[2 * place] = DIGITS[byte[place] >> 4]
            digit[2 * place + 1] = DIGITS[byte[place] & 15]
        return text


@cython.final
cdef class KnownName:
    pass


@cython.final
cdef class Environs:
    def __init__(self):
        self.names = [None] * NAMES_MAX
        self.ids = RequestIds()

    cdef dict make(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    ):
        """The environ of the request of the client at ``address`` and ``port``, but for its body."""
        cdef dict environ = None
        if self.unchanged is not None:
            environ = self.make_again(data, head, route, address, port)
        if environ is None:
            environ = self.make_anew(data, head, route, address, port)
            self.route = route
            self.head_size = head.consumed
            if self.head_size <= HEAD_KEPT_MAX:
                memcpy(self.head, data, self.head_size)
        self.address, self.port = address, port
        if route.identifies:
            self.request_id = environ["skitai.request_id"] = environ["HTTP_X_REQUEST_ID"] = self.ids.next()
        else:
            self.request_id = None
        self.version = sk_dict_version(<PyObject *>environ)
        return environ

    cdef void take_back(self, PyObject *environ) noexcept:
        """The request of ``environ`` is over; whose reference that is gives it up."""
        if (
            self.head_size <= HEAD_KEPT_MAX
            and Py_REFCNT(environ) == 1
            and self.version != 0
            and sk_dict_version(environ) == self.version
        ):
            self.unchanged = <dict>environ

    cdef dict make_again(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    ):
        """`unchanged`, if the head is the same as the last one; None if not."""
        cdef dict environ = self.unchanged
        self.unchanged = None
        if (
            route is not self.route
            or head.consumed != self.head_size
            or memcmp(data, self.head, self.head_size) != 0
        ):
            return None
        if address is not self.address or port is not self.port:
            environ["REMOTE_ADDR"] = address
            environ["REMOTE_PORT"] = port
        return environ

    cdef dict make_anew(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    ):
        cdef dict environ
        cdef uint32_t index
        cdef Field *field
        cdef PyObject *known
        cdef KnownName name
        cdef Py_ssize_t size
        cdef str value
        # The template has what the last request had: the next one is often for the same.
        if not _holds(route.method, data, head.method):
            route.method = _text(data, head.method, None)
            route.template["REQUEST_METHOD"] = route.method
        if not _holds(route.target, data, head.target):
            route.target = _text(data, head.target, None)
            if route.path_start == 0 and head.path.length == head.target.length:
                path_info = route.target
            else:
                path_info = PyUnicode_DecodeLatin1(
                    <const char *>data + head.path.start + route.path_start,
                    head.path.length - route.path_start,
                    NULL,
                )
            route.template["REQUEST_URI"] = route.template["RAW_URI"] = route.target
            route.template["QUERY_STRING"] = _text(data, head.query, None)
            route.template["PATH_INFO"] = path_info
        if route.address is not address or route.port is not port:  # they are of the connection
            route.address, route.port = address, port
            route.template["REMOTE_ADDR"] = address
            route.template["REMOTE_PORT"] = port
        environ = PyDict_Copy(route.template)
        for index in range(head.count):
            field = &head.fields[index]
            if field.value.start == head.host.start:
                continue  # the template has it
            name = self.known_name(data, field, route.withheld)
            if name.key is None:
                continue
            value = _text(data, field.value, name.value)
            if field.value.length <= KEPT_LENGTH_MAX:
                name.value = value
            # One look-up instead of two; the size tells whether the key is new.
            size = PyDict_Size(environ)
            known = PyDict_SetDefault(environ, name.key, value)
            if PyDict_Size(environ) == size:  # RFC 9110 section 5.3; Cookie by RFC 6265 section 5.4
                environ[name.key] = f"{<object>known}{'; ' if name.key == 'HTTP_COOKIE' else ', '}{value}"
        return environ

    cdef KnownName known_name(self, const unsigned char *data, Field *field, frozenset withheld):
        cdef int place = (field.name_hash ^ field.name_hash >> 10) & (NAMES_MAX - 1)
        cdef KnownName known = self.names[place]
        cdef dict keys
        if (
            known is None
            or known.withheld is not withheld
            or not is_same(known.name, data + field.name.start, field.name.length)
        ):
            known = KnownName.__new__(KnownName)
            known.name = PyBytes_FromStringAndSize(<const char *>data + field.name.start, field.name.length)
            known.withheld = withheld
            keys = {}
            add_fields(keys, [(known.name.decode("latin-1"), "")], withheld)  # the one rule about names
            known.key = next(iter(keys), None)
            known.value = ""
            if field.name.length <= KEPT_LENGTH_MAX:
                self.names[place] = known
        return known


cdef inline bint _holds(str known, const unsigned char *data, Slice part) noexcept:
    """``known`` is made by `_text`, so all its characters are of one byte."""
    return (
        PyUnicode_GET_LENGTH(known) == part.length
        and memcmp(PyUnicode_1BYTE_DATA(known), data + part.start, part.length) == 0
    )


cdef inline str _text(const unsigned char *data, Slice part, str known):
    """``part`` as str; ``known`` if it is the same."""
    if known is not None and _holds(known, data, part):
        return known
    return PyUnicode_DecodeLatin1(<const char *>data + part.start, part.length, NULL)
