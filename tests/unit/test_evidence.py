"""Evidence: an export proves itself to whoever has nothing but a key, and nothing in it can be changed unseen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain.agent import agent_id
from accord.domain.ids import AgentId, KeyId, RunId, StreamId
from accord.domain.lineage import seal_claims
from accord.domain.system import POLICIES, REGISTRY
from accord.errors import BadInput
from accord.evidence.container import BLOCK, END, header
from accord.evidence.examine import Report, examine
from accord.evidence.manifest import CHECKPOINT, KEYS, MANIFEST, SEAL, STATEMENT, Ending, Manifest, Proven, event_name
from accord.policy.cedar import decide_by
from accord.policy.live import open_policy
from accord.sdk import Agent
from accord.service import Fork, Payloads
from accord.testing.bundles import Entries, Liar, Streams, bundle_of, entries_of
from accord.testing.stage import QUIET, ScriptedAgent, Stage
from accord.views.proof import proof_of

TASKS = {
    "each": {"for_each": "${ input.numbers }", "uses": "test.work@^1", "with": {"number": "${ item }"}},
    "last": {"uses": "test.work@^1", "with": {"number": "${ tasks.each.output[0].number }"}},
}
SMALL = {
    "input": {
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
        "additionalProperties": False,
    },
    "output": "${ tasks.one.output }",
}
OUTPUT = {"first": "${ tasks.each.output[0] }", "last": "${ tasks.last.output }"}


class Work(TypedDict):
    number: int
    text: NotRequired[str]


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> Work:
        return {"number": number}

    return agent


async def export(stage: Stage, run: RunId, payloads: Payloads = "all") -> bytes:
    return b"".join([chunk async for chunk in stage.node.export(run, payloads)])


async def worked(stage: Stage, worker: ScriptedAgent, value: Any = None, *, text: str = "") -> RunId:
    """A run of three attempts that has completed."""
    started = await stage.start(TASKS, value or {"numbers": [1, 2]}, output=OUTPUT)
    for _ in range(3):
        assignment = await worker.assigned()
        answer = {"number": assignment.input["number"], "text": text}
        await worker.answer(assignment, answer, confidence="0.9", cost="0.25")
    assert (await stage.run(started)).phase == "completed"
    return started.id


class Made(NamedTuple):
    """A bundle, and whom it asks to be trusted."""

    data: bytes
    key: KeyId
    run: RunId

    def report(self, data: bytes | None = None, trusted: set[KeyId] | None = None) -> Report:
        return examine(
            BytesIO(self.data if data is None else data), {self.key} if trusted is None else trusted, decide_by
        )

    def findings(self, data: bytes) -> list[tuple[str, str | None, str]]:
        """What is found, also where nothing at all can be read."""
        try:
            problems = self.report(data).problems
        except BadInput as error:
            problems = error.problems
        return [(one.code, one.place.file, one.message) for one in problems]


async def make() -> Made:
    async with Stage.open() as stage:
        run = await worked(stage, await stage.enlist(working()))
        return Made(await export(stage, run), stage.parts.identity.key.kid, run)


@pytest.fixture(scope="module")
def made() -> Made:
    return asyncio.run(make())


@asynccontextmanager
async def staged(text: str = "") -> AsyncIterator[tuple[Stage, Made, Liar]]:
    async with Stage.open() as stage:
        run = await worked(stage, await stage.enlist(working()), text=text)
        key = stage.parts.identity.key
        yield stage, Made(await export(stage, run), key.kid, run), Liar(stage.keys, key)


# -- what holds --------------------------------------------------------------------------------------------------


def test_a_bundle_holds_for_whoever_has_only_the_key(made: Made) -> None:
    report = made.report()
    assert report.problems == ()
    assert (report.run, report.key, report.statements, report.payloads) == (made.run, made.key, 3, 3)
    assert report.signers == ("spiffe://local/agent/worker",)
    assert (report.runs, report.unproven) == ((made.run,), 0)


async def test_it_is_the_same_bytes_while_nothing_happens() -> None:
    async with staged() as (stage, made, _):
        assert await export(stage, made.run) == made.data
        assert list(entries_of(made.data))[:2] == [STATEMENT, MANIFEST]
        assert list(entries_of(made.data))[2:] == sorted(list(entries_of(made.data))[2:])


async def test_large_payloads_are_in_it_or_their_digests() -> None:
    async with staged("x" * 20_000) as (stage, made, _):
        assert made.report().problems == ()
        assert len([name for name in entries_of(made.data) if name.startswith("payloads/")]) == 3
        without = await export(stage, made.run, "digests")
        report = made.report(without)
        assert (report.problems, report.unproven, report.payloads) == ((), 3, 0)
        assert not any(name.startswith("payloads/") for name in entries_of(without))


async def test_sub_runs_and_what_was_forked_are_in_it() -> None:
    async with Stage.open() as stage:
        worker = await stage.enlist(working())
        await stage.publish({"one": TASKS["last"] | {"with": {"number": "${ input.number }"}}}, name="small", **SMALL)
        tasks = {
            "sub": {"workflow": "small@^1", "with": {"number": 3}},
            "end": {"uses": "test.work@^1", "with": {"number": "${ tasks.sub.output.number }"}},
        }
        started = await stage.start(tasks, None, output="${ tasks.end.output }")
        for _ in range(2):
            assignment = await worker.assigned()
            await worker.answer(assignment, {"number": assignment.input["number"]})
        assert (await stage.run(started)).phase == "completed"
        fork = await stage.node.fork(started.id, Fork(task="end"), by="test")
        assignment = await worker.assigned()
        await worker.answer(assignment, {"number": 4})
        made = Made(await export(stage, fork.id), stage.parts.identity.key.kid, fork.id)
        report = made.report()
        assert report.problems == ()
        assert len(report.runs) == 3
        assert report.statements == 3
        liar = Liar(stage.keys, stage.parts.identity.key)

        def another_output(streams: Streams, entries: Entries) -> None:
            events = streams[StreamId(fork.id)]
            adopted = next(number for number, one in enumerate(events) if b'"task.adopted"' in one)
            assert b'"inline":{"number":3}' in events[adopted]
            events[adopted] = with_document(events[adopted], "output", b'{"number":5}')

        forged = await liar.remade(made.data, another_output)
        assert "ACC850" in [code for code, _, _ in made.findings(forged)]


async def test_a_run_under_way_can_be_exported() -> None:
    async with Stage.open() as stage:
        worker = await stage.enlist(working())
        started = await stage.start(TASKS, {"numbers": [1, 2]}, output=OUTPUT)
        await worker.answer(await worker.assigned(), {"number": 1})
        made = Made(await export(stage, started.id), stage.parts.identity.key.kid, started.id)
        report = made.report()
        assert (report.problems, report.statements) == ((), 1)
        assert SEAL not in entries_of(made.data)


async def test_a_journal_without_checkpoints_exports_as_well() -> None:
    """As one that was written before there were any."""
    async with Stage.open() as stage:
        run = await worked(stage, await stage.enlist(working()))
        stage.parts.ledger.moved.clear()
        made = Made(await export(stage, run), stage.parts.identity.key.kid, run)
        assert made.report().problems == ()
        assert (await proof_of(stage.node, run)).ok


# -- one bit -----------------------------------------------------------------------------------------------------


def flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def structural(data: bytes) -> Iterator[int]:
    """Every byte of the headers of the first entries, and some of each other; what is behind entries; the end."""
    at = 0
    for number, (name, content) in enumerate(entries_of(data).items()):
        assert data[at : at + BLOCK] == header(name, len(content))
        yield from range(at, at + BLOCK, 5 if number == 2 else 307)
        yield from (at + 99, at + 124, at + 148, at + 156, at + 257, at + BLOCK - 1)[number % 3 :: 3]
        end = at + BLOCK + len(content)
        at = end + -end % BLOCK
        yield from {end, at - 1} if at > end else ()
    yield from range(at, at + len(END), 97)
    yield len(data) - 1


@pytest.mark.abuse("ASI06", at="store", stride="tampering", case="an export with one bit flipped")
def test_one_bit_that_is_flipped_is_found_and_named(made: Made) -> None:
    places = sorted({*structural(made.data), *range(0, len(made.data), 251)})
    for at in places:
        found = made.findings(flipped(made.data, at, at % 8))
        assert found, f"byte {at} was changed, and nobody noticed"
        assert all(name is not None or message.startswith("byte ") for _, name, message in found), (at, found)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bit_that_is_flipped_is_found(made: Made, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(made.data) - 1))
    assert made.findings(flipped(made.data, at, data.draw(st.integers(0, 7))))


def test_the_entry_that_was_changed_is_the_one_that_is_named(made: Made) -> None:
    entries = entries_of(made.data)
    for name in entries:
        if name in (STATEMENT, MANIFEST):
            continue
        changed = bundle_of({**entries, name: flipped(entries[name], len(entries[name]) // 2, 0)})
        assert [(code, where) for code, where, _ in made.findings(changed) if code == "ACC841"] == [("ACC841", name)]


def test_a_header_that_was_changed_is_named_with_its_byte(made: Made) -> None:
    at = made.data.index(KEYS.encode() + b"\0")
    [found] = made.findings(flipped(made.data, at + 110, 0))
    assert found == ("ACC840", KEYS, f"byte {at + 110}: the header of {KEYS} is not the one that belongs there")


def test_what_is_cut_off_added_moved_or_put_in_twice_is_found(made: Made) -> None:
    entries = list(entries_of(made.data).items())
    for length in (0, 1, BLOCK, len(made.data) - BLOCK, len(made.data) - 1):
        assert made.findings(made.data[:length]), length
    for more in (b"\0", bytes(BLOCK), b"x"):
        assert [code for code, _, _ in made.findings(made.data + more)] == ["ACC840"]
    assert made.findings(bundle_of([*entries, ("more", b"")])) == [
        ("ACC842", "more", "the manifest names no such entry")
    ]
    assert [(code, name) for code, name, _ in made.findings(bundle_of([*entries, entries[5]]))] == [
        ("ACC842", entries[5][0])
    ]
    without = [*entries[:5], *entries[6:]]
    assert ("ACC842", entries[5][0]) in [(code, name) for code, name, _ in made.findings(bundle_of(without))]
    swapped = [*entries[:5], entries[6], entries[5], *entries[7:]]
    assert [code for code, _, _ in made.findings(bundle_of(swapped))] == ["ACC842"]
    exchanged = [*entries]
    exchanged[5], exchanged[6] = (entries[5][0], entries[6][1]), (entries[6][0], entries[5][1])
    assert [(code, name) for code, name, _ in made.findings(bundle_of(exchanged)) if code == "ACC841"] == [
        ("ACC841", entries[5][0]),
        ("ACC841", entries[6][0]),
    ]
    assert ("ACC842", STATEMENT) in [(code, name) for code, name, _ in made.findings(bundle_of(entries[1:]))]


def test_what_is_cut_off_is_told_once(made: Made) -> None:
    """And not entry by entry: what is missing, and nothing of what follows from that."""
    names = list(entries_of(made.data))
    at = made.data.index(KEYS.encode() + b"\0")
    for length in (at, at + 100, at + BLOCK, at + BLOCK + 10, len(made.data) // 2, len(made.data) - 4 * BLOCK):
        found = made.findings(made.data[:length])
        assert [code for code, _, _ in found if code == "ACC840"] == ["ACC840"]
        missing = [message for code, _, message in found if code == "ACC842"]
        assert all(f"of its {len(names) - 2} entries are missing, from this one on" in one for one in missing)
        assert len(missing) == (length < len(made.data) - 4 * BLOCK)
        assert {code for code, _, _ in found} <= {"ACC840", "ACC841", "ACC842", "ACC843"}
        assert len(found) <= 4


@pytest.mark.parametrize("junk", [b"", b"no bundle", bytes(4096), b"x" * 5000])
def test_what_is_no_bundle_is_refused(made: Made, junk: bytes) -> None:
    with pytest.raises(BadInput, match="ACC856"):
        made.report(junk)


def foreign_manifests(made: Made) -> Iterator[tuple[str, bytes]]:
    """Manifests as a stranger may write them, in bundles that nobody has signed."""
    entries = entries_of(made.data)
    told = msgspec.json.decode(entries[MANIFEST])
    contents = told["contents"]

    def with_content(**members: Any) -> list[dict[str, Any]]:
        return [*contents[:3], {**contents[3], **members}, *contents[4:]]

    changes: dict[str, dict[str, Any]] = {
        "named twice": {"contents": [*contents, *contents]},
        "a time without a zone": {"at": "0001-01-01T00:00:00"},
        "the first of all times": {"at": "0001-01-01T00:00:00+14:00"},
        "the last of all times": {"at": "9999-12-31T23:59:59-14:00"},
        "another signer": {"signed_by": "a b+c"},
        "a name that is too long": {"contents": with_content(name="x" * 300)},
        "a name that is no ASCII": {"contents": with_content(name="ü")},
        "no name": {"contents": with_content(name="")},
        "a length that no header can tell": {"contents": with_content(len=9 << 30)},
        "a negative length": {"contents": with_content(len=-1)},
    }
    for what, members in changes.items():
        yield what, bundle_of({**entries, MANIFEST: msgspec.json.encode({**told, **members})})
    yield "depth", bundle_of({**entries, MANIFEST: b'{"x":' * 100_000})


def test_a_manifest_of_a_stranger_is_refused_whatever_it_says(made: Made) -> None:
    """Nothing in it is authentic yet when it is read. Also where the header is damaged for which it gives the name."""
    entries = entries_of(made.data)
    fourth = sorted(list(entries)[2:])[3]
    for what, data in foreign_manifests(made):
        at = data.index(header(fourth, len(entries[fourth])))
        for forged in (data, flipped(data, at + 148, 0), data[: len(data) // 2]):
            assert made.findings(forged), what


def test_another_root_of_trust_refuses_all_of_it(made: Made) -> None:
    report = made.report(trusted={KeyId("x" * 43)})
    assert [(one.code, one.place.file) for one in report.problems] == [("ACC843", STATEMENT)]
    assert (report.key, report.runs) == (None, ())


async def test_a_bundle_that_somebody_else_has_signed_is_refused(made: Made) -> None:
    async with Stage.open() as stage:
        key = stage.parts.identity.key

        def another_key(streams: Streams, entries: Entries) -> None:
            entries[KEYS] = msgspec.json.encode({"keys": [key.to_jwk()]})

        forged = await Liar(stage.keys, key).remade(made.data, another_key)
        assert ("ACC843", STATEMENT) in [(code, name) for code, name, _ in made.findings(forged)]


# -- an orchestrator that lies -----------------------------------------------------------------------------------


def changed(event: bytes, **members: Any) -> bytes:
    """The event with other members."""
    return msgspec.json.encode({**msgspec.json.decode(event), **members})


def with_document(event: bytes, member: str, data: bytes) -> bytes:
    """The event with another document, whose digest is right."""
    document = {"sha256": sha256(data).hexdigest(), "len": len(data), "inline": msgspec.Raw(data)}
    return changed(event, **{member: document})


def without(event: bytes, member: str) -> bytes:
    """The event without a member."""
    return msgspec.json.encode({name: one for name, one in msgspec.json.decode(event).items() if name != member})


def at_event(kind: str, change: Callable[[bytes], bytes], number: int = 0) -> Callable[[Made, Streams, Entries], None]:
    """Changes an event of this kind."""

    def forge(made: Made, streams: Streams, entries: Entries) -> None:
        events = streams[StreamId(made.run)]
        at = [place for place, one in enumerate(events) if f'"event":"{kind}"'.encode() in one][number]
        events[at] = change(events[at])

    return forge


def at_registry(kind: str, change: Callable[[bytes], bytes | None]) -> Callable[[Made, Streams, Entries], None]:
    """Changes an event of the registry, or takes it out."""

    def forge(made: Made, streams: Streams, entries: Entries) -> None:
        found = []
        for one in streams[REGISTRY]:
            new = change(one) if f'"event":"{kind}"'.encode() in one else one
            found += [new] if new is not None else []
        streams[REGISTRY] = found

    return forge


def moved(event: bytes, hours: float) -> bytes:
    at = msgspec.convert(msgspec.json.decode(event)["at"], datetime)
    return changed(event, at=at + timedelta(hours=hours))


def swapped_statements(made: Made, streams: Streams, entries: Entries) -> None:
    events = streams[StreamId(made.run)]
    first, second = [place for place, one in enumerate(events) if b'"attempt.succeeded"' in one][:2]
    one, two = (msgspec.json.decode(events[place])["statement"] for place in (first, second))
    events[first], events[second] = changed(events[first], statement=two), changed(events[second], statement=one)


def without_event(kind: str) -> Callable[[Made, Streams, Entries], None]:
    def forge(made: Made, streams: Streams, entries: Entries) -> None:
        events = streams[StreamId(made.run)]
        del events[next(place for place, one in enumerate(events) if kind.encode() in one)]

    return forge


def revoked_before(made: Made, streams: Streams, entries: Entries) -> None:
    enrolled = msgspec.json.decode(streams[REGISTRY][0])
    told = {"event": "key.revoked", "agent": enrolled["agent"], "key": enrolled["key"], "by": "x"}
    streams[REGISTRY].append(msgspec.json.encode({**told, "at": "2026-01-01T11:00:00Z"}))


def replaced_before(made: Made, streams: Streams, entries: Entries) -> None:
    revoked_before(made, streams, entries)
    told = {**msgspec.json.decode(streams[REGISTRY][-1]), "event": "key.retired", "until": "2026-01-01T11:00:00Z"}
    streams[REGISTRY][-1] = msgspec.json.encode(told)


def doubtful(made: Made, streams: Streams, entries: Entries) -> None:
    revoked_before(made, streams, entries)
    streams[REGISTRY][-1] = changed(streams[REGISTRY][-1], at="2026-01-02T00:00:00Z", since="2026-01-01T00:00:00Z")


def another_seal(made: Made, streams: Streams, entries: Entries) -> None:
    entries[SEAL] = b"no.statement.at-all!"


def no_checkpoint(made: Made, streams: Streams, entries: Entries) -> None:
    del entries[CHECKPOINT]


def no_template(made: Made, streams: Streams, entries: Entries) -> None:
    for name in [name for name in entries if name.startswith("documents/")]:
        del entries[name]


def of_another_run(event: bytes) -> Any:
    told = msgspec.json.decode(event)["certificate"]
    return {**told, "certificate": {**told["certificate"], "run": "run_another"}}


NINE = b'{"number":9}'

LIES: dict[str, tuple[str, Callable[[Made, Streams, Entries], None]]] = {
    "another agent": ("ACC541", at_event("attempt.assigned", lambda one: changed(one, agent="spiffe://local/agent/x"))),
    "another lease": ("ACC541", at_event("attempt.assigned", lambda one: changed(one, lease="run_x.y"))),
    "another time limit": (
        "ACC881", at_event("attempt.assigned", lambda one: changed(one, timeout_at="2026-01-02T00:00:00Z"))
    ),
    "another time of the assignment": ("ACC881", at_event("attempt.assigned", lambda one: moved(one, -0.01))),
    "another contract": ("ACC847", at_event("attempt.assigned", lambda one: changed(one, contract="0" * 64))),
    "another payload": ("ACC845", at_event("attempt.assigned", lambda one: changed(one, payload="0" * 64))),
    "another capability":
    ("ACC541", at_event("attempt.assigned", lambda one: changed(one, capability="test.work@1.1.0"))),
    "statements exchanged": ("ACC541", swapped_statements),
    "more confidence": ("ACC541", at_event("attempt.succeeded", lambda one: changed(one, confidence=1.0))),
    "less cost": ("ACC541", at_event("attempt.succeeded", lambda one: changed(one, cost="0.1"))),
    "another output": ("ACC542", at_event("attempt.succeeded", lambda one: with_document(one, "output", NINE))),
    "another output of the task": (
        "ACC845", at_event("task.completed", lambda one: with_document(one, "output", NINE))
    ),
    "another output of the run": (
        "ACC845", at_event("run.completed", lambda one: with_document(one, "output", b'{"first":1}'))
    ),
    "an output that nobody has made": (
        "ACC845", at_event("task.completed", lambda one: without(with_document(one, "output", NINE), "attempt"))
    ),
    "a value of a template that has none": (
        "ACC845",
        at_event("task.completed", lambda one: without(changed(one, by="fallback"), "attempt")),
    ),
    "somebody's word for an output": (
        "ACC845", at_event("task.completed", lambda one: with_document(changed(one, by="alice"), "output", NINE))
    ),
    "another input of the run": ("ACC845", at_event("run.started", lambda one: changed(one, run="run_another"))),
    "an attempt that was never assigned": ("ACC845", without_event('"event":"attempt.assigned"')),
    "an end that never came": ("ACC850", without_event('"event":"run.completed"')),
    "accepted too late": ("ACC848", at_event("attempt.succeeded", lambda one: moved(one, 2))),
    "accepted before it was made": ("ACC848", at_event("attempt.succeeded", lambda one: moved(one, -2))),
    "revoked before": ("ACC848", revoked_before),
    "replaced before": ("ACC848", replaced_before),
    "in doubt": ("ACC543", doubtful),
    "expired before": (
        "ACC848", at_registry("agent.enrolled", lambda one: changed(one, expires_at="2026-01-01T11:00:00Z"))
    ),
    "enrolled later": ("ACC848", at_registry("agent.enrolled", lambda one: moved(one, 5))),
    "never enrolled": ("ACC540", at_registry("agent.enrolled", lambda one: None)),
    "another key": ("ACC848", at_registry("agent.enrolled", lambda one: changed(one, key="x" * 43))),
    "no card": ("ACC847", at_registry("agent.card_accepted", lambda one: None)),
    "another agent's card": (
        "ACC541", at_registry("agent.card_accepted", lambda one: changed(one, agent="spiffe://local/agent/x"))
    ),
    "a card that was not signed": (
        "ACC542", at_registry("agent.card_accepted", lambda one: with_document(one, "card", b"{}"))
    ),
    "another seal": ("ACC303", another_seal),
    "no checkpoint": ("ACC846", no_checkpoint),
    "no template": ("ACC847", no_template),
    "another run's certificate": (
        "ACC839", at_event("run.started", lambda one: changed(one, certificate=of_another_run(one)))
    ),
    "more proven than was": (
        "ACC839", at_event("run.started", lambda one: re.sub(rb'"proven":(\d)', rb'"proven":9\1', one))
    ),
    "a certificate that nobody has signed": (
        "ACC302", at_event("run.started", lambda one: re.sub(rb'"statement":"[^"]*"', b'"statement":"x"', one))
    ),
    "an event that is none": ("ACC530", at_event("task.completed", lambda one: b'{"event":"x"}')),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.abuse(
    "ASI06", "ASI10", at="store", stride="repudiation", case="an orchestrator that has made up what happened"
)
async def test_what_an_orchestrator_has_made_up_is_found(lie: str) -> None:
    code, forge = LIES[lie]
    async with staged() as (_, made, liar):
        forged = await liar.remade(made.data, lambda streams, entries: forge(made, streams, entries))
        found = made.findings(forged)
        assert code in [one for one, _, _ in found], found
        assert all(name is not None for _, name, _ in found)
        of_attempts = [told for one, _, told in found if one in ("ACC541", "ACC543")]
        assert all(re.match(r"attempt \d of task \S+: ", told) or "card" in told for told in of_attempts), found


async def test_what_is_remade_as_it_was_holds() -> None:
    """So what is found of a lie is the lie."""
    async with staged() as (_, made, liar):
        assert made.report(await liar.remade(made.data, lambda streams, entries: None)).problems == ()


async def test_a_result_that_breaks_its_contract_and_was_accepted_is_found() -> None:
    async with Stage.open() as stage:
        worker = await stage.enlist(working())
        tasks = {"one": {"uses": "test.work@^1", "with": {"number": 1}}}
        started = await stage.start(tasks, None, output="${ tasks.one.output }")
        assignment = await worker.assigned()
        data = b'{"number":true}'
        message = await worker.result(assignment, data)
        await worker.send(await worker.result(assignment, {"number": 1}))
        made = Made(await export(stage, started.id), stage.parts.identity.key.kid, started.id)

        def accepted(streams: Streams, entries: Entries) -> None:
            events = streams[StreamId(started.id)]
            at = next(place for place, one in enumerate(events) if b'"attempt.succeeded"' in one)
            events[at] = changed(with_document(events[at], "output", data), statement=message.statement.decode())

        forged = await Liar(stage.keys, stage.parts.identity.key).remade(made.data, accepted)
        [found] = [one for one in made.findings(forged) if one[0] == "ACC849"]
        assert re.search(r"breaks the contract", found[2])
        assert found[1] == event_name(StreamId(started.id), 4)


async def test_a_manifest_that_says_something_else_is_found() -> None:
    async with staged() as (_, made, liar):

        def shorter(manifest: Manifest) -> Manifest:
            first, *rest = manifest.streams
            return msgspec.structs.replace(manifest, streams=(msgspec.structs.replace(first, head="0" * 64), *rest))

        forged = await liar.remade(made.data, lambda streams, entries: None, shorter)
        assert {"ACC844", "ACC846"} <= {code for code, _, _ in made.findings(forged)}

        def another_run(manifest: Manifest) -> Manifest:
            return msgspec.structs.replace(manifest, run=RunId("run_x"))

        forged = await liar.remade(made.data, lambda streams, entries: None, another_run)
        assert "ACC845" in [code for code, _, _ in made.findings(forged)]


async def test_the_policies_that_have_decided_are_in_it(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text('@id("any") permit (principal, action, resource);')
    async with Stage.open(policy=await open_policy(file)) as stage:
        run = await worked(stage, await stage.enlist(working()))
        made = Made(await export(stage, run), stage.parts.identity.key.kid, run)
        assert made.report().problems == ()
        liar = Liar(stage.keys, stage.parts.identity.key)

        def decided_by(**members: Any) -> Callable[[Streams, Entries], None]:
            def forge(streams: Streams, entries: Entries) -> None:
                said = msgspec.json.decode(streams[StreamId(run)][assigned(streams)])["policy"]
                at_event("attempt.assigned", lambda one: changed(one, policy=said | members))(made, streams, entries)

            def assigned(streams: Streams) -> int:
                return next(at for at, one in enumerate(streams[StreamId(run)]) if b'"attempt.assigned"' in one)

            return forge

        def never_adopted(streams: Streams, entries: Entries) -> None:
            del streams[POLICIES]

        lies = (decided_by(by=["another"]), decided_by(by=[]), decided_by(digest="0" * 64), never_adopted)
        for lie in lies:
            assert "ACC851" in [code for code, _, _ in made.findings(await liar.remade(made.data, lie))]


async def test_whatever_an_agent_was_sent_is_made_again() -> None:
    """Tried again with what was wrong, by another way, and undone: none of it is taken for something else."""
    retry = {"attempts": 2, "backoff": {"first": "0s"}}
    other = {"uses": "test.work@^1", "with": {"number": "${ size(error.code) }"}}
    undo = {"uses": "test.work@^1", "with": {"number": "${ task.output.number + 1 }"}}
    tasks = {
        "done": {"uses": "test.work@^1", "with": {"number": 1}, "compensate": undo},
        "seen": {
            "uses": "test.work@^1",
            "needs": ["done"],
            "with": {"number": "${ tasks.done.output.number }"},
            "context": "upstream",
            "retry": retry,
            "fallback": [other],
        },
    }
    async with Stage.open() as stage:
        worker = await stage.enlist(working())
        run = (await stage.start(tasks, {"number": 3}, on_failure="compensate", limits={"deadline": "9h"})).id
        await worker.answer(await worker.assigned(), {"number": 1})
        for _ in range(4):
            assignment = await worker.assigned()
            await worker.send(await worker.result(assignment, {"number": "none"}))
        undoing = await worker.assigned()
        assert undoing.claims.task == "undo:done"
        await worker.answer(undoing, {"number": 2})
        assert (await stage.run(run)).phase == "failed"
        made = Made(await export(stage, run), stage.parts.identity.key.kid, run)
        assert made.report().problems == ()


TAGGED = """
@id("audited") permit (principal is Agent, action, resource) when { principal.tags.contains("audited") };
@id("no-names") forbid (principal, action == Action::"see", resource) when { context.labels.contains("personal") };
@id("people") permit (principal is Principal, action, resource);
"""


async def test_each_decision_of_a_policy_is_taken_again(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text(TAGGED)
    tasks = {
        "one": {"uses": "test.work@^1", "with": {"number": 1}, "labels": ["personal"]},
        "two": {"uses": "test.work@^1", "needs": ["one"], "with": {"number": 2}, "context": "upstream"},
    }
    tuning = msgspec.structs.replace(QUIET, agent_tags={agent_id("local", "worker"): frozenset(("audited",))})
    async with Stage.open(tuning, policy=await open_policy(file)) as stage:
        worker = await stage.enlist(working())
        run = (await stage.start(tasks, {"number": 3})).id
        for _ in range(2):
            assignment = await worker.assigned()
            await worker.answer(assignment, {"number": assignment.input["number"]})
        assert (await stage.run(run)).phase == "completed"
        made = Made(await export(stage, run), stage.parts.identity.key.kid, run)
        assert made.report().problems == ()
        liar = Liar(stage.keys, stage.parts.identity.key)

        async def found(number: int, change: Callable[[Any], dict[str, Any]]) -> list[tuple[str, str]]:
            def forged(one: bytes) -> bytes:
                return changed(one, **change(msgspec.json.decode(one)))

            forge = at_event("attempt.assigned", forged, number)
            data = await liar.remade(made.data, lambda streams, entries: forge(made, streams, entries))
            return [(code, message.partition(": ")[2]) for code, _, message in made.findings(data)]

        denied = "the policies do not let spiffe://local/agent/worker execute that: no policy permits it"
        assert ("ACC851", denied) in await found(0, lambda one: {"policy": {**one["policy"], "tags": []}})
        others = "audited permit it, and the journal says people"
        assert ("ACC851", others) in await found(0, lambda one: {"policy": {**one["policy"], "by": ["people"]}})
        uncut = await found(1, lambda one: {"cut": []})
        assert ("ACC851", "the policies cut tasks.one, and the journal says nothing") in uncut
        assert ("ACC845", "the agent was sent another payload than follows from the events before") in uncut


class Mistaken(Liar):
    """Has a proof that leads nowhere."""

    async def _anchored(self, origin: AgentId, told: Manifest, endings: Sequence[Ending]) -> Proven:
        proven = await super()._anchored(origin, told, endings)
        wrong = [msgspec.structs.replace(one, proof=one.proof[::-1], index=one.index ^ 1) for one in proven.streams]
        return msgspec.structs.replace(proven, streams=tuple(wrong))


async def test_each_reason_is_told() -> None:
    async with staged() as (stage, made, liar):
        for lie, words in (
            ("another agent", "has signed no card"),
            ("accepted before it was made", "before it was made"),
        ):
            forge = LIES[lie][1]
            forged = await liar.remade(made.data, lambda streams, entries, forge=forge: forge(made, streams, entries))
            assert any(words in message for _, _, message in made.findings(forged)), lie
        forged = await Mistaken(stage.keys, stage.parts.identity.key).remade(made.data, lambda streams, entries: None)
        assert {code for code, _, _ in made.findings(forged)} == {"ACC846"}
        run = await stage.run(made.run)
        assert run.output is not None
        claims = seal_claims(stage.parts.identity.id, run, run.output)
        another = await liar.sign(msgspec.structs.replace(claims, inputs=claims.inputs[1:]))
        forged = await liar.remade(made.data, lambda streams, entries: entries.update({SEAL: another}))
        assert [(code, name) for code, name, _ in made.findings(forged)] == [("ACC850", SEAL)]
