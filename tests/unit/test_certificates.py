"""Certificates: nothing begins, and nothing goes on, whose graph was not proven for this run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import timedelta
from io import BytesIO

import msgspec
import pytest
from msgspec.structs import replace

from accord.domain import certificate
from accord.domain import command as c
from accord.domain.certificate import Certified
from accord.domain.delegation import LIFETIME, OF_ORCHESTRATORS
from accord.domain.ids import Digest, KeyId, StreamId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, Grant, Message, decode_claims, encode_claims
from accord.domain.run import Run
from accord.domain.signature import Parsed, PublicKey, parse_statement, verify
from accord.engine.rounds import Delegation
from accord.errors import StoreCorrupt, TransitionRefused
from accord.evidence.examine import examine
from accord.keys.short import delegating as short_keys
from accord.policy.cedar import decide_by
from accord.service import Fork
from accord.statements import Draft, Signer
from accord.testing.bundles import Entries, Liar, Streams
from accord.testing.stage import Stage

ASKED = {"ask": {"approval": {"title": "Go on?"}}}
OTHER = {"ask": {"approval": {"title": "Pay?"}}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def certified(run: Run) -> Certified:
    assert run.started.certificate is not None
    return run.started.certificate


async def test_a_run_begins_with_what_was_proven_of_its_graph(stage: Stage) -> None:
    run = await stage.start(ASKED)
    told = certified(run).certificate
    assert (told.run, told.graph, told.template) == (run.id, run.graph.digest, "play@1.0.0")
    assert told.policy == stage.parts.authority.policy.source.digest
    assert {fact.check: (fact.method, fact.proven, fact.open) for fact in told.facts} == {
        "structure": ("search", 1, 0),
        "expressions": ("types", 1, 0),
        "paths": ("search", 1, 0),
        "bounds": ("arithmetic", 2, 2),
    }
    assert certified(run).delegation is None
    certified(run).check(stage.parts.identity.key, run.id, run.graph.digest, run.started.at)


async def test_a_statement_is_taken_apart_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await stage.start(ASKED)
    taken: list[bytes] = []

    def counted(statement: bytes) -> Parsed:
        taken.append(statement)
        return parse_statement(statement)

    monkeypatch.setattr("accord.domain.certificate.parse_statement", counted)
    certificate._parsed.cache_clear()
    stage.parts.certificates.check(run.started)
    assert taken == [certified(run).statement.encode()]


def verified(monkeypatch: pytest.MonkeyPatch) -> list[Parsed]:
    """The certificates whose signature is verified from now on."""
    found: list[Parsed] = []

    def counted(parsed: Parsed, key: PublicKey) -> None:
        found.append(parsed)
        verify(parsed, key)

    monkeypatch.setattr("accord.domain.certificate.verify", counted)
    return found


async def test_what_begins_at_once_shares_a_signature(stage: Stage) -> None:
    first = await stage.start(ASKED)
    digest = first.graph.digest
    runs = await asyncio.gather(*(stage.node.start_run(digest, {}) for _ in range(3)))
    parsed = [parse_statement(certified(run).statement.encode()) for run in runs]
    assert len({one.signature for one in parsed}) == 1
    assert not parse_statement(certified(first).statement.encode()).batched
    for run in runs:
        certified(run).check(stage.parts.identity.key, run.id, digest, run.started.at)
    assert refused(await bundle_of(stage, runs[0])) == [], "nor does whoever has its bundle alone need the others"


async def test_who_does_not_wait_for_a_certificate_takes_nobody_else_along(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, sign = (await stage.start(ASKED)).graph.digest, stage.parts.secretary.sign
    signs, may_sign = asyncio.Event(), asyncio.Event()

    async def slowly(drafts: Sequence[tuple[Claims, bytes]]) -> list[Message]:
        signs.set()
        await may_sign.wait()
        return await sign(drafts)

    monkeypatch.setattr(stage.parts.secretary, "sign", slowly)
    gone, other = (asyncio.create_task(stage.node.start_run(digest, {})) for _ in range(2))
    await signs.wait()
    gone.cancel()
    may_sign.set()
    assert certified(await other).certificate.run == (await other).id
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_only_what_was_signed_here_begins_without_being_verified(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = verified(monkeypatch)
    graph = (await stage.start(ASKED)).graph
    assert looked_at == []
    run = stage.parts.partitions.new_run()
    issued = await stage.parts.certificates.issue(run, graph, await stage.parts.verification.verified(graph, by="ann"))
    start = c.Start(run=run, input=stage.parts.documents.document(b"null"), title="", by="ann", certificate=issued)
    changed = replace(issued, certificate=replace(issued.certificate, verifier="9.9.9"))
    with pytest.raises(TransitionRefused, match="ACC837"):
        await stage.node.orchestrator.submit(run, replace(start, certificate=changed), graph=graph.digest)
    assert len(looked_at) == 1
    await stage.node.orchestrator.submit(run, start, graph=graph.digest)
    assert len(looked_at) == 2, "what was signed for it counts once"


async def test_what_is_forked_has_a_certificate_of_its_own(stage: Stage) -> None:
    run = await stage.start(ASKED)
    fork = await stage.node.fork(run.id, Fork(at=1), by="ann")
    assert certified(fork).certificate.run == fork.id
    assert certified(fork).statement != certified(run).statement


async def start_of(stage: Stage, digest: Digest, certificate: Certified | None) -> Run:
    """What a process orders that has made the start itself."""
    run = stage.parts.partitions.new_run()
    given = stage.parts.documents.document(b"null")
    command = c.Start(run=run, input=given, title="", by="ann", certificate=certificate)
    return await stage.node.orchestrator.submit(run, command, graph=digest)


async def test_what_comes_without_a_certificate_is_verified_before_it_begins(stage: Stage) -> None:
    before = await stage.start(ASKED)
    run = await start_of(stage, before.graph.digest, None)
    assert certified(run).certificate.run == run.id


async def test_a_certificate_of_another_run_or_graph_lets_nothing_begin(stage: Stage) -> None:
    run = await stage.start(ASKED)
    other = await stage.publish(OTHER, name="other")
    with pytest.raises(TransitionRefused, match="ACC837"):
        await start_of(stage, run.graph.digest, certified(run))
    with pytest.raises(TransitionRefused, match="ACC837"):
        await start_of(stage, other, certified(run))
    await stage.parts.incidents.record_all(stage.parts.noticed)
    assert set(await stage.codes()) == {"ACC837"}


async def test_a_run_under_another_graph_or_key_does_not_go_on(stage: Stage) -> None:
    run = await stage.start(ASKED)
    certificates, started = stage.parts.certificates, run.started
    certificates.check(started)
    stranger = Signer(stage.keys, await stage.keys.create("stranger"))
    claims = decode_claims(certified(run).parsed().claims)
    (statement,) = await stranger.sign([Draft(encode_claims(claims), alone=True)])
    forged = replace(certified(run), statement=statement.decode())
    more = replace(certified(run).certificate, verifier="9.9.9")
    for wrong in (
        replace(started, graph=Digest("0" * 64)),
        replace(started, certificate=None),
        replace(started, template="another@1.0.0"),
        replace(started, certificate=forged),
        replace(started, certificate=replace(certified(run), certificate=more)),
        replace(started, certificate=replace(certified(run), statement="none")),
    ):
        with pytest.raises(StoreCorrupt, match="ACC837"):
            certificates.check(wrong)
    assert len(stage.parts.noticed) == 1, "it is told once"
    certificates.takes_uncertified = True
    certificates.check(replace(started, certificate=None))
    with pytest.raises(StoreCorrupt, match="ACC837"):
        certificates.check(replace(started, certificate=forged))


# -- under a delegated key ---------------------------------------------------------------------------------------------


@pytest.fixture
async def delegating(stage: Stage) -> Stage:
    """A delegated key signs for the orchestrator's."""
    stage.parts.delegates.use(short_keys("always", LIFETIME, OF_ORCHESTRATORS))
    await Delegation(stage.node.orchestrator).go()
    return stage


