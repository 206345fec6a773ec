"""What of words is learnt and kept: no names, numbers or quotations of a single case."""

from __future__ import annotations

import pytest

from accord.planner.classifier.privacy import without_values

OWN = frozenset({"book", "an", "appointment", "for", "on", "doctor"})


@pytest.mark.parametrize(
    ("words", "left", "kept"),
    [
        ("Dora should visit us on {date}", ["patient"], "{patient} should visit us on {date}"),
        ("Dora Miller's visit is on {date}", ["patient"], "{patient}'s visit is on {date}"),
        ("has freezer F8 become warm", ["freezer"], "has freezer {freezer} become warm"),
        ("has freezer F8 become warm, Bob?", ["freezer"], "has freezer {value} become warm, {value}?"),
        ('tell bob@x.org "come at 9"', [], "tell {value}"),
        ("Send it to Ada. Dora waits 5 days.", [], "Send it to {value}. {value} waits {value} days."),
        ("Please book an Appointment for {patient}", [], "Please book an Appointment for {patient}"),
        ("may I see the doctor", [], "may I see the doctor"),
    ],
)
def test_names_numbers_and_quotations_are_left_out(words: str, left: list[str], kept: str) -> None:
    assert without_values(words, OWN, left) == kept
