"""What to try, as exact commands, where a run waits for somebody or has failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from accord.domain.causes import Cause
from accord.domain.graph import undone_id
from accord.domain.grounds import short_name
from accord.domain.run import Run

if TYPE_CHECKING:
    from accord.views.candidates import Could
    from accord.views.explain import Waits


class Advice(msgspec.Struct, frozen=True):
    """A command to try, and what for."""

    command: str
    why: str

    @property
    def only_looks(self) -> bool:
        """Whether it changes nothing."""
        return self.command.split()[2] in ("show", "explain", "capture", "list")


def advice_for(run: Run, waits: Sequence[Waits], causes: Sequence[Cause]) -> Iterator[Advice]:
    """What to try, the most promising first; none twice."""
    told: set[str] = set()
    for one in (*_for_waits(run, waits), *_for_causes(run, causes)):
        if one.command not in told:
            told.add(one.command)
            yield one


def _for_waits(run: Run, waits: Sequence[Waits]) -> Iterator[Advice]:
    for one in waits:
        match one.kind:
            case "paused":
                yield Advice(f"accord runs resume {run.id}", "it goes on")
            case "budget":
                yield Advice(f"accord runs budget {run.id} AMOUNT", "give it more; then resume it")
                yield Advice(f"accord runs resume {run.id}", "once it has more")
            case "left":
                yield Advice(f"accord runs resume {run.id}", "this process takes it up")
            case "held":
                yield Advice("accord runs list --holds", "what is held back, by whom and why")
            case "approval":
                yield Advice(f"accord runs signal {run.id} --task {one.task} --approve", "answer it; or --reject")
            case "review" | "signal":
                yield Advice(f"accord runs signal {run.id} --task {one.task}", "answer it; you are asked for the value")
            case "subrun" | "leaving":
                yield Advice(f"accord runs explain {one.run}", "why that run is where it is")
            case "agent":
                yield from _for_agents(one)
            case _:
                pass


def _for_agents(wait: Waits) -> Iterator[Advice]:
    if not wait.who:
        yield Advice("accord agents list", "nobody has ever offered it here: who is known, and what they offer")
    for one in wait.who:
        yield from _for_agent(one)


def _for_agent(one: Could) -> Iterator[Advice]:
    name, capability = short_name(one.agent), one.capability.partition("@")[0]
    match one.why:
        case "held" | "quarantined":
            yield Advice(f"accord runs resume --agent {name}", "lift its hold, if you trust it")
        case "absent" | "draining":
            yield Advice(f"accord agents show {name}", f"start an instance of it, or of another one for {capability}")
        case "out":
            yield Advice(f"accord agents show {name}", "what it failed with; it is tried again by itself")
        case "barred":
            yield Advice("accord policy show", "which policies are in force; accord policy explain tries one request")
        case "full":
            yield Advice(f"accord agents show {name}", "its load; another instance of it gives more room")
        case _:
            pass


def _for_causes(run: Run, causes: Sequence[Cause]) -> Iterator[Advice]:
    if run.phase != "failed":
        return
    first = next((one.task for one in causes if one.kind in ("task", "item") and one.run is None), None)
    undo = next((one.task for one in causes if one.kind == "undo" and one.run is None), None)
    if any(one.kind == "subrun" for one in causes):
        inner = next(one.run for one in causes if one.kind == "subrun")
        yield Advice(f"accord runs explain {inner}", "the run in which it began")
    if first is not None:
        yield Advice(f"accord runs show {run.id} {first}", "all attempts, with what they got and gave")
        yield Advice(f"accord runs retry {run.id} --task {first}", "try it again, once what it needs is mended")
        yield Advice(f"accord runs fork {run.id} --task {first} --set KEY=VALUE", "try it with another input")
    if undo is not None:
        yield Advice(f"accord runs show {run.id} {undo}", "all attempts to undo it")
        yield Advice(f"accord runs rollback {run.id} --to {undone_id(undo)}", "undo it, once what failed is mended")
    yield Advice(f"accord runs capture {run.id}", "a test with what the agents answered, to mend the template with")
