"""What becomes of keys: revoked at once and everywhere, replaced with an overlap, in doubt since some time."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from accord.app import open_node
from accord.cli.actions import keys as action
from accord.cli.actions.doctor import examined
from accord.cli.options import Shared
from accord.codec import decode_system_event
from accord.domain import command as c
from accord.domain.delegation import Delegated, Delegation
from accord.domain.ids import KeyId, TaskId
from accord.domain.system import REGISTRY, AgentEnrolled
from accord.engine.commons import Neighbour
from accord.errors import BadInput, KeyUnusable, MessageRefused, NotFound
from accord.keys import FileKeyStore
from accord.postgres.address import StoreAddress
from accord.sdk import Agent
from accord.service import Fork, Invitation
from accord.settings import Settings
from accord.testing.stage import ScriptedAgent, Stage, node_on
from accord.views.agents import key_document
from accord.views.proof import proof_of

WORK = {"work": {"uses": "test.work@^1", "with": {"number": 7}}}
HOUR = timedelta(hours=1)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def test_whoever_has_no_valid_key_left_gets_nothing_more(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    registry = stage.parts.registry
    assert registry.capacity(worker.id) is not None
    known = await stage.node.revoke_key(worker.key.kid, by="test", reason="lost")
    assert (known.state(stage.clock.now()), known.reason) == ("revoked", "lost")
    assert registry.capacity(worker.id) is None
    assert registry.expire(stage.clock.now()) == [worker.id]
    await worker.heartbeat()
    assert await stage.codes() == ["ACC340"]
    assert registry.capacity(worker.id) is None


async def test_a_process_that_owns_nothing_hears_at_once_that_a_key_is_revoked(stage: Stage) -> None:
    """No round comes by itself here, and letters go to those who own partitions: it is the notice on the bus."""
    worker = await stage.enlist(working("worker"))
    other = await node_on(stage.ports)
    looked, refresh = Counter[str](), other.parts.refresh

    async def counted() -> None:
        await refresh()
        looked["times"] += 1

    other.parts.refresh = counted  # type: ignore[method-assign]  # to know when it has looked by itself
    async with other:
        while looked["times"] < 2:  # noqa: ASYNC110 - once at its start, and once by its first round
            await asyncio.sleep(0)
        registry = other.parts.registry
        told: asyncio.Future[KeyId] = asyncio.get_running_loop().create_future()
        registry.revoked.append(told.set_result)
        assert registry.key(worker.key.kid, stage.clock.now()) is not None
        await stage.node.revoke_key(worker.key.kid, by="test")
        async with asyncio.timeout(60):
            assert await told == worker.key.kid
        assert registry.key(worker.key.kid, stage.clock.now()) is None


async def test_an_old_notice_makes_nobody_look(stage: Stage) -> None:
    commons = stage.parts.router.commons
    assert commons.is_news("other", 1)
    until = stage.clock.now() + HOUR
    commons.hear("other", Neighbour(3, until, frozenset(), {}, {}))
    assert [number for number in (2, 3, 4) if commons.is_news("other", number)] == [4]


async def test_a_replaced_key_is_accepted_until_its_time_is_over(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    [name] = [key.name for key in await stage.keys.stored() if key.public == worker.key]
    rotated = await stage.node.rotate_key(name, HOUR, by="test")
    assert (rotated.old, rotated.until) == (worker.key.kid, stage.clock.now() + HOUR)
    assert await stage.keys.public(name) == rotated.new
    run = await stage.start(WORK)
    assignment = await worker.assigned()
    stage.clock.forward(3599)
    await worker.heartbeat(assignment.claims.lease)
    assert await stage.codes() == []
    stage.clock.forward(1)
    await worker.answer(assignment, 7)
    assert await stage.codes() == ["ACC340"]
    assert (await stage.run(run)).phase == "running"
    old, new = await stage.node.key(rotated.old), await stage.node.key(rotated.new.kid)
    assert old is not None
    assert new is not None
    assert (old.state(stage.clock.now()), new.state(stage.clock.now())) == ("retired", "valid")
    with pytest.raises(Exception, match="ACC712"):
        await stage.parts.enrolment.enrol(worker.id, worker.key, by="test", now=stage.clock.now())


async def test_a_revoked_key_has_a_successor_and_no_overlap(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    [name] = [key.name for key in await stage.keys.stored() if key.public == worker.key]
    await stage.node.revoke_key(worker.key.kid, by="test")
    rotated = await stage.node.rotate_key(name, HOUR, by="test")
    assert rotated.until is None
    assert stage.parts.registry.key(worker.key.kid, stage.clock.now()) is None
    assert stage.parts.registry.key(rotated.new.kid, stage.clock.now()) is not None


async def test_the_orchestrators_key_is_replaced(stage: Stage) -> None:
    old = await stage.keys.public("orchestrator")
    rotated = await stage.node.rotate_key("orchestrator", HOUR, by="test", algorithm="Ed25519")
    assert (rotated.old, rotated.until, rotated.new.algorithm) == (old.kid, stage.clock.now() + HOUR, "Ed25519")
    with pytest.raises(NotFound, match="ACC612"):
        await stage.node.rotate_key("nobody", HOUR, by="test")


async def test_a_key_that_has_expired_is_refused_and_what_it_signed_stays_proven(stage: Stage) -> None:
    old = await stage.enlist(working("worker"))
    [name] = [key.name for key in await stage.keys.stored() if key.public == old.key]
    rotated = await stage.node.rotate_key(name, HOUR, by="test", lifetime=3 * HOUR)
    assert rotated.expires_at == stage.clock.now() + 3 * HOUR
    worker = stage.agents[old.id] = ScriptedAgent(stage, working("worker"), rotated.new)
    run = await stage.start(WORK)
    await old.answer(await old.assigned(), 7)
    stage.clock.forward(3 * 3600 - 1)
    assert [key.state(stage.clock.now()) for key in stage.parts.registry.all_keys()] == ["retired", "valid"]
    await worker.heartbeat()
    assert await stage.codes() == []
    stage.clock.forward(1)
    await worker.heartbeat()
    assert await stage.codes() == ["ACC664"]
    known = await stage.node.key(rotated.new.kid)
    assert known is not None
    assert known.state(stage.clock.now()) == "expired"
    assert key_document(known).known() == known
    assert (await proof_of(stage.node, run.id)).ok
    with pytest.raises(MessageRefused, match=r"ACC712.*expired"):
        await stage.parts.enrolment.enrol(worker.id, rotated.new, by="test", now=stage.clock.now())


async def test_the_successor_lives_as_long_as_the_key_before_it(stage: Stage) -> None:
    first = await stage.node.new_key("agent.local.worker", 2 * HOUR, by="test")
    stage.clock.forward(3 * 3600)
    again = await stage.node.rotate_key("agent.local.worker", HOUR, by="test")
    assert (again.old, again.until, again.expires_at) == (first.kid, None, stage.clock.now() + 2 * HOUR)
    known = stage.parts.registry.key(again.new.kid, stage.clock.now())
    assert known is not None
    assert known.expires_at == again.expires_at


@pytest.mark.parametrize(
    ("after", "soon"), [(timedelta(days=75), False), (timedelta(days=76), True), (timedelta(days=91), True)]
)
async def test_people_are_warned_before_a_key_expires(stage: Stage, after: timedelta, soon: bool) -> None:
    public = await stage.node.new_key("agent.local.worker", timedelta(days=90), by="test")
    known = stage.parts.registry.known_key(public.kid)
    assert known is not None
    assert known.expires_soon(known.valid_from + after) is soon


async def test_what_cannot_expire(stage: Stage) -> None:
    await stage.keys.create("agent.local.worker")
    for name in ("orchestrator", "agent.partner.worker", "agent.local.", "agent.local.No"):
        with pytest.raises(BadInput, match="ACC665"):
            await stage.node.new_key(name, HOUR, by="test")
    with pytest.raises(BadInput, match="ACC665"):
        await stage.node.rotate_key("orchestrator", HOUR, by="test", lifetime=HOUR)
    with pytest.raises(BadInput, match="ACC666"):
        await stage.node.rotate_key("agent.local.worker", HOUR, by="test", lifetime=timedelta())
    assert {key.name for key in await stage.keys.stored()} == {"orchestrator", "agent.local.worker"}


async def test_nothing_is_delegated_beyond_the_end_of_the_key_behind_it(stage: Stage) -> None:
    parent = await stage.node.new_key("agent.local.worker", HOUR, by="test")
    late = Delegated(parent.kid, stage.clock.now() + HOUR + timedelta(seconds=1), ("heartbeat",))
    delegation = Delegation(working("worker").id, await stage.keys.create("short"), late)
    with pytest.raises(MessageRefused, match=r"ACC356.*outlive"):
        await stage.parts.enrolment.delegate(delegation, "", stage.clock.now())


async def test_the_key_of_a_token_expires_from_when_it_joins(stage: Stage) -> None:
    wanted = Invitation(name="worker", organisation="local", key_valid_s=7200)
    issued = await stage.node.issue_enrolment_token(wanted, by="test")
    stage.clock.forward(3600)
    public, now = await stage.keys.create("worker"), stage.clock.now()
    await stage.parts.enrolment.redeem(issued.text, working("worker").id, public, now)
    known = await stage.node.key(public.kid)
    assert known is not None
    assert known.expires_at == now + 2 * HOUR
    with pytest.raises(BadInput, match="ACC666"):
        await stage.node.issue_enrolment_token(Invitation(name="worker", key_valid_s=0), by="test")


async def test_what_was_signed_in_doubtful_times_is_told(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    await worker.answer(await worker.assigned(), 7)
    before, after = stage.clock.now() - HOUR, stage.clock.now() + timedelta(seconds=2)
    stage.clock.forward(60)
    await stage.node.revoke_key(worker.key.kid, by="test")
    assert (await proof_of(stage.node, run.id)).ok
    await stage.node.revoke_key(worker.key.kid, by="test", since=after)
    assert (await proof_of(stage.node, run.id)).ok
    known = await stage.node.revoke_key(worker.key.kid, by="test", since=before)
    assert (known.doubtful_from, known.revoked_at) == (before, stage.clock.now())
    proof = await proof_of(stage.node, run.id)
    assert [problem.code for problem in proof.problems] == ["ACC543"]
    later = await stage.node.revoke_key(worker.key.kid, by="test", since=after)
    assert later.doubtful_from == before, "what is in doubt stays in doubt"


async def test_what_was_undone_and_done_again_is_in_doubt_no_more(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    run = await stage.start(WORK)
    await worker.answer(await worker.assigned(), 7)
    before = stage.clock.now() - HOUR
    stage.clock.forward(60)
    await stage.node.revoke_key(worker.key.kid, by="test", since=before)
    assert [one.code for one in (await proof_of(stage.node, run.id)).problems] == ["ACC543"]
    other = await stage.enlist(working("other"))
    fork = await stage.node.fork(run.id, Fork(), by="test")
    await stage.node.control(run.id, c.Rollback(to=TaskId("work"), by="test"))
    await other.answer(await other.assigned(), 7)
    proof = await proof_of(stage.node, run.id)
    assert (proof.problems, proof.undone) == ((), 1)
    taken_over = await proof_of(stage.node, fork.id)
    assert [one.code for one in taken_over.problems] == ["ACC543"], "the fork rests on what was undone there"


async def test_what_cannot_be_revoked(stage: Stage) -> None:
    worker = await stage.enlist(working("worker"))
    with pytest.raises(NotFound, match="ACC713"):
        await stage.node.revoke_key(KeyId("nobody's"), by="test")
    with pytest.raises(BadInput, match="ACC785"):
        await stage.node.revoke_key(worker.key.kid, by="test", since=stage.clock.now() + HOUR)
    assert stage.parts.registry.capacity(worker.id) is not None


# -- files -------------------------------------------------------------------------------------------------------


async def test_a_replaced_key_file_is_put_aside_and_other_processes_sign_on(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    async with FileKeyStore.open(folder, b"secret") as running, FileKeyStore.open(folder, b"secret") as operator:
        old = await running.create("agent")
        new = await operator.replace("agent")
        assert len(await running.sign(old.kid, [b"x"])) == 1
        assert await running.public("agent") == old, "what runs goes on with what it has"
    async with FileKeyStore.open(folder, b"secret") as later:
        assert await later.public("agent") == new
        with pytest.raises(NotFound):
            await later.sign(old.kid, [b"x"])
    aside = folder / "replaced"
    assert [path.name for path in aside.iterdir()] == [f"{old.kid}.pem"]
    modes = [path.stat().st_mode & 0o777 for path in (folder / "agent.pem", aside, aside / f"{old.kid}.pem")]
    assert modes == [0o600, 0o700, 0o600]


# -- on the command line -----------------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def called(command: object, *arguments: object) -> int:
    with pytest.raises(typer.Exit) as end:
        command(*arguments)  # type: ignore[operator]
    return end.value.exit_code


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose agent `worker` has been enrolled."""
    asyncio.run(enrol(Settings(home=tmp_path)))
    return tmp_path


