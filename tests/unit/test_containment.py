"""Containment of schemas: pairs with known answers, pairs that values decide, and what is not guessed."""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from bench.sets import schemas
from bench.sets.files import Arguments
from tests.unit.schema_pairs import PAIRS, random_pair, values

from accord.verifier.containment.decision import Side, decide, is_valid
from accord.verifier.containment.languages import (
    EVERYTHING,
    TooManyStatesError,
    Words,
    complement,
    covers,
    holds,
    intersection,
    of_lengths,
    union,
    words_of,
)
from accord.verifier.containment.patterns import Engine, UnreadPatternError, language_of
from accord.verifier.containment.references import Draft

VALIDATORS = {Draft.DRAFT_7: jsonschema.Draft7Validator, Draft.DRAFT_2020_12: jsonschema.Draft202012Validator}


class TestKnownAnswers:
    @pytest.mark.parametrize(("contained", "producer", "consumer", "draft"), PAIRS)
    def test_pair(self, contained: bool, producer: Any, consumer: Any, draft: Draft) -> None:
        decision = decide(Side(producer, draft), Side(consumer, draft))
        assert decision.outcome == ("proven" if contained else "refuted")
        if not contained:
            assert is_valid(Side(producer, draft), decision.witness)
            assert not is_valid(Side(consumer, draft), decision.witness)

    def test_drafts_may_differ(self) -> None:
        tuple_of = {"items": [{"type": "string"}], "additionalItems": False}
        same = {"prefixItems": [{"type": "string"}], "items": False}
        assert decide(Side(tuple_of, Draft.DRAFT_7), Side(same)).outcome == "proven"
        assert decide(Side(same), Side(tuple_of, Draft.DRAFT_7)).outcome == "proven"

    def test_formats_are_notes_where_nobody_checks_them(self) -> None:
        date = {"type": "string", "format": "date"}
        assert decide(Side({"type": "string"}, formats=False), Side(date, formats=False)).outcome == "proven"
        assert decide(Side({"type": "string"}), Side(date)).outcome == "refuted"


