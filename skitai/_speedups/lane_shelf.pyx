"""Requests of a lane connection that are answered from the shelf, in front of all lanes (shelf.h).

Such an answer is a parcel: a head, and the content or a file.  What the socket does not take at once is
`pending` in the connection's `view`: the monitor goes on with it while the leader is away, or has begun with
it (relief.h), and we go on with what it has left.

Whoever serves the connection runs this.
"""

from skitai._speedups.clock cimport monotonic, wall_clock
from skitai._speedups.lane_sender cimport SENT, WAITING
from skitai._speedups.loop cimport SK_SERVING, sk_pending
from skitai._speedups.relief cimport sk_asked, sk_pend, sk_pending_free
from skitai._speedups.shelf cimport (
    SK_PARCEL_LOST,
    SK_PARCEL_MORE,
    SK_PARCEL_SENT,
    sk_parcel,
    sk_parcel_release,
    sk_parcel_rest,
    sk_parcel_send,
)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    PARCEL_TURN_MAX = 2 << 20  # bytes of a file that are sent before others have their turn


cdef bint answer_from_shelf(LaneSender connection, Workspace work, Head *head) except -1:
    """Send the parcel; False if no more is to be read now."""
    cdef sk_parcel *parcel = &work.parcel
    cdef sk_parcel_state state
    cdef sk_asked asked
    cdef double received_at
    cdef Outcome outcome = connection.flush(work)
    if outcome != SENT:
        sk_parcel_release(parcel)
        if outcome == WAITING:
            connection.left = work.rest()
        return False
    received_at = monotonic() if connection.lanes.log is not None else 0.0
    asked.target = <const char *>work.scratch + work.start + head.target.start
    asked.target_size = head.target.length
    asked.is_head = head.method.length == 4
    work.start += head.consumed
    connection.has_answered = True
    state = _send(connection, parcel)
    if state == SK_PARCEL_SENT or state == SK_PARCEL_LOST:
        return _parcel_is_over(connection, parcel, state, received_at, &asked)
    connection.view.pending = sk_pend(parcel, received_at, &asked)
    if connection.view.pending == NULL:
        sk_parcel_release(parcel)
        raise MemoryError
    if work.start < work.filled:
        connection.left = work.rest()
    connection.progressed()
    _parcel_rests(connection, state)
    return False


cdef sk_parcel_state _send(LaneSender connection, sk_parcel *parcel) except *:
    if connection.seal is not None:
        return connection.seal.send_parcel(connection.fd, parcel, PARCEL_TURN_MAX)
    return sk_parcel_send(parcel, connection.fd, PARCEL_TURN_MAX)


cdef Outcome send_pending(LaneSender connection) except? LOST:
    """The rest of an answer of the shelf; LOST: the connection is closed."""
    cdef sk_pending *pending = connection.view.pending
    cdef unsigned long long before = pending.parcel.sent
    cdef sk_parcel_state state = _send(connection, &pending.parcel)
    if state == SK_PARCEL_SENT or state == SK_PARCEL_LOST:
        return SENT if end_pending(connection, state) else LOST
    if connection.stall is None or pending.parcel.sent != before:  # None: the monitor has begun with it
        connection.progressed()
    _parcel_rests(connection, state)
    return WAITING


cdef bint end_pending(LaneSender connection, sk_parcel_state state) except -1:
    cdef sk_pending *pending = connection.view.pending
    cdef sk_asked asked
    connection.view.left = False
    asked.target = pending.target
    asked.target_size = pending.target_size
    asked.is_head = pending.is_head
    connection.view.pending = NULL
    try:
        return _parcel_is_over(connection, &pending.parcel, state, pending.received_at, &asked)
    finally:
        sk_pending_free(pending)


cdef Py_ssize_t rest_of_pending(LaneSender connection) except -1:
    """The bytes of it that wait for the client."""
    if connection.stall is None or (
        connection.view.served_at > connection.deadline - connection.lanes.send_stall_timeout / 2
    ):
        connection.progressed()  # the monitor has sent some of it
    return sk_parcel_rest(&connection.view.pending.parcel)


cdef int _parcel_rests(LaneSender connection, sk_parcel_state state) except -1:
    connection.wait_for_client()
    connection.view.left = connection.left is not None
    if state == SK_PARCEL_MORE:
        connection.lanes.loop.again(connection)
    return 0


cdef bint _parcel_is_over(
    LaneSender connection, sk_parcel *parcel, sk_parcel_state state, double received_at, const sk_asked *asked
) except -1:
    """Sent, or lost; False if with it the connection is closed."""
    cdef bint stays = state == SK_PARCEL_SENT and parcel.stays
    connection.view.state = SK_SERVING
    connection.lanes.count(parcel.status, parcel.slot)
    _log_parcel(connection, parcel, received_at, asked)
    sk_parcel_release(parcel)
    if not stays:
        connection.whole = state == SK_PARCEL_SENT
        connection.close()
    return stays


cdef int _log_parcel(
    LaneSender connection, sk_parcel *parcel, double received_at, const sk_asked *asked
) except -1:
    if connection.lanes.log is not None:
        connection.lanes.log(
            (
                wall_clock(),
                connection.address,
                connection.port,
                "HEAD" if asked.is_head else "GET",
                asked.target[: asked.target_size].decode("latin-1"),
                "1.1",
                parcel.status,
                parcel.sent,
                0.0,
                monotonic() - received_at,
            )
        )
    return 0
