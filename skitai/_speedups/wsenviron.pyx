"""What an application is called with for a message of a WebSocket: the handshake's environ, and the message.

An environ that the application has neither kept nor changed is used for the next message.

Under the GIL.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.string cimport memcpy

cdef extern from "quoting.h" nogil:
    size_t sk_quote_plain(unsigned char *to, const unsigned char *text, size_t size)
    size_t sk_quoted_size(const unsigned char *text, size_t size)
    void sk_quote(unsigned char *to, const unsigned char *text, size_t size)

cdef extern from *:
    """
    /* As in lane_environ.pyx. */
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
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


def quoted_message(str query not None, message):
    """``query``, and behind it ``message`` (str or bytes) as ``urllib.parse.quote_plus`` writes it."""
    cdef const unsigned char *text
    cdef Py_ssize_t size, before, plain
    cdef unsigned char *place
    if type(message) is bytes:
        text = <const unsigned char *>PyBytes_AS_STRING(message)
        size = PyBytes_GET_SIZE(message)
    else:
        text = <const unsigned char *>PyUnicode_AsUTF8AndSize(message, &size)
    if not query.isascii():
        return query + quoted_message("", message)
    before = PyUnicode_GET_LENGTH(query)
    if before + size == 0:
        return ""
    # As if nothing had to be escaped: what proves to be too short has been seen by nobody but us.
    whole = PyUnicode_New(before + size, 127)
    place = <unsigned char *>PyUnicode_1BYTE_DATA(whole)
    memcpy(place, PyUnicode_1BYTE_DATA(query), before)
    plain = sk_quote_plain(place + before, text, size)
    if plain == size:
        return whole
    longer = PyUnicode_New(before + plain + sk_quoted_size(text + plain, size - plain), 127)
    memcpy(PyUnicode_1BYTE_DATA(longer), place, before + plain)
    sk_quote(<unsigned char *>PyUnicode_1BYTE_DATA(longer) + before + plain, text + plain, size - plain)
    return longer


@cython.final
cdef class MessageEnvirons:
    def __init__(self, dict handshake not None, variable):
        """``handshake``: its environ, ``variable``: the argument that is to hold the message, or None."""
        self.template = dict(handshake)
        self.template["skitai.websocket.message"] = None
        if variable is not None:
            query = self.template.get("QUERY_STRING", "")
            self.query = f"{query}{'&' if query else ''}{variable}="
            self.template["QUERY_STRING"] = ""

    cdef dict make(self, object message):
        cdef dict environ = self.unchanged
        self.unchanged = None
        if environ is None:
            environ = PyDict_Copy(self.template)
        environ["skitai.websocket.message"] = message
        if self.query is not None:
            environ["QUERY_STRING"] = quoted_message(self.query, message)
        self.version = sk_dict_version(<PyObject *>environ)
        return environ

    cdef int take_back(self, dict environ) except -1:
        """It was the last one, and the caller has forgotten it."""
        if (
            self.version != 0
            and Py_REFCNT(<PyObject *>environ) == 1
            and sk_dict_version(<PyObject *>environ) == self.version
        ):
            environ["skitai.websocket.message"] = None  # an idle connection keeps no message
            if self.query is not None:
                environ["QUERY_STRING"] = ""
            self.unchanged = environ
        return 0
