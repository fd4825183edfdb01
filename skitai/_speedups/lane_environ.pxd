# From a plain request to its environ, as C code sees it: see lane_environ.pyx.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from skitai._speedups.fields cimport Field
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_routes cimport Route


cdef enum:
    HEAD_KEPT_MAX = 1024


cdef class RequestIds:
    # Makes ids of requests, of random bytes that were asked for at once.
    cdef bytes random
    cdef Py_ssize_t used

    cdef str next(self)


cdef class KnownName:
    # The name of a field as sent, and its environ key; `key` is None where it is withheld.
    cdef bytes name
    cdef frozenset withheld
    cdef str key
    cdef str value    # what it had last: of many fields clients send the same again and again


cdef class Environs:
    # Makes them, and remembers names and values of fields.
    cdef list names
    # The one that was made last: its version then, and what it was made of.
    cdef uint64_t version
    cdef Route route
    cdef unsigned char[HEAD_KEPT_MAX] head
    cdef Py_ssize_t head_size
    cdef object address, port
    # The id in the one that was made last; None: it has none.
    cdef RequestIds ids
    cdef str request_id
    # That one itself, once its request is over, if nobody has kept or changed it.
    cdef dict unchanged

    cdef dict make(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    )
    cdef void take_back(self, PyObject *environ) noexcept
    cdef dict make_anew(self, const unsigned char *data, Head *head, Route route, object address, object port)
    cdef dict make_again(self, const unsigned char *data, Head *head, Route route, object address, object port)
    cdef KnownName known_name(self, const unsigned char *data, Field *field, frozenset withheld)
