"""All processes on one store sign with one orchestrator's key, for agents believe one; a key may replace another."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from accord.app import open_node
from accord.domain.ids import KeyId
from accord.engine.names import process_name, strangers
from accord.errors import KeyUnusable
from accord.postgres.address import StoreAddress
from accord.settings import Settings

OURS, THEIRS = KeyId("ours"), KeyId("theirs")


def test_a_stranger_is_known_by_the_name() -> None:
    names = [process_name(key, 7, "0123abcd") for key in (OURS, THEIRS)]
    assert strangers([*names, "7-0123abcd", "anything"], [OURS]) == names[1:]
    assert strangers(names, [OURS, THEIRS]) == []


@pytest.mark.abuse(
    "ASI03", "ASI10", at="store", stride="spoofing", case="a process with another orchestrator's key on the same store"
)
async def test_who_has_another_key_than_those_at_work_does_not_begin(tmp_path: Path, store: StoreAddress) -> None:
    ours, theirs = (Settings(home=tmp_path / name, store=store) for name in ("ours", "theirs"))
    async with open_node(ours) as node:
        await node.parts.partitions.claim(0)
        with pytest.raises(KeyUnusable, match="ACC626"):
            async with open_node(theirs):
                pass
        await node.rotate_key("orchestrator", timedelta(), by="test")
        async with open_node(ours) as fresh:
            assert fresh.parts.identity.key != node.parts.identity.key
