"""Settings: defaults < file < environment < flags; whatever is wrong is said at once, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.app import suggestions_of, tuning_of
from accord.domain.diagnosis import DIAGNOSTICIAN
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
    file = str(tmp_path / "settings.toml")
    places = {(problem.place.file, problem.place.line) for problem in refused.value.problems}
    assert places == {(file, 1), (file, 2), ("ACCORD_KEEP_DAYS", None), ("ACCORD_COLOUR", None)}


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"max_runs = 1\nhost = [", 2, "this is not TOML"),
        (b"max_runs = 1\nhost = 'caf\xe9'", None, "not UTF-8"),
        (b"\n[capability_limits]\nx = 0\n", 2, "less than the minimum"),
    ],
)
def test_a_file_that_cannot_be_is_told_with_its_line(tmp_path: Path, data: bytes, line: int | None, said: str) -> None:
    (tmp_path / "settings.toml").write_bytes(data)
    with pytest.raises(BadInput) as refused:
        read_settings({}, home=tmp_path)
    problem = next(each for each in refused.value.problems if said in each.message)
    assert (problem.place.file, problem.place.line) == (str(tmp_path / "settings.toml"), line)


def test_a_home_that_cannot_hold_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_settings({}, home=tmp_path / "file").home == tmp_path / "file"  # opening it says that it is none
    with pytest.raises(BadInput, match="ACC903"):
        read_settings({}, home=Path("/" + "x" * 5000))


@pytest.mark.parametrize("name", ["work", "Test.work", "test.work@1", "test..work", "a." + "b" * 200, ""])
def test_a_limit_on_what_can_be_no_capability_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="ACC902"):
        read_settings({"ACCORD_CAPABILITY_LIMITS": f'{{"{name}": 2}}'}, home=tmp_path)


def test_system_agents_are_ids(tmp_path: Path) -> None:
    medic = "spiffe://acme/agent/medic"
    given = read_settings({"ACCORD_SYSTEM_AGENTS": f'["{medic}"]'}, home=tmp_path)
    assert tuning_of(given).system_agents == {medic, DIAGNOSTICIAN}
    with pytest.raises(BadInput, match="ACC902"):
        read_settings({"ACCORD_SYSTEM_AGENTS": '["medic"]'}, home=tmp_path)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("= nothing")
    with pytest.raises(BadInput, match="ACC903"):
        read_settings({}, home=tmp_path)


def test_text_in_the_environment_stays_text(tmp_path: Path) -> None:
    assert read_settings({"ACCORD_ORGANISATION": "12"}, home=tmp_path).organisation == "12"


MODEL = {
    "ACCORD_SUGGESTION_ENDPOINT": "https://models.example.org/v1",
    "ACCORD_SUGGESTION_MODEL": "parrot",
    "ACCORD_SUGGESTION_CONSENT": "true",
}


def test_a_language_model_is_asked_only_where_all_of_it_is_said(tmp_path: Path) -> None:
    assert suggestions_of(read_settings(MODEL, home=tmp_path)) is not None
    assert suggestions_of(read_settings({**MODEL, "ACCORD_SUGGESTION_CONSENT": "false"}, home=tmp_path)) is None
    assert suggestions_of(read_settings({}, home=tmp_path)) is None
    for name in MODEL:
        with pytest.raises(BadInput) as refused:
            read_settings({other: value for other, value in MODEL.items() if other != name}, home=tmp_path)
        assert [one.code for one in refused.value.problems] == ["ACC905"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"SUGGESTION_ENDPOINT": "models.example.org"}, "ACC158"),
        ({"SUGGESTION_ENDPOINT": "https://key@models.example.org/v1"}, "ACC158"),
        ({"SUGGESTION_ENDPOINT": "http://models.example.org/v1"}, "ACC158"),
        ({"SUGGESTION_ENDPOINT": "http://models.example.org/v1", "INSECURE_HTTP": "true"}, None),
        (
            {"SUGGESTION_ENDPOINT": "http://models.example.org/v1", "INSECURE_HTTP": "true", "REQUIRE_TLS": "true"},
            "ACC861",
        ),
        ({"SUGGESTION_ENDPOINT": "http://127.0.0.1:8000/v1"}, None),
        ({"SUGGESTION_WITHIN_S": "30"}, "ACC158"),
        ({"SUGGESTION_WITHIN_S": "60", "REQUEST_WITHIN_S": "90"}, None),
    ],
)
def test_what_is_sent_to_a_language_model_is_read_by_nobody_else(
    tmp_path: Path, more: dict[str, str], code: str | None
) -> None:
    given = {**MODEL, **{f"ACCORD_{name}": value for name, value in more.items()}}
    if code is None:
        assert suggestions_of(read_settings(given, home=tmp_path)) is not None
        return
    with pytest.raises(BadInput) as refused:
        read_settings(given, home=tmp_path)
    assert [one.code for one in refused.value.problems] == [code]
