"""Labels are a lattice, and what is made of things has the join of theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.labels import (
    LEVELS,
    NOTHING,
    UNLABELLED,
    Declassification,
    Labels,
    Path,
    categories,
    join,
    labels_at,
    level_of,
    may_flow,
    path_of,
    read_labels,
    told,
)
from accord.errors import BadInput

CATEGORIES = ("personal", "health", "trade-secret")
LABELS = st.builds(join, st.sets(st.sampled_from(LEVELS)), st.sets(st.sampled_from(CATEGORIES)))
PATHS = st.lists(st.sampled_from(("a", "b", "c")), max_size=3).map(tuple)
PARTS = st.dictionaries(PATHS, LABELS, max_size=5)


@given(LABELS, LABELS, LABELS)
def test_the_join_is_associative_commutative_and_idempotent(a: Labels, b: Labels, c: Labels) -> None:
    assert join(a, join(b, c)) == join(join(a, b), c) == join(a, b, c)
    assert join(a, b) == join(b, a)
    assert join(a, a) == join(a, NOTHING) == a


@given(LABELS, LABELS, LABELS)
def test_the_order_is_that_of_the_join(a: Labels, b: Labels, c: Labels) -> None:
    assert may_flow(a, join(a, b))
    assert not may_flow(a, b) or join(a, b) == b
    assert not (may_flow(a, b) and may_flow(b, a)) or a == b
    assert not (may_flow(a, b) and may_flow(b, c)) or may_flow(a, c)
    assert not may_flow(a, b) or may_flow(join(a, c), join(b, c)), "the join is monotone"


@given(LABELS)
def test_there_is_one_level_at_most_and_words_give_the_labels_again(labels: Labels) -> None:
    assert len(labels - categories(labels)) <= 1
    assert read_labels(told(labels)) == labels


def test_of_several_levels_the_highest_counts() -> None:
    assert read_labels(("public", "confidential", "personal", "internal")) == {"confidential", "personal"}
    assert level_of(("personal",)) is None
    assert told({"personal", "confidential", "a"}) == ("confidential", "a", "personal")


@given(LABELS, st.sampled_from(LEVELS), st.sets(st.sampled_from(CATEGORIES)))
def test_a_declassification_lowers_to_what_it_says_and_never_raises(labels: Labels, to: str, without: set[str]) -> None:
    after = Declassification(to, tuple(sorted(without)), "because").of(labels)  # type: ignore[arg-type]
    assert may_flow(after, labels)
    assert may_flow({level for level in [level_of(after)] if level}, frozenset({to}))
    assert categories(after) == categories(labels) - without


@given(PARTS, PATHS, PATHS)
def test_a_part_s_labels_flow_to_all_that_holds_it(parts: dict[Path, Labels], path: Path, more: Path) -> None:
    assert may_flow(labels_at(parts, path + more), join(labels_at(parts, path), labels_at(parts, path + more)))
    whole = labels_at(parts, ())
    assert all(may_flow(labels, whole) for labels in parts.values())
    assert level_of(labels_at(parts, path)) is not None


def test_what_is_said_of_a_part_is_not_said_of_its_neighbours() -> None:
    parts = {(): frozenset({"public"}), ("customer", "email"): frozenset({"confidential", "personal"})}
    assert labels_at(parts, ("customer", "email", "host")) == {"confidential", "personal"}
    assert labels_at(parts, ("customer",)) == {"confidential", "personal"}
    assert labels_at(parts, ("customer", "name")) == {"public"}
    assert labels_at({}, ("customer",)) == UNLABELLED
    assert path_of("/a~1b/c~0d") == ("a/b", "c~d")
    assert path_of("") == ()


@pytest.mark.parametrize("word", ["", "Personal", "1st", "a b", "a" * 64, "personal\n", "-x"])
def test_what_is_no_label_is_refused_with_the_others(word: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_labels([word, "fine", "Wrong"])
    assert [one.code for one in refused.value.problems] == ["ACC690", "ACC690"]
