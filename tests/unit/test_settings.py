"""Settings: defaults < file < environment < flags; whatever is wrong is said at once, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.errors import BadInput
from accord.settings import read_settings


def test_nothing_is_needed(tmp_path: Path) -> None:
    settings = read_settings({}, home=tmp_path)
    assert settings.journal == tmp_path / "journal.db"
    assert settings.organisation == "local"


def test_the_environment_beats_the_file_and_the_flag_beats_both(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('organisation = "acme"\nkeep_days = 7\n[capability_limits]\n"a.b" = 2\n')
    settings = read_settings({"ACCORD_KEEP_DAYS": "3", "ACCORD_HOME": "elsewhere"}, home=tmp_path)
    assert (settings.organisation, settings.keep_days, settings.home) == ("acme", 3, tmp_path)
    assert settings.capability_limits == {"a.b": 2}


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('organization = "acme"\nmax_runs = 0\n')
    with pytest.raises(BadInput) as refused:
        read_settings({"ACCORD_KEEP_DAYS": "soon", "ACCORD_COLOUR": "red"}, home=tmp_path)
    codes = sorted(problem.code for problem in refused.value.problems)
    assert codes == ["ACC901", "ACC901", "ACC902", "ACC902"]
    assert "did you mean organisation?" in str(refused.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("= nothing")
    with pytest.raises(BadInput, match="ACC903"):
        read_settings({}, home=tmp_path)


def test_text_in_the_environment_stays_text(tmp_path: Path) -> None:
    assert read_settings({"ACCORD_ORGANISATION": "12"}, home=tmp_path).organisation == "12"
