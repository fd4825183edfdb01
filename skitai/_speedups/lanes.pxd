# The request side of the fast lane as C code sees it: see lanes.pyx.

from libc.stdint cimport uint32_t

from skitai._speedups.heads cimport Field, Head, HeadLimits

cdef enum:
    SCRATCH = 65536  # what one recv takes, and with it the longest request of the lane

cdef enum FieldKind:
    # What a field of an application's answer is to us.
    PLAIN_FIELD = 1
    HOP_FIELD
    LENGTH_FIELD
    DATE_FIELD
    SERVER_FIELD


cdef class Route:
    # A `Lane` for C: one host and one mount.
    cdef bytes host
    cdef bytes prefix
    cdef object application, activate, log, warn, failure
    cdef dict template
    cdef frozenset withheld
    cdef Py_ssize_t path_start
    cdef long long body_max


cdef class StatusLine:
    # A status that an application has used, ready to be sent; `code` is 0 if it is not plain.
    cdef int code
    cdef bytes line
    cdef str reason


cdef class Lanes:
    # What the lane connections of one engine share.
    cdef readonly object engine
    cdef readonly object service
    cdef object own_fields
    cdef unsigned char *scratch
    cdef Head head
    cdef HeadLimits limits
    cdef int depth
    cdef dict routes
    cdef list names
    cdef dict status_lines
    cdef dict field_kinds

    cdef Route find(self, const unsigned char *data, Head *head, Route last, object info)
    cdef Route learn_route(self, tuple key)
    cdef str key_of(self, const unsigned char *data, Field *field, frozenset withheld)
    cdef dict environ(self, const unsigned char *data, Head *head, Route route)
    cdef StatusLine status_line(self, str status)
    cdef int kind_of(self, str name) except -1
