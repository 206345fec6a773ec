"""Accord under the load that its peers get, in a process of its own, as they are."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from accord.app import settle_memory
from accord.domain.ids import Digest
from accord.engine.node import Node
from bench.deployment import orchestrator, staffed
from bench.peers.load import TEXT, WIDTH, Load, Run, answer, asked, versions_of
from bench.scenarios import chain, fan, publish


def runs(node: Node, chain: Digest, fan: Digest) -> Callable[[Load], Run]:
    """How a run is started and waited for."""

    def of(load: Load) -> Run:
        async def run(number: int) -> int:
            value = {"count": WIDTH} if load.fans else {"n": number, "text": TEXT}
            begun = await node.start_run(fan if load.fans else chain, value)
            ended = await node.ended(begun.id)
            if ended.phase != "completed" or ended.output is None:
                raise RuntimeError(f"{ended.id} {ended.phase}: {ended.problem}")
            found = json.loads(await node.data(ended.output))
            return int(found if load.fans else found["n"])

        return run

    return of


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    with tempfile.TemporaryDirectory() as folder:
        servers, home = order.addresses, Path(folder) / "home"
        async with orchestrator(servers, home) as node, staffed(node, servers, home) as children:
            found = runs(node, await publish(node, chain()), await publish(node, fan()))
            await answer(order, found, versions_of("accord-orchestrator"), *children)


if __name__ == "__main__":
    settle_memory()
    uvloop.run(main())
