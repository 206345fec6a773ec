"""What the server does in one step. A released script never changes: servers know it by its digest, and may let agents
use those alone that an orchestrator has loaded. One that has to differ gets a new name.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

import msgspec


class Script(msgspec.Struct, frozen=True):
    """A script by its name; the server calls it by the SHA-1 of its text."""

    name: str
    text: bytes

    @property
    def sha1(self) -> str:
        """How the server calls it."""
        return hashlib.sha1(self.text, usedforsecurity=False).hexdigest()


_BEGINNING = "_queue"
"""What every script begins with, except that which publishes to many queues."""


@cache
def scripts() -> dict[str, Script]:
    """All scripts by name."""
    folder = files("accord.redis") / "lua"
    texts = {file.name.removesuffix(".lua"): file.read_bytes() for file in folder.iterdir()}
    beginning = texts.pop(_BEGINNING)
    return {name: Script(name, text if name == "publish" else beginning + text) for name, text in sorted(texts.items())}


@cache
def digest_of(name: str) -> str:
    """How the server calls a script."""
    return scripts()[name].sha1
