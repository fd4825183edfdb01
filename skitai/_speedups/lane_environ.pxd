# From a plain request to its environ, as C code sees it: see lane_environ.pyx.

from skitai._speedups.fields cimport Field
from skitai._speedups.heads cimport Head
from skitai._speedups.lane_routes cimport Route


cdef class KnownName:
    # The name of a field as sent, and its environ key; `key` is None where it is withheld.
    cdef bytes name
    cdef frozenset withheld
    cdef str key
    cdef str value    # what it had last: of many fields clients send the same again and again


cdef class Environs:
    # Makes them, and remembers names and values of fields.
    cdef list names

    cdef dict make(
        self, const unsigned char *data, Head *head, Route route, object address, object port
    )
    cdef KnownName known_name(self, const unsigned char *data, Field *field, frozenset withheld)
