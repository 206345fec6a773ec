"""JSON inside of text: the one value that an agent has put into prose or a code fence."""

from __future__ import annotations

import json
import re

import msgspec

from accord.domain.message import strict_json
from accord.errors import MessageRefused

_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"[\[{]")
_ASIDE = re.compile(r'\[[^\[\]{}":\n]{0,200}\]|\{[^\[\]{}":\n]{0,200}\}')
"""Brackets of prose, like [sic] or {name}."""
_FENCE = re.compile(r"[ \t]{0,3}(```|~~~)\s*([A-Za-z0-9]*)\s*")


class _Ambiguous(Exception):
    """Something looks like JSON and is none: what is inside of it must not be taken for the whole."""


def only_value(text: str) -> object:
    """The only JSON value in a text; `msgspec.UNSET` where there is none, more than one, or a broken one.

    Outside of code fences only objects and arrays count: numbers and words are parts of prose.
    """
    text = text.strip().removeprefix("\ufeff")
    whole = _strict(text)
    if whole is not msgspec.UNSET:
        return whole
    try:
        prose, blocks = _split(text)
        found = [*_fenced(blocks), *_bare(prose)]
    except _Ambiguous:
        return msgspec.UNSET
    return found[0] if len(found) == 1 else msgspec.UNSET


def _strict(text: str) -> object:
    try:
        return strict_json(text.encode())
    except (MessageRefused, UnicodeEncodeError):
        return msgspec.UNSET


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text outside of closed code fences, and the fences as language and content."""
    prose: list[str] = []
    blocks: list[tuple[str, str]] = []
    opened: re.Match[str] | None = None
    inside: list[str] = []
    for line in text.splitlines(keepends=True):
        mark = _FENCE.fullmatch(line)
        if opened is not None and mark is not None and mark[1] == opened[1] and not mark[2]:
            blocks.append((opened[2].lower(), "".join(inside)))
            opened, inside = None, []
        elif opened is None and mark is not None:
            opened = mark
        else:
            (prose if opened is None else inside).append(line)
    return "".join(prose + inside), blocks


def _fenced(blocks: list[tuple[str, str]]) -> list[object]:
    found = []
    for language, content in blocks:
        value = _strict(content.strip())
        if value is not msgspec.UNSET:
            found.append(value)
        elif language.startswith("json") or (not language and _OPENING.match(content.lstrip())):
            raise _Ambiguous
    return found


def _bare(prose: str) -> list[object]:
    found = []
    start = _OPENING.search(prose)
    while start is not None:
        try:
            _, end = _DECODER.raw_decode(prose, start.start())
        except (ValueError, RecursionError):
            aside = _ASIDE.match(prose, start.start())
            if aside is None:
                raise _Ambiguous from None
            end = aside.end()
        else:
            value = _strict(prose[start.start() : end])
            if value is msgspec.UNSET:
                raise _Ambiguous
            found.append(value)
        start = _OPENING.search(prose, end)
    return found
