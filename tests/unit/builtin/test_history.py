"""Facts from git, and what a hostile repository cannot make us run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from accord.builtin import history as history_module
from accord.builtin.history import HistoryOrder, tell


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q")
    for text in ("one\n", "one\ntwo\n", "three\n"):
        (root / "hot.py").write_text(text)
        (root / f"cold{len(text)}.py").write_text(text)
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", "change")
    return root


def test_churn_is_counted(repository: Path) -> None:
    found = tell(HistoryOrder(root=str(repository)))
    assert (found.available, found.commits, found.authors, found.main_author_share) == (True, 3, 1, 1.0)
    hot = found.hot_files[0]
    assert (hot.path, hot.commits, hot.added, hot.deleted) == ("hot.py", 3, 3, 2)


def test_no_repository_is_said(tmp_path: Path) -> None:
    found = tell(HistoryOrder(root=str(tmp_path)))
    assert not found.available
    assert "not a git repository" in (found.reason or "")


def test_no_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module.shutil, "which", lambda _: None)
    assert tell(HistoryOrder(root=str(tmp_path))).reason == "the program `git` is not installed"


def test_programs_that_the_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    sprung = tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o755)
    signer = tmp_path / "signer.sh"
    signer.write_text(
        "#!/bin/sh\ncat >/dev/null\necho -----BEGIN PGP SIGNATURE-----\nprintf '\\n[GNUPG:] SIG_CREATED ' >&2\n"
    )
    signer.chmod(0o755)
    (repository / "hot.py").write_text("four\n")
    git(repository, "-c", f"gpg.program={signer}", "commit", "-q", "-a", "-S", "-m", "signed")
    for name in ("core.fsmonitor", "diff.external", "core.pager", "gpg.program", "diff.trap.textconv"):
        git(repository, "config", name, str(trap))
    git(repository, "config", "log.showSignature", "true")
    (repository / ".gitattributes").write_text("*.py diff=trap\n")
    assert tell(HistoryOrder(root=str(repository))).available
    assert not sprung.exists()
