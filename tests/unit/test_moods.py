"""What words wish, ask or tell."""

from __future__ import annotations

import pytest

from accord.planner.moods import mood_of
from accord.planner.participles import base_of, is_participle

VERBS = {"block", "return", "feed"}


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("block the card", "wish"),
        ("feed the cat that was lost", "wish"),
        ("please return what has been lent", "wish"),
        ("can you block the card?", "wish"),
        ("hey, would you mind blocking the card?", "wish"),
        ("could we have a room?", "wish"),
        ("have the card blocked", "wish"),
        ("the card has to be blocked", "wish"),
        ("the card is to be blocked", "wish"),
        ("a room is needed", "wish"),
        ("what about the card?", "wish"),
        ("after the card was blocked", "wish"),
        ("is the card blocked?", "question"),
        ("and was it blocked", "question"),
        ("have the cards been blocked", "question"),
        ("do you block cards", "question"),
        ("who blocked the card", "question"),
        ("when was it blocked", "question"),
        ("isn't the card blocked?", "question"),
        ("can you tell me whether the card is blocked?", "question"),
        ("let me know who blocked it", "question"),
        ("should we block it?", "question"),
        ("the card is blocked", "statement"),
        ("loans have been returned", "statement"),
        ("the mail has already been sent", "statement"),
        ("they sent the mail", "statement"),
        ("it's been blocked", "statement"),
        ("Ada's loans", "wish"),
        ("the loan is overdue", "description"),
        ("the loan that is overdue", "wish"),
    ],
)
def test_where_the_verb_stands_tells_what_is_wished_asked_and_told(text: str, mood: str) -> None:
    assert mood_of(text, VERBS.__contains__) == mood


def test_what_has_been_done_is_told_by_the_form_of_its_verb() -> None:
    assert all(map(is_participle, ("blocked", "sent", "Lent", "written")))
    assert not any(map(is_participle, ("block", "feed", "need", "red", "sends")))
    assert (base_of("sent"), base_of("lent"), base_of("blocked")) == ("send", "lend", "blocked")
