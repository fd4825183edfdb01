# What an application returned, as C code sees it: see answer_body.pyx.

from skitai._speedups.calls cimport Call

cdef bint take_body(Call call) except -1
cdef int put_back(Call call) except -1
cdef int exhaust(Call call, bint lost) except -1
cdef int lose(Call call, object error) except -1
