"""A pool of threads for C exports (`runtimes/threads/pool.h`): what their ``..._run_parallel`` takes."""

from __future__ import annotations

import ctypes
import weakref
from functools import cache

from edgeemb.errors import NativeError
from edgeemb.native.libraries import open_library

#: Name of the native library.
LIBRARY = "edgeemb_threads"

_ABI_VERSION = 1


class Parallel(ctypes.Structure):
    """A loop whose turns may run at the same time, as ``model.h`` of a C export declares it."""

    _fields_ = [("run", ctypes.c_void_p), ("pool", ctypes.c_void_p)]


class Pool:
    """Threads that sleep until there is something to do. They end with the pool.

    :param threads: their number, the caller's one of them.
    :raises NativeError: if the native library is missing, or the system gives no more threads.
    """

    def __init__(self, threads: int) -> None:
        library = _library()
        pool = library.edgeemb_threads_open(threads)
        if not pool:
            raise NativeError(f"the system gives no {threads} threads: use fewer")
        run = ctypes.cast(library.edgeemb_threads_run, ctypes.c_void_p).value
        #: What C exports take, by reference.
        self.parallel = Parallel(run, pool)
        self._end = weakref.finalize(self, library.edgeemb_threads_close, pool)

    def close(self) -> None:
        """End the threads."""
        self._end()


@cache
def _library() -> ctypes.CDLL:
    library = open_library(LIBRARY, "edgeemb_threads_abi_version", _ABI_VERSION)
    library.edgeemb_threads_open.argtypes = [ctypes.c_uint32]
    library.edgeemb_threads_open.restype = ctypes.c_void_p
    library.edgeemb_threads_close.argtypes = [ctypes.c_void_p]
    library.edgeemb_threads_close.restype = None
    return library
