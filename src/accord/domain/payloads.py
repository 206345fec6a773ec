"""Payloads of all kinds of messages but `card` (see `agent`), `bid`, and `result`: that is the output itself.

What is unknown is refused. Durations and loads are numbers because these values are what is on the wire.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from accord.domain.ids import PARTITIONS, InstanceId, KeyId, LeaseToken
from accord.domain.labels import Declassification
from accord.domain.message import strict_json
from accord.errors import MessageRefused, Place, Problem

SHARE = msgspec.Meta(ge=0, le=1)
COUNT = msgspec.Meta(ge=0, le=(1 << 31) - 1)
CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
CODE = msgspec.Meta(pattern=CODE_PATTERN)
PARTITION = Annotated[int, msgspec.Meta(ge=0, lt=PARTITIONS)]

MESSAGE_MAX_CHARACTERS = 2000
"""Bound of the words of a failure or a progress; what is longer is cut by `bounded`."""

WORDS = msgspec.Meta(max_length=MESSAGE_MAX_CHARACTERS)


class AssignContext(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """What an agent may know about the run beside the task's input."""

    idempotency_key: str
    """The same for every delivery of one attempt's side effects: hand it to whatever must not act twice."""
    template: str = ""
    """`name@version`."""
    objective: str = ""
    deadline: datetime | None = None
    """RFC 3339; after it nobody waits for the result."""
    upstream: dict[str, Any] = {}
    """What the template and the policy allow this task to see of the run: its `input`, and `tasks`, the outputs of
    earlier tasks by their names."""
    errors: tuple[Problem, ...] = ()
    """Why the previous attempt's result was sent back."""
    cut: tuple[str, ...] = ()
    """Parts that are left out of `upstream`, because the agent may not see them: `input`, `input.email`,
    `tasks.score`."""
    declassify: Declassification | None = None
    """What the result's statement may claim to take away from the labels of what the task was given."""


class AssignPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An assignment: the input document as its exact bytes, and the context."""

    input: msgspec.Raw
    context: AssignContext


class HeartbeatPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instance is doing now."""

    instance: InstanceId
    running: tuple[LeaseToken, ...]
    """Leases that are held: of what runs, of what is queued, and of answers whose arrival is not certain."""
    queued: Annotated[int, COUNT]
    """Assignments that were taken and wait for a free place."""
    load: Annotated[float, SHARE]
    """Held assignments as a share of concurrency and queue together."""
    draining: bool = False
    """Whether it takes nothing new."""
    leaving: bool = False
    """Whether this is its last heartbeat."""
    trusts: Annotated[tuple[KeyId, ...], msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET
    """Keys that orchestrators have delegated to, as far as this instance knows of them; absent where it knows none."""


class FailurePayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why an attempt gave no result."""

    code: Annotated[str, CODE]
    message: Annotated[str, WORDS]
    retryable: bool = msgspec.field(default=False)
    details: Any = None


class ProgressPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far an attempt is."""

    fraction: Annotated[float, SHARE]
    message: Annotated[str, WORDS] = ""


class AskPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What an agent asks for while it works: one of a capability with its input, and an objective in words.

    The same payload asks for the same: it is done once for all attempts at the task, unless nothing came of it.
    """

    capability: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """`name`, or `name@range`."""
    objective: Annotated[str, msgspec.Meta(max_length=MESSAGE_MAX_CHARACTERS)] = ""
    input: Any = msgspec.UNSET
    """Of the capability; beside an objective, members of the input that the planner finds."""
    key: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Tells apart what would be the same."""


class ReplyPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What came of what an agent has asked for: an output, or what is wrong."""

    asked: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    """SHA-256 of the payload of the `ask`."""
    output: Any = msgspec.UNSET
    problems: tuple[Problem, ...] = ()
    run: str = ""
    """The run that did it."""


class CancelPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an attempt is to stop."""

    reason: Annotated[str, WORDS] = ""


class AckPayload(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which of the leases that a heartbeat named have ended: their answers are journalled, or not wanted any more."""

    ended: tuple[LeaseToken, ...]
    delegated: Annotated[tuple[KeyId, ...], msgspec.Meta(max_length=16)] = ()
    """Keys that the agent has delegated to, and that may sign from now on."""


class RejectPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a message of an agent was not accepted."""

    violations: tuple[Problem, ...]


class HoldingsPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one of the processes of an orchestrator holds of what they give out together. The only payload whose unknown
    members are no fault: replicas are replaced one by one, and a newer one may say more.
    """

    process: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Names the process, for as long as it runs."""
    number: Annotated[int, COUNT]
    """Counts its notices: what is heard after one with a greater number has no effect."""
    partitions: Annotated[tuple[PARTITION, ...], msgspec.Meta(max_length=PARTITIONS)] = ()
    """The partitions that it owns: the leases of their runs are in its figures."""
    agents: dict[str, Annotated[int, COUNT]] = {}
    """By the ids of agents: how many attempts it has assigned that have not ended."""
    capabilities: dict[str, Annotated[int, COUNT]] = {}
    """The same by the names of capabilities that have a limit."""
    wants: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    """By capability: for how many seconds it has found no room for what waits."""
    leaving: bool = False
    """Whether this is its last notice."""
    moved: bool = False
    """Whether it has just said something of keys, holds or access in the store: who hears it looks there at once."""


T = TypeVar("T", bound=msgspec.Struct)


def decode_payload(kind: type[T], data: bytes) -> T:
    """The payload of this kind. Raises MessageRefused: ACC32x where it is no strict JSON, else ACC330."""
    strict_json(data)
    return _shaped(kind, data)


def _shaped(kind: type[T], data: bytes) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise MessageRefused(_misshapen(str(error))) from None


def decode_assign(data: bytes) -> tuple[AssignPayload, object]:
    """An assignment's payload, and its input as a value. Raises MessageRefused as `decode_payload` does."""
    value = strict_json(data)
    payload = _shaped(AssignPayload, data)
    return payload, value["input"]  # type: ignore[index]  # it has the shape


def encode_payload(payload: msgspec.Struct) -> bytes:
    """The payload as JSON."""
    return msgspec.json.encode(payload)


def bounded(text: str) -> str:
    """The text as UTF-8 can hold it (half of a surrogate pair is written out), cut to what a message may say."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MESSAGE_MAX_CHARACTERS else text[: MESSAGE_MAX_CHARACTERS - 1] + "…"


def _misshapen(reason: str) -> Problem:
    """From msgspec's words: ``Expected ... - at `$.running[0]` ``."""
    rule, _, path = reason.partition(" - at `$")
    pointer = path.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/")
    return Problem("ACC330", f"the payload does not have its kind's shape: {rule}", Place(pointer=pointer or None))
