"""The library of a PKCS#11 token: loaded once, and told that several threads use it."""

from __future__ import annotations

import ctypes
import threading
from typing import Any, Final

import pkcs11


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no locks of ours, so the library takes those of the system."""

    _fields_ = (("mutexes", ctypes.c_void_p * 4), ("flags", ctypes.c_ulong), ("reserved", ctypes.c_void_p))


class _Functions(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("initialize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.POINTER(_InitializeArguments))),
    )


_CKF_OS_LOCKING_OK: Final = 2
_loading = threading.Lock()
_libraries: dict[str, tuple[Any, bool]] = {}  # a library is initialised once for a whole process, as PKCS#11 has it


def loaded(path: str) -> tuple[Any, bool]:
    """The library, and whether several threads may use it at once."""
    with _loading:
        if path not in _libraries:
            library = pkcs11.lib(path)
            # The driver initialises it without a word of threads, which means there is one alone (C_Initialize).
            library.finalize()
            takes_many = _initialize(path)
            if not takes_many:
                library.initialize()
            _libraries[path] = library, takes_many
        return _libraries[path]


def _initialize(path: str) -> bool:
    """Initialise the library for several threads; whether it was."""
    functions = ctypes.POINTER(_Functions)()
    if ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(functions)) != 0:
        return False
    arguments = _InitializeArguments(flags=_CKF_OS_LOCKING_OK)
    return bool(functions.contents.initialize(ctypes.byref(arguments)) == 0)
