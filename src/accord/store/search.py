"""What a search of runs looks through: the same words and the same folding of case in every journal."""

from __future__ import annotations

from collections.abc import Iterable

from accord.ports import RunSummary


def searched_text(summary: RunSummary) -> str:
    """Title, template and run id with their case folded."""
    return f"{summary.title}\n{summary.template}\n{summary.run}".casefold()


def storable(title: str) -> str:
    """The title as every database can keep it: U+0000 becomes U+FFFD."""
    return title.replace("\x00", "\ufffd")


def search_words(text: str | None) -> list[str]:
    """The words that must all occur in the searched text."""
    return (text or "").casefold().split()


def kept_labels(labels: Iterable[str]) -> str:
    """The labels in one text in which each stands between spaces, which none of them has: so one is found in it."""
    return " ".join(("", *labels, ""))
