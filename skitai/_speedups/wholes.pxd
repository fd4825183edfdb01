# Answers of which all is there: see wholes.pyx.

from skitai._speedups.responses cimport Answer

cdef enum Found:
    NOT_PLAIN
    WHOLE
    MORE      # has to come of what may be plain

cdef enum:
    WHOLE_MAX = 65536 # an announced body that would be longer is not waited for

# The body of the plain answer that is all of `data`, whose head becomes `answer`; None where it is not, and
# `found` says why.  `is_head`: it answers HEAD.  Needs the GIL.
cdef bytes read_whole(
    const unsigned char *data, size_t size, object limits, bint is_head, Answer *answer, Found *found
)

# Whether there is a Content-Encoding or a Keep-Alive field.
cdef bint is_noted(const unsigned char *data, const Answer *answer) noexcept
