"""Heads as they go on to the next hop: what ``skitai/proxy/headfields.py`` says, in one pass over the bytes.

Only of heads that ``heads.pyx`` and ``responses.pyx`` have found simple: their Connection names nothing but
``close`` or ``keep-alive``, and nothing frames them but a length.  Which fields stop here is headfields.py's
to say (`PLAIN`), and what we say ourselves, too; ``tests/proxy/test_plain_alike.py`` holds the bytes of both
ways against each other.

No byte is written that was not recognised: of a name a token, of a value what RFC 9110 section 5.5 lets it have.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from skitai._speedups.answer_head cimport write_length
from skitai._speedups.fields cimport Field, is_word
from skitai._speedups.writing cimport write_field

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32
    int __builtin_ctzll(uint64_t bits) nogil

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef extern from "<string.h>" nogil:
    void *memmem(const void *text, size_t length, const void *part, size_t part_length)

cdef enum:
    OWN_MAX = 224  # status, Via, an id, Content-Length, Connection, and the empty line
    ID_LINE_MAX = 64


@cython.final
cdef class Names:
    def __init__(self, names, bint folds):
        """``folds``: a name with ``_`` in the place of ``-`` is meant, too."""
        cdef bytes name
        cdef int index = 0
        cdef int length
        self.folds = folds
        self.kept = tuple([each.encode("ascii") for each in sorted(names)])
        if len(self.kept) > NAMES_MAX:
            raise ValueError(f"{len(self.kept)} names are more than {NAMES_MAX}")
        for length in range(NAME_LENGTHS):
            self.by_length[length] = 0
        for name in self.kept:
            length = <int>PyBytes_GET_SIZE(name)
            if length >= NAME_LENGTHS:
                raise ValueError(f"the name {name!r} is too long for this table")
            self.texts[index] = <const unsigned char *>PyBytes_AS_STRING(name)
            self.lengths[index] = length
            self.by_length[length] |= <uint64_t>1 << index
            index += 1

    cdef bint has(self, const unsigned char *name, uint64_t length) noexcept:
        cdef uint64_t left
        cdef const unsigned char *text
        cdef unsigned char byte
        cdef uint64_t at
        if length >= NAME_LENGTHS:
            return False
        left = self.by_length[length]
        while left:
            text = self.texts[__builtin_ctzll(left)]
            left &= left - 1
            at = 0
            while at < length:
                byte = name[at]
                if c"A" <= byte <= c"Z":
                    byte |= 0x20
                elif byte == c"_" and self.folds:
                    byte = c"-"
                if byte != text[at]:
                    break
                at += 1
            if at == length:
                return True
        return False


cdef inline Py_ssize_t _write_field(
    unsigned char *at, const unsigned char *data, const Field *field
) noexcept:
    cdef Py_ssize_t name_length = field.name.length
    memcpy(at, data + field.name.start, name_length)
    memcpy(at + name_length, b": ", 2)
    memcpy(at + name_length + 2, data + field.value.start, field.value.length)
    memcpy(at + name_length + 2 + field.value.length, b"\r\n", 2)
    return name_length + field.value.length + 4


cdef inline bint _asks_more(const unsigned char *data, const Field *field) noexcept:
    """Whether what it says has to be looked at: goes on in other words, or not at all, or ends the way."""
    cdef const unsigned char *name = data + field.name.start
    if field.name.length == 2:
        return is_word(name, 2, b"te")
    if field.name.length == 3:
        return is_word(name, 3, b"via") and memmem(
            data + field.value.start, field.value.length, <const char *>b"skitai", 6
        ) != NULL
    return field.name.length == 12 and is_word(name, 12, b"max-forwards")


cdef Py_ssize_t write_request_fields(
    unsigned char *at, Py_ssize_t room, const unsigned char *data, const Head *head, Names dropped
) noexcept:
    cdef unsigned char *start = at
    cdef const Field *field
    cdef uint64_t index
    for index in range(head.count):
        field = &head.fields[index]
        if _asks_more(data, field):
            return NOT_PLAIN_HEAD
        if dropped.has(data + field.name.start, field.name.length):
            continue
        if (at - start) + <Py_ssize_t>(field.name.length + field.value.length) + 4 > room:
            return NOT_PLAIN_HEAD
        at += _write_field(at, data, field)
    return at - start


cdef inline Py_ssize_t _copy(unsigned char *at, bytes text) noexcept:
    memcpy(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return PyBytes_GET_SIZE(text)


cdef Py_ssize_t write_answer_head(
    unsigned char *at,
    Py_ssize_t room,
    const unsigned char *data,
    const Answer *answer,
    Names dropped,
    KnownLines known,
    bint has_length,
    bint keep_alive,
    str told_id,
) except -2:
    cdef unsigned char *start = at
    cdef const Field *field
    cdef uint64_t index
    cdef const unsigned char *name
    cdef bint has_date = False, has_server = False
    cdef Py_ssize_t own_size
    known.refresh_date()
    own_size = PyBytes_GET_SIZE(known.date_line) + PyBytes_GET_SIZE(known.server_line)
    # All of it is shorter than what came, and this.
    if <Py_ssize_t>answer.consumed + own_size + 2 * <Py_ssize_t>answer.count + OWN_MAX > room:
        return NOT_PLAIN_HEAD
    for index in range(answer.count):
        name = data + answer.fields[index].name.start
        if answer.fields[index].name.length == 4:
            has_date = has_date or is_word(name, 4, b"date")
        elif answer.fields[index].name.length == 6:
            has_server = has_server or is_word(name, 6, b"server")
        elif answer.fields[index].name.length == 12 and is_word(name, 12, b"x-request-id"):
            told_id = None
    memcpy(at, b"HTTP/1.1 ", 9)
    at[9] = <unsigned char>(c"0" + answer.status // 100)
    at[10] = <unsigned char>(c"0" + answer.status // 10 % 10)
    at[11] = <unsigned char>(c"0" + answer.status % 10)
    at[12] = c" "
    at += 13
    memcpy(at, data + answer.reason.start, answer.reason.length)
    at += answer.reason.length
    memcpy(at, b"\r\n", 2)
    at += 2
    if not has_date:
        at += _copy(at, known.date_line)
    if not has_server:
        at += _copy(at, known.server_line)
    for index in range(answer.count):
        field = &answer.fields[index]
        if not dropped.has(data + field.name.start, field.name.length):
            at += _write_field(at, data, field)
    at += _copy(at, b"Via: 1.1 skitai\r\n" if answer.minor else b"Via: 1.0 skitai\r\n")
    if told_id is not None:
        at += write_field(at, ID_LINE_MAX, "X-Request-ID", told_id)
    if has_length:
        at += write_length(at, answer.content_length)
    if not keep_alive:
        at += _copy(at, b"Connection: close\r\n")
    memcpy(at, b"\r\n", 2)
    return at + 2 - start
