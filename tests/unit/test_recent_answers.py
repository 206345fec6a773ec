"""The answers that are kept for redeliveries: the newest ones, within both bounds."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from accord.domain.ids import LeaseToken, RunId, TaskId
from accord.domain.message import Message
from accord.sdk.answers import AttemptKey, RecentAnswers

LIMIT, MAX_BYTES = 4, 20

KEYS = [AttemptKey(RunId("run"), TaskId(f"t{n}"), 1, LeaseToken(f"lease-{n}")) for n in range(8)]

kept = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, MAX_BYTES + 2)), max_size=60)


@given(kept)
@example([(KEYS[0], 8)] * 3)
@example([(KEYS[0], 12), (KEYS[1], 8), (KEYS[0], 2), (KEYS[2], 10)])
def test_as_many_are_held_as_their_sizes_allow(steps: list[tuple[AttemptKey, int]]) -> None:
    recent, model = RecentAnswers(LIMIT, MAX_BYTES), dict[AttemptKey, Message]()
    for key, size in steps:
        message = Message(b"statement", b"x" * size)
        recent.keep(key, message)
        model.pop(key, None)
        model[key] = message
        while len(model) > LIMIT or sum(len(one.payload) for one in model.values()) > MAX_BYTES:
            del model[next(iter(model))]
        held = {each: found for each in KEYS if (found := recent.get(each)) is not None}
        assert held == model