async def said(stage: Stage, key: PublicKey, claims: Claims) -> str:
    (statement,) = await Signer(stage.keys, key).sign([Draft(encode_claims(claims), alone=True)])
    return statement.decode()


async def bundle_of(stage: Stage, run: Run) -> bytes:
    return b"".join([chunk async for chunk in stage.node.export(run.id)])


def refused(data: bytes, trusted: Collection[KeyId] | None = None) -> list[tuple[str, str | None]]:
    """What somebody who has nothing but the root keys finds wrong with a bundle."""
    return [(one.code, one.place.pointer) for one in examine(BytesIO(data), trusted, decide_by).problems]


async def test_a_delegated_key_signs_and_its_delegation_goes_with_the_run(delegating: Stage) -> None:
    stage = delegating
    own = stage.parts.identity.key
    run = await stage.start(ASKED)
    delegation = decode_claims(certified(run).parsed().claims)
    assert delegation.grant is not None
    assert certified(run).kid == delegation.grant.jwk["kid"] != own.kid
    assert certified(run).parsed().kid == own.kid
    stage.clock.forward(3 * LIFETIME.total_seconds())
    stage.parts.certificates.check(run.started)  # it has ended since, and held when the run began
    data = await bundle_of(stage, run)
    assert refused(data, [own.kid]) == []
    assert examine(BytesIO(data), [own.kid], decide_by).certified == 1
    assert stage.parts.noticed == []


