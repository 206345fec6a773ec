"""The library of a PKCS#11 token: loaded once, and told that several threads use it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import pkcs11


class Turns:
    """Many threads use a token at once, or one alone changes what is in it.

    PKCS#11 has it that others see an object or don't. SoftHSM shows other threads half of one that is being made, and
    other processes too, which it then takes for broken until they end: where a file is given, all processes of this
    machine take turns by its lock.
    """

    def __init__(self, within_s: float, file: str | None = None) -> None:
        self._within_s = within_s
        """So long who changes something waits for the threads that use it: a call may never return."""
        self._file = None if file is None else os.open(file, os.O_RDONLY)
        self._free = threading.Condition()
        self._using = 0
        self._is_taken = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Use the token beside others."""
        with self._free:
            self._free.wait_for(lambda: not self._is_taken)
            if self._using == 0:
                self._lock_file(fcntl.LOCK_SH)
            self._using += 1
        try:
            yield
        finally:
            with self._free:
                self._using -= 1
                if self._using == 0:
                    self._lock_file(fcntl.LOCK_UN)
                self._free.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Use the token while nobody else of this process does. Raises TimeoutError where somebody does not end."""
        with self._free:
            self._free.wait_for(lambda: not self._is_taken)
            self._is_taken = True  # from now on nobody begins, else there would always be somebody
        try:
            with self._free:
                if not self._free.wait_for(lambda: self._using == 0, self._within_s):
                    raise TimeoutError("other calls to the token do not return")
                self._lock_file(fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._lock_file(fcntl.LOCK_UN)
        finally:
            with self._free:
                self._is_taken = False
                self._free.notify_all()

    def _lock_file(self, how: int) -> None:
        if self._file is not None:
            fcntl.flock(self._file, how)


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no locks of ours, so the library takes those of the system."""

    _fields_ = (("mutexes", ctypes.c_void_p * 4), ("flags", ctypes.c_ulong), ("reserved", ctypes.c_void_p))


class _Functions(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("initialize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.POINTER(_InitializeArguments))),
    )


class Library(msgspec.Struct, frozen=True):
    """A library that was initialised."""

    driver: Any
    takes_many: bool
    """Whether several threads may use it at once."""
    turns: Turns


ALONE_WITHIN_S: Final = 5.0

_KEEPS_FILES: Final = "SoftHSM"
"""Whose tokens are files that other processes write as well: the beginning of its manufacturerID."""

_CKF_OS_LOCKING_OK: Final = 2
_loading = threading.Lock()
_libraries: dict[str, Library] = {}  # a library is initialised once for a whole process, as PKCS#11 has it


def loaded(path: str) -> Library:
    """The library, which is initialised where nobody has done so."""
    with _loading:
        if path not in _libraries:
            driver = pkcs11.lib(path)
            turns = Turns(ALONE_WITHIN_S, path if driver.manufacturer_id.startswith(_KEEPS_FILES) else None)
            with turns.alone():  # it reads the tokens
                # The driver initialises it without a word of threads, which means there is one alone (C_Initialize).
                driver.finalize()
                takes_many = _initialize(path)
                if not takes_many:
                    driver.initialize()
            _libraries[path] = Library(driver, takes_many, turns)
        return _libraries[path]


def _initialize(path: str) -> bool:
    """Initialise the library for several threads; whether it was."""
    functions = ctypes.POINTER(_Functions)()
    if ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(functions)) != 0:
        return False
    arguments = _InitializeArguments(flags=_CKF_OS_LOCKING_OK)
    return bool(functions.contents.initialize(ctypes.byref(arguments)) == 0)
