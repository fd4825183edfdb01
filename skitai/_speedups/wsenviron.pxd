# The environs of a WebSocket's messages, as C code sees them: see wsenviron.pyx.

from libc.stdint cimport uint64_t


cdef class MessageEnvirons:
    # Those of one WebSocket, one at a time.
    cdef dict template
    cdef str query            # what stands in front of the message in QUERY_STRING; None: it is not there
    cdef dict unchanged       # one that can be used again
    cdef uint64_t version     # of the one that was made last

    cdef dict make(self, object message)
    cdef int take_back(self, dict environ) except -1
