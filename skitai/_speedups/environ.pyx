"""Request fields in the WSGI ``environ``, the compiled twin of ``skitai/_pure/environ.py``.

Called for each request to an application, in the loop thread or a worker, with the GIL.
"""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetDefault, PyDict_Size
from cpython.object cimport PyObject

from sys import intern

cdef extern from *:
    # Set by setup.py on the compiler's command line.
    const unsigned int SKITAI_SOURCE_CRC32

SOURCE_CRC32 = SKITAI_SOURCE_CRC32

cdef frozenset WITHHELD = frozenset({"proxy", "transfer-encoding", "expect", "te", "trailer"})
cdef dict PLAIN_KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
cdef enum:
    KEYS_MAX = 1024
    KEY_LENGTH_MAX = 64
cdef dict keys = {}


cdef str _learn(str field):
    """The environ key of a field name, None if it is withheld."""
    cdef str lower = field.lower()
    if "_" in field or lower in WITHHELD:
        return None
    cdef str key = PLAIN_KEYS.get(lower)
    if key is None:
        key = "HTTP_" + field.upper().replace("-", "_")
    if len(keys) < KEYS_MAX and len(field) <= KEY_LENGTH_MAX:
        # Only what is kept: some Pythons never give up an interned string.
        key = intern(key)
        keys[field] = key
    return key


def add_fields(dict environ not None, list headers not None, frozenset withheld not None):
    """Put ``headers`` into ``environ``; for the rules see the twin."""
    cdef str name, value, key
    cdef PyObject *found
    cdef bint choosy = len(withheld) > 0
    cdef Py_ssize_t size
    for name, value in headers:
        found = PyDict_GetItemWithError(keys, name)
        key = <str>found if found != NULL else _learn(name)
        if key is None or (choosy and name.lower() in withheld):
            continue
        # One look-up instead of two; the size tells whether the key is new.
        size = PyDict_Size(environ)
        found = PyDict_SetDefault(environ, key, value)
        if PyDict_Size(environ) == size:
            environ[key] = f"{<object>found}{'; ' if key == 'HTTP_COOKIE' else ', '}{value}"
