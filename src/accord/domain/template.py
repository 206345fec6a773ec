"""The language of templates: the values a YAML or JSON file is read into.

These classes are the single source of the language: the published JSON Schema and the reference page are
generated from them. What a template means is its graph, made by `accord.domain.compile`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from accord.domain.labels import LabelName, Level
from accord.errors import TemplateInvalid

Name = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="A task's or slot's name: `a-z`, digits, `_`.")
]
TemplateName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*([-.][a-z0-9]+)*$", max_length=100)]
Version = Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+([-+].+)?$", description="A semantic version, e.g. `1.2.0`.")]
CapabilityRangeText = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+(@.+)?$",
        description="A capability and the versions that will do: `text.summarize@^1.2`.",
    ),
]
CapabilityPattern = Annotated[
    str,
    Meta(
        pattern=r"^([a-z][a-z0-9_]*\.)*([a-z][a-z0-9_]*|\*)$",
        description="A capability, or all of a name space: `text.summarize`, `text.*`, `*`.",
    ),
]
WorkflowRangeText = Annotated[
    str, Meta(description="A template's name and the versions that will do: `source-audit@^1`.")
]
Duration = Annotated[
    str,
    Meta(
        pattern=r"^(\d+(\.\d+)?(ms|s|m|h|d))+$",
        description="A duration: `500ms`, `10s`, `5m`, `2h`, `1d`, `1h30m`.",
    ),
]
ExpressionText = Annotated[
    str, Meta(pattern=r"^\s*\$\{[\s\S]+\}\s*$", description="A CEL expression: `${ input.limit > 3 }`.")
]
DurationOrExpression = Annotated[
    str,
    Meta(
        pattern=r"^((\d+(\.\d+)?(ms|s|m|h|d))+|\s*\$\{[\s\S]+\}\s*)$",
        description="A duration such as `10s`, or an expression that gives one.",
    ),
]
Cost = Annotated[
    str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?$", description='A cost: a decimal in quotes, `"0.25"`.')
]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(ge=1)]
JsonSchema: TypeAlias = dict[str, Any] | bool


class _Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class BackoffSpec(_Node, frozen=True, kw_only=True):
    """The wait before the next attempt: `first * factor^(n-1)`, at most `cap`, less up to `jitter` of it."""

    first: Duration = "1s"
    """The first wait."""
    factor: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """How much longer each next one is."""
    cap: Duration = "1m"
    """The longest wait."""
    jitter: Share = 0.5
    """The share of a wait that chance may take off."""


class RetrySpec(_Node, frozen=True, kw_only=True):
    """How often a task is tried in all before its fallback, or its failure."""

    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """In all, the first one counted."""
    backoff: BackoffSpec = BackoffSpec()
    """The waits between them."""


class AtLeast(_Node, frozen=True, kw_only=True):
    """The task starts as soon as this many of its needs have completed."""

    at_least: Positive
    """How many."""


class RedundancySpec(_Node, frozen=True, kw_only=True):
    """Several agents do the same task; the result that `agree` of them give (equal as JSON) is taken."""

    copies: Annotated[int, Meta(ge=2, le=15)]
    """How many."""
    agree: Annotated[int, Meta(ge=1, le=15)]
    """How many of them: more than half."""


class ConfidenceSpec(_Node, frozen=True, kw_only=True):
    """What happens to a result whose confidence is below `at_least`; one without a confidence counts as 0."""

    at_least: Share
    """From 0 to 1."""
    otherwise: Literal["retry", "other_agent", "review", "fail"] = "retry"
    """Try again; give it to another agent; ask a human; or fail."""


class Call(_Node, frozen=True, kw_only=True):
    """A capability and its input."""

    uses: CapabilityRangeText
    """The capability, and the versions that will do."""
    with_: Any = msgspec.field(name="with", default_factory=dict)
    """The input: literals and `${ CEL }` expressions."""


class FallbackSpec(_Node, frozen=True, kw_only=True):
    """What to do when the attempts before it have failed: another capability, or a value."""

    uses: CapabilityRangeText | None = None
    """Another capability."""
    with_: Any = msgspec.field(name="with", default=msgspec.UNSET)
    """The input; the task's own where it is left out."""
    value: Any = msgspec.field(default=msgspec.UNSET)
    """A value or expression that stands for the output; `error` has the failure's `code` and `message`."""


