"""Answers of which all is there: a simple head (``responses.pyx``) and the body behind it, as one object.

    NOT_PLAIN   the kernel has to read it: interim, ends with its connection, has trailers, is bad
    MORE        so far it might be plain; whoever can wait asks again when more has come

A body is plain if it has a Content-Length, or a few chunks without extensions and trailers.  `MORE` is never
said of an answer that the kernel would find complete or bad: nobody may wait for what does not come.

Any thread.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t
from libc.string cimport memcmp, memcpy

from skitai._speedups.chunks cimport (
    CHUNK_DATA,
    CHUNK_DATA_END,
    CHUNK_LINE,
    CHUNKS_MAX,
    SIZE_LINE_MAX,
    ChunkPieces,
    ChunkState,
    walk_chunks,
)
from skitai._speedups.fields cimport INCOMPLETE, SIMPLE, Verdict, is_word, limits_of
from skitai._speedups.responses cimport recognise_answer

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

# RFC 9112 section 7.1, without trailers.
cdef const char *LAST_CHUNK = b"0\r\n\r\n"


cdef bytes read_whole(
    const unsigned char *data, size_t size, object limits, bint is_head, Answer *answer, Found *found
):
    cdef Verdict verdict = recognise_answer(data, size, limits_of(limits), answer)
    found[0] = NOT_PLAIN
    if verdict != SIMPLE:
        if verdict == INCOMPLETE:
            found[0] = MORE
        return None
    if answer.status < 200 or not answer.keep_alive:
        return None
    data += answer.consumed
    size -= answer.consumed
    if is_head or answer.status == 204 or answer.status == 304:
        return b"" if size == 0 else None
    if answer.chunked:
        return _unchunked(data, size, limits.chunk_line_max, found)
    if answer.content_length == <int64_t>size:
        return PyBytes_FromStringAndSize(<const char *>data, size)
    if <int64_t>size < answer.content_length <= WHOLE_MAX:
        found[0] = MORE
    return None


cdef bytes _unchunked(const unsigned char *data, size_t size, size_t line_max, Found *found):
    cdef ChunkState state
    cdef ChunkPieces pieces
    cdef uint32_t index
    cdef const unsigned char *rest
    cdef unsigned char *target
    cdef bytes body
    state.place = CHUNK_LINE
    state.remaining = 0
    state.room = UINT64_MAX
    state.line_max = line_max
    walk_chunks(data, size, &state, &pieces)
    rest = data + pieces.consumed
    size -= pieces.consumed
    if state.place != CHUNK_LINE or line_max < 1 or size != 5 or memcmp(rest, LAST_CHUNK, 5) != 0:
        if pieces.count < CHUNKS_MAX and _is_cut(&state, rest, size):
            found[0] = MORE
        return None
    body = PyBytes_FromStringAndSize(NULL, pieces.size)
    target = <unsigned char *>PyBytes_AS_STRING(body)
    for index in range(pieces.count):
        memcpy(target, data + pieces.slices[index].start, pieces.slices[index].length)
        target += pieces.slices[index].length
    return body


cdef bint _is_cut(const ChunkState *state, const unsigned char *data, size_t size) noexcept:
    """Whether this, of which `walk_chunks` has made nothing, is the beginning of what would be plain."""
    cdef size_t index
    if size == 0:
        return True
    if state.place == CHUNK_DATA:
        return False
    if state.place == CHUNK_DATA_END:
        return size == 1 and data[0] == c"\r"
    if size < 5 and memcmp(data, LAST_CHUNK, size) == 0:
        return True
    if data[size - 1] == c"\r":
        size -= 1
    if not 1 <= size <= min(<size_t>SIZE_LINE_MAX, state.line_max):
        return False
    for index in range(size):
        if not (c"0" <= data[index] <= c"9" or c"a" <= data[index] | 0x20 <= c"f"):
            return False
    return True


cdef bint is_noted(const unsigned char *data, const Answer *answer) noexcept:
    cdef const unsigned char *name
    cdef uint32_t index
    for index in range(answer.count):
        name = data + answer.fields[index].name.start
        if answer.fields[index].name.length == 16:
            if is_word(name, 16, b"content-encoding"):
                return True
        elif answer.fields[index].name.length == 10 and is_word(name, 10, b"keep-alive"):
            return True
    return False
