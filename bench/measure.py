"""Measuring: wall time, CPU time of all processes with their threads and children, latencies, peak memory.

Other processes are looked at through `/proc`, so what is measured over the network is measured on Linux.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

PROC = Path("/proc")
"""Where Linux tells of processes."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one scenario measured."""

    handoffs: int
    seconds: float
    per_second: float
    cpu_ms_each: float
    """CPU milliseconds per hand-off, of all threads and children together."""
    p50_ms: float
    p95_ms: float
    """Of whole runs."""
    peak_mib: float
    """Of the process, since it started."""
    held_mib: float | None = None
    """By all counted processes, at the end; what they share is counted once. None where there is no `/proc`."""


class Readings(msgspec.Struct, frozen=True):
    """What a scenario measured whose figures are not those of hand-offs, by name; a name says its unit."""

    values: dict[str, float]


class Process:
    """Another process of this machine, from outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._place = PROC / str(pid)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far."""
        return self._spent_s(2)

    def _spent_s(self, fields: int) -> float:
        """Of itself, in user mode and in the kernel; with four fields, of its children that have ended as well."""
        spent = (self._place / "stat").read_text().rpartition(")")[2].split()[11 : 11 + fields]
        return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mib(self) -> float:
        """What it holds in memory."""
        return _value_mib(self._place / "status", "VmRSS:")

    @property
    def held_mib(self) -> float:
        """What it holds in memory, with its part of what it shares with others."""
        return _value_mib(self._place / "smaps_rollup", "Pss:")

    @property
    def peak_mib(self) -> float:
        """The most that it has held, since it started or `forget_peak`."""
        return _value_mib(self._place / "status", "VmHWM:")

    def forget_peak(self) -> None:
        """Let the peak begin with what is held now."""
        (self._place / "clear_refs").write_text("5")


class Family(Process):
    """A process and its children: a server that makes one for each connection."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far of itself, of its children, and of those that have ended."""
        return self._spent_s(4) + self._of_children(lambda child: child.cpu_s)

    @property
    def held_mib(self) -> float:
        """What all of them hold in memory."""
        return super().held_mib + self._of_children(lambda child: child.held_mib)

    def _of_children(self, value: Callable[[Process], float]) -> float:
        found = 0.0
        for child in (self._place / "task" / str(self.pid) / "children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended, and counts as such next time
                found += value(Process(int(child)))
        return found


class Meter:
    """Collects what happens between the start and the end of a measurement, in this process and in `others`."""

    def __init__(self, others: Sequence[Process] = ()) -> None:
        self._others = others
        self._all = (Process(os.getpid()), *others)
        self.latencies_s: list[float] = []
        self.handoffs = 0
        self._seconds = 0.0
        self._cpu_s = 0.0
        self._held_mib: float | None = None

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Count what is done inside."""
        wall, cpu = time.perf_counter(), self._used_s()
        yield
        self._seconds += time.perf_counter() - wall
        self._cpu_s += self._used_s() - cpu
        self._held_mib = round(sum(one.held_mib for one in self._all), 1) if PROC.exists() else None

    def _used_s(self) -> float:
        return _cpu_s() + sum(other.cpu_s for other in self._others)

    @contextmanager
    def run(self, handoffs: int) -> Iterator[None]:
        """One run with so many hand-offs."""
        begun = time.perf_counter()
        yield
        self.latencies_s.append(time.perf_counter() - begun)
        self.handoffs += handoffs

    def figures(self) -> Figures:
        """All figures."""
        return Figures(
            handoffs=self.handoffs,
            seconds=round(self._seconds, 3),
            per_second=round(self.handoffs / self._seconds, 1),
            cpu_ms_each=round(self._cpu_s / self.handoffs * 1e3, 4),
            p50_ms=round(statistics.median(self.latencies_s) * 1e3, 2),
            p95_ms=round(share(self.latencies_s, 0.95) * 1e3, 2),
            peak_mib=round(_peak_mib(), 1),
            held_mib=self._held_mib,
        )


def share(values: Sequence[float], part: float) -> float:
    """The value that this part of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_mib() -> float:
    """Of this program alone: what `getrusage` tells of a new one begins with what its parent held."""
    return Process(os.getpid()).peak_mib if PROC.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _value_mib(file: Path, name: str) -> float:
    (found,) = (line for line in file.read_text().splitlines() if line.startswith(name))
    return int(found.split()[1]) / 1024
