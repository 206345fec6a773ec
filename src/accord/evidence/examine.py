"""Examining a bundle: everything that it claims is checked again, and all that does not hold is told at once.

ACC540  a statement is signed with a key that nobody knows
ACC541  a statement is not about the attempt that it stands with, or its agent may not do that
ACC542  a payload is not the one that was signed
ACC543  a statement was signed when the key may have been in other hands
ACC839  the certificate of a run's graph is about another run or graph, or is not the one that was signed
ACC840  a byte around the entries of the bundle is not what it has to be
ACC841  an entry is not the one that the manifest names, or cannot be read
ACC842  an entry is missing, is there twice, is at another place, or is not named in the manifest
ACC843  no trusted key has signed it
ACC844  the events of a stream do not add up to its head
ACC845  an event cannot follow, or says of a payload what does not follow from the events before
ACC846  the checkpoint does not hold, or does not have the end of a stream
ACC847  what events name is not in the bundle
ACC848  a statement was accepted at a time at which it was not valid, or its key was not
ACC849  a result was accepted that breaks its contract
ACC850  two runs say different things of each other
ACC851  a decision rests on policies that were not in force, or that decide otherwise
ACC856  this is no bundle
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from accord.codec import decode_event, decode_system_event
from accord.domain.certificate import Certificate
from accord.domain.event import AttemptAssigned, RunErased
from accord.domain.ids import AgentId, KeyId, RunId, StreamId
from accord.domain.lineage import seal_claims
from accord.domain.system import POLICIES, REGISTRY, CardAccepted, KeyDelegated
from accord.errors import AccordError, Problem
from accord.evidence.attempts import Answered
from accord.evidence.documents import Documents
from accord.evidence.keyring import Keyring
from accord.evidence.manifest import DELEGATED, MANIFEST, SEAL, event_name
from accord.evidence.opening import Opened, opened
from accord.evidence.policies import Policies, ReadPolicies
from accord.evidence.runs import Replayed, kept_for_forks
from accord.evidence.streams import check_anchors, streams_of
from accord.ports import Record


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What has been verified of a run, and what does not hold."""

    run: RunId
    runs: tuple[RunId, ...]
    """All runs of the bundle: with those that did tasks of it, and those that they were forked from."""
    events: int
    """Of the run itself."""
    head: str
    statements: int
    payloads: int
    unproven: int
    """Documents that were left out: nobody can look into them here."""
    undone: int
    """Statements under keys that may have been in other hands, about what was rolled back since: nothing rests on
    them."""
    signers: tuple[AgentId, ...]
    signed_by: AgentId
    key: KeyId | None
    """The trusted key that has signed the bundle."""
    problems: tuple[Problem, ...]
    certificate: Certificate | None = None
    """What was proven of the run's graph before it began; None where nothing is certified, or that does not hold."""
    certified: int = 0
    """So many of the runs have a certificate that holds."""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def examine(file: BinaryIO, trusted: Collection[KeyId] | None, read: ReadPolicies) -> Report:
    """Check everything in a bundle. `trusted` are the keys to believe; None: whichever the bundle itself says. `read`
    reads the policy sets in it, whose decisions are taken again.

    Raises BadInput (ACC856) where it has no manifest that can be read.
    """
    bundle = opened(file, trusted)
    looks_in = bundle.authentic and not bundle.cut_off
    streams = streams_of(bundle) if looks_in else {}
    documents = Documents(bundle)
    replays = _examined(bundle, documents, streams, read) if looks_in else {}
    return _report(bundle, documents, streams, replays)


def _examined(
    bundle: Opened, documents: Documents, streams: Mapping[StreamId, Sequence[Record]], read: ReadPolicies
) -> dict[RunId, Replayed]:
    """What is in the bundle, once it is known to be what was signed."""
    check_anchors(bundle)
    runs = {RunId(stream): records for stream, records in streams.items() if not stream.startswith("sys:") and records}
    documents.erased |= {run for run, records in runs.items() if any(map(_is_erasure, records))}
    keyring = _keyring(bundle, documents, streams.get(REGISTRY, []))
    policies = Policies(bundle, documents, streams.get(POLICIES, []), read)
    replays = {run: Replayed(bundle, keyring, documents, policies, records) for run, records in runs.items()}
    kept = kept_for_forks(replays)
    for run, replayed in replays.items():
        replayed.replay(kept.get(run, ()))
    if not bundle.damaged:
        for replayed in replays.values():
            replayed.compare(replays)
        _check_seal(bundle, replays.get(bundle.manifest.run))
    return replays


