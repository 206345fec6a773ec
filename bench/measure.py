"""Measuring: wall time, CPU time of the whole process with its threads and children, latencies, peak memory."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec


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


class Meter:
    """Collects what happens between the start and the end of a measurement."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.handoffs = 0
        self._seconds = 0.0
        self._cpu_s = 0.0

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Count what is done inside."""
        wall, cpu = time.perf_counter(), _cpu_s()
        yield
        self._seconds += time.perf_counter() - wall
        self._cpu_s += _cpu_s() - cpu

    @contextmanager
    def run(self, handoffs: int) -> Iterator[None]:
        """One run with so many hand-offs."""
        begun = time.perf_counter()
        yield
        self.latencies_s.append(time.perf_counter() - begun)
        self.handoffs += handoffs

    def figures(self) -> Figures:
        """All figures."""
        ordered = sorted(self.latencies_s)
        return Figures(
            handoffs=self.handoffs,
            seconds=round(self._seconds, 3),
            per_second=round(self.handoffs / self._seconds, 1),
            cpu_ms_each=round(self._cpu_s / self.handoffs * 1e3, 4),
            p50_ms=round(statistics.median(ordered) * 1e3, 2),
            p95_ms=round(ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)] * 1e3, 2),
            peak_mib=round(_peak_mib(), 1),
        )


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_mib() -> float:
    """Of this program alone: what `getrusage` tells of a new one begins with what its parent held."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024
