"""What a search for a value gives."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import msgspec


class Witness(msgspec.Struct, frozen=True):
    """A value."""

    value: object


class Without(Enum):
    """No value."""

    NOTHING = "nothing"
    """There is none."""
    UNDECIDED = "undecided"
    """None was found, and there may be one."""


Answer: TypeAlias = Witness | Without
Find: TypeAlias = Callable[[int], Answer]
"""Gives a value of which a formula holds."""


class UndecidedError(Exception):
    """Looking on would take too long, or what is looked for cannot be written down."""


def value_of(answer: Answer) -> object:
    """The value that was found.

    Raises:
        UndecidedError: there is none.
    """
    if not isinstance(answer, Witness):
        raise UndecidedError
    return answer.value


class Budget:
    """Work that may still be done, in steps; the same for the same question on every machine."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take some.

        Raises:
            UndecidedError: none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise UndecidedError
