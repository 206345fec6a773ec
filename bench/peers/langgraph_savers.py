"""LangGraph with its PostgreSQL or SQLite saver, durability `sync`: a step is stored before the next one starts."""

from __future__ import annotations

import operator
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bench.peers.load import STEPS, TEXT, WIDTH, Load, Run, answer, asked, versions_of


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


@asynccontextmanager
async def saver(address: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """The saver on the server at this address; on a file where there is none."""
    if not address:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "peer.db")) as found:
                yield found
        return
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(address, min_size=4, max_size=20, kwargs=settings) as pool:
        postgres = AsyncPostgresSaver(pool)
        await postgres.setup()
        yield postgres


def runs(saver: BaseCheckpointSaver[Any]) -> Callable[[Load], Run]:
    """How a run is started and waited for."""
    graphs = {True: fan().compile(checkpointer=saver), False: chain().compile(checkpointer=saver)}
    thread = count()

    def of(load: Load) -> Run:
        async def run(number: int) -> int:
            value = {"items": [], "done": [], "total": 0} if load.fans else {"n": number, "text": TEXT}
            config = {"configurable": {"thread_id": str(next(thread))}}
            found = await graphs[load.fans].ainvoke(value, config, durability="sync")
            return int(found["total" if load.fans else "n"])

        return run

    return of


async def main() -> None:
    """Measure what was asked for."""
    order = asked()
    address = order.addresses.get("postgres", "")
    versions = versions_of("langgraph", f"langgraph-checkpoint-{'postgres' if address else 'sqlite'}")
    async with saver(address) as found:
        await answer(order, runs(found), versions)


uvloop.run(main())
