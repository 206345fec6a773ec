"""The policy set in force: that of the files that the settings name, as they are now; a broken one is refused, and the
one before stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from accord.domain.policy import Decision, Request
from accord.errors import BadInput
from accord.policy.source import PolicySource, read_source, shipped_source

if TYPE_CHECKING:
    from accord.policy.cedar import CedarSet

_Stamp = tuple[tuple[str, int, int], ...]
"""Names, times and sizes of files: when all are the same, nothing is read again."""


Keep = Callable[[PolicySource], Awaitable[None]]


class ShippedPolicy:
    """The port `Policy`: answers by the set that ships with Accord. It is parsed when the first question comes: most
    commands ask none, and Cedar takes a while to import.
    """

    def __init__(self) -> None:
        self.source = shipped_source()
        """The set, as it is written."""

    def decide(self, request: Request) -> Decision:
        """The answer of the set."""
        return self._in_force.decide(request)

    @cached_property
    def _in_force(self) -> CedarSet:
        return _checked(self.source)

    async def renew(self, _: Keep) -> bool:
        """It never changes."""
        return False


class LivePolicy:
    """The port `Policy`: answers by the newest set that has passed its check."""

    def __init__(self, in_force: CedarSet, path: Path | None = None, stamp: _Stamp = ()) -> None:
        self._in_force = in_force
        self._path = path
        self._stamp = stamp

    @property
    def source(self) -> PolicySource:
        """The set in force, as it is written."""
        return self._in_force.source

    def decide(self, request: Request) -> Decision:
        """The answer of the set in force."""
        return self._in_force.decide(request)

    async def renew(self, keep: Keep) -> bool:
        """Take over what the files say now; whether it is another set. Raises BadInput once for each change."""
        if self._path is None:
            return False
        path, stamp = self._path, await asyncio.to_thread(_stamp_of, self._path)
        if stamp == self._stamp:
            return False
        try:
            found = await asyncio.to_thread(_checked_of, path)
        except BadInput:
            self._stamp = stamp  # told once, until it changes again
            raise
        is_other = found.source.digest != self.source.digest
        if is_other:
            await keep(found.source)
        self._in_force, self._stamp = found, stamp
        return is_other


async def open_policy(path: Path | None) -> ShippedPolicy | LivePolicy:
    """The policy of these files, or the one that ships with Accord. Raises BadInput with all that is wrong."""
    if path is None:
        return shipped()
    stamp = await asyncio.to_thread(_stamp_of, path)
    return LivePolicy(await asyncio.to_thread(_checked_of, path), path, stamp)


@cache
def shipped() -> ShippedPolicy:
    """The policy that ships with Accord."""
    return ShippedPolicy()


def _checked_of(path: Path) -> CedarSet:
    return _checked(read_source(path))


def _checked(source: PolicySource) -> CedarSet:
    from accord.policy.cedar import checked  # noqa: PLC0415 - Cedar takes a while to import

    return checked(source)


def _stamp_of(path: Path) -> _Stamp:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [(file, file.stat()) for file in files if file.exists()]
    return tuple((str(file), state.st_mtime_ns, state.st_size) for file, state in found)
