"""The head of an application's answer: whether it is plain, and the bytes of it.

Plain is a status and fields that nobody has to look at: strings in a list of pairs, a status with a
body, no field that is the connection's, a Content-Length of digits.  What else start_response is told is
the gateway's to judge, in a general exchange.

Applications use few statuses and field names, as constants: what was found about one is found again by
the very object.  The leader's only; the tables are bounded, because applications may make names of
what comes from the network.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.unicode cimport PyUnicode_1BYTE_DATA, PyUnicode_GET_LENGTH
from libc.string cimport memcpy

from skitai._speedups.writing cimport NO_ROOM, write_field

cdef extern from "<time.h>" nogil:
    long time(long *place)

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    ANSWERS_MAX = 256     # different statuses and field names of applications
    LENGTH_DIGITS_MAX = 18
    OWN_MAX = 96          # the lines of Vary, Content-Length and Connection, and the empty one
    ID_LINE_MAX = 64      # that of X-Request-ID: an id has 32 digits

cdef enum FieldKind:
    # What a field of an application's answer is to us.
    PLAIN_FIELD = 1
    HOP_FIELD
    LENGTH_FIELD
    DATE_FIELD
    SERVER_FIELD
    TYPE_FIELD
    ID_FIELD
    REGARDED_FIELD        # by whoever codes bodies: core/compression.py

cdef dict SPECIAL_FIELDS = {
    # RFC 9110 section 7.6.1; what an application may not say of them is the gateway's to judge.
    "connection": HOP_FIELD,
    "keep-alive": HOP_FIELD,
    "proxy-connection": HOP_FIELD,
    "te": HOP_FIELD,
    "trailer": HOP_FIELD,
    "transfer-encoding": HOP_FIELD,
    "upgrade": HOP_FIELD,
    "content-length": LENGTH_FIELD,
    "date": DATE_FIELD,
    "server": SERVER_FIELD,
    "content-type": TYPE_FIELD,
    "x-request-id": ID_FIELD,
    "accept-ranges": REGARDED_FIELD,
    "cache-control": REGARDED_FIELD,
    "content-digest": REGARDED_FIELD,
    "content-encoding": REGARDED_FIELD,
    "content-md5": REGARDED_FIELD,
    "content-range": REGARDED_FIELD,
    "digest": REGARDED_FIELD,
    "etag": REGARDED_FIELD,
    "repr-digest": REGARDED_FIELD,
    "vary": REGARDED_FIELD,
}


@cython.final
cdef class StatusLine:
    pass


@cython.final
cdef class KnownLines:
    def __init__(self, engine):
        self.engine = engine
        self.loop = engine.loop
        self.status_lines = {}
        self.field_kinds = {}
        self.date_second = -1

    cdef int refresh_date(self) except -1:
        """The clock is looked at once for each batch of events."""
        cdef long second
        if self.date_batch == self.loop.batch and self.date_second >= 0:
            return 0
        self.date_batch = self.loop.batch
        second = time(NULL)
        if second != self.date_second:
            self.date_second = second
            date, server = self.engine.own_fields()
            self.date_line = f"{date[0]}: {date[1]}\r\n".encode("ascii")
            self.server_line = f"{server[0]}: {server[1]}\r\n".encode("ascii")
        return 0

    cdef StatusLine status_line(self, str status):
        cdef PyObject *found
        cdef StatusLine line = self.last_line
        if status is self.last_status:
            return line
        found = PyDict_GetItemWithError(self.status_lines, status)
        if found != NULL:
            self.last_status, self.last_line = status, <StatusLine>found
            return <StatusLine>found
        line = StatusLine.__new__(StatusLine)
        code, _, reason = status.partition(" ")
        if len(code) == 3 and code.isascii() and code.isdigit() and reason.isascii() and reason.isprintable():
            line.code = int(code)
            if not 200 <= line.code <= 599 or line.code == 204 or line.code == 304:
                line.code = 0
            line.reason = reason
            line.line = f"HTTP/1.1 {code} {reason}\r\n".encode("ascii")
        if len(self.status_lines) < ANSWERS_MAX:
            self.status_lines[status] = line
        return line

    cdef int kind_of(self, str name) except -1:
        cdef int place = (<size_t><PyObject *>name >> 4) & (KNOWN_KINDS - 1)
        cdef PyObject *found
        cdef int kind
        if self.known_kinds[place].name == <PyObject *>name:
            return self.known_kinds[place].kind
        found = PyDict_GetItemWithError(self.field_kinds, name)
        if found != NULL:
            return <object>found
        kind = SPECIAL_FIELDS.get(name.lower(), PLAIN_FIELD)
        if len(self.field_kinds) < ANSWERS_MAX:
            self.field_kinds[name] = kind
            # The very object, which the dict keeps alive: applications write names as constants.
            self.known_kinds[place].name = <PyObject *>name
            self.known_kinds[place].kind = kind
        return kind


cdef int refuse_again(object exc_info) except -1:
    if exc_info:
        try:
            raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None
    raise AssertionError("start_response was called twice without exc_info (PEP 3333)")


@cython.final
@cython.freelist(16)
cdef class AnswerHead:
    cdef bint note(self, object status, object headers) except -1:
        """Keep what start_response is told; False if it is not plain."""
        cdef bint has_date = False, has_server = False, has_id = False, regarded = False
        cdef int kind
        cdef list fields
        cdef long long length = -1
        cdef StatusLine line
        cdef str content_type = None
        if type(status) is not str or type(headers) is not list:
            return False
        line = self.known.status_line(status)
        if line.code == 0:
            return False
        fields = []
        for field in <list>headers:
            if type(field) is not tuple or len(<tuple>field) != 2:
                return False
            name, value = <tuple>field
            if type(name) is not str or type(value) is not str:
                return False
            kind = self.known.kind_of(name)
            if kind == LENGTH_FIELD:
                if length >= 0:
                    return False
                length = _number(value)
                if length < 0:
                    return False
                continue
            if kind == HOP_FIELD:
                return False
            if kind == TYPE_FIELD:
                content_type = value
            has_date = has_date or kind == DATE_FIELD
            has_server = has_server or kind == SERVER_FIELD
            has_id = has_id or kind == ID_FIELD
            regarded = regarded or kind == REGARDED_FIELD
            fields.append(field)
        self.status, self.fields, self.length = line, fields, length
        self.has_date, self.has_server, self.has_id, self.regarded = has_date, has_server, has_id, regarded
        self.content_type, self.sent, self.varies = content_type, fields, False
        return True

    cdef list headers(self):
        """What start_response was told, for another one."""
        if self.length < 0:
            return self.fields[:]
        return [*self.fields, ("Content-Length", str(self.length))]

    cdef Py_ssize_t write(
        self, unsigned char *at, Py_ssize_t room, Py_ssize_t body_size, bint keep_alive
    ) except -3:
        """The head of the response: the number of its bytes, NO_ROOM, or UNCERTAIN if a field of it must
        be looked at."""
        cdef KnownLines known = self.known
        cdef unsigned char *start = at
        cdef Py_ssize_t length
        known.refresh_date()
        length = (
            PyBytes_GET_SIZE(self.status.line)
            + PyBytes_GET_SIZE(known.date_line)
            + PyBytes_GET_SIZE(known.server_line)
            + OWN_MAX
            + ID_LINE_MAX
        )
        if length > room:
            return NO_ROOM
        room -= length
        at += _copy(at, self.status.line)
        if not self.has_date:
            at += _copy(at, known.date_line)
        if not self.has_server:
            at += _copy(at, known.server_line)
        for field in self.sent:
            length = write_field(at, room, (<tuple>field)[0], (<tuple>field)[1])
            if length < 0:
                return length
            at += length
            room -= length
        if self.varies:
            at += _copy(at, b"Vary: Accept-Encoding\r\n")
        if self.told_id is not None and not self.has_id:
            at += write_field(at, ID_LINE_MAX, "X-Request-ID", self.told_id)
        at += write_length(at, body_size)
        if not keep_alive:
            at += _copy(at, b"Connection: close\r\n")
        at += _copy(at, b"\r\n")
        return at - start


cdef inline long long _number(str text) noexcept:
    """A Content-Length of few digits; -1 for anything else."""
    cdef const unsigned char *digit
    cdef Py_ssize_t left = PyUnicode_GET_LENGTH(text)
    cdef long long number = 0
    if not PyUnicode_IS_COMPACT_ASCII(text) or not 0 < left <= LENGTH_DIGITS_MAX:
        return -1
    digit = <const unsigned char *>PyUnicode_1BYTE_DATA(text)
    while left:
        if not c"0" <= digit[0] <= c"9":
            return -1
        number = number * 10 + (digit[0] - c"0")
        digit += 1
        left -= 1
    return number


cdef inline Py_ssize_t _copy(unsigned char *at, bytes text) noexcept:
    memcpy(at, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return PyBytes_GET_SIZE(text)


cdef Py_ssize_t write_length(unsigned char *at, Py_ssize_t length) noexcept:
    cdef unsigned char[20] digits
    cdef int count = 0
    memcpy(at, b"Content-Length: ", 16)
    while True:
        count += 1
        digits[20 - count] = <unsigned char>(c"0" + length % 10)
        length //= 10
        if not length:
            break
    memcpy(at + 16, digits + 20 - count, count)
    memcpy(at + 16 + count, b"\r\n", 2)
    return 18 + count