@pytest.mark.abuse(
    "ASI03",
    "ASI10",
    at="store",
    stride="tampering",
    case="a run certified under a delegation that did not hold then",
    codes=("ACC837", "ACC839"),
)
async def test_what_a_delegated_key_may_not_stand_for_does_not_go_on_and_proves_nothing(delegating: Stage) -> None:
    stage = delegating
    own, certificates = stage.parts.identity.key, stage.parts.certificates
    run = await stage.start(ASKED)
    root, told = decode_claims(certified(run).parsed().claims), certified(run)
    claims = decode_claims(parse_statement(told.statement.encode()).claims)
    short, stranger = await stage.keys.create("short"), await stage.keys.create("stranger")

    async def under(key: PublicKey, by: PublicKey, delegated: Claims, about: Claims) -> Certified:
        return replace(told, statement=await said(stage, key, about), delegation=await said(stage, by, delegated))

    granted = replace(root, grant=Grant(short.to_jwk(), root.grant.kinds if root.grant is not None else ()))
    later = int(stage.clock.now().timestamp()) + 1
    wrong = [
        replace(told, delegation=None),  # nobody says who that key is
        await under(short, stranger, granted, claims),
        await under(stranger, own, granted, claims),
        await under(short, own, replace(granted, grant=Grant(short.to_jwk(), ("ack",))), claims),
        await under(short, own, replace(granted, expires_at=granted.issued_at + 7200), claims),
        await under(short, own, replace(granted, issued_at=later), claims),
        await under(short, own, granted, replace(claims, issued_at=granted.expires_at)),
        await under(short, own, replace(granted, issued_at=later - 700, expires_at=later - 100), claims),
    ]
    assert await under(short, own, granted, claims) != told
    certificates.check(replace(run.started, certificate=await under(short, own, granted, claims)))
    liar, data = Liar(stage.keys, own), await bundle_of(stage, run)

    def rewritten(by: Certified) -> Callable[[Streams], None]:
        def change(streams: Streams, _: Entries) -> None:
            events = streams[StreamId(run.id)]
            first = msgspec.json.decode(events[0])
            first["certificate"] = msgspec.to_builtins(by)
            events[0] = msgspec.json.encode(first)

        return change

    for one in wrong:
        with pytest.raises(StoreCorrupt, match="ACC837"):
            certificates.check(replace(run.started, certificate=one))
        codes = {code for code, _ in refused(await liar.remade(data, rewritten(one)), [own.kid])}
        assert codes & {"ACC839", "ACC843"}, one


async def test_a_run_that_began_after_the_delegation_had_ended_does_not_go_on(delegating: Stage) -> None:
    stage = delegating
    run = await stage.start(ASKED)
    stage.parts.certificates.check(replace(run.started, at=run.started.at + LIFETIME))  # clocks differ by a minute
    with pytest.raises(StoreCorrupt, match="the run began"):
        stage.parts.certificates.check(replace(run.started, at=run.started.at + LIFETIME + CLOCK_SKEW))
    with pytest.raises(StoreCorrupt, match="the run began"):
        stage.parts.certificates.check(replace(run.started, at=run.started.at - CLOCK_SKEW - timedelta(seconds=1)))


async def test_what_was_ordered_under_a_delegation_that_has_ended_is_certified_anew(delegating: Stage) -> None:
    stage = delegating
    graph = (await stage.start(ASKED)).graph
    run = stage.parts.partitions.new_run()
    before = await stage.parts.certificates.issue(run, graph, await stage.parts.verification.verified(graph, by="ann"))
    stage.clock.forward(LIFETIME.total_seconds())
    given = stage.parts.documents.document(b"null")
    begun = await stage.node.orchestrator.submit(
        run, c.Start(run=run, input=given, title="", by="ann", certificate=before), graph=graph.digest
    )
    assert certified(begun).kid == stage.parts.identity.key.kid
    assert stage.parts.noticed == []


async def test_a_delegated_key_that_was_revoked_signs_no_more_and_what_is_in_doubt_does_not_go_on(
    delegating: Stage,
) -> None:
    stage = delegating
    run = await stage.start(ASKED)
    kid = certified(run).kid
    await stage.node.revoke_key(kid, by="test")
    stage.parts.certificates.check(run.started)
    assert refused(await bundle_of(stage, run)) == []
    after = await stage.start(ASKED)
    assert certified(after).kid == stage.parts.identity.key.kid
    await Delegation(stage.node.orchestrator).go()
    assert certified(await stage.start(ASKED)).kid not in (kid, stage.parts.identity.key.kid)
    await stage.node.revoke_key(kid, by="test", since=run.started.at)
    with pytest.raises(StoreCorrupt, match="was revoked"):
        stage.parts.certificates.check(run.started)
    assert ("ACC839", "/certificate") in refused(await bundle_of(stage, run))
    assert refused(await bundle_of(stage, after)) == []
