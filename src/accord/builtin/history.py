"""The chronicler: what a git repository tells about how its files change."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from accord.builtin.products import Count, Name, Record, Share
from accord.builtin.sources import directory_at
from accord.sdk import Agent

agent = Agent("chronicler")

TIMEOUT_S = 20
MOST_COMMITS = 2_000
_COMMIT_MARK = "\x01"
_SAFE_OPTIONS = (
    "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "log.showSignature=false",
    "-c", "protocol.allow=never", "-c", "core.pager=cat",
)  # fmt: skip
"""A repository's own configuration can name programs to run; these take its words away."""


class HistoryOrder(Record):
    """The directory whose history is wanted."""

    root: Name


class HotFile(Record):
    """A file that is changed often."""

    path: Name
    commits: Annotated[int, Field(ge=1)]
    added: Count
    deleted: Count
    authors: Count


class History(Record):
    """Facts from git, over the commits that touch the directory; or why there are none."""

    available: bool
    reason: str | None = Field(default=None, description="Why there is no history.")
    commits: Count = 0
    authors: Count = 0
    first: str | None = Field(default=None, description="Date of the oldest commit that was read.")
    last: str | None = Field(default=None, description="Date of the newest commit.")
    main_author_share: Share | None = Field(default=None, description="Share of commits by the most active author.")
    added: Count = 0
    deleted: Count = 0
    hot_files: list[HotFile] = Field(default_factory=list, max_length=20)
    note: str | None = None


@dataclass
class _Churn:
    commits: int = 0
    added: int = 0
    deleted: int = 0
    authors: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Commit:
    author: str
    date: str
    changes: tuple[tuple[int, int, str], ...]


@agent.capability(
    "source.history@1.0.0",
    description="Commits, authors, churn and the files that change most, from git where there is a repository.",
)
def tell(order: HistoryOrder) -> History:
    """The history of a directory; without git or a repository, a record that says so."""
    root = directory_at(order.root)
    git = shutil.which("git")
    if git is None:
        return History(available=False, reason="the program `git` is not installed")
    try:
        done = _log(git, root)
    except subprocess.TimeoutExpired:
        return History(available=False, reason=f"`git log` took more than {TIMEOUT_S} seconds")
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        return History(available=False, reason=(reason or ["git failed"])[0].removeprefix("fatal: ")[:200])
    commits = list(_commits(done.stdout.decode(errors="replace").split("\n")))
    return history(commits, set(_present(root, commits)))


def history(commits: Sequence[_Commit], present: set[str]) -> History:
    """The record over `commits`, newest first; only files that are still `present` can be hot."""
    if not commits:
        return History(available=False, reason="no commit touches this directory")
    churn: dict[str, _Churn] = {}
    for commit in commits:
        for added, deleted, path in commit.changes:
            one = churn.setdefault(path, _Churn())
            one.commits += 1
            one.added += added
            one.deleted += deleted
            one.authors.add(commit.author)
    authors = Counter(commit.author for commit in commits)
    hot = sorted((pair for pair in churn.items() if pair[0] in present), key=lambda pair: (-pair[1].commits, pair[0]))
    return History(
        available=True,
        commits=len(commits),
        authors=len(authors),
        first=commits[-1].date,
        last=commits[0].date,
        main_author_share=round(max(authors.values()) / len(commits), 4),
        added=sum(one.added for one in churn.values()),
        deleted=sum(one.deleted for one in churn.values()),
        hot_files=[_hot(path, one) for path, one in hot[:20]],
        note=f"only the newest {MOST_COMMITS:,} commits were read" if len(commits) == MOST_COMMITS else None,
    )


def _log(git: str, root: Path) -> subprocess.CompletedProcess[bytes]:
    """`git log` with nothing in it that the caller or the repository chooses, but the directory."""
    command = [
        git, *_SAFE_OPTIONS, "-C", str(root), "--no-pager", "log", "--no-merges", f"--max-count={MOST_COMMITS}",
        "--no-ext-diff", "--no-textconv", "--no-renames", "--no-show-signature", "--no-color", "--numstat",
        "--relative", "--date=short", f"--format={_COMMIT_MARK}%ae%x09%ad", "--", ".",
    ]  # fmt: skip
    environment = {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "HOME": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }
    return subprocess.run(  # noqa: S603 -- fixed arguments, no shell; the directory is one argument, after -C
        command, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
    )


def _commits(lines: Iterable[str]) -> Iterator[_Commit]:
    author, date = "", ""
    changes: list[tuple[int, int, str]] = []
    started = False
    for line in lines:
        if line.startswith(_COMMIT_MARK):
            if started:
                yield _Commit(author, date, tuple(changes))
            author, _, date = line[1:].partition("\t")
            changes, started = [], True
        elif line.count("\t") >= 2:
            added, deleted, path = line.split("\t", 2)
            changes.append((_count(added), _count(deleted), path))
    if started:
        yield _Commit(author, date, tuple(changes))


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0  # a binary file has "-"


def _present(root: Path, commits: Iterable[_Commit]) -> Iterator[str]:
    for path in {path for commit in commits for _, _, path in commit.changes}:
        if (root / path).is_file():
            yield path


def _hot(path: str, churn: _Churn) -> HotFile:
    return HotFile(
        path=path,
        commits=churn.commits,
        added=churn.added,
        deleted=churn.deleted,
        authors=len(churn.authors),
    )
