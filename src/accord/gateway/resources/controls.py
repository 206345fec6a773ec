"""`/v1/runs/{run}/…`: what people and programs may have done with a run, and what they may tell it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field, model_validator

from accord.domain import command as c
from accord.domain.access import Principal
from accord.domain.ids import RunId, TaskId
from accord.gateway.asking import Approver, Controller, Eraser, TheNode
from accord.gateway.bodies import body
from accord.gateway.documents import Document, answers
from accord.gateway.once import IdempotencyKey, once
from accord.gateway.resources.runs import Run
from accord.service import RunCommand
from accord.views.runs import Erased, RunState, run_state

router = APIRouter(prefix="/v1/runs/{run}", tags=["runs"])

STATE = answers(RunState)


class Pause(BaseModel):
    """Why."""

    model_config = body({"reason": "the database is being moved"})

    reason: str = Field("", max_length=4000)


class Erase(BaseModel):
    """Why."""

    model_config = body({"reason": "the customer has asked for it"})

    reason: str = Field("", max_length=4000)


class Acknowledgement(BaseModel):
    """What is to be said of it."""

    model_config = body({"note": "the supplier was closed; it is done again on Monday"})

    note: str = Field("", max_length=4000)


class Cancel(BaseModel):
    """Why, and whether compensations are left, too."""

    model_config = body({"reason": "nobody needs it any more"})

    reason: str = Field("", max_length=4000)
    gives_up: bool = False


class Budget(BaseModel):
    """What all attempts may cost together, as a decimal in a string."""

    model_config = body({"max_cost": "12.50"})

    max_cost: str = Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?$")


class OfTask(BaseModel):
    """Which task."""

    model_config = body({"task": "measure"})

    task: str = Field(min_length=1, max_length=200)


class Signal(BaseModel):
    """A value, for the signal of a name or for the task that waits."""

    model_config = body({"task": "approve", "value": {"approved": True}}, {"name": "go", "value": 1})

    name: str | None = Field(None, min_length=1, max_length=200)
    task: str | None = Field(None, min_length=1, max_length=200)
    value: Any = None

    @model_validator(mode="after")
    def one_is_named(self) -> Signal:
        """Refuse what names both, or nothing."""
        if (self.name is None) == (self.task is None):
            raise ValueError("name exactly one of name and task")
        return self


@router.post("/pause", responses=STATE, response_class=Document)
async def pause(
    run: Run,
    node: TheNode,
    principal: Controller,
    asked: Annotated[Pause, Body()] = Pause(reason=""),  # noqa: B008 - it is never changed
    key: IdempotencyKey = None,
) -> Document:
    """Assign nothing more of the run."""
    return await _done(node, run, c.Pause(by=principal.name, reason=asked.reason), principal, key)


@router.post("/resume", responses=STATE, response_class=Document)
async def resume(run: Run, node: TheNode, principal: Controller, key: IdempotencyKey = None) -> Document:
    """Go on after a pause."""
    return await _done(node, run, c.Resume(by=principal.name), principal, key)


@router.post("/budget", responses=STATE, response_class=Document)
async def budget(run: Run, asked: Budget, node: TheNode, principal: Controller, key: IdempotencyKey = None) -> Document:
    """Give the run another budget; what it has spent is part of it."""
    command = c.SetBudget(max_cost=Decimal(asked.max_cost), by=principal.name)
    return await _done(node, run, command, principal, key)


@router.post("/cancel", responses=STATE, response_class=Document)
async def cancel(
    run: Run,
    node: TheNode,
    principal: Controller,
    asked: Annotated[Cancel, Body()] = Cancel(reason=""),  # noqa: B008 - it is never changed
    key: IdempotencyKey = None,
) -> Document:
    """Stop the run, and undo what its template says is to be undone."""
    command = c.Cancel(by=principal.name, reason=asked.reason, gives_up=asked.gives_up)
    return await _done(node, run, command, principal, key)


@router.post("/acknowledge", responses=STATE, response_class=Document)
async def acknowledge(
    run: Run,
    node: TheNode,
    principal: Controller,
    asked: Annotated[Acknowledgement, Body()] = Acknowledgement(note=""),  # noqa: B008 - it is never changed
    key: IdempotencyKey = None,
) -> Document:
    """Say that you know that the run has failed: nobody else need look at it, until it goes on or fails again."""
    return await _done(node, run, c.Acknowledge(by=principal.name, note=asked.note), principal, key)


@router.post("/retry", responses=STATE, response_class=Document)
async def retry(run: Run, asked: OfTask, node: TheNode, principal: Controller, key: IdempotencyKey = None) -> Document:
    """Try a failed or cancelled task again."""
    return await _done(node, run, c.RetryTask(task=TaskId(asked.task), by=principal.name), principal, key)


@router.post("/rollback", responses=STATE, response_class=Document)
async def rollback(
    run: Run, asked: OfTask, node: TheNode, principal: Controller, key: IdempotencyKey = None
) -> Document:
    """Undo a task and everything behind it, then go on from there."""
    return await _done(node, run, c.Rollback(to=TaskId(asked.task), by=principal.name), principal, key)


@router.post("/signals", responses=STATE, response_class=Document)
async def signal(run: Run, asked: Signal, node: TheNode, principal: Approver, key: IdempotencyKey = None) -> Document:
    """Give a value to a task that waits: for a signal, an approval or a review."""
    task = TaskId(asked.task) if asked.task is not None else None
    name, request = asked.name or "", once(principal, key)
    await node.signal(RunId(run), asked.value, by=principal.name, name=name, task=task, once=request)
    return Document(run_state(await node.run(RunId(run))))


@router.post("/erase", responses=answers(Erased), response_class=Document)
async def erase(
    run: Run,
    node: TheNode,
    principal: Eraser,
    asked: Annotated[Erase, Body()] = Erase(reason=""),  # noqa: B008 - it is never changed
) -> Document:
    """Make the documents of an encrypted run that has ended unreadable, for good; again is no error."""
    return Document(Erased(tuple(await node.erase(RunId(run), by=principal.name, reason=asked.reason))))


async def _done(node: TheNode, run: str, command: RunCommand, principal: Principal, key: str | None) -> Document:
    await node.control(RunId(run), command, once=once(principal, key))
    return Document(run_state(await node.run(RunId(run))))
