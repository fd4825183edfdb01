# The chunked coding as C code sees it (RFC 9112 section 7.1): hold no GIL, pass any bytes.
#
#     cdef ChunkState state        # of one body, from call to call; begin with
#                                  # {CHUNK_LINE, 0, body_max or UINT64_MAX, chunk_line_max}
#     cdef ChunkPieces pieces
#     walk_chunks(data, length, &state, &pieces)
#
# takes the first `pieces.consumed` bytes of `data`, in which the data of chunks lie at
# `pieces.slices[:pieces.count]`, `pieces.size` bytes in all.  It stops
#
#     where the bytes end, in the middle of a chunk's data or in front of an incomplete line;
#     in front of a CRLF or a size line that is not plain: call it again when there is more, and
#       if that takes nothing, the pure kernel decides;
#     when CHUNKS_MAX slices are found.
#
# A size line is plain if it is 1 to 15 digits and CRLF, not zero, not longer than `line_max`
# and not beyond `room`.  So the last chunk and the trailers are never taken here.

from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    CHUNKS_MAX = 32

cdef enum ChunkPlace:
    # In the order of `ChunkPart` in skitai/_pure/http1/bodies.py.
    CHUNK_LINE
    CHUNK_DATA
    CHUNK_DATA_END

cdef struct ChunkState:
    ChunkPlace place
    uint64_t remaining # of the present chunk's data; 0 but in CHUNK_DATA
    uint64_t room      # bytes that further chunks may have
    size_t line_max    # digits of a size line

cdef struct ChunkSlice:
    size_t start
    size_t length

cdef struct ChunkPieces:
    size_t consumed
    size_t size        # of all slices together
    uint32_t count
    ChunkSlice slices[CHUNKS_MAX]

cdef void walk_chunks(
    const unsigned char *data, size_t length, ChunkState *state, ChunkPieces *pieces
) noexcept nogil

cdef enum:
    SIZE_LINE_MAX = 18 # 16 digits and CRLF

# Write the size line of a chunk of `size` bytes to `line`, which has room for SIZE_LINE_MAX bytes;
# returns how many it is.
cdef size_t write_size_line(unsigned char *line, size_t size) noexcept nogil
