# The bytes of WebSocket frames, as C code sees them: see wsframes.h and wsframes.pyx.

from libc.stdint cimport uint64_t

cdef extern from "wsframes.h" nogil:
    enum:
        SK_WS_HEAD_MAX
    ctypedef struct sk_utf8:
        unsigned char due
    ctypedef struct sk_ws_head:
        uint64_t length
        const unsigned char *mask
        unsigned char size, first
    uint64_t sk_ws_mask_word(const unsigned char *mask, unsigned int phase)
    uint64_t sk_ws_unmask(unsigned char *to, const unsigned char *source, size_t count, uint64_t mask)
    bint sk_utf8_feed(sk_utf8 *state, const unsigned char *text, size_t count)
    bint sk_ws_read_head(const unsigned char *data, size_t count, sk_ws_head *head)
    size_t sk_ws_write_head(
        unsigned char *to, unsigned char first, uint64_t length, const unsigned char *mask
    )

cdef enum:
    WHOLE_TEXT = 0x81    # FIN and the opcode
    WHOLE_BINARY = 0x82

# The message; None for what is no UTF-8.
cdef object unmasked_text(const unsigned char *payload, Py_ssize_t length, uint64_t mask)
