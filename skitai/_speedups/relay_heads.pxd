# Heads as they go on to the next hop, from the bytes that came to the bytes that leave: see relay_heads.pyx.

from libc.stdint cimport uint64_t

from skitai._speedups.answer_head cimport KnownLines
from skitai._speedups.heads cimport Head
from skitai._speedups.responses cimport Answer

cdef enum:
    NAMES_MAX = 64         # of a set
    NAME_LENGTHS = 32      # longer ones are in no set
    NOT_PLAIN_HEAD = -1    # in the place of a size: the head is another's to write, or there is no room


cdef class Names:
    # Names of fields, in lower case; of few, those of each length are tried one after the other.
    cdef bint folds        # "_" stands for "-", too
    cdef tuple kept
    cdef const unsigned char *texts[NAMES_MAX]
    cdef int lengths[NAMES_MAX]
    cdef uint64_t by_length[NAME_LENGTHS]

    cdef bint has(self, const unsigned char *name, uint64_t length) noexcept


# The lines of the fields of a request that go on.
cdef Py_ssize_t write_request_fields(
    unsigned char *at, Py_ssize_t room, const unsigned char *data, const Head *head, Names dropped
) noexcept

# The head of the answer `answer`, which is `data`, for a client of HTTP/1.1; `has_length`: its Content-Length is
# said; `told_id`: what X-Request-ID says, unless the member does; None: nothing.
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
) except -2
