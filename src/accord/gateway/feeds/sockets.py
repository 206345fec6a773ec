"""Feeds over Socket.IO: the namespaces `/registry` and `/runs`. `auth: {token}` is an API key or a bearer token.

/registry
server ── agents {agents, complete} ──► watcher      all agents, in messages of some, then each that changes
/runs
watcher ── subscribe {run, after} ──► server         one run's events from a number on; acknowledged
watcher ── unsubscribe {run} ──► server
watcher ── watch {after, states, template, parent} ──► server    all runs; a new one takes the place of the old one
watcher ── unwatch ──► server
server ── record {run, sequence, digest, event} ──► watcher
server ── progress {run, task, attempt, fraction, message} ──► watcher
server ── end {run, state} ──► watcher               nothing comes of this run any more
server ── runs {runs, after} ──► watcher
both
server ── cut {run, after, problems} ──► watcher     a feed has ended early; begin again from `after`
server ── leaving {} ──► watcher                     connect again, to another server
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.errors import AccordError, BadInput, Overloaded
from accord.gateway.feeds.latest import Told
from accord.gateway.feeds.run import run_changes
from accord.gateway.feeds.runs import RunFilter
from accord.gateway.problems import told_of
from accord.loading.sockets import socketio

if TYPE_CHECKING:
    from accord.gateway.application import Gateway

logger = logging.getLogger("accord.gateway")

WINDOW: Final = 64
"""Messages that may wait for a watcher; then the feed waits, and what changes meanwhile is told once."""

STALLED_AFTER_S: Final = 30.0
"""Whoever takes none of a full window for so long is cut off."""

FEEDS_MAX: Final = 100
"""Feeds of one connection."""

ALL: Final = RunId("")
"""In place of a run: the feed of all."""

T = TypeVar("T")


class _Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    run: RunId
    after: int = 0


class _Unsubscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    run: RunId


class _Watch(RunFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after: datetime | None = None


class Watchers(socketio.AsyncNamespace):  # type: ignore[misc]  # python-socketio comes without types
    """The connections of a namespace, and the feeds of each."""

    def __init__(self, namespace: str, gateway: Gateway) -> None:
        super().__init__(namespace)
        self._gateway = gateway
        self._feeds: dict[str, dict[RunId, asyncio.Task[None]]] = {}
        self._lasting: dict[str, asyncio.Task[None]] = {}
        self._who: dict[str, Principal] = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Let in whoever may look."""
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            who = await self._gateway.guard.permitted(token if isinstance(token, str) else None, "look")
        except AccordError as error:
            raise socketio.exceptions.ConnectionRefusedError(
                str(error), {"problems": _plain(told_of(error, sid))}
            ) from None
        self._feeds[sid], self._who[sid] = {}, who
        self._lasting[sid] = asyncio.create_task(self._last(sid, token))
        self.begin(sid)

    def begin(self, sid: str) -> None:
        """Somebody has connected."""

    async def on_disconnect(self, sid: str, reason: object = None) -> None:
        """End all feeds of the connection."""
        self._who.pop(sid, None)
        await _ended([*self._feeds.pop(sid, {}).values(), self._lasting.pop(sid, None)])

    async def _last(self, sid: str, token: object) -> None:
        error = await self._gateway.guard.outlasted(str(token), "look")
        await self._cut(sid, ALL, None, error)
        self._lasting.pop(sid, None)
        await self.disconnect(sid)

    # -- feeds ---------------------------------------------------------------------------------------------------

    async def feed(self, sid: str, run: RunId, messages: AsyncGenerator[Told], after: str | None = None) -> None:
        """Send these messages from now on, in place of the feed that this connection has of the run."""
        await self.stop(sid, run)
        feeds = self._feeds.get(sid)
        if feeds is None:
            return
        if len(feeds) >= FEEDS_MAX:
            raise Overloaded.of("ACC982", f"a connection has at most {FEEDS_MAX} feeds", hint="unsubscribe from one")
        feeds[run] = asyncio.create_task(self._carry(sid, run, messages, after))

    async def stop(self, sid: str, run: RunId) -> None:
        """Send no more of this feed."""
        await _ended([self._feeds.get(sid, {}).pop(run, None)])

    async def _carry(self, sid: str, run: RunId, messages: AsyncGenerator[Told], after: str | None) -> None:
        try:
            async with aclosing(messages):
                async for told in messages:
                    await self._room(sid)
                    named = {"run": run} if run else {}
                    await self.emit(told.event, {**named, **_plain(told.value)}, to=sid)
                    after = told.id or after
        except AccordError as error:
            await self._cut(sid, run, after, error)
        except Exception:
            logger.exception("a feed ends: a fault of Accord's")
            await self._cut(sid, run, after, Overloaded.of("ACC955", "a fault of Accord's, not of yours"))
        feeds = self._feeds.get(sid, {})
        if feeds.get(run) is asyncio.current_task():
            del feeds[run]

    async def _room(self, sid: str) -> None:
        """Wait until the watcher has taken what was sent before. Raises Overloaded where they take nothing."""
        waiting = self.waiting(sid)
        if waiting is None or waiting.qsize() < WINDOW:
            return
        try:
            async with asyncio.timeout(STALLED_AFTER_S):
                await waiting.join()
        except TimeoutError:
            raise Overloaded.of(
                "ACC981",
                f"nothing was taken for {STALLED_AFTER_S:g} s of what has waited",
                hint="begin again from the last place",
            ) from None

    def waiting(self, sid: str) -> asyncio.Queue[object] | None:
        """The messages that wait for the watcher; None where it is gone."""
        socket = self.server.eio.sockets.get(self.server.manager.eio_sid_from_sid(sid, self.namespace))
        return socket.queue if socket is not None else None

    async def _cut(self, sid: str, run: RunId, after: str | None, error: AccordError) -> None:
        logger.info("a feed of %s was cut off: %s", run or self.namespace, error)
        told = {"run": run or None, "after": after, "problems": _plain(told_of(error, sid))}
        await self.emit("cut", told, to=sid)

    # -- the end -------------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Tell all watchers to connect to another server."""
        await self.emit("leaving", {})
        await self.close()

    async def close(self) -> None:
        """End all feeds."""
        feeds = [task for one in self._feeds.values() for task in one.values()]
        lasting, self._lasting = self._lasting, {}
        for one in self._feeds.values():
            one.clear()
        await _ended([*feeds, *lasting.values()])


