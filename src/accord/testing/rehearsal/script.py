"""The script of a workflow test: which of its answers an attempt gets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from accord.domain.workflow_test import Answer

_ITEM: Final = re.compile(r"\[[0-9]+\]")

DIAGNOSIS: Final = "!"
"""Behind the name of a task: a diagnosis of its results."""


class Cue(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that waits for its answer."""

    task: str
    """As the test names it: `measure[3]`, `inspect/measure`, `measure!`."""
    capability: str
    """`name@version`."""
    agent: str
    """The name of the agent that has it."""
    input: Any


class Script:
    """The answers of a test, and which of them were given."""

    def __init__(self, agents: Mapping[str, tuple[Answer, ...]]) -> None:
        self._agents = agents
        self._given: dict[str, set[int]] = {}

    def has(self, task: str, capability: str) -> bool:
        """Whether there are answers to these attempts."""
        return self._key(task, capability) is not None

    def answer(self, cue: Cue) -> Answer | None:
        """The next answer to an attempt: the first one not given yet that fits its input and its agent, then the first
        that fits its input; where all that fit were given, the last of them again.
        """
        key = self._key(cue.task, cue.capability)
        if key is None:
            return None
        fitting = [(at, one) for at, one in enumerate(self._agents[key]) if one.input in (UNSET, cue.input)]
        given = self._given.setdefault(key, set())
        left = [(at, one) for at, one in fitting if at not in given]
        own = [(at, one) for at, one in left if one.agent in (UNSET, cue.agent)]
        at, found = next(iter(own or left or fitting[-1:]), (-1, None))
        given.add(at)
        return found

    def _key(self, task: str, capability: str) -> str | None:
        return next((key for key in names_of(task, capability) if key in self._agents), None)


def names_of(task: str, capability: str) -> Iterator[str]:
    """The keys under which the answers to an attempt may stand, the nearest one first."""
    yield task
    mark = DIAGNOSIS if task.endswith(DIAGNOSIS) else ""
    above, slash, own = task.removesuffix(DIAGNOSIS).rpartition("/")
    yield f"{above}{slash}{_ITEM.sub('', own)}{mark}"
    yield _ITEM.sub("", task)
    yield capability
    yield capability.partition("@")[0]


def is_capability(key: str) -> bool:
    """Whether a key of a script names a capability, with or without its version; else it names a task."""
    return "@" in key or "." in key
