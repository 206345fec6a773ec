"""Words that others wrote: on one line, without what a terminal would obey, and not too long."""

from __future__ import annotations


def plain(text: str, most: int = 300) -> str:
    """The text on one line, of characters that can be printed, with `…` where more followed."""
    one_line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return one_line if len(one_line) <= most else f"{one_line[: most - 1]}…"
