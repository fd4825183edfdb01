"""The body of an application's answer: what it returned, taken in one piece, and ended.

A list is taken whole; of another iterable the first piece, where that is the whole body by its
Content-Length: it goes out before the next one is asked for (PEP 3333), so the rest is taken, and closed,
behind the answer.  What is not in one piece is put back (putback.py) for the gateway, which sees all of it.

A body that is worth it is coded (core/compression.py), here if that is quick, else by the gateway.  Whether it
may be is found out without Python where the client names no coding.

The leader's only.  To go on with an iterable is to call the application: it may last.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit
from libc.stdint cimport uint32_t

from itertools import chain

from skitai._speedups.putback import Failed, PutBack

from skitai._speedups.calls cimport ASKED, BEHIND
from skitai._speedups.fields cimport Field, is_word, text_of
from skitai._speedups.heads cimport Head

cdef extern from *:
    """
    /* Whether what an application gave is for asyncio: see `is_asynchronous` in core/coroutines.py. */
    static inline int sk_is_asynchronous(PyObject *result) {
        const PyTypeObject *type = Py_TYPE(result);
        return type->tp_as_async != NULL
            && (type->tp_as_async->am_await != NULL
                || (type->tp_as_async->am_aiter != NULL && type->tp_iter == NULL));
    }
    """
    bint sk_is_asynchronous(object result)

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    LIST_JOIN_MAX = 65536 # longer lists of pieces are sent piece by piece, by a run
    CODED_MAX = 65536     # longer bodies are coded by a run; these take less than a millisecond
    SURPLUS_MAX = 64      # empty pieces taken behind a complete body: nobody else's turn comes meanwhile

cdef object _END = object()


cdef bint take_body(Call call) except -1:
    """The body in one piece, as long as announced; False if it is not so.

    The first piece of an iterable is taken only where its length is announced: as the whole
    body it goes out before the next one is asked for (PEP 3333).
    """
    cdef object result = call.result
    cdef object failure = None
    cdef bint is_file = False
    cdef Py_ssize_t total
    if type(result) is list or type(result) is tuple:
        if len(result) == 1 and type(result[0]) is bytes:
            call.body = result[0]
        else:
            total = 0
            for piece in result:
                if type(piece) is not bytes:
                    return False
                total += PyBytes_GET_SIZE(piece)
            if total > LIST_JOIN_MAX:
                return False
            call.body = b"".join(result)
        if call.answer.length >= 0 and call.answer.length != PyBytes_GET_SIZE(call.body):
            return False
        return not _may_be_coded(call) or _code(call)
    if call.answer.length <= 0 or call.route.parks or sk_is_asynchronous(result):
        return False
    PyContext_Enter(call.context)
    call.enter(ASKED)
    try:
        is_file = isinstance(result, call.route.file_wrapper)  # a proxy's own code may answer
        if not is_file:
            iterator = iter(result)
            piece = next(iterator, _END)
    except BaseException as error:
        failure = error
    call.back()
    PyContext_Exit(call.context)
    if is_file:
        return False
    if failure is not None:
        call.result = PutBack(Failed(failure), result)
        return False
    if piece is _END:
        call.result = PutBack(iter(()), result)
        return False
    # It may have called write(), or start_response again, and so have left its lane.
    if call.run is None and type(piece) is bytes and PyBytes_GET_SIZE(piece) == call.answer.length:
        call.body = call.piece = piece
        call.iterator = iterator
        if not _may_be_coded(call) or _code(call):
            return True
        put_back(call)
        return False
    call.result = PutBack(chain((piece,), iterator), result)
    return False


cdef inline bint _may_be_coded(Call call) except -1:
    return (
        call.route.compression is not None
        and PyBytes_GET_SIZE(call.body) >= call.route.coded_from
        and call.answer.content_type is not None
        and call.route.codes(call.answer.content_type)
    )


cdef bint _code(Call call) except -1:
    """Let the answer be what the client likes best; False if that is for a run."""
    cdef const Head *head = &call.work.head
    cdef const unsigned char *data = call.work.scratch + call.work.start
    cdef const Field *field
    cdef uint32_t index
    cdef int status = call.answer.status.code
    cdef object accept_encoding = None
    for index in range(head.count):
        field = &head.fields[index]
        if field.name.length == 15 and is_word(data + field.name.start, 15, b"accept-encoding"):
            if accept_encoding is not None:
                return False
            accept_encoding = text_of(data, field.value)
    if accept_encoding is None and not call.answer.regarded:
        call.answer.varies = True
        return True
    if accept_encoding is not None and PyBytes_GET_SIZE(call.body) > CODED_MAX:
        return False
    call.enter(ASKED)  # who has the GIL meanwhile may keep it
    try:
        fields, body = call.route.compression.code(accept_encoding, status, call.answer.fields, call.body)
    finally:
        call.back()
    if call.run is not None or call.over:
        return False
    call.answer.sent = fields
    call.body = body
    return True


cdef int put_back(Call call) except -1:
    """The piece that `take_body` took is not sent from here after all."""
    if call.iterator is not None:
        call.result = PutBack(chain((call.piece,), call.iterator), call.result)
        call.iterator = None
    return 0


cdef int exhaust(Call call, bint lost) except -1:
    """The body is out; the application's iterable still has its end and its close(), or if the
    client is ``lost`` its close() only."""
    cdef int surplus = 0
    PyContext_Enter(call.context)
    call.enter(BEHIND)
    try:
        if not lost:
            for piece in call.iterator:
                surplus += 1
                if call.is_more(piece) or surplus == SURPLUS_MAX:
                    break
    except BaseException as error:
        call.tell("", error)
    call.iterator = None
    call.close_result(call.result)
    call.back()
    PyContext_Exit(call.context)
    return 0


cdef int lose(Call call, object error) except -1:
    """The answer goes nowhere: what the application returned is closed, what it raised is told."""
    call.over = True
    if error is None:
        exhaust(call, True)
    else:
        call.tell("", error)
    call.release()
    return 0
