"""Who a new version is safe for, and which number it deserves."""

from __future__ import annotations

from typing import Any

import pytest

from accord.verifier.evolution import Evolution, Step, Surface, evolution
from accord.verifier.members import Change

TEXT: dict[str, Any] = {"type": "string"}
SHORT: dict[str, Any] = {"type": "string", "maxLength": 3}


def evolved(
    before: Any, after: Any, given: Any = TEXT, gives: Any = TEXT, *, versions: tuple[str, str], changed: Step = "none"
) -> Evolution:
    old = Surface(version=versions[0], input=before, output=given)
    return evolution(old, Surface(version=versions[1], input=after, output=gives), changed=changed)


@pytest.mark.parametrize(
    ("before", "after", "given", "gives", "changed", "step", "deserves"),
    [
        (TEXT, TEXT, TEXT, TEXT, "none", "none", "1.2.3"),
        (TEXT, TEXT, TEXT, TEXT, "patch", "patch", "1.2.4"),
        (TEXT, TEXT, TEXT, TEXT, "minor", "minor", "1.3.0"),
        (SHORT, TEXT, TEXT, TEXT, "patch", "minor", "1.3.0"),
        (TEXT, SHORT, TEXT, TEXT, "patch", "major", "2.0.0"),
        (TEXT, TEXT, SHORT, TEXT, "patch", "major", "2.0.0"),
        (TEXT, TEXT, TEXT, SHORT, "patch", "patch", "1.2.4"),
        (TEXT, TEXT, None, TEXT, "none", "major", "2.0.0"),
    ],
)
def test_a_version_rises_by_what_it_means_to_others(
    before: Any, after: Any, given: Any, gives: Any, changed: Step, step: Step, deserves: str
) -> None:
    found = evolved(before, after, given, gives, versions=("1.2.3", "1.2.4"), changed=changed)
    assert (found.step, found.deserves) == (step, deserves)
    assert found.enough == (step in ("none", "patch"))


def test_what_is_not_safe_has_an_example() -> None:
    found = evolved(TEXT, SHORT, versions=("1.0.0", "2.0.0"))
    (callers,) = [one for one in found.effects if one.party == "callers"]
    assert callers.safe is False
    assert len(callers.example) > 3
    assert found.enough


def test_before_the_first_release_the_minor_number_stands_for_the_major_one() -> None:
    assert evolved(TEXT, SHORT, versions=("0.4.1", "0.5.0")).deserves == "0.5.0"


def test_runs_in_flight_go_on_with_what_they_began_with() -> None:
    found = evolved(TEXT, SHORT, versions=("1.0.0", "1.0.1"))
    assert [one.safe for one in found.effects if one.party == "runs"] == [True]


def test_a_version_never_falls() -> None:
    assert not evolved(TEXT, TEXT, versions=("1.0.0", "0.9.0")).enough
    assert evolved(TEXT, TEXT, versions=("1.0.0", "1.0.0")).enough


def test_members_that_are_tighter_are_told_to_those_who_start_it() -> None:
    same = Surface(version="1.0.0", input=TEXT, output=TEXT)
    slow, late = (Change(pointer=f"/{safe}", safe=safe, why="so") for safe in (None, False))
    for members, safe, first in (((slow,), None, "/None: so"), ((slow, late), False, "/False: so; /None: so")):
        found = evolution(same, same, changed="patch", members=members)
        assert (found.effects[0].safe, found.step) == (safe, "major")
        assert first in found.effects[0].why


def test_new_labels_are_not_safe_for_readers() -> None:
    old = Surface(version="1.0.0", input=TEXT, output=TEXT, labels=frozenset({"internal"}))
    new = Surface(version="1.0.1", input=TEXT, output=TEXT, labels=frozenset({"internal", "personal"}))
    (readers,) = [one for one in evolution(old, new, changed="patch").effects if one.party == "readers"]
    assert (readers.safe, "personal" in readers.why) == (False, True)
    (readers,) = [one for one in evolution(new, old, changed="patch").effects if one.party == "readers"]
    assert readers.safe


def test_who_asks_by_the_old_name_does_not_get_what_has_another_one() -> None:
    old, new = (Surface(name=name, version="1.0.0", input=TEXT, output=TEXT) for name in ("old", "new"))
    found = evolution(old, new, changed="patch")
    assert (found.step, found.effects[0].party, found.effects[0].safe) == ("major", "callers", False)
    assert "`old`" in found.effects[0].why
