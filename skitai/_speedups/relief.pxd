# What the monitor does in the leader's place, as C code sees it: see relief.h and relief.pyx.

from libc.stdint cimport uint32_t, uint64_t

from skitai._speedups.fetching cimport sk_fetching
from skitai._speedups.fields cimport HeadLimits
from skitai._speedups.heads cimport Head
from skitai._speedups.lanes cimport Lanes
from skitai._speedups.loop cimport BatchEnd, sk_event, sk_kept, sk_lead, sk_pending, sk_view
from skitai._speedups.shelf cimport sk_parcel, sk_shelf
from skitai._speedups.workspace cimport sk_held

cdef extern from "relief.h" nogil:
    enum:
        SK_FOUNDLINGS
    ctypedef struct sk_asked:
        size_t consumed
        const char *target
        uint32_t target_size
        bint is_head
    ctypedef struct sk_foundling:
        sk_view view
        void *listener
        int family, port
        char *address
    ctypedef struct sk_record:
        void *owner
        int port, status
        bint is_head
        char *address
        double when, took
        uint64_t size
        uint32_t target_size, record_size
        char *target
    ctypedef int (*sk_picker)(
        void *context,
        const void *site,
        const unsigned char *data,
        size_t size,
        sk_parcel *parcel,
        sk_asked *asked,
    ) noexcept nogil
    ctypedef struct sk_relief:
        int poller
        sk_event *events
        const int *next_event
        const int *event_count
        size_t view_at
        sk_kept *kept
        sk_shelf *shelf
        sk_fetching *fetching
        sk_picker pick
        void *context
        bint logs
        const bint *draining
        unsigned long long *statuses
        unsigned long long answered
        int foundling_count
        sk_foundling *foundlings
        char *records
        size_t records_size, records_room
    ctypedef struct sk_stand_in:
        sk_held *held
        sk_relief *relief
    void sk_appoint(sk_lead *lead, sk_stand_in *stand_in)
    sk_relief *sk_relief_open()
    void sk_relief_close(sk_relief *relief)
    void sk_give_away(sk_relief *relief, sk_foundling *foundling)
    sk_pending *sk_pend(const sk_parcel *parcel, double received_at, const sk_asked *asked)
    void sk_pending_free(sk_pending *pending)

cdef struct sk_asking:
    const HeadLimits *limits
    sk_shelf *shelf
    sk_fetching *fetching
    Head head


cdef class Relief(BatchEnd):
    cdef sk_relief *relief
    cdef sk_asking asking
    cdef Lanes lanes

    cdef int log(self) except -1
    cdef int take_in(self) except -1
