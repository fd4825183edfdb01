# The context that an application is called in, as C code sees it: see call_context.pyx.

from cpython.object cimport PyObject

cdef object context_with(object variable, object value)
cdef PyObject *settings_of(PyObject *context) noexcept
cdef bint is_as_made(PyObject *context, PyObject *settings) noexcept
