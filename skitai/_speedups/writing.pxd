# One line of a head, "name: value" CRLF, written to `at`, where `room` bytes are free: the number
# of its bytes; NO_ROOM; UNCERTAIN if name or value is not certainly good (let the pure kernel say).
# The GIL is held; no Python code is run.

cdef enum:
    NO_ROOM = -1
    UNCERTAIN = -2

cdef Py_ssize_t write_field(unsigned char *at, Py_ssize_t room, object name, object value) noexcept