class RegistrySockets(Watchers):
    """Whoever watches the registry."""

    def begin(self, sid: str) -> None:
        """Tell of all agents."""
        self._feeds[sid][ALL] = asyncio.create_task(self._carry(sid, ALL, self._gateway.feeds.agents.changes(), None))


class RunSockets(Watchers):
    """Whoever watches runs."""

    async def on_subscribe(self, sid: str, asked: object = None, *_: object) -> dict[str, Any]:
        """One run, from an event on."""
        return await self._answered(self._subscribe(sid, asked))

    async def on_unsubscribe(self, sid: str, asked: object = None, *_: object) -> dict[str, Any]:
        """No more of a run."""
        return await self._answered(self._unsubscribe(sid, asked))

    async def on_watch(self, sid: str, asked: object = None, *_: object) -> dict[str, Any]:
        """All runs that a filter admits."""
        return await self._answered(self._watch(sid, asked))

    async def on_unwatch(self, sid: str, *_: object) -> dict[str, Any]:
        """No more of all runs."""
        return await self._answered(self.stop(sid, ALL))

    async def _subscribe(self, sid: str, asked: object) -> None:
        wanted = _asked(asked, _Subscribe)
        node = self._gateway.node
        if await node.summary(wanted.run) is None:
            await node.run(wanted.run)  # raises that there is none
        who = self._who[sid]
        await node.parts.permission.require(who, "look", wanted.run)
        changes = run_changes(node, who, wanted.run, wanted.after)
        await self.feed(sid, wanted.run, changes, str(wanted.after))

    async def _unsubscribe(self, sid: str, asked: object) -> None:
        await self.stop(sid, _asked(asked, _Unsubscribe).run)

    async def _watch(self, sid: str, asked: object) -> None:
        wanted = _asked({} if asked is None else asked, _Watch)
        after = wanted.after.isoformat() if wanted.after is not None else None
        await self.feed(sid, ALL, self._gateway.feeds.runs.changes(wanted, self._who[sid], wanted.after), after)

    async def _answered(self, doing: Coroutine[Any, Any, None]) -> dict[str, Any]:
        try:
            await doing
        except AccordError as error:
            return {"ok": False, "problems": _plain(told_of(error, self.namespace))}
        return {"ok": True}


@asynccontextmanager
async def feed_sockets(gateway: Gateway) -> AsyncIterator[Sequence[Watchers]]:
    """The namespaces, as long as the gateway is open."""
    watchers = (RegistrySockets("/registry", gateway), RunSockets("/runs", gateway))
    for one in watchers:
        gateway.sockets.register_namespace(one)
        gateway.on_drain.append(one.leave)
    try:
        yield watchers
    finally:
        await asyncio.gather(*(one.close() for one in watchers))


async def _ended(tasks: Sequence[asyncio.Task[None] | None]) -> None:
    mine = asyncio.current_task()
    ending = [task for task in tasks if task is not None and task is not mine]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _asked(asked: object, kind: type[T]) -> T:
    """What was asked, as a value. Raises BadInput."""
    try:
        return msgspec.convert(asked, kind)
    except msgspec.ValidationError as error:
        raise BadInput.of(
            "ACC983", f"this cannot be subscribed to: {error}", hint="docs/how-to/watch-live.md"
        ) from None


def _plain(value: object) -> Any:
    """The value in the form that Socket.IO encodes."""
    return msgspec.json.decode(msgspec.json.encode(value))
