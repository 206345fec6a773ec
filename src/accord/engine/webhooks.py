"""Webhooks, folded from `sys:webhooks`, and how much each was told: one short stream for each, `sys:webhook:<id>`."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, get_args

import msgspec
from msgspec.structs import replace

from accord.codec import chained, decode_system_event, encode_event
from accord.domain import alert
from accord.domain.event import Event
from accord.domain.ids import RunId, StreamId
from accord.domain.system import (
    WEBHOOKS,
    SystemEvent,
    WebhookAdded,
    WebhookGivenUp,
    WebhookProgress,
    WebhookRemoved,
)
from accord.domain.webhook import SECRET_PREFIX, Delivered, IssuedWebhook, Subscription, Webhook, matches
from accord.engine.streams import SystemStream
from accord.errors import BadInput, NotFound, Place, Problem, Problems, SequenceConflict, StoreCorrupt
from accord.ports import Append, Clock, Ids, Journal
from accord.tls import is_encrypted_or_here, wanted

if TYPE_CHECKING:
    from accord.loading.http import httpx

Networks = Sequence[IPv4Network | IPv6Network]


class Reach(msgspec.Struct, frozen=True):
    """How far webhooks reach."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Of addresses that are not public, those that they may have."""
    needs_tls: bool = False
    """Whether nothing leaves this machine without TLS."""


SECRET_BYTES: Final = 32

KEPT: Final = timedelta(hours=1)
"""How long it is remembered of a run that it was told to its end."""


_KINDS: Final = alert.KINDS | {str(kind.__struct_config__.tag).partition("@")[0] for kind in get_args(Event)}
"""Kinds of events, whatever their version, and of alerts."""

_GROUPS: Final = sorted({f"{kind.partition('.')[0]}.*" for kind in _KINDS})


class Webhooks:
    """The webhooks: adds and removes them, and keeps how much each was told."""

    def __init__(self, journal: Journal, clock: Clock, ids: Ids) -> None:
        self.stream = SystemStream(journal, WEBHOOKS, self._apply)
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._webhooks: dict[str, Webhook] = {}
        self._secrets: dict[str, str] = {}

    async def all(self) -> list[Webhook]:
        """All webhooks that there are now, the oldest first."""
        await self.stream.refresh()
        return self.known()

    def known(self) -> list[Webhook]:
        """Those that were there when the stream was last looked at."""
        return list(self._webhooks.values())

    async def find(self, webhook: str) -> Webhook:
        """The webhook of this id. Raises NotFound."""
        await self.stream.refresh()
        if webhook not in self._webhooks:
            raise NotFound.of("ACC985", f"there is no webhook {webhook}", hint="accord webhooks list shows them")
        return self._webhooks[webhook]

    def secret(self, webhook: str) -> str:
        """What signs what the endpoint is told."""
        return self._secrets[webhook]

    async def add(self, asked: Subscription, *, by: str) -> IssuedWebhook:
        """Tell this endpoint from now on. Raises BadInput, with all that is wrong."""
        BadInput.raise_if(problems_of(asked))
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
        event = WebhookAdded(
            at=self._clock.now(),
            webhook=self._ids.token(),
            url=asked.url,
            secret=secret,
            by=by,
            types=asked.types,
            templates=asked.templates,
        )
        await self.stream.append(event)
        return IssuedWebhook(webhook=self._webhooks[event.webhook], secret=secret)

    async def remove(self, webhook: str, *, by: str, reason: str = "") -> Webhook:
        """Tell the endpoint nothing any more. Raises NotFound."""
        known = await self.find(webhook)
        await self.stream.append(WebhookRemoved(at=self._clock.now(), webhook=webhook, by=by, reason=reason))
        stream = _progress(webhook)
        await self._journal.trim(stream, until=(await self._journal.head(stream)).sequence)
        return known

    async def give_up(self, webhook: str, run: RunId, sequence: int, problem: str) -> None:
        """It is not told of this event."""
        now = self._clock.now()
        await self.stream.append(WebhookGivenUp(at=now, webhook=webhook, run=run, sequence=sequence, problem=problem))

    async def progress(self, webhook: str) -> WebhookProgress | None:
        """What was last kept of how much it was told; None where nothing was."""
        stream = _progress(webhook)
        head = await self._journal.head(stream)
        records = await self._journal.read(stream, after=max(head.sequence - 1, 0), limit=1)
        if not records:
            return None
        event = decode_system_event(records[-1])
        if not isinstance(event, WebhookProgress):
            raise StoreCorrupt.of("ACC531", f"the first event of {stream} does not start it")
        return event

    async def keep(self, webhook: str, runs: Mapping[RunId, Delivered]) -> None:
        """Keep how much it was told, beside what other processes have told it."""
        stream, now = _progress(webhook), self._clock.now()
        while True:
            head, kept = await self._journal.head(stream), await self.progress(webhook)
            merged = dict(kept.runs) if kept is not None else {}
            for run, told in runs.items():
                if run not in merged or merged[run].sequence <= told.sequence:
                    merged[run] = told
            merged = {run: told for run, told in merged.items() if not told.done or now - told.at < KEPT}
            records = chained(stream, head, [encode_event(WebhookProgress(at=now, runs=merged))])
            try:
                await self._journal.append([Append(stream=stream, expected=head, records=records)])
            except SequenceConflict:
                continue
            await self._journal.trim(stream, until=head.sequence)
            return

    def _apply(self, event: SystemEvent) -> None:
        if isinstance(event, WebhookAdded):
            self._secrets[event.webhook] = event.secret
            self._webhooks[event.webhook] = Webhook(
                id=event.webhook,
                url=event.url,
                added_at=event.at,
                added_by=event.by,
                types=event.types,
                templates=event.templates,
            )
        elif isinstance(event, WebhookRemoved):
            self._webhooks.pop(event.webhook, None)
            self._secrets.pop(event.webhook, None)
        elif isinstance(event, WebhookGivenUp) and event.webhook in self._webhooks:
            known = self._webhooks[event.webhook]
            self._webhooks[event.webhook] = replace(known, given_up=known.given_up + 1, problem=event.problem)


