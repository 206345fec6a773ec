"""What commands say at their end, and about what is not in order: in the words of people who use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.builtin import agents as built_in
from accord.cli.actions.agents import Known, _where
from accord.cli.actions.verify import Verdict, _show_sum
from accord.cli.doctor.store import store
from accord.cli.output import Screen
from accord.cli.usage import with_key_ids
from accord.domain.ids import InstanceId
from accord.errors import Problem
from accord.service import KnownAgent
from accord.settings import Settings
from accord.store.sqlite import SqliteJournal

KEY = "-l2neGyHo2byAbCdEfGhIjKlMnOpQrStUvWxYz01234"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["keys", "impact", KEY, "--since", "2d"], ["keys", "impact", "--since", "2d", "--", KEY]),
        (["journal", "verify", "a", "--trust", KEY], ["journal", "verify", "a", "--trust", KEY]),
        (["keys", "impact", "--", KEY], ["keys", "impact", "--", KEY]),
        (["keys", "list", "-v"], ["keys", "list", "-v"]),
    ],
)
def test_the_id_of_a_key_is_no_option_though_it_begins_with_a_dash(given: list[str], read: list[str]) -> None:
    assert with_key_ids(given) == read


@pytest.mark.parametrize(
    ("problems", "warnings", "words"),
    [
        (0, 0, "1 file, no errors"),
        (0, 1, "1 file, no errors, 1 warning"),
        (2, 3, "1 file, 2 errors, 3 warnings"),
    ],
)
def test_verify_counts_warnings(problems: int, warnings: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Problem("ACC110", "something")
    verdict = Verdict(file="it.yaml", kind="template", problems=(wrong,) * problems, warnings=(wrong,) * warnings)
    _show_sum([verdict], Screen())
    assert capsys.readouterr().err.strip() == words


def test_agents_that_come_with_accord_are_told_from_ones_own() -> None:
    agent = built_in()[0]
    card = agent.card(InstanceId(f"{agent.id}#none"), ())
    known = Known(KnownAgent(card=card, keys=(), capacity=None), enrolled=True, hosted=False, hold=None)
    assert _where(known).plain == "built in"


async def test_the_doctor_says_of_a_damaged_journal_which_it_is_and_how_it_is_restored(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    async with SqliteJournal.open(settings.journal):
        pass
    with settings.journal.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 20_000)
    [found] = store(settings)
    assert (found.grade, found.what) == ("fail", "journal")
    assert found.told.startswith(f"{settings.journal} is damaged (SQLite says: ")
    assert "\n" not in found.told
    assert "accord journal backup" in found.hint
