# The head of an application's answer as C code sees it: see answer_head.pyx.

from cpython.object cimport PyObject

from skitai._speedups.loop cimport EventLoop

cdef enum:
    KNOWN_KINDS = 64  # a power of two

ctypedef struct KnownKind:
    PyObject *name
    int kind


cdef class StatusLine:
    # A status that an application has used, ready to be sent; `code` is 0 if it is not plain.
    cdef int code
    cdef bytes line
    cdef str reason


cdef class KnownLines:
    # What applications have said before, and our own lines.
    cdef object engine
    cdef EventLoop loop
    cdef dict status_lines
    cdef str last_status
    cdef StatusLine last_line
    cdef dict field_kinds
    cdef KnownKind[KNOWN_KINDS] known_kinds
    # The lines "Date: …" and "Server: …" as they are in this batch of events.
    cdef bytes date_line, server_line
    cdef long date_second
    cdef unsigned long date_batch

    cdef StatusLine status_line(self, str status)
    cdef int kind_of(self, str name) except -1
    cdef int refresh_date(self) except -1


cdef class AnswerHead:
    # What start_response was told, if it is plain; `status` is None until then.
    cdef KnownLines known
    cdef StatusLine status
    cdef list fields          # but for Content-Length
    cdef list sent            # in their place, where the body is coded
    cdef str content_type     # None: none
    # There are fields that a coded body would change, or that forbid it.
    cdef bint regarded
    cdef bint varies          # say that the response depends on Accept-Encoding
    cdef long long length     # the Content-Length; -1: none
    cdef bint has_date, has_server, has_id
    cdef str told_id          # what X-Request-ID says, unless the application does; None: nothing

    cdef bint note(self, object status, object headers) except -1
    cdef list headers(self)
    cdef Py_ssize_t write(
        self, unsigned char *at, Py_ssize_t room, Py_ssize_t body_size, bint keep_alive
    ) except -3


# The line of a Content-Length: its bytes, at most 38.
cdef Py_ssize_t write_length(unsigned char *at, Py_ssize_t length) noexcept

# start_response is called again (PEP 3333), and the answer is out already: what it raises.
cdef int refuse_again(object exc_info) except -1