async def enrol(settings: Settings) -> None:
    """The agent `worker`, with a key in the home."""
    async with open_node(settings) as node:
        agent, public = working("worker").id, await node.parts.ports.keys.create("agent.local.worker")
        await node.parts.enrolment.enrol(agent, public, by="test", now=datetime.now(UTC))


def test_keys_are_listed_rotated_and_revoked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = Shared(home, as_json=True)
    called(action.new_key, shared, "agent.local.later", "ES256")
    capsys.readouterr()
    called(action.list_keys, shared)
    listed = {one["name"]: one["state"] for one in told(capsys)}  # type: ignore[attr-defined]
    assert listed == {"agent.local.later": "unused", "agent.local.worker": "valid", "orchestrator": "valid"}
    assert called(action.rotate_key, shared, "agent.local.worker", "2d", action.Kind("Ed25519")) == 0
    rotated = told(capsys)
    assert called(action.revoke_key, shared, rotated["old"], "lost", None) == 0  # type: ignore[index]
    revoked = told(capsys)
    assert (revoked["name"], revoked["reason"]) == (None, "lost")  # type: ignore[index]
    with pytest.raises(BadInput, match="ACC915"):  # which of both is meant?
        called(action.revoke_key, shared, "agent.local.worker", "", "1h")
    assert called(action.revoke_key, shared, rotated["key"], "", "1h") == 0  # type: ignore[index]
    assert told(capsys)["doubtful_from"] is not None  # type: ignore[index]
    called(action.list_keys, shared)
    listed = {one["name"]: one["state"] for one in told(capsys)}  # type: ignore[attr-defined]
    assert listed["agent.local.worker"] == "revoked"
    for name, hint in (("agent.local.later", "accord keys rotate agent.local.later"), ("nobody", "accord keys list")):
        with pytest.raises(NotFound) as refusal:
            action.revoke_key(shared, name, "", None)
        assert hint in (refusal.value.problems[0].hint or "")


