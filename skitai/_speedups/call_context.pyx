"""The context that an application is called in, and whether it can be used for the next request.

A context belongs to a request, and is a copy of the thread's.  To make one anew costs more than to ask
whether anybody would see the difference: nobody, if nothing was set in it and nobody has a copy.  Python has
no question for that; the mapping that a context refers to has the answer (PEP 567).

Under the GIL, which nobody lets go of within.
"""

from cpython.contextvars cimport (
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
    PyContextVar_Set,
)

cdef extern from "Python.h":
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef struct PyTypeObject:
        int (*tp_traverse)(PyObject *, visitproc, void *) noexcept
    PyTypeObject *Py_TYPE(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)  # a macro of plain pointers: an object would be counted once more

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32


cdef object context_with(object variable, object value):
    """A copy of the thread's context in which ``variable`` is ``value``."""
    context = PyContext_CopyCurrent()
    PyContext_Enter(context)
    try:
        PyContextVar_Set(variable, value)
    finally:
        PyContext_Exit(context)
    return context


cdef PyObject *settings_of(PyObject *context) noexcept:
    """What a context that is not entered refers to: the mapping of its variables.  Another one each time
    that a variable is set or reset, and shared by copies (PEP 567)."""
    cdef PyObject *settings = NULL
    Py_TYPE(context).tp_traverse(context, _note_referent, &settings)
    return settings


cdef bint is_as_made(PyObject *context, PyObject *settings) noexcept:
    """Whether nobody but its owner has the context or a copy of it, and nothing was set since its
    ``settings`` were asked for."""
    return Py_REFCNT(context) == 1 and settings_of(context) == settings and Py_REFCNT(settings) == 1


cdef int _note_referent(PyObject *referent, void *place) noexcept:
    (<PyObject **>place)[0] = referent
    return 0