def checked_url(text: str) -> httpx.URL:
    """The URL of an endpoint. Raises BadInput."""
    from accord.loading.http import httpx  # noqa: PLC0415 - an HTTP client, which most processes with an engine never need

    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        told = f"no webhook can have the URL {text}: {error}"
        raise BadInput.of("ACC987", told, place=Place(pointer="/url")) from None
    if url.scheme not in ("https", "http") or not url.host or url.userinfo or url.fragment:
        raise BadInput.of(
            "ACC987",
            f"no webhook can have the URL {text}",
            place=Place(pointer="/url"),
            hint="https://host/path, without a user, a password or a fragment",
        )
    return url


def not_public(host: str, address: str, allowed: Networks) -> Problem | None:
    """Why a host with this address is told nothing; None where it may be told."""
    found = ip_address(address)
    if found.is_global or any(found in network for network in allowed):
        return None
    place = Place(pointer="/url")
    hint = 'an operator allows networks in the setting webhook_networks, for example ["10.0.0.0/8"]'
    if host == address:
        return Problem("ACC986", f"{address} is no public address", place, hint)
    return Problem("ACC986", f"{host} is {address}, which is no public address", place, hint)


def in_the_clear(url: httpx.URL, reach: Reach) -> Problem | None:
    """Why an endpoint is told nothing without TLS; None where it may be told."""
    if not reach.needs_tls or is_encrypted_or_here(str(url)):
        return None
    return replace(wanted(f"the webhook at {url.host}", "give its https URL"), place=Place(pointer="/url"))


def problems_of(asked: Subscription, reach: Reach | None = None) -> Iterator[Problem]:
    """All that is wrong; where it is known how far webhooks reach, also a URL at which nobody is ever told anything."""
    problems = Problems()
    url = problems.attempt(lambda: checked_url(asked.url))
    yield from problems.found
    if url is not None and reach is not None:
        refused = not_public(url.host, url.host, reach.networks) if _is_address(url.host) else None
        yield from filter(None, (refused, in_the_clear(url, reach)))
    for number, kind in enumerate(asked.types):
        if not any(matches(kind, known) for known in _KINDS):
            close = get_close_matches(kind, _GROUPS if kind.endswith("*") else sorted(_KINDS), n=1)
            hint = f"did you mean {close[0]}?" if close else "docs/reference/events.md lists them; a group is `run.*`"
            yield Problem("ACC984", f"no event is called {kind}", Place(pointer=f"/types/{number}"), hint)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _progress(webhook: str) -> StreamId:
    return StreamId(f"sys:webhook:{webhook}")