def test_keys_that_expire_are_told_of_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared, name = Shared(tmp_path, as_json=True), "agent.local.worker"
    assert called(action.new_key, shared, name, "ES256", "1h") == 0
    capsys.readouterr()
    assert called(action.list_keys, shared) == 0
    [listed] = [one for one in told(capsys) if one["name"] == name]  # type: ignore[attr-defined]
    assert listed["state"] == "valid"
    assert next(one for one in examined(shared) if one.what == "expiry of keys").grade == "ok"
    assert called(action.rotate_key, shared, name, "1h", action.Kind("ES256", "1ms")) == 0
    assert told(capsys)["expires_at"] is not None  # type: ignore[index]
    [finding] = [one for one in examined(shared) if one.what == "expiry of keys"]
    assert (finding.grade, "has expired" in finding.told) == ("warn", True)
    assert name in (finding.hint or "")
    called(action.list_keys, shared)
    assert [one["state"] for one in told(capsys) if one["name"] == name] == ["expired"]  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="ACC911"):
        action.new_key(shared, "agent.local.other", "ES256", "soon")


def test_a_new_key_says_when_it_expires_and_whether_anything_uses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = Shared(tmp_path)
    for name, expires, said in (
        ("agent.local.worker", "90d", "It expires"),
        ("agent.local.other", None, "never leaves it"),
        ("notary", None, "agent.local.NAME is the key of an agent"),
        ("agent.elsewhere.worker", None, "Nothing of Accord's signs with a key of this name"),
    ):
        assert called(action.new_key, shared, name, "ES256", expires) == 0
        told = " ".join(capsys.readouterr().err.split())
        assert said in told
        assert ("Nothing of Accord's" in told) == (not name.startswith("agent.local."))
        assert ("expires" in told) == (expires is not None)


