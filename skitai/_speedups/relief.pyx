"""What the leader does when it is back with what the monitor has done in its place (relief.h).

The monitor serves from the shelf while the leader is inside a call that lasts, or waits for the GIL that
another thread does not let go of.  It touches no Python object; so access lines, and the connections that
it has accepted, wait for `Relief.batch_ends`, which the leader calls before it asks the system for
events again.  The events that the monitor has fetched and left are taken by the loop itself.

The leader's only, but for `_pick`.
"""

from libc.errno cimport errno
from libc.stdlib cimport free

import os

from skitai.counters import MONITOR as FIRST_OF_MONITOR

from skitai._speedups.fetching cimport seek
from skitai._speedups.fields cimport SIMPLE, HeadLimits
from skitai._speedups.heads cimport Head, recognise
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.loop cimport SK_PYTHON, Watched
from skitai._speedups.shelf cimport pick, sk_parcel
from skitai._speedups.workspace cimport Seat

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef int MONITOR = FIRST_OF_MONITOR


cdef class Relief(BatchEnd):
    def __cinit__(self, Lanes lanes not None):
        cdef sk_relief *relief = sk_relief_open()
        cdef Watched watched = Watched.__new__(Watched)
        if relief == NULL:
            raise OSError(errno, os.strerror(errno))
        self.relief = relief
        self.lanes = lanes
        self.asking.limits = &lanes.limits
        self.asking.shelf = lanes.shelf.shelf
        self.asking.fetching = relief.fetching = lanes.fetching.fetching
        relief.poller = lanes.loop.poller
        relief.events = lanes.loop.events
        relief.next_event = &lanes.loop.next_event
        relief.event_count = &lanes.loop.event_count
        relief.view_at = <char *>&watched.view - <char *><void *>watched
        relief.kept = &lanes.loop.kept
        relief.shelf = lanes.shelf.shelf
        relief.pick = _pick
        relief.context = &self.asking
        relief.draining = &lanes.draining
        relief.logs = lanes.log is not None
        relief.statuses = &lanes.counts[MONITOR]

    def __dealloc__(self):
        if self.relief != NULL:
            sk_relief_close(self.relief)

    cdef int batch_ends(self) except -1:
        """Count, note what is to be logged, and take in what was fetched and who has connected."""
        self.lanes.fetching.settle()
        if self.relief.answered:
            self.lanes.count_more(self.relief.answered)
            self.relief.answered = 0
        if self.relief.records_size:
            self.log()
        if self.relief.foundling_count:
            self.take_in()
        return 0

    cdef int log(self) except -1:
        cdef size_t place = 0
        cdef sk_record *record
        try:
            while place < self.relief.records_size:
                record = <sk_record *>(self.relief.records + place)
                place += record.record_size
                if record.owner != NULL:
                    address, port = (<Seat>record.owner).client()
                else:
                    address, port = record.address.decode("ascii"), record.port
                self.lanes.log(
                    (
                        record.when,
                        address,
                        port,
                        "HEAD" if record.is_head else "GET",
                        record.target[: record.target_size].decode("latin-1"),
                        "1.1",
                        record.status,
                        record.size,
                        0.0,
                        record.took,
                    )
                )
        finally:
            free(self.relief.records)  # there may have been many; it was a time out of the ordinary
            self.relief.records = NULL
            self.relief.records_size = self.relief.records_room = 0
        return 0

    cdef int take_in(self) except -1:
        cdef sk_foundling *foundling
        cdef Watched connection
        cdef int place
        for place in range(SK_FOUNDLINGS):
            foundling = &self.relief.foundlings[place]
            if foundling.view.kind == SK_PYTHON:
                continue
            sk_give_away(self.relief, foundling)
            address = foundling.address.decode("ascii")
            listener = <object>foundling.listener
            connection = None
            try:
                connection = listener.take_in(foundling.view.fd, address, foundling.port, foundling.family)
            finally:
                if connection is None:  # no room for it
                    sk_pending_free(foundling.view.pending)
            if connection is not None and foundling.view.pending != NULL:
                connection.view.pending = foundling.view.pending
                connection.view.state = foundling.view.state
                connection.view.served_at = foundling.view.served_at
        return 0


cdef int _pick(
    void *context, const void *site, const unsigned char *data, size_t size, sk_parcel *parcel, sk_asked *asked
) noexcept nogil:
    cdef sk_asking *asking = <sk_asking *>context
    cdef Head *head = &asking.head
    if recognise(data, size, asking.limits, head) != SIMPLE:
        return False
    asked.consumed = head.consumed
    asked.target = <const char *>data + head.target.start
    asked.target_size = head.target.length
    asked.is_head = head.method.length == 4
    if pick(asking.shelf, site, data, head, parcel):
        return 1
    return seek(asking.fetching, site, data, head, parcel)
