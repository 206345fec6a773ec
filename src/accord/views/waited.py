"""What a run waits for, in a sentence: only what is at work is counted as at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from accord.domain.explanation import Blocker


def waits_words(found: Sequence[Blocker]) -> str:
    """What the run waits for, as the end of a sentence: the first thing in full, what is at work before what is not; of
    the others how many there are of each kind.
    """
    if not found:
        return ""
    first = next((one for one in found if one.kind == "attempt"), found[0]) if found[0].kind in _STILL else found[0]
    others = Counter(_sort_of(one) for one in found if one is not first)
    alike = others.pop(_sort_of(first), 0)
    more = f", and {alike} more" if alike else ""
    return f"; {first.words}{more}" + "".join(
        f"; {number} {_NAMED.get(sort, ('more', 'more'))[number > 1]}" for sort, number in others.items()
    )


def _sort_of(one: Blocker) -> str:
    """What is counted together; what the whole run waits for is told apart from what a task waits for."""
    return one.kind if one.task is not None else f"run {one.kind}"


_STILL: Final = ("assigned", "agent", "parallel", "backoff")
"""What may be told first only where nothing is at work."""

_NAMED: Final = {
    "attempt": ("is at work", "are at work"),
    "assigned": ("is assigned", "are assigned"),
    "agent": ("waits for an agent", "wait for an agent"),
    "parallel": ("waits its turn", "wait their turn"),
    "backoff": ("waits to be tried again", "wait to be tried again"),
    "paused": ("waits until it goes on", "wait until it goes on"),
    "budget": ("waits for more budget", "wait for more budget"),
    "signal": ("waits for a signal", "wait for a signal"),
    "approval": ("waits for an approval", "wait for approvals"),
    "review": ("waits for a review", "wait for reviews"),
    "time": ("sleeps", "sleep"),
    "subrun": ("is done by another run", "are done by other runs"),
}
"""How many wait for each kind of thing, in words: for one, and for several."""
