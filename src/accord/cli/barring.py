"""Tasks that the policy lets nobody do: said to people, with the way to find out more."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join

from accord.cli.output import Screen, clean, moment
from accord.domain.state import Run
from accord.service import Barred


def show_barred(run: Run, barred: Sequence[Barred], screen: Screen) -> None:
    """Print which tasks wait, since when, and why."""
    for one in barred:
        items = f" ({one.count} items)" if one.count > 1 else ""
        text = f"{one.task}{items}: no agent may do it, since {moment(one.since)}: {'; '.join(one.why)}"
        screen.line(clean(text), "yellow")
        screen.note(f"  → {explaining(run, one)}", "hint")


def explaining(run: Run, one: Barred) -> str:
    """The command that explains a decision, and says what would turn it."""
    asked = ["--action", one.action, "--agent", one.agent, "--capability", one.offers]
    asked += ["--template", run.started.template, "--tenant", run.started.by]
    return join(["accord", "policy", "explain", *asked, *(part for label in one.labels for part in ("--label", label))])
