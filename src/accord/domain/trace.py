"""Traces: where a run's spans stand, by W3C Trace Context. Ids come from what they name, and from nothing else: so
whoever takes a run over goes on with the same trace, and spans know their parents without having met them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from accord.domain.ids import LeaseToken, RunId

_TRACEPARENT: Final = re.compile(r"\A([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
"""Of versions that are not known yet, what stands behind these four parts is not looked at."""

_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_SAMPLED: Final = 1

RATIO_BITS: Final = 56
"""So many bits of a trace's id, the last ones, are what chance is made of (W3C Trace Context, level 2)."""


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """A place in a trace: what `traceparent` says."""

    trace: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits."""
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"

    def at(self, span: str) -> TraceContext:
        """Another span of the same trace."""
        return TraceContext(self.trace, span, self.sampled)


def read_traceparent(text: str) -> TraceContext | None:
    """What a `traceparent` says; None for what is none: a trace decides nothing, and nothing fails for it."""
    found = _TRACEPARENT.match(text)
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    wrong = version == "ff" or (version == "00" and rest) or trace == _NO_TRACE or span == _NO_SPAN
    return None if wrong else TraceContext(trace, span, bool(int(flags, 16) & _SAMPLED))


def trace_of(run: RunId, ratio: float) -> TraceContext:
    """The trace of a run that nobody has asked for from within another one, at the run's own span; `ratio` is the share
    of all such runs that is sampled, and every orchestrator with the same ratio decides alike.
    """
    trace = _digits(32, "trace", run)
    chance = int(trace, 16) & ((1 << RATIO_BITS) - 1)
    return TraceContext(trace, span_id("run", run), chance < ratio * (1 << RATIO_BITS))


def traceparent_of(trace: str, lease: LeaseToken) -> str | None:
    """What statements about an attempt carry, by the `trace` of the run's first event; None where nothing is traced."""
    context = read_traceparent(trace) if trace else None
    return None if context is None else str(context.at(span_id("attempt", lease)))


def span_id(*named: str) -> str:
    """The id of the span of what is named so: `("attempt", lease)`."""
    return _digits(16, *named)


def _digits(count: int, *named: str) -> str:
    """Hexadecimal digits made of names, never all of them zero."""
    digits = hashlib.sha256("\0".join(named).encode()).hexdigest()[:count]
    return digits if digits.strip("0") else "1".rjust(count, "0")
