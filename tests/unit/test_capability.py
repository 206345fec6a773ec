"""Capability names, versions in the order of semver.org, and ranges as npm reads them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.capability import CapabilityRange, CapabilityRef, Version, VersionRange, parse_name
from accord.errors import BadInput

NUMBERS = st.integers(0, 3)
WORDS = st.sampled_from(["alpha", "beta", "rc", "0", "1", "11", "x-y", "1a"])
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, st.lists(WORDS, max_size=2).map(tuple))


def refused(parse: object, text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parse(text)  # type: ignore[operator]  # one of the parse functions
    (problem,) = caught.value.problems
    return problem.code


class TestName:
    @pytest.mark.parametrize("text", ["text.summarize", "a.b", "accord.diagnose", "a1.b_2.c"])
    def test_good(self, text: str) -> None:
        assert parse_name(text) == text

    @pytest.mark.parametrize("text", ["", "text", "Text.x", "text.", ".x", "a..b", "a-b.c", "1a.b", "a.b\n", "a." * 99])
    def test_bad(self, text: str) -> None:
        assert refused(parse_name, text) == "ACC230"


class TestVersion:
    @pytest.mark.parametrize(
        "text",
        [
            "0.0.0",
            "1.2.3",
            "10.20.30",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-0.3.7",
            "1.0.0-x-y-z.--",
            "1.0.0+21AF.01",
        ],
    )
    def test_round_trip(self, text: str) -> None:
        assert str(Version.parse(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.02.3",
            "v1.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.3 ",
        ],
    )
    def test_bad(self, text: str) -> None:
        assert refused(Version.parse, text) == "ACC231"

    def test_order_of_semver_org(self) -> None:
        texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
        texts += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "2.0.0-0", "2.0.0"]
        versions = [Version.parse(text) for text in texts]
        assert all(one < other for one, other in pairwise(versions))

    @given(VERSIONS, VERSIONS, VERSIONS)
    def test_order_is_total(self, one: Version, two: Version, three: Version) -> None:
        assert (one < two) + (one == two) + (one > two) == 1
        assert not (one < two and two < three) or one < three
        assert (one <= two) == (one < two or one == two)
        assert (one >= two) == (one > two or one == two)

    @given(VERSIONS)
    def test_parse_is_the_inverse_of_str(self, version: Version) -> None:
        assert Version.parse(str(version)) == version


class TestRange:
    @pytest.mark.parametrize(
        ("text", "inside", "outside"),
        [
            ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-alpha 1.3.0-alpha 0.9.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2 1.0.0"),
            ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
            ("^1", "1.0.0 1.9.9", "0.9.9 2.0.0"),
            ("^0", "0.0.0 0.9.9", "1.0.0"),
            ("^0.1", "0.1.0 0.1.9", "0.2.0 0.0.9"),
            ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-rc 1.2.3 1.3.0", "1.2.3-beta.1 1.2.4-beta.9"),
            ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
            ("~1.2", "1.2.0 1.2.9", "1.3.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            (">=1.2 <2", "1.2.0 1.9.9", "1.1.9 2.0.0 2.0.0-rc"),
            (">1.2", "1.3.0", "1.2.9"),
            ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
            ("<1.2", "1.1.9", "1.2.0 1.2.0-alpha"),
            (">= 1.2.3", "1.2.3", "1.2.2"),
            ("1.x", "1.0.0 1.9.9", "2.0.0"),
            ("1.2.X", "1.2.0 1.2.9", "1.3.0"),
            ("1", "1.5.0", "2.0.0"),
            ("*", "0.0.0 9.9.9", "1.0.0-alpha"),
            ("", "0.0.0", "1.0.0-alpha"),
            ("1.2.0", "1.2.0 1.2.0+build", "1.2.1 1.2.0-a"),
            ("=1.2.0", "1.2.0", "1.2.1"),
            ("1.2.0-rc.1", "1.2.0-rc.1", "1.2.0 1.2.0-rc.2"),
            ("^1 || ^3", "1.1.0 3.2.1", "2.0.0 4.0.0"),
            ("<*", "", "0.0.0 1.0.0"),
        ],
    )
    def test_matches(self, text: str, inside: str, outside: str) -> None:
        versions = VersionRange.parse(text)
        assert [each for each in inside.split() if not versions.matches(Version.parse(each))] == []
        assert [each for each in outside.split() if versions.matches(Version.parse(each))] == []

    @pytest.mark.parametrize(
        "text", ["^", "a", "1.2.3.4", "1 - 2", ">>1", "1.2.0,", "^1|^2", "~>1", "1." * 200, "latest"]
    )
    def test_bad(self, text: str) -> None:
        assert refused(VersionRange.parse, text) == "ACC232"

    @given(VERSIONS)
    def test_a_version_matches_itself_alone(self, version: Version) -> None:
        exact = VersionRange.parse(str(version))
        assert exact.matches(version)
        assert not exact.matches(Version(version.major, version.minor, version.patch + 1))

    @given(VERSIONS, VERSIONS)
    def test_caret_contains_tilde_contains_exact(self, low: Version, version: Version) -> None:
        caret, tilde, exact = (VersionRange.parse(f"{sign}{low}").matches(version) for sign in ("^", "~", ""))
        assert caret or not tilde or low.major == 0
        assert tilde or not exact

    def test_best(self) -> None:
        versions = [Version.parse(each) for each in ("1.0.0", "1.4.0", "1.5.0-rc", "2.0.0")]
        assert VersionRange.parse("^1").best(versions) == versions[1]
        assert VersionRange.parse("^3").best(versions) is None

    def test_is_a_value(self) -> None:
        assert VersionRange.parse("^1") == VersionRange.parse("^1")
        assert hash(VersionRange.parse("^1")) == hash(VersionRange.parse("^1"))


class TestCapability:
    def test_matches(self) -> None:
        wanted = CapabilityRange.parse("text.summarize@^1.2")
        assert wanted.matches(CapabilityRef.parse("text.summarize@1.3.0"))
        assert not wanted.matches(CapabilityRef.parse("text.summarize@2.0.0"))
        assert not wanted.matches(CapabilityRef.parse("text.translate@1.3.0"))

    @pytest.mark.parametrize(("text", "shown"), [("a.b", "a.b"), ("a.b@*", "a.b"), ("a.b@^1 || 3.x", "a.b@^1 || 3.x")])
    def test_text(self, text: str, shown: str) -> None:
        assert str(CapabilityRange.parse(text)) == shown
        assert str(CapabilityRef.parse("a.b@1.2.3-rc.1")) == "a.b@1.2.3-rc.1"

    @pytest.mark.parametrize(("text", "code"), [("a@1.0.0", "ACC230"), ("a.b", "ACC231"), ("a.b@1", "ACC231")])
    def test_bad_reference(self, text: str, code: str) -> None:
        assert refused(CapabilityRef.parse, text) == code

    @pytest.mark.parametrize(("text", "code"), [("a", "ACC230"), ("a.b@x.1.y", "ACC232")])
    def test_bad_range(self, text: str, code: str) -> None:
        assert refused(CapabilityRange.parse, text) == code
