"""Parsers, fuzzed: the corpus first, as it is, then what becomes of it. `ACCORD_FUZZ_EXAMPLES` says how many inputs
each parser is given beside the corpus; they are the same each time. `python -m tests.fuzz NAME` goes on for as long as
one likes.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .targets import CORPUS, TARGETS, corpus, told

EXAMPLES: Final = int(os.environ.get("ACCORD_FUZZ_EXAMPLES", "40"))

SLOW: Final = {"template": 4, "policy": 4, "expression": 2, "binding": 2, "card": 2}
"""Parsers that get fewer, by how many times."""

TOKENS: Final = [
    b"", b"\0", b"\xff", b"\xf0\x9f\x98\x80", b'"', b"\\", b"\\u0000", b"\\ud800", b"[" * 300, b"{" * 300,
    b'{"a":' * 80, b"NaN", b"-0", b"1e400", b"9" * 40, b"9007199254740993", b"null", b"true", b",", b":", b".", b"..",
    b"=", b"&a [*a]", b"!!python/object:os.system", b"${", b"}", b"(((((", b"'", b"\n", b"\r\n", b"\t", b"#",
    b"permit", b"://", b"@", b"%00",
]  # fmt: skip
"""What parsers stumble over."""

EDITS: Final = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), st.sampled_from(TOKENS) | st.binary(max_size=8)), max_size=6
)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The input with pieces cut out and others put in."""
    for at, length, put in edits:
        place = at % (len(data) + 1)
        data = data[:place] + put + data[place + length :]
    return data


def test_every_parser_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.abuse(
    "ASI05",
    "ASI08",
    at="gate",
    stride="denial of service",
    case="every parser of what others write, fuzzed: nothing but errors with codes",
)
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_is_read_or_refused(name: str) -> None:
    taken = [path.name for path in corpus(name) if not told(name, path.read_bytes())]
    good = [path.name for path in corpus(name) if path.name.startswith("good")]
    assert taken == good, "what is good is read, everything else is refused"


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused(name: str) -> None:
    seeds = [path.read_bytes() for path in corpus(name)]

    @settings(
        max_examples=max(10, EXAMPLES // SLOW.get(name, 1)),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), EDITS)
    def fuzzed(seed: bytes, edits: Any) -> None:
        told(name, edited(seed, edits))

    fuzzed()
