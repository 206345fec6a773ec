"""Wrappers: what agents put around a result, and beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

WRAPPERS = frozenset(
    {
        *("result", "results", "output", "outputs", "data", "value", "answer", "response", "payload"),
        *("items", "records", "rows"),
    }
)
METADATA = frozenset(
    {
        *("$schema", "$id", "$comment", "__typename", "_comment", "_meta", "_metadata", "_note", "_notes"),
        *("meta", "metadata", "reasoning", "_reasoning", "thinking", "thoughts", "chain_of_thought"),
    }
)
"""Members that tell how a result was made, not what it is."""
_GOOD: dict[str, tuple[object, ...]] = {
    "success": (True,),
    "ok": (True,),
    "status": ("ok", "success", "succeeded", "done", "complete", "completed"),
    "error": (None,),
    "errors": (None, [], {}),
}
"""What an envelope says beside a result that is one."""


def inner_steps(value: object, declared: Collection[str]) -> Iterator[tuple[str | int, bool]]:
    """Under which members or indices the result itself may be, and whether the name is one of a usual wrapper.

    Beside it may only be metadata and good news: an envelope that tells of an error holds no result.
    """
    if isinstance(value, list) and len(value) == 1 and value[0] is not None:
        yield 0, True
    elif isinstance(value, dict):
        for name in value:
            known = name.lower() in WRAPPERS
            lone = all(_beside(other, value[other]) for other in value if other != name)
            if name not in declared and lone and value[name] is not None and (known or len(value) == 1):
                yield name, known


def _beside(name: str, value: object) -> bool:
    # By identity first, as 1 is no True.
    good = _GOOD.get(name.lower(), ())
    return is_metadata(name) or any(value is one or (value == one and not isinstance(one, bool)) for one in good)


def is_metadata(name: str) -> bool:
    """Whether a member of this name tells how a result was made."""
    return name.lower() in METADATA


def may_be_item(value: object) -> bool:
    """Whether a value is one item: text with separators may be a list of them."""
    return value is not None and not (isinstance(value, str) and any(mark in value for mark in ",;|\n"))
