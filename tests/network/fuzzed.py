"""A server in a thread of its own, with something of every kind in it: what is sent meets more than emptiness."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from accord.app import host, open_node
from accord.domain.command import Cancel
from accord.domain.enrolment import Wanted
from accord.domain.ids import TaskId
from accord.domain.news import Happened
from accord.domain.webhook import Subscription
from accord.engine.node import Node
from accord.gateway.application import Options, create_application
from accord.gateway.server import Address, bound, serving, url_of
from accord.sdk import Agent, Failure
from accord.settings import Settings
from accord.templates.reading import read_source

TEMPLATE = """
accord: template/1
name: two
version: 1.0.0
description: Two steps, and a word in between.
examples: ["do two of {n}"]
input: {type: object, required: [n], properties: {n: {type: integer}}, additionalProperties: false}
tasks:
  first: {uses: number.next@^1, with: {n: "${ input.n }"}}
  ask: {needs: [first], approval: {title: "Go on?"}}
  second: {needs: [ask], uses: number.next@^1, with: {n: "${ tasks.first.output }"}}
output: "${ tasks.second.output }"
"""

FAST = Options(requests_per_second=1e6, burst=10**9)


def counting() -> Agent:
    agent = Agent("counter")

    @agent.capability("number.next@1.0.0")
    async def following(n: int) -> int:
        if n < 0:
            raise Failure("broken", "it is negative", retryable=False)
        return n + 1

    return agent


class Served:
    """The server; opened with `with`. `key` is an admin's, `known` has what paths may name, by the parameter's name."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._end: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.url = ""
        self.key = ""
        self.known: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        assert self._end is not None, "the server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._end is not None
        loop, end = self._end
        loop.call_soon_threadsafe(end.set)
        self._thread.join()

    async def _serve(self) -> None:
        end = asyncio.Event()
        try:
            async with AsyncExitStack() as stack:
                address = Address(port=0)
                taken = stack.enter_context(bound(address))
                node = await stack.enter_async_context(open_node(Settings(home=self._home)))
                gateway = await stack.enter_async_context(create_application(node, options=FAST))
                await stack.enter_async_context(host(node, [counting()]))
                await self._furnish(node)
                await stack.enter_async_context(serving(gateway, address, taken, timedelta(seconds=2)))
                self.url = url_of(address, taken)
                self._end = asyncio.get_running_loop(), end
                self._ready.set()
                await end.wait()
        finally:
            self._ready.set()

    async def _furnish(self, node: Node) -> None:
        """Runs in several states, and one of each other thing that has a path."""
        source = read_source(TEMPLATE)
        digest = await node.publish(source.template, source.data)
        waiting, failed, cancelled, completed = [
            (await node.start_run(digest, {"n": n}, title=f"run {n}")).id for n in (1, -1, 2, 3)
        ]
        await node.control(cancelled, Cancel(by="test"))
        async for _ in node.follow(failed):
            pass
        for run in (waiting, completed):
            async for news in node.follow(run):
                if isinstance(news, Happened) and news.run.state(TaskId("ask")).phase == "waiting":
                    break
        await node.signal(completed, {"approved": True}, by="test", task=TaskId("ask"))
        async for _ in node.follow(completed):
            pass
        now = node.parts.ports.clock.now()
        token = await node.parts.enrolment.issue(Wanted(organisation="local", name="late"), by="test", now=now)
        webhook = await node.add_webhook(Subscription(url="https://hooks.invalid/a"), by="test")
        (agent,) = await node.agents()
        self.key = (await node.issue_api_key("fuzz", "admin", by="test")).text
        await node.issue_api_key("spare", "viewer", by="test")
        self.known = {
            "run": [waiting, failed, cancelled, completed],
            "task": ["first", "ask", "second"],
            "attempt": ["1"],
            "name": ["two", "counter", "spare"],
            "version": ["1.0.0", "^1"],
            "digest": [digest],
            "kid": [agent.keys[0].public.kid],
            "token": [token.token.id],
            "webhook": [webhook.webhook.id],
        }
