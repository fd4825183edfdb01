# Plain answers of one connection: see plain_answers.pyx.

from skitai._speedups.wholes cimport Found


cdef class PlainAnswers:
    # Of the answer that `read` found last: its head, and whether it has a field that is noted (`is_noted`).
    cdef object head
    cdef bint is_noted
    # Of an answer, if not all of it has come; in so many pieces.
    cdef bytes held
    cdef int pieces
    cdef object limits
    # The last head, if it had a length: its bytes, the method that it answered, and how long the body is.
    cdef bytes known
    cdef str method
    cdef Py_ssize_t length

    # The body, if these bytes are a plain answer to `method`, all of it; None where they are not, and `found`
    # says why.
    cdef bytes read(self, const unsigned char *data, Py_ssize_t size, str method, Found *found)
    # Whether the head is the last one again, and all of the body is there.
    cdef bint _knows(self, const unsigned char *data, Py_ssize_t size, str method) noexcept
    # What is held, and these bytes behind it.
    cdef bytes with_held(self, const unsigned char *data, Py_ssize_t size)
    # Whether `data`, of which one more piece has come and `read` has found `found`, may be held until more has.
    cdef bint may_hold(self, bytes data, Found found) noexcept
    # The answer is over, or somebody else's to read.
    cdef void forget(self) noexcept