def _is_erasure(record: Record) -> bool:
    return b'"event":"run.erased"' in record.data and isinstance(decode_event(record), RunErased)


def _keyring(bundle: Opened, documents: Documents, records: Sequence[Record]) -> Keyring:
    """The keys, and what those cards offer that are there: a card that an agent of these runs needs has to be."""
    keyring = Keyring()
    for record in records:
        name = event_name(REGISTRY, record.sequence)
        try:
            event = decode_system_event(record)
            keyring.apply(event)
            if isinstance(event, CardAccepted):
                _take_card(keyring, documents, event, name)
        except AccordError as error:
            bundle.refused(error, name)
    for index, delegation in enumerate(bundle.value(DELEGATED, tuple[KeyDelegated, ...]) or ()):
        try:
            keyring.apply(delegation)
        except AccordError as error:
            bundle.refused(error, DELEGATED, f"/{index}")
    return keyring


def _take_card(keyring: Keyring, documents: Documents, event: CardAccepted, name: str) -> None:
    if documents.data(event.card) is not None:
        data = documents.check(event.card, name, "/card")
        if data is not None:
            keyring.accept(event, data)


def _check_seal(bundle: Opened, replayed: Replayed | None) -> None:
    state = replayed.state if replayed is not None else None
    if state is None:
        bundle.wrong("ACC845", f"{bundle.manifest.run} is not in the bundle, or cannot be folded", MANIFEST)
        return
    seal = bundle.data(SEAL)
    if state.phase == "completed" and state.output is not None and state.erased is None:
        claims = bundle.signature(seal or b"", SEAL)
        if claims is not None and claims != seal_claims(bundle.manifest.signed_by, state, state.output):
            bundle.wrong("ACC850", "the seal is not about this output", SEAL)
    elif seal is not None:
        bundle.wrong("ACC850", f"there is a seal, and the run is {state.phase}", SEAL)


def _report(
    bundle: Opened,
    documents: Documents,
    streams: Mapping[StreamId, Sequence[Record]],
    replays: Mapping[RunId, Replayed],
) -> Report:
    run = bundle.manifest.run
    records = streams.get(StreamId(run), [])
    attempts = [one.attempts for one in replays.values()]
    return Report(
        run=run,
        runs=tuple(replays),
        events=len(records),
        head=records[-1].digest if records else "",
        statements=sum(one.statements for one in attempts),
        payloads=sum(one.payloads for one in attempts),
        unproven=len(documents.unproven),
        undone=sum(one.undone for one in attempts),
        signers=tuple(sorted(set().union(*(one.signers for one in attempts)))),
        signed_by=bundle.manifest.signed_by,
        key=bundle.signed_by,
        problems=tuple(_named(bundle.problems, replays)),
        certificate=_certificate(replays.get(run)),
        certified=sum(one.certified for one in replays.values()),
    )


def _certificate(replayed: Replayed | None) -> Certificate | None:
    started = replayed.started if replayed is not None and replayed.certified else None
    return started.certificate.certificate if started is not None and started.certificate is not None else None


def _named(problems: Sequence[Problem], replays: Mapping[RunId, Replayed]) -> Iterator[Problem]:
    """The problems; those of an attempt say of which, because nobody knows it by the number of its event."""
    attempts = {
        event_name(StreamId(run), sequence): f"attempt {event.attempt} of task {event.task}"
        for run, replayed in replays.items()
        for sequence, event in replayed.events
        if isinstance(event, AttemptAssigned | Answered)
    }
    for problem in problems:
        attempt = attempts.get(problem.place.file or "")
        yield replace(problem, message=f"{attempt}: {problem.message}") if attempt else problem
