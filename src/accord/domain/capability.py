"""Capability names and versions: `text.summarize@1.2.0`, and ranges that ask for them: `text.summarize@^1.2`.

Versions are Semantic Versioning 2.0.0. Ranges are those of npm without hyphen ranges: `^1.2`, `~1.2.3`,
`>=1.2 <2`, `1.x`, `1`, `*`, `1.2.0`, alternatives with `||`. A pre-release only matches a range that names a
pre-release of the same major, minor and patch version. Build metadata takes no part in matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NewType

import msgspec

from accord.errors import BadInput

CapabilityName = NewType("CapabilityName", str)
"""Two or more lower-case words with dots between them: `text.summarize`."""

MAX_NAME_LENGTH = 128
MAX_RANGE_LENGTH = 256

NAME_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
RESERVED = "accord."
"""What names begin with that are Accord's own: only agents that the operator has named may offer such capabilities."""

_NAME = re.compile(NAME_PATTERN)
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SUFFIX = (
    rf"(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_VERSION = re.compile(rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER}){_SUFFIX}")
_PART = rf"(?:{_NUMBER}|[xX*])"
_COMPARATOR = re.compile(
    rf"(?P<operator>\^|~|>=|<=|>|<|=|)\s*"
    rf"(?P<major>{_PART})(?:\.(?P<minor>{_PART})(?:\.(?P<patch>{_PART}){_SUFFIX})?)?(?=\s|$)\s*"
)


class Version(msgspec.Struct, frozen=True):
    """A semantic version; ordered by precedence, equal precedence by build metadata."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that `text` is.

        Raises:
            BadInput: ACC231 it is no semantic version.
        """
        found = _VERSION.fullmatch(text)
        if found is None:
            raise BadInput.of("ACC231", f"`{text:.80}` is no version", hint="write three numbers, like 1.2.0")
        major, minor, patch = (int(found[name]) for name in ("major", "minor", "patch"))
        return cls(major, minor, patch, _identifiers(found["prerelease"]), found["build"] or "")

    @property
    def release(self) -> tuple[int, int, int]:
        return self.major, self.minor, self.patch

    @property
    def precedence(self) -> tuple[object, ...]:
        """Sorts as semver.org clause 11 says: a pre-release before its release, numbers before words."""
        words = tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in self.prerelease)
        return (*self.release, not self.prerelease, words)

    def __lt__(self, other: Version) -> bool:
        return (self.precedence, self.build) < (other.precedence, other.build)

    def __le__(self, other: Version) -> bool:
        return not other < self

    def __gt__(self, other: Version) -> bool:
        return other < self

    def __ge__(self, other: Version) -> bool:
        return not self < other

    def __str__(self) -> str:
        prerelease = f"-{'.'.join(self.prerelease)}" if self.prerelease else ""
        return f"{self.major}.{self.minor}.{self.patch}{prerelease}" + (f"+{self.build}" if self.build else "")


class Bound(msgspec.Struct, frozen=True):
    """One side of a range: versions `>=`, `>`, `<=`, `<` or `=` this one."""

    operator: str
    version: Version

    def admits(self, version: Version) -> bool:
        """Whether a version is on the right side, by precedence alone."""
        mine, other = self.version.precedence, version.precedence
        return _COMPARISONS[self.operator](other, mine)


