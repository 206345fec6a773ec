"""Names, and in which partition they are."""

from hypothesis import given
from hypothesis import strategies as st

from accord.domain.ids import PARTITIONS, partition_of, run_within

TOKENS = st.text("0123456789abcdefghijklmnopqrstuv", min_size=26, max_size=26)


@given(TOKENS, st.sets(st.integers(0, PARTITIONS - 1), min_size=1))
def test_a_run_is_made_within_the_partitions_that_are_asked_for(token, partitions):
    run = run_within(partitions, token)
    assert run is not None
    assert partition_of(run) in partitions
    assert run.startswith(f"run_{token[:-2]}")
    assert len(run) == len("run_") + 26


def test_there_is_none_within_no_partitions():
    assert run_within(set(), "0" * 26) is None