@pytest.mark.parametrize("seed", range(4))
def test_values_and_validators_agree_with_every_verdict(seed: int) -> None:
    """Random pairs: no value of a list contradicts a proof, and both validators confirm every witness."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice of test data
    tried = values(chance)
    unknown = 0
    for _ in range(80):
        contained, producer, consumer, draft = random_pair(chance)
        decision = decide(Side(producer, draft), Side(consumer, draft))
        given, wanted = (VALIDATORS[draft](each) for each in (producer, consumer))
        if decision.outcome == "refuted":
            assert not contained
            assert given.is_valid(decision.witness)
            assert not wanted.is_valid(decision.witness)
        elif decision.outcome == "proven":
            against = [each for each in tried if given.is_valid(each) and not wanted.is_valid(each)]
            assert against == [], json.dumps([producer, consumer])
        unknown += decision.outcome == "unknown"
    assert unknown == 0


class TestNotGuessed:
    @pytest.mark.parametrize(
        ("producer", "consumer"),
        [
            ({"pattern": r"\bab"}, {"pattern": r"\ba"}),
            ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, {"type": "string"}),
            ({"$ref": "https://elsewhere.example/schema"}, {"type": "string"}),
        ],
    )
    def test_what_is_not_read_is_unknown(self, producer: Any, consumer: Any) -> None:
        assert decide(Side(producer), Side(consumer)).outcome == "unknown"

    def test_what_is_not_read_still_equals_itself(self) -> None:
        odd = {"type": "string", "pattern": r"(a)\1"}
        assert decide(Side({**odd, "minLength": 2}), Side({"pattern": r"(a)\1"})).outcome in ("proven", "unknown")

    def test_a_proof_has_to_hold_for_every_engine(self) -> None:
        """ECMA's `.` is not U+000D, the validator's is: what only one of them proves is not proven."""
        producer, consumer = {"type": "string", "pattern": "^.$"}, {"pattern": "^[^\r]$"}
        decision = decide(Side(producer), Side(consumer))
        assert decision.outcome == "refuted"
        assert decision.witness == "\r"

    def test_a_witness_that_is_not_taken_is_looked_for_again(self) -> None:
        decision = decide(Side({"type": "integer"}), Side(False), lambda value: value not in (0, 1))
        assert decision.outcome == "refuted"
        assert decision.witness not in (0, 1)

    @pytest.mark.parametrize("consumer", [{"enum": ["a"]}, {"pattern": "^a$"}])
    def test_a_witness_that_nobody_takes_proves_nothing(self, consumer: Any) -> None:
        producer = {"enum": ["a", "a\n"]}
        assert decide(Side(producer), Side(consumer), lambda value: False).outcome == "unknown"

    @pytest.mark.parametrize(
        ("producer", "consumer", "verdict"),
        [
            ({"type": "string", "pattern": "^a\\n?$"}, {"pattern": "^a$"}, "no"),
            ({"type": "string", "maxLength": 1}, {"pattern": "^.?$"}, "no"),
            ({"const": "\u0663"}, {"pattern": r"^[\d$]$"}, "no"),
            ({"enum": ["a$", "b3"]}, {"pattern": r"^[ab][$\d]$"}, "yes"),
            ({"const": {"a\n": 1}}, {"patternProperties": {"^a$": True}, "additionalProperties": False}, "no"),
        ],
    )
    def test_sets_are_answered_with_patterns_as_json_schema_means_them(
        self, producer: Any, consumer: Any, verdict: str, tmp_path: Path
    ) -> None:
        given, told = tmp_path / "pairs.jsonl", tmp_path / "told.jsonl"
        given.write_bytes(msgspec.json.encode({"producer": producer, "consumer": consumer}))
        schemas.run(Arguments(given, None, told))
        assert msgspec.json.decode(told.read_bytes())["verdict"] == verdict

    def test_work_is_bounded(self) -> None:
        clauses = [[(n * 7 + k * 3) % 12 for k in range(3)] for n in range(10)]
        hard = {
            "type": "object",
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {f"v{one}": {"const": one % 2 == 0}}, "required": [f"v{one}"]} for one in each
                    ]
                }
                for each in clauses
            ],
        }
        assert decide(Side(hard), Side({"not": hard})).outcome in ("refuted", "unknown")


def test_it_does_not_depend_on_the_process() -> None:
    program = (
        "from accord.verifier.containment.decision import *\n"
        "print(decide(Side({'type': 'object', 'minProperties': 2, 'maxProperties': 2}), Side({'type': 'object', "
        "'properties': {n: {'enum': ['x', 1, None]} for n in 'zyxabc'}})).witness)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


class TestLanguages:
    @pytest.mark.parametrize(
        "pattern",
        [
            *("^abc$", "^[a-z]+$", r"^\d{4}-\d{2}$", "a|bc|d", "^(x|yz)*w?$", r"^[^a-z0]{2,3}$", "^(?:ab){2}$"),
            *(r"^[\]x]$", "^.+$", "", "^a", "b$", "^$", "a^b", "(^a|b$)", "^(a|^b)c*$", "^(?!ab)[ab]*$", "^(?=.*b)a"),
            *(r"\x61", r"\u0061b?", r"^\cA?a", "^(?<name>a)b", "^a*?b$", r"\S\s?", "[a-c-]", r"[^\da]"),
        ],
    )
    def test_a_pattern_is_read_as_engines_read_it(self, pattern: str) -> None:
        language = language_of(pattern)
        source = re.sub(r"\\cA", "\x01", pattern).replace("(?<name>", "(?P<name>")
        texts = ["".join(each) for length in range(4) for each in itertools.product("abc0- xy", repeat=length)]
        assert [each for each in texts if holds(language, each) != bool(re.search(source, each))] == []

    @pytest.mark.parametrize(
        "pattern", [r"\bx", r"\p{L}", r"(a)\1", "(?<=a)b", "a{", "*a", "[a", "(a", "a)", "(?=a)b|c"]
    )
    def test_what_is_not_regular_is_refused(self, pattern: str) -> None:
        with pytest.raises(UnreadPatternError):
            language_of(pattern)

    def test_equal_languages_are_equal(self) -> None:
        assert language_of("^(a|b)*$") == language_of("^[ab]*$")
        assert language_of("^.$", Engine.RUST) != language_of("^.$")

    def test_words_and_automata_together(self) -> None:
        some, most = language_of("^[ab]{2}$"), Words(frozenset({"aa", "b"}), others=True)
        assert list(words_of(intersection(some, most))) == ["ab", "ba", "bb"]
        assert covers(union(some, Words(frozenset({"b"}))), Words(frozenset({"b", "ab"})))
        assert complement(complement(some)) == some
        assert list(words_of(some, 3)) == []
        assert next(words_of(EVERYTHING, 5)) == "aaaaa"

    def test_lengths(self) -> None:
        assert list(words_of(intersection(of_lengths(1, 2), language_of("^a*$")))) == ["a", "aa"]
        with pytest.raises(TooManyStatesError):
            of_lengths(0, 10**6)
