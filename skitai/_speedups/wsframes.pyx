"""The bytes of WebSocket frames, the compiled twin of ``skitai/_pure/wsframes.py``: see there for what each
function promises, and ``wsframes.h`` for how.

A message that lies whole in what was received is copied once, from there into the object that the application
gets: `read_messages` unmasks ASCII text straight into the memory of its str, anything else into bytes.

Called in the thread that owns the connection's side in question; any thread for what has no state.
Never happens here: an error for what the peer sent, a read at or behind the end of what was given.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef const unsigned char *_mask_of(bytes mask) except NULL:
    if PyBytes_GET_SIZE(mask) != 4:
        raise ValueError(f"a mask has 4 bytes, not {len(mask)} (RFC 6455 section 5.3)")
    return <const unsigned char *>PyBytes_AS_STRING(mask)


def unmask(data, bytes mask not None, unsigned int phase=0):
    cdef Py_buffer view
    cdef uint64_t word = sk_ws_mask_word(_mask_of(mask), phase)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        result = PyBytes_FromStringAndSize(NULL, view.len)
        sk_ws_unmask(
            <unsigned char *>PyBytes_AS_STRING(result), <const unsigned char *>view.buf, view.len, word
        )
    finally:
        PyBuffer_Release(&view)
    return result


def append_unmasked(
    bytearray target not None, bytes data not None, Py_ssize_t start, Py_ssize_t end, bytes mask,
    unsigned int phase,
):
    cdef Py_ssize_t before = PyByteArray_GET_SIZE(target)
    cdef uint64_t word = 0 if mask is None else sk_ws_mask_word(_mask_of(mask), phase)
    if not 0 <= start <= end <= PyBytes_GET_SIZE(data):
        raise ValueError(f"no bytes {start} to {end} in {PyBytes_GET_SIZE(data)}")
    PyByteArray_Resize(target, before + (end - start))
    sk_ws_unmask(
        <unsigned char *>PyByteArray_AS_STRING(target) + before,
        <const unsigned char *>PyBytes_AS_STRING(data) + start,
        end - start,
        word,
    )


cdef class Utf8:
    cdef sk_utf8 state

    def feed(self, data):
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return sk_utf8_feed(&self.state, <const unsigned char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    @property
    def complete(self):
        return self.state.due == 0


cdef object unmasked_text(const unsigned char *payload, Py_ssize_t length, uint64_t mask):
    if length == 0:
        return ""
    text = PyUnicode_New(length, 127)
    cdef unsigned char *place = <unsigned char *>PyUnicode_1BYTE_DATA(text)
    if not sk_ws_unmask(place, payload, length, mask):
        return text
    # Not ASCII: what was to be the text is only bytes, which nobody but us has seen.
    try:
        return PyUnicode_DecodeUTF8(<const char *>place, length, NULL)
    except UnicodeDecodeError:
        return None


def read_messages(bytes data not None, Py_ssize_t start, bint masked, longest, list messages not None):
    cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(data)
    cdef const unsigned char *end = at + PyBytes_GET_SIZE(data)
    cdef uint64_t most = longest
    cdef uint64_t mask
    cdef sk_ws_head head
    at += start
    while sk_ws_read_head(at, end - at, &head):
        if head.first != WHOLE_TEXT and head.first != WHOLE_BINARY:
            break
        if (head.mask != NULL) != masked or head.length > most:
            break
        if head.length > <uint64_t>(end - at - head.size):
            break
        mask = 0 if head.mask == NULL else sk_ws_mask_word(head.mask, 0)
        if head.first == WHOLE_TEXT:
            message = unmasked_text(at + head.size, head.length, mask)
            if message is None:
                break
        else:
            message = PyBytes_FromStringAndSize(NULL, head.length)
            sk_ws_unmask(
                <unsigned char *>PyBytes_AS_STRING(message), at + head.size, head.length, mask
            )
        messages.append(message)
        at += head.size + head.length
    return at - <const unsigned char *>PyBytes_AS_STRING(data)


def make_frame(unsigned char first, payload, bytes mask):
    cdef unsigned char head[SK_WS_HEAD_MAX]
    cdef const unsigned char *source
    cdef const unsigned char *key = NULL if mask is None else _mask_of(mask)
    cdef Py_ssize_t length
    cdef size_t size
    cdef unsigned char *place
    cdef Py_buffer view
    cdef bint has_view = False
    if isinstance(payload, str):
        source = <const unsigned char *>PyUnicode_AsUTF8AndSize(payload, &length)
    elif PyBytes_CheckExact(payload):
        source = <const unsigned char *>PyBytes_AS_STRING(payload)
        length = PyBytes_GET_SIZE(payload)
    else:
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        has_view = True
        source = <const unsigned char *>view.buf
        length = view.len
    try:
        size = sk_ws_write_head(head, first, length, key)
        frame = PyBytes_FromStringAndSize(NULL, size + length)
        place = <unsigned char *>PyBytes_AS_STRING(frame)
        memcpy(place, head, size)
        if key == NULL:
            memcpy(place + size, source, length)
        else:
            sk_ws_unmask(place + size, source, length, sk_ws_mask_word(key, 0))
    finally:
        if has_view:
            PyBuffer_Release(&view)
    return frame
