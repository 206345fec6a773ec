"""The streams of a bundle: each event bound to the one before, up to the head that was signed and anchored."""

from __future__ import annotations

from collections.abc import Iterator

from accord.codec import link
from accord.domain.checkpoint import Anchored
from accord.domain.ids import StreamId
from accord.errors import AccordError
from accord.evidence.manifest import CHECKPOINT, Ending, Proven, event_name
from accord.evidence.opening import Opened
from accord.ports import GENESIS, Record


def records_of(bundle: Opened, ending: Ending) -> list[Record]:
    """The events of a stream that are there, up to the first that is not; all that is wrong with them is told."""
    records: list[Record] = []
    digest = GENESIS
    for sequence in range(1, ending.events + 1):
        data = bundle.data(event_name(ending.stream, sequence))
        if data is None:
            return records
        digest = link(digest, data)
        records.append(Record(ending.stream, sequence, data, digest))
    if digest != ending.head:
        text = f"the {ending.events} events of {ending.stream} do not add up to the head that the manifest names"
        name = event_name(ending.stream, ending.events)
        bundle.wrong("ACC844", f"{text}: {digest}, not {ending.head}", name)
    return records


def check_anchors(bundle: Opened) -> None:
    """Check that the checkpoint is the orchestrator's, and has the end of every stream."""
    proven = bundle.value(CHECKPOINT, Proven)
    if proven is None:
        if not bundle.has(CHECKPOINT):
            bundle.wrong("ACC846", "there is no checkpoint", CHECKPOINT)
        return
    checkpoint = proven.checkpoint
    bundle.signature(checkpoint.statement, CHECKPOINT, "/checkpoint/statement")
    for key in bundle.believed.values():
        try:
            claims = checkpoint.check(key)
        except (AccordError, ValueError):
            continue
        if claims.issuer != bundle.manifest.signed_by:
            bundle.wrong("ACC846", f"it is of another log, by {claims.issuer}", CHECKPOINT, "/checkpoint")
        break
    else:
        bundle.wrong("ACC846", "its statement is about another checkpoint", CHECKPOINT, "/checkpoint")
    _check_proofs(bundle, proven)


def _check_proofs(bundle: Opened, proven: Proven) -> None:
    proofs = {one.anchor.stream: (number, one) for number, one in enumerate(proven.streams)}
    for ending in bundle.manifest.streams:
        found = proofs.get(ending.stream)
        if found is None:
            bundle.wrong("ACC846", f"it does not say where {ending.stream} ended", CHECKPOINT, "/streams")
            continue
        for text in _faults(ending, found[1], proven):
            bundle.wrong("ACC846", f"{ending.stream}: {text}", CHECKPOINT, f"/streams/{found[0]}")


def _faults(ending: Ending, proof: Anchored, proven: Proven) -> Iterator[str]:
    anchor = proof.anchor
    if (anchor.sequence, anchor.digest) != (ending.events, ending.head):
        yield f"it ended at event {anchor.sequence} ({anchor.digest}), not {ending.events} ({ending.head})"
    try:
        included = proof.is_in(proven.checkpoint)
    except ValueError:
        included = False
    if not included:
        yield "the proof does not lead to the root of the checkpoint"


def streams_of(bundle: Opened) -> dict[StreamId, list[Record]]:
    """All streams of the bundle."""
    return {ending.stream: records_of(bundle, ending) for ending in bundle.manifest.streams}
