"""LangGraph with its SQLite saver and durability `sync`: every step is stored before the next one starts."""

from __future__ import annotations

import asyncio
import operator
import tempfile
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from bench.peers.steps import STEPS, TEXT, WIDTH, asked, measured, tell


class Hop(TypedDict):
    """What a chain hands on."""

    n: int
    text: str


class Fan(TypedDict):
    """What a fan gathers."""

    items: list[int]
    done: Annotated[list[int], operator.add]
    total: int


async def hop(state: Hop) -> Hop:
    """The least that a step can do."""
    return {"n": state["n"] + 1, "text": state["text"]}


def chain() -> Any:
    """Steps one after the other."""
    graph = StateGraph(Hop)
    before = START
    for number in range(STEPS):
        graph.add_node(f"t{number}", hop)
        graph.add_edge(before, f"t{number}")
        before = f"t{number}"
    graph.add_edge(before, END)
    return graph


def fan() -> Any:
    """1 → 100 → 1."""

    async def items(state: Fan) -> dict[str, Any]:
        return {"items": list(range(WIDTH))}

    async def part(state: Hop) -> dict[str, Any]:
        return {"done": [state["n"]]}

    async def total(state: Fan) -> dict[str, Any]:
        return {"total": len(state["done"])}

    def spread(state: Fan) -> list[Send]:
        return [Send("part", {"n": n, "text": TEXT}) for n in state["items"]]

    graph = StateGraph(Fan)
    for name, node in (("items", items), ("part", part), ("total", total)):
        graph.add_node(name, node)
    graph.add_edge(START, "items")
    graph.add_conditional_edges("items", spread, ["part"])
    graph.add_edge("part", "total")
    graph.add_edge("total", END)
    return graph


async def main() -> None:
    """Measure the scenario that was asked for."""
    scenario, scale = asked()
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "peer.db")) as saver:
            spread = scenario == "fan-out"
            graph = (fan() if spread else chain()).compile(checkpointer=saver)

            async def run(number: int) -> int:
                value = {"items": [], "done": [], "total": 0} if spread else {"n": number, "text": TEXT}
                config = {"configurable": {"thread_id": str(number)}}
                found = await graph.ainvoke(value, config, durability="sync")
                return int(found["total" if spread else "n"])

            tell(await measured(scenario, scale, run))


asyncio.run(main())
