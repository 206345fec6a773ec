"""Exhibits: the runs of a bundle in a store of their own, to be looked at. They were verified before, and nobody owns
them: no event is ever added.

ACC596  the bundle has no statement about the output of a run
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from accord.codec import decode_event, decode_system_event
from accord.domain import event as e
from accord.domain.agent import decode_card
from accord.domain.compile import compile_graph
from accord.domain.contract import Contract, read_contract
from accord.domain.ids import KeyId, RunId, StreamId, partition_of
from accord.domain.replay import states
from accord.domain.run import Run
from accord.domain.system import REGISTRY, CardAccepted
from accord.domain.template import template_from_json
from accord.domain.timing import next_wake
from accord.errors import UNSEALED, StoreCorrupt, TransitionRefused
from accord.evidence.manifest import SEAL, document_name
from accord.evidence.opening import Opened
from accord.evidence.streams import streams_of
from accord.ports import Append, BlobStore, Head, Journal, Record
from accord.service import Exhibit, Seal, agents_of, summary_of

AT_ONCE: Final = 1000
"""Events that are written together."""

_OWNER: Final = "import"
_WITHIN: Final = timedelta(minutes=10)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is written beside the store, and makes it an exhibit."""

    format: Literal["accord-exhibit@1"] = "accord-exhibit@1"
    exhibit: Exhibit
    seal: str | None
    """The orchestrator's signed statement about the output of the bundle's run."""
    key: KeyId
    """With which the bundle, and the seal, are signed."""
    contracts: tuple[dict[str, Any], ...]
    """Those under which something was assigned, as documents."""

    def known_contracts(self) -> list[Contract]:
        """The contracts. Raises ContractViolation."""
        return [read_contract(one) for one in self.contracts]

    def seal_of(self, run: RunId) -> Seal:
        """The statement about this run's output. Raises TransitionRefused (ACC596) where the bundle has none."""
        if self.seal is None or run != self.exhibit.run:
            raise TransitionRefused.of(UNSEALED, f"the bundle has no statement about the output of {run}")
        return Seal(self.seal, self.exhibit.signed_by, self.key)


def kept_of(bundle: Opened, key: KeyId, file: str, at: datetime) -> Kept:
    """What is kept of a bundle that holds, and was signed with this key."""
    manifest, seal = bundle.manifest, bundle.data(SEAL)
    runs = tuple(RunId(one.stream) for one in manifest.streams if not one.stream.startswith("sys:"))
    exhibit = Exhibit(
        run=manifest.run,
        runs=runs,
        file=file,
        signed_by=manifest.signed_by,
        key=key,
        exported_at=manifest.at,
        imported_at=at,
        payloads=manifest.payloads,
        absent=len(manifest.absent),
    )
    return Kept(
        exhibit=exhibit,
        seal=seal.decode("ascii") if seal is not None else None,
        key=key,
        contracts=tuple(_contracts(bundle)),
    )


def _contracts(bundle: Opened) -> Iterator[dict[str, Any]]:
    """The contracts under which something was assigned, from the cards in the bundle."""
    streams = streams_of(bundle)
    runs = (record for stream, records in streams.items() if not stream.startswith("sys:") for record in records)
    used = {event.contract for event in map(decode_event, runs) if isinstance(event, e.AttemptAssigned)}
    for event in map(decode_system_event, streams.get(REGISTRY, ())):
        card = event.card if isinstance(event, CardAccepted) else None
        data = None if card is None else card.data or bundle.data(document_name(card.sha256))
        for contract in decode_card(data).contracts() if data is not None else ():
            if contract.digest in used:
                used.remove(contract.digest)
                yield contract.document()


async def fill(bundle: Opened, journal: Journal, blobs: BlobStore, now: datetime) -> None:
    """Write all runs and documents of a bundle into a store that is empty, and whose runs nobody will own any more."""
    for name in bundle.names():
        if name.startswith(("documents/", "payloads/")):
            await blobs.put_stream(_pieces(bundle.chunks(name)))
    for stream, records in streams_of(bundle).items():
        if not stream.startswith("sys:"):
            await _write(journal, stream, records, _last_state(bundle, records), now)


async def _pieces(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _last_state(bundle: Opened, records: Sequence[Record]) -> Run:
    events = list(map(decode_event, records))
    if not isinstance(events[0], e.RunStarted):
        raise StoreCorrupt.of("ACC531", f"the first event of {records[0].stream} does not start it")
    digest = events[0].graph
    graph = compile_graph(template_from_json(bundle.data(document_name(digest)) or b""), digest)
    return _last(states(graph, events))


def _last(found: Iterable[Run]) -> Run:
    *_, last = found
    return last


async def _write(journal: Journal, stream: StreamId, records: Sequence[Record], run: Run, now: datetime) -> None:
    """Write a run. Its partition is owned for as long as that takes, and never again."""
    partition = partition_of(RunId(stream))
    fence = await journal.claim(_OWNER, partition=partition, now=now, ttl=_WITHIN)
    summary = summary_of(run, next_wake(run, {}))
    agents = tuple(agents_of(run))
    head = Head()
    for begin in range(0, len(records), AT_ONCE):
        part = tuple(records[begin : begin + AT_ONCE])
        append = Append(stream=stream, expected=head, records=part, fence=fence, summary=summary, agents=agents)
        await journal.append([append])
        head = Head(part[-1].sequence, part[-1].digest)
    if fence is not None:
        await journal.release([fence])
