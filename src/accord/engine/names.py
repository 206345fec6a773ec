"""What processes that share a store call themselves: which orchestrator's key they sign with can be seen of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from accord.domain.ids import KeyId

_NAME: Final = re.compile(r"([0-9a-f]{8})-[0-9]+-[0-9a-f]{8}")


def process_name(key: KeyId, pid: int, token: str) -> str:
    """A name for a process that signs with this key; `token` has 8 hexadecimal digits."""
    return f"{_mark(key)}-{pid}-{token}"


def strangers(processes: Iterable[str], keys: Iterable[KeyId]) -> list[str]:
    """Those of these processes that sign with none of these keys; one whose name does not say it is none of them."""
    known = set(map(_mark, keys))
    found = ((name, _NAME.fullmatch(name)) for name in processes)
    return [name for name, match in found if match is not None and match[1] not in known]


def _mark(key: KeyId) -> str:
    return sha256(key.encode()).hexdigest()[:8]
