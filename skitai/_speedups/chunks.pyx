"""The chunked coding, both ways: the quick way for what nearly every sender sends.

``walk_chunks`` goes over size lines and data and stops in front of whatever is not plain
(``chunks.pxd`` says what that is); extensions, the last chunk, trailers and all errors are left to
the one truth, ``skitai/_pure/http1/bodies.py``.  Its ``ChunkedReader`` has the same walk in Python, for
the same events: here is that one method once more.  ``ChunkedWriter`` puts size line, data and
line ends into one piece of memory, where the pure one formats.

Called in the thread that owns the connection.  ``walk_chunks`` and ``write_size_line`` touch no Python
object and need no GIL.  Never happens here: an error for what the peer sent, a read at or behind
``data + length``.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport UINT64_MAX
from libc.string cimport memcpy

from skitai._pure.http1.bodies import ChunkedReader as PureChunkedReader
from skitai._pure.http1.bodies import ChunkPart
from skitai._pure.http1.writing import ChunkedWriter as PureChunkedWriter

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    DIGITS_MAX = 15 # what can be added to a size of 64 bits without a thought

#: By their `ChunkPlace`.
cdef tuple PARTS = tuple(ChunkPart)


cdef inline int _hex_value(unsigned char byte) noexcept nogil:
    """0 to 15, or -1 for a byte that is no HEXDIG."""
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 0x20  # to lower case
    if c"a" <= byte <= c"f":
        return byte - c"a" + 10
    return -1


cdef size_t _plain_line(
    const unsigned char *line, size_t length, size_t digits_max, uint64_t *size
) noexcept nogil:
    """The bytes of the plain size line at the front, CRLF included, or 0 if it is none or incomplete."""
    cdef size_t at = 0
    cdef int digit
    cdef uint64_t number = 0
    while at < length:
        digit = _hex_value(line[at])
        if digit < 0:
            break
        if at == digits_max:
            return 0
        number = number << 4 | digit
        at += 1
    if at == 0 or length - at < 2 or line[at] != c"\r" or line[at + 1] != c"\n":
        return 0
    size[0] = number
    return at + 2


cdef void walk_chunks(
    const unsigned char *data, size_t length, ChunkState *state, ChunkPieces *pieces
) noexcept nogil:
    cdef size_t digits_max = min(state.line_max, <size_t>DIGITS_MAX)
    cdef size_t at = 0
    cdef size_t count, line
    cdef uint64_t size = 0
    pieces.count = 0
    pieces.size = 0
    while at < length:
        if state.place == CHUNK_DATA:
            if pieces.count == CHUNKS_MAX:
                break
            count = <size_t>min(state.remaining, <uint64_t>(length - at))
            pieces.slices[pieces.count].start = at
            pieces.slices[pieces.count].length = count
            pieces.count += 1
            pieces.size += count
            at += count
            state.remaining -= count
            if state.remaining:
                break
            state.place = CHUNK_DATA_END
        if state.place == CHUNK_DATA_END:
            if length - at < 2 or data[at] != c"\r" or data[at + 1] != c"\n":
                break
            at += 2
            state.place = CHUNK_LINE
        line = _plain_line(data + at, length - at, digits_max, &size)
        if line == 0 or size == 0 or size > state.room:
            break
        at += line
        state.room -= size
        state.remaining = size
        state.place = CHUNK_DATA
    pieces.consumed = at


cdef bytes _joined(held, const unsigned char *data, const ChunkPieces *pieces):
    cdef const ChunkSlice *piece
    cdef unsigned char *target
    cdef uint32_t index
    if pieces.size == <size_t>len(held) and PyBytes_CheckExact(held):
        return held  # one piece fills it
    joined = PyBytes_FromStringAndSize(NULL, pieces.size)
    target = <unsigned char *>PyBytes_AS_STRING(joined)
    for index in range(pieces.count):
        piece = &pieces.slices[index]
        memcpy(target, data + piece.start, piece.length)
        target += piece.length
    return joined


class ChunkedReader(PureChunkedReader):
    __slots__ = ()

    def _join(self, buffer):
        cdef ChunkState state
        cdef ChunkPieces pieces
        cdef const unsigned char *data
        cdef Py_ssize_t start, length
        cdef uint64_t room
        held, start = buffer.unread
        if PyBytes_CheckExact(held):
            data = <const unsigned char *>PyBytes_AS_STRING(held)
            length = PyBytes_GET_SIZE(held)
        else:
            data = <const unsigned char *>PyByteArray_AS_STRING(<bytearray?>held)
            length = PyByteArray_GET_SIZE(held)
        state.place = <ChunkPlace><int>PARTS.index(self._part)
        state.remaining = self._remaining
        state.line_max = self._limits.chunk_line_max
        total, body_max = self._total, self._body_max
        state.room = room = _room(None if body_max is None else body_max - total)
        walk_chunks(data + start, length - start, &state, &pieces)
        self._part = PARTS[<int>state.place]
        self._remaining = state.remaining
        self._total = total + (room - state.room)
        joined = _joined(held, data + start, &pieces)
        if pieces.consumed:
            buffer.skip(pieces.consumed)
        return joined


cdef uint64_t _room(left) except? 0:
    return UINT64_MAX if left is None or left > UINT64_MAX else left


cdef size_t write_size_line(unsigned char *line, size_t size) noexcept nogil:
    cdef int shift = 4
    cdef size_t at = 0
    while shift < 64 and size >> shift:
        shift += 4
    while shift:
        shift -= 4
        line[at] = b"0123456789abcdef"[size >> shift & 15]
        at += 1
    line[at] = c"\r"
    line[at + 1] = c"\n"
    return at + 2


class ChunkedWriter(PureChunkedWriter):
    __slots__ = ()

    def data(self, data):
        cdef unsigned char line[SIZE_LINE_MAX]
        cdef unsigned char *target
        cdef size_t length, count
        if not PyBytes_CheckExact(data):
            return PureChunkedWriter.data(self, data)
        length = PyBytes_GET_SIZE(data)
        if length == 0:
            return b""  # an empty chunk would be the last one
        count = write_size_line(line, length)
        chunk = PyBytes_FromStringAndSize(NULL, count + length + 2)
        target = <unsigned char *>PyBytes_AS_STRING(chunk)
        memcpy(target, line, count)
        memcpy(target + count, PyBytes_AS_STRING(data), length)
        memcpy(target + count + length, b"\r\n", 2)
        return chunk