async def test_a_key_is_enrolled_once_whoever_is_quicker(stage: Stage) -> None:
    """Two processes that have not heard of each other: what the first has said of the key stands."""
    public = await stage.keys.create("agent.local.late")
    agent, now = working("late").id, stage.clock.now()
    issued = await stage.node.issue_enrolment_token(Invitation(name="late"), by="test")
    other = await node_on(stage.ports)
    async with other:
        await other.parts.enrolment.enrol(agent, public, by="test", now=now)
        await stage.parts.enrolment.enrol(agent, public, by="test", now=now)  # it has not heard, and nothing changes
        assert [one.key for one in await _enrolled(stage)].count(public.kid) == 1
        fresh = await stage.keys.create("agent.local.fresh")
        await other.parts.enrolment.enrol(agent, fresh, by="test", now=now)
        await other.revoke_key(fresh.kid, by="test")
        with pytest.raises(MessageRefused, match="ACC712"):
            await stage.parts.enrolment.redeem(issued.text, agent, fresh, now)
        with pytest.raises(MessageRefused, match="ACC712"):
            await stage.parts.enrolment.enrol(agent, fresh, by="test", now=now)
    known = await stage.node.key(fresh.kid)
    assert known is not None
    assert known.revoked_at is not None


async def _enrolled(stage: Stage) -> list[AgentEnrolled]:
    events = [decode_system_event(record) for record in await stage.ports.journal.read(REGISTRY)]
    return [event for event in events if isinstance(event, AgentEnrolled)]


def test_a_home_with_a_history_makes_up_no_other_orchestrator(home: Path) -> None:
    async def open_once() -> None:
        async with open_node(Settings(home=home)):
            pass

    (home / "keys" / "orchestrator.pem").unlink()
    with pytest.raises(KeyUnusable, match="ACC625"):
        asyncio.run(open_once())
    assert called(action.new_key, Shared(home), "orchestrator", "ES256") == 0
    asyncio.run(open_once())


def test_a_second_server_without_the_keys_of_the_first_is_told_to_copy_them(
    tmp_path: Path, store: StoreAddress
) -> None:
    async def second() -> None:
        async with open_node(Settings(home=tmp_path / "second", store=store)):
            pass

    asyncio.run(enrol(Settings(home=tmp_path / "first", store=store)))
    with pytest.raises(KeyUnusable, match="ACC625") as refusal:
        asyncio.run(second())
    hint = refusal.value.problems[0].hint or ""
    assert "copy `keys` and `passphrase`" in hint
    assert "keys new" not in hint