class ApprovalSpec(_Node, frozen=True, kw_only=True):
    """A human decides. The output is what the form brings: its schema is the task's output schema."""

    title: str
    """What is asked; may hold expressions."""
    form: JsonSchema = msgspec.field(
        default_factory=lambda: {
            "type": "object",
            "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
            "required": ["approved"],
            "additionalProperties": False,
        }
    )
    """The JSON Schema of the answer; by default `approved` (true or false) and a `comment`."""
    timeout: Duration | None = None
    """How long it waits; for ever where it is left out."""
    on_timeout: Literal["fail", "skip"] = "fail"
    """Whether the task then fails, or is skipped."""
    on_reject: Literal["fail", "skip", "continue"] = "fail"
    """What an answer with `approved: false` does: the task fails, is skipped, or completes like any other answer."""


class CallsSpec(_Node, frozen=True, kw_only=True):
    """What the task's agent may ask for while it works: others do it, in runs of their own, and it gets the results."""

    at_most: Annotated[int, Meta(ge=1, le=1000)] = 10
    """How often, in all attempts together; the same again is not counted."""
    capabilities: tuple[CapabilityPattern, ...] = ()
    """The capabilities that it may call."""
    depth: Annotated[int, Meta(ge=1, le=8)] = 1
    """How deep: with 2, whoever it calls may call others within the same bounds, and so on."""
    objectives: bool = False
    """Whether it may also say in words what it wants, for the planner."""


class SignalSpec(_Node, frozen=True, kw_only=True):
    """Waits until somebody sends a signal of this name; the signal's payload is the output."""

    name: Name
    """Of the signal; `accord runs signal RUN NAME` sends it."""
    schema: JsonSchema = True
    """What the payload must be."""
    timeout: Duration | None = None
    """How long it waits; for ever where it is left out."""
    on_timeout: Literal["fail", "skip"] = "fail"
    """Whether the task then fails, or is skipped."""


class DeclassifySpec(_Node, frozen=True, kw_only=True):
    """The task's result may have lower labels than what it was made of: only where an agent that a policy permits to
    `declassify` does it, and claims it in the statement of its result.
    """

    to: Level
    """The highest level that the result then has."""
    without: tuple[LabelName, ...] = ()
    """Categories that the result then has no more."""
    why: Annotated[str, Meta(min_length=1, max_length=500)]
    """Why this is right; the journal keeps it."""


class TaskSpec(_Node, frozen=True, kw_only=True):
    """One task. Exactly one of `uses`, `approval`, `signal`, `sleep`, `workflow` says what it does."""

    description: str = ""
    """What the task is for; plans and progress show it."""
    uses: CapabilityRangeText | None = None
    """An agent does it: the capability, and the versions that will do."""
    approval: ApprovalSpec | None = None
    """A human decides."""
    signal: SignalSpec | None = None
    """It waits for a signal."""
    sleep: DurationOrExpression | None = None
    """A timer: a duration, or an expression that gives one, or gives a time (RFC 3339) to wait for."""
    workflow: WorkflowRangeText | None = None
    """Another template, run as a run of its own."""
    with_: Any = msgspec.field(name="with", default_factory=dict)
    """The input: literals and `${ CEL }` expressions."""
    needs: tuple[Name, ...] = ()
    """Tasks that come first although no expression mentions them."""
    join: Literal["all", "any", "settled"] | AtLeast = "all"
    """When to start: all needs completed; any one; at least n; or all ended, however they ended."""
    when: ExpressionText | None = None
    """The task is skipped unless this is true."""
    for_each: ExpressionText | None = None
    """A list: the task runs once for each `item` (and `index`); the output lists the outputs, in order."""
    parallel: Positive | None = None
    """How many items of a `for_each` may be under way at once."""
    retry: RetrySpec | None = None
    """How often it is tried, in place of the template's `defaults`."""
    timeout: Duration | None = None
    """How long one attempt may take."""
    deadline: Duration | None = None
    """How long the task may take in all, from the moment it could start."""
    redundancy: RedundancySpec | None = None
    """Several agents do it, and must agree."""
    confidence: ConfidenceSpec | None = None
    """What happens to a result that its agent is not sure of."""
    diagnose: bool = True
    """Whether a result that breaks its contract goes to a diagnostic agent first."""
    fallback: tuple[FallbackSpec, ...] = ()
    """What is done instead, one after the other, when all attempts have failed."""
    compensate: Call | None = None
    """What undoes the task on rollback; `task.input` and `task.output` are the task's own."""
    on_failure: Literal["fail", "continue"] = "fail"
    """Whether the task's failure is the run's; with `continue` its output is null."""
    context: Literal["none", "upstream"] = "none"
    """What the agent sees beside its input: `upstream` is the run's input and all outputs before it."""
    labels: tuple[LabelName, ...] = ()
    """Labels that its result has beside those of what it was made of."""
    declassify: DeclassifySpec | None = None
    """What the task takes away from the labels of its result."""
    calls: CallsSpec | None = None
    """What its agent may ask for while it works; nothing, where it is left out."""


