"""Which paths a `.gitignore` leaves out (gitignore(5), without the index: a tracked file can be ignored here)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ALWAYS_SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache"}
    | {
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".eggs",
        ".idea",
        "site-packages",
        ".gradle",
        ".terraform",
    }
)
_LONGEST_FILE_BYTES = 256_000


@dataclass(frozen=True)
class IgnoreRule:
    """One line of a `.gitignore`; `pattern` matches a path relative to the root of the walk."""

    pattern: re.Pattern[str]
    negated: bool
    directories_only: bool


def rules_in(directory: Path, relative: str) -> tuple[IgnoreRule, ...]:
    """The rules of `directory`'s own `.gitignore`; `relative` is the directory's path below the root ("" for it)."""
    file = directory / ".gitignore"
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _LONGEST_FILE_BYTES:
        return ()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(rule for line in lines if (rule := parsed(line, relative)))


def parsed(line: str, relative: str = "") -> IgnoreRule | None:
    """The rule that `line` states, or None for a blank line, a comment or a pattern without meaning."""
    text = line.rstrip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!").removeprefix("\\")
    directories_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    anchored = "/" in text
    prefix = re.escape(f"{relative}/") if relative else ""
    body = prefix + ("" if anchored else "(?:.*/)?") + _translated(text.removeprefix("/"))
    try:
        return IgnoreRule(re.compile(body + r"\Z", re.DOTALL), negated, directories_only)
    except re.error:
        return None


def is_ignored(path: str, *, directory: bool, rules: Iterable[IgnoreRule]) -> bool:
    """Whether the last rule that matches `path` leaves it out."""
    ignored = False
    for rule in rules:
        if (directory or not rule.directories_only) and rule.pattern.match(path):
            ignored = not rule.negated
    return ignored


_TOKEN = re.compile(r"\*\*/|/\*\*\Z|\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_TRANSLATION = {"**/": "(?:.*/)?", "/**": "/.*", "?": "[^/]"}


def _translated(text: str) -> str:
    return "".join(_piece(token) for token in _TOKEN.findall(text))


def _piece(token: str) -> str:
    if token in _TRANSLATION:
        return _TRANSLATION[token]
    if token.startswith("*"):
        return "[^/]*"
    if token.startswith("[") and len(token) > 1:
        inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    return re.escape(token)
