"""Calls: what agents ask for while they work is planned, verified, and done by runs of their own.

    ask ── gate ──► may it? ──► a graph: of the capability, or by the planner ──► verified ──► MakeCall ──► a run below

Planning takes a while and needs no turn of the loop: it goes on beside it. Whatever is refused is told to the agent at
once, and what it may not do is an incident as well. An agent that hears nothing asks again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import orjson

from accord.domain import command as c
from accord.domain.below import refuse_call
from accord.domain.capability import CapabilityRange
from accord.domain.contract import Contract
from accord.domain.defaults import completed
from accord.domain.effects import Reply
from accord.domain.flow import call_labels
from accord.domain.graph import Calls as Allowed
from accord.domain.graph import Graph, Subrun, capabilities_of
from accord.domain.ids import Digest, RunId
from accord.domain.labels import told
from accord.domain.run import Attempt, Run
from accord.domain.schema import canonical_form
from accord.engine.assignments import Envelope
from accord.engine.order import Order
from accord.engine.parts import Parts
from accord.engine.replies import Replies
from accord.engine.verdicts import Asked, Suspect
from accord.errors import (
    AccordError,
    BadInput,
    Fenced,
    KeysUnavailable,
    NotFound,
    NotUnderstood,
    Problem,
    StoreUnavailable,
    TransitionRefused,
)

logger = logging.getLogger("accord.calls")

AT_ONCE_MAX: Final = 256
"""So many calls are prepared at a time; who asks for more asks again."""

Planner = Callable[[str, dict[str, Any], str], Awaitable[tuple[Digest, Any]]]
"""Gives the graph and the input for an objective, some members of the input, and by whom it is wanted. Raises
NotUnderstood.
"""

Send = Callable[[list[Envelope]], Awaitable[None]]


class Calls:
    """Prepares what agents ask for."""

    def __init__(self, parts: Parts, order: Callable[[Order], None], replies: Replies, send: Send) -> None:
        self._parts = parts
        self._order = order
        self._replies = replies
        self._send = send
        self._under_way: dict[tuple[RunId, str, Digest], asyncio.Task[None]] = {}
        self.planner: Planner | None = None
        """For objectives; the process that has none refuses them."""

    def asked(self, run: Run, asked: Asked) -> None:
        """An agent of the run asks for something: in the background it is seen to, and the agent is told."""
        attempt = run.attempt(asked.task, asked.attempt)
        key = (run.id, str(asked.task), asked.call)
        if attempt is None or key in self._under_way or len(self._under_way) >= AT_ONCE_MAX:
            return
        task = asyncio.create_task(self._see_to(run, asked, attempt), name="accord-call")
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key, None))

    async def stop(self) -> None:
        """Leave what is being prepared: the agents ask again."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _see_to(self, run: Run, asked: Asked, attempt: Attempt) -> None:
        known = run.state(asked.task).call(asked.call)
        try:
            if known is not None and known.ended_at is None:
                self._parts.router.lend(run.id, asked.task, attempt.number)
                return  # its end is told
            if known is not None and (known.problem is None or known.attempt == attempt.number):
                reply = Reply(asked.task, attempt, known)
                await self._send([await self._replies.reply(run, reply, self._parts.ports.clock.now())])
                return
            await self._make(run, asked, attempt)
        except (StoreUnavailable, KeysUnavailable, Fenced) as away:
            logger.info("a call of %s/%s has to be asked for again: %s", run.id, asked.task, away)
        except AccordError as error:
            await self._refuse(run, asked, attempt, error)
        except Exception:  # the agent is told: it would wait and ask for ever otherwise
            logger.exception("a call of %s/%s met a fault of Accord's", run.id, asked.task)
            problem = Problem("ACC477", "the call met a fault of Accord's; its log has more")
            await self._refuse(run, asked, attempt, TransitionRefused(problem))

    async def _make(self, run: Run, asked: Asked, attempt: Attempt) -> None:
        allowed = refuse_call(run, asked.task, attempt)
        wanted, graph, value = await self._planned(run, asked, allowed)
        labels = told(call_labels(run, asked.task, attempt)) if run.labelled else ()
        (await self._parts.verification.report(graph, by=run.started.by, labels=labels)).refuse()
        value = completed(value, graph.input_schema)
        AccordError.raise_if(self._parts.library.input_schema(graph).violations(value, "ACC450"))
        cipher = await self._parts.data_keys.find(run.id)
        with self._parts.documents.under(cipher):
            given = self._parts.documents.document(orjson.dumps(value))
        command = c.MakeCall(
            task=asked.task,
            attempt=asked.attempt,
            call=asked.call,
            statement=asked.authentic.message.statement.decode("ascii"),
            wanted=wanted,
            graph=graph.digest,
            input=given,
        )
        done: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._order(Order(run.id, command, done=done))
        await done

    async def _refuse(self, run: Run, asked: Asked, attempt: Attempt, error: AccordError) -> None:
        if isinstance(error, TransitionRefused):
            problem = error.problems[0]
            suspect = Suspect(asked.authentic.delivery, problem, asked.authentic.claims, asked.authentic.claims.issuer)
            self._parts.noticed.append(suspect)
        now = self._parts.ports.clock.now()
        refusal = self._replies.refusal(run, asked.task, attempt, asked.call, error.problems, now)
        await self._send([refusal])

    # -- what is to be done ------------------------------------------------------------------------------------------

    async def _planned(self, run: Run, asked: Asked, allowed: Allowed) -> tuple[str, Graph, Any]:
        """What is wanted in words, the graph that does it, and its input."""
        wanted = asked.wanted
        if bool(wanted.capability) == bool(wanted.objective):
            raise BadInput.of("ACC478", "one of a capability and an objective is asked for")
        given = {} if wanted.input is msgspec.UNSET else wanted.input
        if wanted.capability:
            contract = self._contract(wanted.capability, allowed)
            return str(contract.ref), await self._graph_of(contract, allowed), given
        graph, value = await self._by_objective(wanted.objective, given, run.started.by, allowed)
        return wanted.objective, graph, value

    def _contract(self, text: str, allowed: Allowed) -> Contract:
        wanted = CapabilityRange.parse(text)
        if not allowed.admit(wanted.name):
            hint = "add it to `calls.capabilities` of the task"
            raise TransitionRefused.of("ACC474", f"the task's agent may not call {wanted.name}", hint=hint)
        contracts = self._parts.registry.contracts(wanted)
        if not contracts:
            hint = "accord agents list shows what is offered"
            raise NotFound.of("ACC479", f"no known agent offers {text}", hint=hint)
        return max(contracts, key=lambda contract: contract.version)

    async def _graph_of(self, contract: Contract, allowed: Allowed) -> Graph:
        return await self._parts.library.graph(await self._parts.ports.blobs.put(template_of(contract, allowed)))

    async def _by_objective(self, objective: str, given: Any, by: str, allowed: Allowed) -> tuple[Graph, Any]:
        if not allowed.objectives:
            hint = "add `objectives: true` to `calls` of the task"
            raise TransitionRefused.of("ACC474", "the task's agent may not ask for objectives", hint=hint)
        if self.planner is None:
            raise NotUnderstood.of("ACC479", "this process plans nothing", hint="ask for a capability")
        if not isinstance(given, dict):
            raise BadInput.of("ACC478", "beside an objective, only members of the input can be given")
        digest, value = await self.planner(objective, given, by)
        graph = await self._parts.library.graph(digest)
        for name in sorted(await self._used_in(graph)):
            if not allowed.admit(name):
                message = f"the plan needs {name}, which the task's agent may not call"
                raise TransitionRefused.of("ACC474", message, hint="add it to `calls.capabilities` of the task")
        return graph, value

    async def _used_in(self, graph: Graph) -> set[str]:
        """The names of all capabilities that a graph and its sub-workflows may use."""
        found = {str(one.name) for task in graph.tasks.values() for one in capabilities_of(task)}
        for task in graph.tasks.values():
            if isinstance(task.action, Subrun):
                below = self._parts.library.find(task.action.template)
                found |= await self._used_in(await self._parts.library.graph(below.digest))
        return found


def template_of(contract: Contract, allowed: Allowed) -> bytes:
    """The template of one task that uses a capability in this very version, as its canonical document; its agent may
    call as the one that has asked for it, one less deep.
    """
    task: dict[str, Any] = {"uses": f"{contract.capability}@{contract.version}", "with": "${ input }"}
    if allowed.depth > 1:
        task["calls"] = {
            "at_most": allowed.at_most,
            "capabilities": list(allowed.capabilities),
            "depth": allowed.depth - 1,
            "objectives": allowed.objectives,
        }
    name = re.sub(r"[^a-z0-9]+", "-", contract.capability).strip("-")
    return canonical_form(
        {
            "accord": "template/1",
            "name": f"call.{name}",
            "version": str(contract.version),
            "description": f"{contract.ref}, which an agent has asked for while it worked",
            "input": contract.input.document,
            "tasks": {"call": task},
            "output": "${ tasks.call.output }",
        }
    )
