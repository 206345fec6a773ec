"""Maps that forget what was put or used longest ago."""

from __future__ import annotations

from accord.recent import Recent


def filled(most: int, keys: str) -> Recent[str, int]:
    recent: Recent[str, int] = Recent(most)
    for value, key in enumerate(keys):
        recent[key] = value
    return recent


def test_of_too_many_the_oldest_are_forgotten() -> None:
    assert dict(filled(3, "abcde")) == {"c": 2, "d": 3, "e": 4}


def test_what_is_put_again_is_the_newest() -> None:
    assert list(filled(2, "abac").items()) == [("a", 2), ("c", 3)]


def test_what_is_looked_up_is_no_newer() -> None:
    recent = filled(3, "abc")
    assert recent["a"] == recent.get("a") == 0
    recent["d"] = 3
    assert list(recent) == ["b", "c", "d"]


def test_what_is_not_there_is_made_once_and_used_then() -> None:
    recent = filled(2, "ab")
    made: list[int] = []

    def make() -> int:
        made.append(0)
        return 0

    assert recent.made("c", make) == 0
    assert recent.made("b", make) == 1
    assert recent.made("c", make) == 0
    assert (made, list(recent)) == ([0], ["b", "c"])


def test_many_at_once_and_defaults_are_bounded_as_well() -> None:
    recent: Recent[str, None] = Recent(2)
    recent.update(dict.fromkeys("abcd"))
    assert list(recent) == ["c", "d"]
    recent.setdefault("c")
    recent.setdefault("e")
    assert list(recent) == ["d", "e"], "a default is put where nothing is, and moves nothing"


def test_a_map_of_none_remembers_nothing() -> None:
    assert not filled(0, "ab")
