"""Statements out and results in, many under way at once: the twin of ``skitai/_pure/pipeline.py``.

The same functions of the same libpq, called by their addresses in place of through cffi, and what psycopg2's
own casters for numbers, booleans and text do, done here: a row of four columns takes 0.6 us in place of 7.

The GIL is let go where the system is called, in `flush` and `read`: everything else is work in memory.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromString, PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uintptr_t
from libc.stdlib cimport strtoll
from libc.string cimport strcmp

from collections import deque

from skitai._pure.pipeline import PipelineError

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *text, char **end, PyObject *overflow) except? -1.0

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef enum:
    # ExecStatusType: PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_PIPELINE_SYNC
    OK = 1
    TUPLES = 2
    SYNC = 10

cdef enum Kind:
    OTHER
    INTEGER
    FLOAT
    BOOLEAN
    TEXT

ctypedef int (*sk_of_connection)(void *) noexcept nogil
ctypedef int (*sk_of_result)(void *) noexcept nogil
ctypedef int (*sk_of_column)(void *, int) noexcept nogil
ctypedef unsigned int (*sk_oid_of_column)(void *, int) noexcept nogil
ctypedef int (*sk_of_value)(void *, int, int) noexcept nogil
ctypedef char *(*sk_text_of_value)(void *, int, int) noexcept nogil
ctypedef char *(*sk_text_of_column)(void *, int) noexcept nogil
ctypedef char *(*sk_text)(void *) noexcept nogil
ctypedef void *(*sk_next_result)(void *) noexcept nogil
ctypedef void (*sk_clear)(void *) noexcept nogil
ctypedef int (*sk_send)(void *, const char *, int, void *, void *, void *, void *, int) noexcept nogil


cdef void *_address(addresses, name) except NULL:
    return <void *><uintptr_t>addresses[name]


@cython.final
cdef class Pipeline:
    cdef object library
    cdef void *connection
    cdef object own
    cdef object shared
    cdef object rest
    cdef object of_null
    cdef tuple integers
    cdef tuple floats
    cdef tuple booleans
    cdef tuple texts
    #: How many statements stand before each mark that has not come back; those without a mark yet.
    cdef object marks
    cdef Py_ssize_t unmarked
    #: What has come of those whose mark is next.
    cdef list held
    #: Those of the last result: the next one has mostly the same.
    cdef tuple columns
    cdef sk_send send_statement
    cdef sk_of_connection sync
    cdef sk_of_connection push
    cdef sk_of_connection receive
    cdef sk_of_connection is_busy
    cdef sk_next_result next_result
    cdef sk_text why
    cdef sk_clear clear
    cdef sk_of_result status
    cdef sk_of_result count_rows
    cdef sk_of_result count_columns
    cdef sk_text counted
    cdef sk_text_of_column name
    cdef sk_oid_of_column table
    cdef sk_of_column number
    cdef sk_oid_of_column oid
    cdef sk_of_column size
    cdef sk_of_column modifier
    cdef sk_text_of_value value
    cdef sk_of_value length
    cdef sk_of_value is_null

    def __init__(self, library, address, casts):
        """``address``: of the ``PGconn``, which is in pipeline mode."""
        self.library = library
        self.connection = <void *><uintptr_t>address
        self.own, self.shared, self.rest, self.of_null = casts.own, casts.shared, casts.rest, casts.of_null
        self.marks = deque()
        self.held = []
        self.columns = ()
        self.integers, self.floats = casts.integers, casts.floats
        self.booleans, self.texts = casts.booleans, casts.texts
        addresses = library.addresses
        self.send_statement = <sk_send>_address(addresses, "PQsendQueryParams")
        self.sync = <sk_of_connection>_address(addresses, "PQpipelineSync")
        self.push = <sk_of_connection>_address(addresses, "PQflush")
        self.receive = <sk_of_connection>_address(addresses, "PQconsumeInput")
        self.is_busy = <sk_of_connection>_address(addresses, "PQisBusy")
        self.next_result = <sk_next_result>_address(addresses, "PQgetResult")
        self.why = <sk_text>_address(addresses, "PQerrorMessage")
        self.clear = <sk_clear>_address(addresses, "PQclear")
        self.status = <sk_of_result>_address(addresses, "PQresultStatus")
        self.count_rows = <sk_of_result>_address(addresses, "PQntuples")
        self.count_columns = <sk_of_result>_address(addresses, "PQnfields")
        self.counted = <sk_text>_address(addresses, "PQcmdTuples")
        self.name = <sk_text_of_column>_address(addresses, "PQfname")
        self.table = <sk_oid_of_column>_address(addresses, "PQftable")
        self.number = <sk_of_column>_address(addresses, "PQftablecol")
        self.oid = <sk_oid_of_column>_address(addresses, "PQftype")
        self.size = <sk_of_column>_address(addresses, "PQfsize")
        self.modifier = <sk_of_column>_address(addresses, "PQfmod")
        self.value = <sk_text_of_value>_address(addresses, "PQgetvalue")
        self.length = <sk_of_value>_address(addresses, "PQgetlength")
        self.is_null = <sk_of_value>_address(addresses, "PQgetisnull")

    def send(self, bytes sql not None):
        """To be sent with the next `flush`, or with this; a `mark` has to follow.

        Raises PipelineError: the connection is broken.
        """
        if not self.send_statement(self.connection, PyBytes_AS_STRING(sql), 0, NULL, NULL, NULL, NULL, 0):
            raise self.error()
        self.unmarked += 1

    def mark(self):
        """Behind what was sent since the last one.

        Raises PipelineError: the connection is broken.
        """
        if not self.sync(self.connection):
            raise self.error()
        self.marks.append(self.unmarked)
        self.unmarked = 0

    def flush(self):
        """Whether something is left, for which the socket has no room now.

        Raises PipelineError: the connection is broken.
        """
        cdef int left
        with nogil:
            left = self.push(self.connection)
        if left < 0:
            raise self.error()
        return left > 0

    cdef object error(self):
        return PipelineError(PyBytes_FromString(self.why(self.connection)).decode(errors="replace"))

    def read(self):
        """What has come, for `take`.

        Raises PipelineError: the connection is broken; what came before may still be taken.
        """
        cdef int is_good
        with nogil:
            is_good = self.receive(self.connection)
        if not is_good:
            raise self.error()

    @property
    def answered(self):
        """How many of those before the oldest mark have come whole, though not their mark."""
        return PyList_GET_SIZE(self.held)

    def take(self, cursor, Py_ssize_t rows_max):
        """What those before the oldest mark have come to, without the rows of those that have more than
        ``rows_max``; None: more has to be read.

        Behind one that was refused there is nothing: the server has not run those.  Where it has refused the
        transaction in the end, that is all there is.
        """
        cdef void *result
        cdef bint was_end = False
        while self.marks and not self.is_busy(self.connection):
            result = self.next_result(self.connection)
            if result == NULL:
                # One ends the results of a statement; after two there are none, for the connection is broken.
                if was_end:
                    return None
                was_end = True
                continue
            was_end = False
            if self.status(result) == SYNC:
                self.clear(result)
                self.marks.popleft()
                return self.drop()
            self.hold(result, cursor, rows_max)
        return None

    cpdef list drop(self):
        """What has come of those whose mark has not; it is forgotten here."""
        held, self.held = self.held, []
        return held

    cdef bint is_refused(self):
        cdef Py_ssize_t count = PyList_GET_SIZE(self.held)
        return count > 0 and (<tuple>PyList_GET_ITEM(self.held, count - 1))[0] != 0

    cdef int hold(self, void *result, cursor, Py_ssize_t rows_max) except -1:
        cdef int status = self.status(result)
        cdef int found
        cdef char *count
        if self.is_refused():
            self.clear(result)  # not run, or the end of the connection, of which the server has said why
            return 0
        if status == OK and self.count_columns(result):
            self.clear(result)  # a description without its rows: see the head of the pure twin
            return 0
        if status != OK and status != TUPLES:
            if len(self.held) == self.marks[0]:
                self.held.clear()  # it is the transaction that is refused
            self.held.append((<uintptr_t>result, None, None, (), -1))
            return 0
        try:
            if status == OK:
                count = self.counted(result)
                self.held.append((0, None, None, (), strtoll(count, NULL, 10) if count[0] else -1))
            else:
                found = self.count_rows(result)
                rows = self.rows_of(result, cursor) if found <= rows_max else ()
                self.held.append((0, None, self.columns_of(result), rows, found))
        except Exception as error:
            self.held.append((0, error, None, (), -1))
        finally:
            self.clear(result)
        return 0

    cdef tuple columns_of(self, void *result):
        if not self.has_same_columns(result):
            self.columns = self.new_columns(result)
        return self.columns

    cdef bint has_same_columns(self, void *result) except -1:
        cdef int count = self.count_columns(result)
        cdef int place
        cdef tuple column
        if count != len(self.columns):
            return False
        for place in range(count):
            column = <tuple>self.columns[place]
            if (
                strcmp(PyBytes_AS_STRING(column[0]), self.name(result, place)) != 0
                or <unsigned int>column[1] != self.table(result, place)
                or <int>column[2] != self.number(result, place)
                or <unsigned int>column[3] != self.oid(result, place)
                or <int>column[4] != self.size(result, place)
                or <int>column[5] != self.modifier(result, place)
            ):
                return False
        return True

    cdef tuple new_columns(self, void *result):
        cdef int count = self.count_columns(result)
        cdef int place
        cdef tuple columns = PyTuple_New(count)
        for place in range(count):
            column = (
                PyBytes_FromString(self.name(result, place)),
                self.table(result, place),
                self.number(result, place),
                self.oid(result, place),
                self.size(result, place),
                self.modifier(result, place),
            )
            Py_INCREF(column)
            PyTuple_SET_ITEM(columns, place, column)
        return columns

    cdef object caster(self, unsigned int oid):
        key = oid
        caster = self.own.get(key)
        if caster is None:
            caster = self.shared.get(key)
        return self.rest if caster is None else caster

    cdef Kind kind(self, caster):
        if _is_in(caster, self.texts):
            return TEXT
        if _is_in(caster, self.integers):
            return INTEGER
        if _is_in(caster, self.floats):
            return FLOAT
        if _is_in(caster, self.booleans):
            return BOOLEAN
        return OTHER

    cdef list rows_of(self, void *result, cursor):
        """Column by column, for what is to be done with a value depends on its column."""
        cdef int count = self.count_rows(result)
        cdef int width = self.count_columns(result)
        cdef int row, place
        cdef list rows = PyList_New(count)
        cdef Kind kind
        cdef tuple values
        for row in range(count):
            values = PyTuple_New(width)
            Py_INCREF(values)
            PyList_SET_ITEM(rows, row, values)
        for place in range(width):
            caster = self.caster(self.oid(result, place))
            kind = self.kind(caster)
            for row in range(count):
                value = self.value_of(result, row, place, kind, caster, cursor)
                Py_INCREF(value)
                PyTuple_SET_ITEM(<tuple>PyList_GET_ITEM(rows, row), place, value)
        return rows

    cdef object value_of(self, void *result, int row, int place, Kind kind, caster, cursor):
        cdef char *text
        cdef char *end
        cdef Py_ssize_t length
        cdef long long number
        if self.is_null(result, row, place):
            return None if kind != OTHER else self.of_null(caster, cursor)
        text = self.value(result, row, place)
        length = self.length(result, row, place)
        if kind == TEXT:
            return PyUnicode_DecodeUTF8(text, length, NULL)
        # The longest of 18 digits cannot overflow; a caster may stand for a type whose texts are no numbers.
        if kind == INTEGER and 0 < length <= 18:
            number = strtoll(text, &end, 10)
            if end == text + length:
                return number
        elif kind == FLOAT:
            return PyOS_string_to_double(text, NULL, NULL)
        elif kind == BOOLEAN and length == 1 and (text[0] == c"t" or text[0] == c"f"):
            return text[0] == c"t"
        return caster(PyBytes_FromStringAndSize(text, length), cursor)


cdef bint _is_in(caster, tuple casters):
    for each in casters:
        if each is caster:
            return True
    return False
