"""A server, agents and people on a bad day: processes are killed and stopped, connections are cut at any byte, delayed,
half open, and say things twice. Every run ends right, and nothing is accepted, told or done twice.

`ACCORD_TEST_SCENES` is a number of seeds, or `FIRST-LAST`: `ACCORD_TEST_SCENES=17-17` plays one seed again.
`ACCORD_TEST_PLAIN=1` plays them with the times of a server as it is.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .processes import ACCORD, SHORT
from .scene import Scene

SCENES = os.environ.get("ACCORD_TEST_SCENES", "2")
FIRST, LAST = map(int, SCENES.split("-")) if "-" in SCENES else (0, int(SCENES) - 1)
SERVER = ACCORD if os.environ.get("ACCORD_TEST_PLAIN") else SHORT


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(FIRST, LAST + 1))
async def test_whatever_is_done_to_them_every_run_ends_right(tmp_path: Path, seed: int) -> None:
    async with Scene.open(tmp_path, seed, SERVER) as scene:
        try:
            await scene.play(runs=8, faults=12)
            await scene.leave()
        except BaseException as error:
            error.add_note(f"what was done: {scene.log}")
            raise
        assert await scene.judge() == [], f"what was done: {scene.log}"
