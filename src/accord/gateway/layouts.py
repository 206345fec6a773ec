"""Layouts of graphs, each made once: by a process of its own while it is small, as a map where it is large, or where
the engine takes too long.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

import orjson

from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.gateway import layering
from accord.recent import Recent
from accord.views.placing import Placement, asked, is_large, mapped, placed, size_of

logger = logging.getLogger("accord.gateway")

WITHIN_S: Final = 8.0
"""How long the engine may take."""

KEPT: Final = 64
"""So many layouts are kept, those that were asked for last."""

Key = tuple[str, tuple[tuple[TaskId, int], ...]]


class Layouts:
    """Where the tasks of graphs are drawn."""

    def __init__(self) -> None:
        self._kept: Recent[Key, Placement] = Recent(KEPT)
        self._one_at_a_time = asyncio.Lock()

    async def of(self, graph: Graph, shown: Mapping[TaskId, int]) -> Placement:
        """The layout of a graph; `shown` says of open groups how many items they have."""
        key = (graph.digest, tuple(sorted(shown.items())))
        if key not in self._kept:  # what is there does not wait until others are made
            async with self._one_at_a_time:
                if key not in self._kept:
                    self._kept[key] = await self._made(graph, shown)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _made(self, graph: Graph, shown: Mapping[TaskId, int]) -> Placement:
        if is_large(graph):
            return await asyncio.to_thread(mapped, graph)
        sizes = {name: size_of(graph, name, shown.get(name, 0)) for name in graph.order}
        answer = await _answered(asked(graph, sizes))
        return placed(graph, sizes, answer) if answer is not None else mapped(graph)


async def _answered(request: dict[str, Any]) -> dict[str, Any] | None:
    """What the engine answers; None where it does not, or takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        layering.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, said = await process.communicate(orjson.dumps(request))
    except TimeoutError:
        logger.info("a layout took more than %g s; a map is drawn", WITHIN_S)
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        logger.warning("the layout engine failed, a map is drawn: %s", said.decode(errors="replace")[-400:])
        return None
    answer: dict[str, Any] = orjson.loads(out)
    return answer
