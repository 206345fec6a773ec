"""What sentences mean, as vectors that are alike where the sentences are."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from accord.domain.ids import Digest
from accord.planner import sentences as known
from accord.planner.packages import folder_of
from accord.planner.sentences import MODEL, RUNS, SIZE, VOCABULARY, Part, Sentences, sentences


def installed() -> Sentences:
    found = sentences()
    if found is None:
        pytest.skip("a part of it is not installed: pip install 'accord-orchestrator[sentences]'")
    return found


def test_texts_that_say_the_same_are_alike() -> None:
    rain, umbrella, money, turned = installed().of(
        ["will it rain today", "do i need an umbrella", "ann sends bert money", "bert sends ann money"]
    )
    assert rain.shape == (SIZE,)
    assert rain @ rain == pytest.approx(1.0, abs=1e-5)
    assert rain @ umbrella > 2 * (rain @ money)
    assert money @ turned < 0.999, "the order of words counts"


def test_a_text_has_the_same_numbers_whatever_is_asked_beside_it() -> None:
    texts = ["set an alarm", "", "what is the weather in rome " * 40]
    together = installed().of(texts)
    assert all((installed().of([text])[0] == row).all() for text, row in zip(texts, together, strict=True))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("how much money do i have", [101, 2129, 2172, 2769, 2079, 1045, 2031, 102]),
        ("", [101, 102]),
        ("I'm 100% sure… isn't?", [101, 1045, 1005, 1049, 2531, 1003, 2469, 1529, 3475, 1005, 1056, 1029, 102]),
        ("naïve café 東京 ok", [101, 15743, 7668, 1879, 1755, 7929, 102]),
        ("e\u0301t\u00e9\u200b\x00 \ufffd", [101, 3802, 2063, 102]),
        ("antidisestablishmentarianism \U0001f600", [101, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 100, 102]),
        ("x" * 120, [101, 100, 102]),
    ],
)
def test_texts_are_cut_into_pieces_as_the_model_was_trained_with(text: str, pieces: list[int]) -> None:
    """As `tokenizer.json` of all-MiniLM-L6-v2 cuts them."""
    assert installed()._pieces.encode(text).ids == pieces


def test_of_a_long_text_the_beginning_is_looked_at_and_marks_in_a_text_are_letters() -> None:
    pieces = installed()._pieces.encode("word " * 200).ids
    assert (len(pieces), pieces[0], pieces[-1]) == (known.LONGEST, 101, 102)
    assert 102 not in installed()._pieces.encode("a [SEP] b").ids[1:-1]


@pytest.mark.parametrize("part", ["MODEL", "VOCABULARY"])
def test_a_file_with_another_digest_is_refused(
    part: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed()
    right: Part = getattr(known, part)
    monkeypatch.setattr(known, part, right._replace(digest=Digest("0" * 64)))
    with caplog.at_level(logging.WARNING, logger="accord.planner"):
        assert sentences.__wrapped__() is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert right.file in caplog.text
    assert right.digest in caplog.text


@pytest.mark.parametrize("missing", [MODEL.package, VOCABULARY.package, *RUNS])
def test_it_is_known_where_a_part_is_not_installed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "folder_of", lambda name: None if name == missing else folder_of(name))
    assert sentences.__wrapped__() is None


def test_a_process_ends_in_peace_while_nobody_waits_for_what_it_learns() -> None:
    installed()
    program = """
from threading import Event, Thread
from accord.planner.sentences import sentences

known, begun = sentences(), Event()

def go_on():
    while True:
        known.of(["wake me up at seven"])
        begun.set()

Thread(target=go_on, daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
