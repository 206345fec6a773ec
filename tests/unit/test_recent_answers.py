"""The answers that are kept: the newest ones, within both bounds, and sent again until it is certain that they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.message import Claims
from accord.sdk.answers import UNCERTAIN_MAX_S, AttemptKey, RecentAnswers
from accord.sdk.outbox import Outgoing

LIMIT, MAX_BYTES = 4, 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)

KEYS = [AttemptKey(RunId("run"), TaskId(f"t{n}"), 1, LeaseToken(f"lease-{n}")) for n in range(8)]

kept = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, MAX_BYTES + 2)), max_size=60)


def outgoing(payload: bytes) -> Outgoing:
    issued_at = int(NOW.timestamp())
    claims = Claims(
        issuer=AgentId("a"),
        audience=AgentId("o"),
        id="x",
        issued_at=issued_at,
        expires_at=issued_at + 300,
        kind="result",
    )
    return Outgoing("partition/1", claims, payload)


@given(kept)
@example([(KEYS[0], 8)] * 3)
@example([(KEYS[0], 12), (KEYS[1], 8), (KEYS[0], 2), (KEYS[2], 10)])
def test_as_many_are_held_as_their_sizes_allow(steps: list[tuple[AttemptKey, int]]) -> None:
    recent, model = RecentAnswers(LIMIT, MAX_BYTES), dict[AttemptKey, bytes]()
    for key, size in steps:
        payload = b"x" * size
        recent.keep(key, outgoing(payload))
        model.pop(key, None)
        model[key] = payload
        while len(model) > LIMIT or sum(map(len, model.values())) > MAX_BYTES:
            del model[next(iter(model))]
        held = {each: found.payload for each in KEYS if (found := recent.get(each)) is not None}
        assert held == model
        assert set(recent.remind(NOW)[0]) == {key.lease for key in model}


def test_an_answer_is_named_at_every_heartbeat_and_sent_less_and_less_often() -> None:
    recent = RecentAnswers(LIMIT)
    recent.keep(KEYS[0], outgoing(b"1"))
    beats = [recent.remind(NOW) for _ in range(16)]
    assert all(named == ["lease-0"] for named, _ in beats)
    assert [number for number, (_, again) in enumerate(beats, start=1) if again] == [2, 4, 8, 16]
    assert beats[1][1][0].payload == b"1"


def test_what_is_certain_is_not_named_and_still_kept() -> None:
    recent = RecentAnswers(LIMIT)
    for key in KEYS[:2]:
        recent.keep(key, outgoing(b"1"))
    recent.certain(KEYS[0].lease)
    recent.certain(LeaseToken("unknown"))
    assert recent.remind(NOW)[0] == ["lease-1"]
    assert recent.get(KEYS[0]) is not None


def test_after_an_hour_nobody_is_asked_any_more() -> None:
    recent = RecentAnswers(LIMIT)
    recent.keep(KEYS[0], outgoing(b"1"))
    assert recent.remind(NOW + timedelta(seconds=UNCERTAIN_MAX_S - 1))[0] == ["lease-0"]
    assert recent.remind(NOW + timedelta(seconds=UNCERTAIN_MAX_S)) == ([], [])