class VersionRange(msgspec.Struct, frozen=True):
    """A set of versions: any of the alternatives, of each all its bounds."""

    text: str
    alternatives: tuple[tuple[Bound, ...], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """The range that `text` is; an empty one is `*`.

        Raises:
            BadInput: ACC232 it is no range.
        """
        return _parse_range(text)

    def matches(self, version: Version) -> bool:
        """Whether the version is in the range."""
        return any(_admitted(bounds, version) for bounds in self.alternatives)

    def best(self, versions: Iterable[Version]) -> Version | None:
        """The highest of the versions that match."""
        return max(filter(self.matches, versions), default=None)

    def __str__(self) -> str:
        return self.text


class CapabilityRef(msgspec.Struct, frozen=True):
    """One version of a capability: `text.summarize@1.2.0`."""

    name: CapabilityName
    version: Version

    @classmethod
    def parse(cls, text: str) -> CapabilityRef:
        """The reference that `text` is.

        Raises:
            BadInput: ACC230 no name, ACC231 no version, or none given.
        """
        name, _, version = text.partition("@")
        return cls(parse_name(name), Version.parse(version))

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class CapabilityRange(msgspec.Struct, frozen=True):
    """A capability and the versions of it that will do: `text.summarize@^1.2`; without a range, any."""

    name: CapabilityName
    versions: VersionRange

    @classmethod
    def parse(cls, text: str) -> CapabilityRange:
        """The capability range that `text` is.

        Raises:
            BadInput: ACC230 no name, ACC232 no range.
        """
        name, _, versions = text.partition("@")
        return cls(parse_name(name), VersionRange.parse(versions))

    def matches(self, capability: CapabilityRef) -> bool:
        """Whether that version of that capability will do."""
        return self.name == capability.name and self.versions.matches(capability.version)

    def __str__(self) -> str:
        return self.name if self.versions.text == "*" else f"{self.name}@{self.versions.text}"


def parse_name(text: str) -> CapabilityName:
    """The capability name that `text` is.

    Raises:
        BadInput: ACC230 it is none.
    """
    if len(text) > MAX_NAME_LENGTH or _NAME.fullmatch(text) is None:
        hint = f"two or more lower-case words with dots, like text.summarize, at most {MAX_NAME_LENGTH} letters"
        raise BadInput.of("ACC230", f"`{text:.80}` is no name of a capability", hint=hint)
    return CapabilityName(text)


_COMPARISONS: dict[str, Callable[[tuple[object, ...], tuple[object, ...]], bool]] = {
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    "=": lambda left, right: left == right,
}


def _identifiers(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


def _admitted(bounds: tuple[Bound, ...], version: Version) -> bool:
    if not all(bound.admits(version) for bound in bounds):
        return False
    return not version.prerelease or any(
        bound.version.prerelease and bound.version.release == version.release for bound in bounds
    )


_LOWEST = ("0",)
"""`2.0.0-0` comes before every other pre-release of 2.0.0: the end of a range that has none of them."""


@lru_cache(maxsize=4096)
def _parse_range(text: str) -> VersionRange:
    if len(text) > MAX_RANGE_LENGTH:
        raise BadInput.of("ACC232", f"a version range of {len(text)} letters", hint=f"at most {MAX_RANGE_LENGTH}")
    alternatives = tuple(_parse_alternative(part.strip(), text) for part in text.split("||"))
    return VersionRange(text.strip() or "*", alternatives)


def _parse_alternative(part: str, text: str) -> tuple[Bound, ...]:
    bounds: list[Bound] = []
    at = 0
    while at < len(part):
        found = _COMPARATOR.match(part, at)
        if found is None:
            hint = "write ^1.2, ~1.2.3, >=1.2 <2, 1.x, 1.2.0 or *"
            raise BadInput.of("ACC232", f"`{text:.80}` is no version range", hint=hint)
        bounds.extend(_bounds(found))
        at = found.end()
    return tuple(bounds)


def _bounds(found: re.Match[str]) -> tuple[Bound, ...]:
    """The bounds that one comparator means, its missing parts taken as `x`."""
    parts = _numbers(found)
    low = _padded(parts, _identifiers(found["prerelease"]) if len(parts) == 3 else ())
    operator = found["operator"]
    if not parts:
        # `>*` and `<*` are nothing, as in npm; every other comparison with `*` is everything.
        return (Bound("<", Version(0, 0, 0, _LOWEST)),) if operator in ("<", ">") else ()
    if operator == "^":
        return Bound(">=", low), Bound("<", _caret_end(parts))
    if operator == "~":
        return Bound(">=", low), Bound("<", _next(parts[:2]))
    if len(parts) == 3:
        return (Bound(operator or "=", low),)
    return _partial(operator, parts, low)


def _partial(operator: str, parts: list[int], low: Version) -> tuple[Bound, ...]:
    match operator:
        case ">":
            return (Bound(">=", Version(*_next(parts).release)),)
        case ">=":
            return (Bound(">=", low),)
        case "<":
            return (Bound("<", Version(*low.release, _LOWEST)),)
        case "<=":
            return (Bound("<", _next(parts)),)
    return Bound(">=", low), Bound("<", _next(parts))


def _numbers(found: re.Match[str]) -> list[int]:
    """The numbers before the first `x`."""
    numbers: list[int] = []
    for name in ("major", "minor", "patch"):
        if found[name] is None or not found[name].isdigit():
            break
        numbers.append(int(found[name]))
    return numbers


def _caret_end(parts: list[int]) -> Version:
    """Where `^` ends: after the leftmost number that is not zero, or the last one given."""
    kept = next((index for index, number in enumerate(parts) if number), len(parts) - 1)
    return _next(parts[: kept + 1])


def _next(parts: list[int]) -> Version:
    """The lowest version with a greater number in the last of the places given."""
    return _padded([*parts[:-1], parts[-1] + 1], _LOWEST)


def _padded(parts: list[int], prerelease: tuple[str, ...]) -> Version:
    major, minor, patch = [*parts, 0, 0, 0][:3]
    return Version(major, minor, patch, prerelease)