class ChoiceSpec(_Node, frozen=True, kw_only=True):
    """What is declared of branches: proven before a run, or refuted with an input for which it is not so."""

    between: Annotated[tuple[Name, ...], Meta(min_length=2)]
    """The tasks with which the branches begin, each with a `when`."""
    takes: Literal["exactly_one", "at_least_one", "at_most_one"] = "exactly_one"
    """How many of them begin in a run in which all of them are ready: no gap between the conditions (at least one), no
    overlap (at most one), or neither."""


class LimitsSpec(_Node, frozen=True, kw_only=True):
    """Bounds of one run."""

    deadline: Duration | None = None
    """How long the run may take in all."""
    parallel: Positive = 256
    """How many attempts may be under way at once."""
    tasks: Annotated[int, Meta(ge=1, le=1_000_000)] = 200_000
    """How many tasks there may be, items counted."""
    max_cost: Cost | None = None
    """What all attempts may cost together, in the unit that the agents count in; a decimal in quotes: `"2.50"`."""
    when_spent: Literal["fail", "pause"] | None = None
    """Whether a run that has spent it fails (so by default), or pauses until somebody gives it more."""


class SuggestedSpec(_Node, frozen=True, kw_only=True):
    """That a language model has suggested the graph, and what that took. Nothing that runs depends on it."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    """The model, as the endpoint calls it."""
    asked: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    """The SHA-256 of all that it was asked."""
    rounds: Positive
    """How many suggestions it took until one held."""
    input_tokens: Annotated[int, Meta(ge=0)]
    """What it has read, in all rounds."""
    output_tokens: Annotated[int, Meta(ge=0)]
    """What it has written, in all rounds."""
    cost: Cost | None = None
    """What that cost in US dollars, where the model's price is known."""


class Template(_Node, frozen=True, kw_only=True):
    """A declared workflow."""

    accord: Literal["template/1"]
    """The language and its version."""
    name: TemplateName
    """What runs, objectives and other templates call it."""
    version: Version
    """Raise it with every change; runs keep the one that they started with."""
    description: str = ""
    """What it is for, for people."""
    examples: tuple[str, ...] = ()
    """Phrases that mean this workflow, with slots: `compare {products} for {purpose}`."""
    input: JsonSchema = msgspec.field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    """The JSON Schema of the run's input; `default`s are filled in."""
    labels: dict[str, tuple[LabelName, ...]] = {}
    """The labels of the input, by JSON pointers into it: `"": [internal]`, `/customer/email: [personal]`."""
    tasks: Annotated[dict[Name, TaskSpec], Meta(min_length=1)]
    """What is done, by name. Order follows from who mentions whom, not from the file."""
    choices: tuple[ChoiceSpec, ...] = ()
    """What holds of the branches; the verifier proves it."""
    output: Any = msgspec.field(default=msgspec.UNSET)
    """The run's result: literals and expressions; by default the outputs of the last tasks by name."""
    aggregate: Call | None = None
    """An agent that makes the run's result at the end, in place of `output`."""
    defaults: RetrySpec = RetrySpec()
    """How often tasks are tried that do not say it themselves."""
    limits: LimitsSpec = LimitsSpec()
    """Bounds of one run."""
    on_failure: Literal["stop", "compensate"] = "stop"
    """Whether a failed or cancelled run undoes what it has done."""
    suggested: SuggestedSpec | None = None
    """The language model that has suggested the graph; the planner writes it."""


def template_from_json(data: bytes) -> Template:
    """The template in journalled bytes.

    Raises:
        TemplateInvalid: ACC105, they are no template of this version of the language.
    """
    try:
        return msgspec.json.decode(data, type=Template)
    except msgspec.DecodeError as error:
        hint = "publish it again from its file, which says line by line what is wrong"
        raise TemplateInvalid.of("ACC105", f"no template of this version: {error}", hint=hint) from None
