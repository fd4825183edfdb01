# One line of a head, "name: value" CRLF, written to `at`, where `room` bytes are free: the number
# of its bytes; NO_ROOM; UNCERTAIN if name or value is not certainly good (let the pure kernel say).
# The GIL is held; no Python code is run.

cdef enum:
    NO_ROOM = -1
    UNCERTAIN = -2

cdef Py_ssize_t write_field(unsigned char *at, Py_ssize_t room, object name, object value) noexcept

# The whole head of a request with a body of `body_size` bytes, with a Host field of `host` in front
# unless `fields` have one; None if anything is not certainly good, or means something for the
# connection (let the pure kernel see): CONNECT, Connection, Upgrade, Transfer-Encoding, another length.
cdef bytes encode_request(str method, str target, str host, list fields, Py_ssize_t body_size)
