"""Edits: the steps of a repair, each at one place of a JSON value."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from accord.domain.diagnosis import Change

Path = tuple[str | int, ...]


class Edit(msgspec.Struct, frozen=True):
    """One step of a repair at a place; the value of a `rename` is the new name."""

    action: Literal["set", "drop", "rename"]
    path: Path
    value: Any
    changes: tuple[Change, ...]

    @property
    def touched(self) -> tuple[Path, ...]:
        """The places that it changes."""
        return (self.path, (*self.path[:-1], self.value)) if self.action == "rename" else (self.path,)


def value_at(value: Any, path: Path) -> Any:
    """What is at a place."""
    for step in path:
        value = value[step]
    return value


def apply(held: list[Any], edit: Edit) -> None:
    """Change the value that a list holds alone."""
    *above, last = (0, *edit.path)
    holder = value_at(held, tuple(above))
    if edit.action == "set":
        holder[last] = edit.value
    elif edit.action == "drop":
        del holder[last]
    else:
        members = [(edit.value if name == last else name, value) for name, value in holder.items()]
        holder.clear()
        holder.update(members)


class Ground:
    """The places that the edits of a round touch; none may be inside of another. Outer edits have to come first."""

    def __init__(self) -> None:
        self._touched: set[Path] = set()

    def take(self, edit: Edit) -> bool:
        """Whether the edit touches nothing that is taken; then it is taken."""
        if any(path[:length] in self._touched for path in edit.touched for length in range(len(path) + 1)):
            return False
        self._touched.update(edit.touched)
        return True
