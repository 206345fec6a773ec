"""Suggestions of a language model at the command line: whether one is asked, and that somebody looks at the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from accord.app import suggestions_of
from accord.cli.asking import NoAnswer, asked_value
from accord.cli.driving import can_ask
from accord.cli.errors import usage
from accord.cli.options import Shared
from accord.cli.output import Screen, counted
from accord.cli.session import who
from accord.errors import TransitionRefused
from accord.planner.plan import Plan
from accord.service import Service
from accord.verifier.clearance import Offer
from accord.views.planning import Known, Planned
from accord.views.suggesting import allowed_for, refuse_unseen, with_suggestion

_SURE: Final[dict[str, object]] = {
    "type": "object",
    "properties": {"run": {"type": "boolean", "description": "a language model has suggested this: run it?"}},
    "required": ["run"],
}


def may_suggest(
    known: Known, service: Service, shared: Shared, hosted: Iterable[Offer] = (), *, labelled: bool = False
) -> Known:
    """What is known, with the language model of the settings as the last way, where they name one."""
    suggestions = suggestions_of(shared.settings())
    return with_suggestion(known, suggestions, allowed_for(service, who(), hosted), labelled=labelled)


def suggested_by(found: Plan) -> str:
    """Which language model has suggested a plan, and what that took; empty where none has."""
    made = found.suggested
    if made is None:
        return ""
    cost = f", {made.cost} USD" if made.cost is not None else ""
    return f"{made.model}, in {counted(made.rounds, 'round')}, {made.input_tokens} + {made.output_tokens} tokens{cost}"


async def confirm(chosen: Planned, shared: Shared, screen: Screen, show: Callable[[], Awaitable[None]]) -> None:
    """Have somebody at the terminal look at a plan that a language model has just suggested, and say that it may run.
    Raises TransitionRefused where nobody is there, BadInput where nobody says yes.
    """
    try:
        refuse_unseen(chosen, suggestions_of(shared.settings()))
    except TransitionRefused:
        if not can_ask(screen):
            raise
        await show()
        try:
            sure = await asked_value(_SURE, screen)
        except NoAnswer:
            sure = {"run": False}
        if not sure["run"]:
            hint = "accord plan OBJECTIVE --save FILE writes it, to be changed"
            raise usage("ACC156", "the suggestion was not confirmed", hint) from None
