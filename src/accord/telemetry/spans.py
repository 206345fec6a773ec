"""The spans of a run's trace, and what they say. Names of operations and attributes are OpenTelemetry's own for GenAI
where those fit; ours begin with `accord.`.

No span holds an input, an output, a context, a title or a person's name: only ids, names, states, codes and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

SpanKind = Literal["internal", "client"]


class SpanSpec(NamedTuple):
    """One kind of span: how it is named, under which one it hangs, what it lasts, and what it says."""

    name: str
    """With the attribute in braces that comes behind it."""
    parent: str
    kind: SpanKind
    lasts: str
    attributes: tuple[str, ...] = ()
    operation: str = ""
    """`gen_ai.operation.name`, where there is one that fits."""

    @property
    def key(self) -> str:
        """The first word of its name."""
        return self.name.partition(" ")[0]


ATTRIBUTES: Final[Mapping[str, str]] = {
    "accord.run.id": "the run",
    "accord.run.state": "how it ended: `completed`, `failed`, `cancelled`",
    "accord.run.parent": "the run whose task this run does",
    "accord.run.origin": "the run that this one was forked from",
    "accord.task.id": "the task",
    "accord.task.state": "how it ended: `completed`, `failed`, `skipped`, `cancelled`",
    "accord.attempt.number": "the attempt, from 1",
    "accord.attempt.end": "how it ended: `succeeded`, `rejected`, `failed`, `expired`, `cancelled`",
    "accord.attempt.purpose": "`work`, or `diagnose`",
    "accord.capability": "`name@version`",
    "accord.route.decided": "what spoke for the agent: `load`, `speed`, `trust`, …",
    "accord.route.peers": "how many agents that are present offer the capability",
    "accord.route.compared": "how many of them were compared",
    "accord.message.kind": "the kind of message that came to the gate",
    "accord.gate.verdict": "what became of it: `accepted`, `rejected`, `late`, `refused`",
    "accord.commit.events": "events of this run in the append",
    "accord.commit.runs": "runs in the same append",
    "error.type": "the code of the first problem, `ACC…`, or why time ran out",
    "gen_ai.operation.name": "`invoke_workflow`, `plan`, `chat`, `invoke_agent`, `execute_tool`",
    "gen_ai.provider.name": "`accord`; of a language model `openai`, whose protocol its endpoint speaks",
    "gen_ai.request.model": "the language model that is asked",
    "gen_ai.response.model": "the one that answered, as it calls itself",
    "gen_ai.usage.input_tokens": "what it has read",
    "gen_ai.usage.output_tokens": "what it has written",
    "server.address": "the host of its endpoint",
    "server.port": "the port there",
    "gen_ai.workflow.name": "the template, `name@version`",
    "gen_ai.agent.id": "the agent's id",
    "gen_ai.agent.name": "its name",
    "gen_ai.tool.name": "the capability, `name@version`",
    "gen_ai.tool.type": "`function`",
    "gen_ai.tool.call.id": "the attempt: `run/task/attempt`",
}
"""What each attribute says."""

_RUN, _TASK = ("accord.run.id",), ("accord.run.id", "accord.task.id")
_AGENT = ("gen_ai.agent.id", "gen_ai.agent.name")

_SPANS: Final = (
    SpanSpec(
        "plan",
        "invoke_workflow",
        "internal",
        "what the planner makes of the objective, before the run starts; of a plan that is only shown, under the "
        "caller's span, or in a trace of its own",
        (*_RUN, "gen_ai.workflow.name", "error.type"),
        "plan",
    ),
    SpanSpec(
        "chat {gen_ai.request.model}",
        "plan",
        "client",
        "one request to a language model that suggests a graph",
        (
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "gen_ai.response.model",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "server.address",
            "server.port",
            "error.type",
        ),
        "chat",
    ),
    SpanSpec(
        "invoke_workflow {gen_ai.workflow.name}",
        "the caller's span, where there is one",
        "internal",
        "from the run's start to its end",
        (*_RUN, "accord.run.state", "accord.run.parent", "accord.run.origin", "gen_ai.workflow.name", "error.type"),
        "invoke_workflow",
    ),
    SpanSpec(
        "verify",
        "invoke_workflow",
        "internal",
        "the proof of the graph, before the run starts",
        _RUN,
    ),
    SpanSpec(
        "task {accord.task.id}",
        "invoke_workflow",
        "internal",
        "from when the task begins until it has its output, or has none for good",
        (*_TASK, "accord.task.state", "error.type"),
    ),
    SpanSpec(
        "queue",
        "task",
        "internal",
        "from when an attempt is wanted, and may begin, until it is given to an agent",
        (*_TASK, "accord.attempt.number", "accord.attempt.purpose", "accord.capability"),
    ),
    SpanSpec(
        "route",
        "queue",
        "internal",
        "the choice of the agent, with the checks of policy and input, and the making of the assignment",
        (
            *_TASK,
            "accord.attempt.number",
            *_AGENT,
            "accord.route.decided",
            "accord.route.peers",
            "accord.route.compared",
        ),
    ),
    SpanSpec(
        "invoke_agent {gen_ai.agent.name}",
        "task",
        "client",
        "from the assignment to the end of the attempt",
        (
            *_TASK,
            "accord.attempt.number",
            "accord.attempt.purpose",
            "accord.attempt.end",
            "accord.capability",
            *_AGENT,
            "gen_ai.provider.name",
            "error.type",
        ),
        "invoke_agent",
    ),
    SpanSpec(
        "execute_tool {gen_ai.tool.name}",
        "invoke_agent",
        "internal",
        "in the agent's process: the body of the capability; spans of the agent's own code hang under it",
        (
            *_TASK,
            "accord.attempt.number",
            *_AGENT,
            "gen_ai.tool.name",
            "gen_ai.tool.type",
            "gen_ai.tool.call.id",
            "error.type",
        ),
        "execute_tool",
    ),
    SpanSpec(
        "gate",
        "invoke_agent",
        "internal",
        "the checks of an answer, from when it was taken from the bus until it was decided on",
        (*_TASK, "accord.attempt.number", "accord.message.kind", "accord.gate.verdict", "error.type"),
    ),
    SpanSpec(
        "journal",
        "invoke_workflow",
        "internal",
        "an append to the journal with events of the run; many runs share one",
        (*_RUN, "accord.commit.events", "accord.commit.runs"),
    ),
)

SPANS: Final[Mapping[str, SpanSpec]] = {one.key: one for one in _SPANS}
"""By the first word of the name, in the order of a run's life."""
