"""The diagnostician: a result that broke its contract is repaired, sent back, given to another agent, or given up."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import msgspec

from accord.builtin.json_text import only_value
from accord.builtin.repair import Repair, repair
from accord.domain.diagnosis import Case, Change, Diagnosis
from accord.domain.schema import Schema, compile_schema
from accord.errors import ContractViolation, Problem
from accord.sdk import Agent, Result
from accord.sdk.schema import shape_of

agent = Agent("diagnostician")

SUSPECT_AGENTS = 3
"""When as many different agents break the same rule of a contract, the contract is suspect."""
MAX_TOLD = 10
"""Problems and changes that an explanation names."""

RULES: dict[str, tuple[str, float]] = {
    "trimmed": ("spaces around the text removed", 0.01),
    "null-left-out": ("a null that says nothing left out", 0.02),
    "number-from-text": ("text read as the number it spells", 0.02),
    "boolean-from-text": ("text read as true or false", 0.02),
    "text-from-number": ("a number written as text", 0.02),
    "matched-option": ("spelled like the only option that it can mean", 0.03),
    "respelt-date": ("a date written in ISO 8601", 0.03),
    "respelt-date-time": ("a time written in RFC 3339", 0.03),
    "respelt-uuid": ("a UUID written in its usual form", 0.01),
    "parsed-text": ("the JSON inside of a string taken for its value", 0.04),
    "wrapped": ("a lone value put into the array or object that was wanted", 0.05),
    "unwrapped": ("the result taken out of its wrapper", 0.05),
    "metadata-removed": ("a member about the result, not of it, removed", 0.06),
    "extracted": ("the only JSON value taken out of the text around it", 0.06),
    "renamed": ("a member renamed to the one that was wanted", 0.08),
    "filled": ("a missing member set to what the schema says it is", 0.10),
}
"""What each rule of a repair does, and the doubt that it leaves."""

_REPAIRED = {"properties": {"verdict": {"const": "repaired"}}}
OUTPUT: dict[str, Any] = {
    **shape_of(Diagnosis, "output").schema,
    "if": _REPAIRED,
    "then": {"required": ["output"]},
    "else": {"properties": {"output": False, "changes": {"maxItems": 0}}},
}
"""The schema of a diagnosis: an output where something was repaired, and only there."""


@agent.capability(
    "accord.diagnose@1.0.0",
    description="What to do about a result that broke its contract: repair it, try again, ask another agent, or fail.",
    output=OUTPUT,
)
def diagnose(case: Case) -> Result[Diagnosis]:
    """The diagnosis of a case, by rules, and how sure it is: the same case always gets the same one."""
    try:
        schema = compile_schema(case.output_schema)
    except ContractViolation as error:
        words = f"The contract's output schema cannot be used, no result could keep it: {_told(error.problems)}"
        return Result(Diagnosis(verdict="fail", explanation=words), 0.9)
    repaired = repair_of(case, schema)
    if repaired is not None and repaired.changes:
        return Result(_repaired(case, repaired), confidence_in(repaired.changes))
    return _without_repair(case)


def repair_of(case: Case, schema: Schema) -> Repair | None:
    """The result made to keep its contract, where what was meant is beyond doubt."""
    if case.is_json or not isinstance(case.output, str):
        return repair(case.output, schema)
    value = only_value(case.output)
    mended = None if value is msgspec.UNSET else repair(value, schema)
    if mended is None:
        return None
    return Repair(mended.value, (Change("", "extracted", case.output), *mended.changes))


def confidence_in(changes: tuple[Change, ...]) -> float:
    """How sure a repair is: less with every rule that it took, and slowly less with every use of it."""
    counted = Counter(change.rule for change in changes)
    doubt = sum(RULES[rule][1] * math.log2(1 + times) for rule, times in counted.items())
    return round(1 / (1 + doubt), 4)


def _repaired(case: Case, repaired: Repair) -> Diagnosis:
    changes = repaired.changes
    listed = "; ".join(
        f"{change.pointer or 'the whole result'}: {RULES[change.rule][0]}" for change in changes[:MAX_TOLD]
    )
    words = f"The result of {case.agent} keeps its contract after {_counted(len(changes), 'change')}: {listed}"
    return Diagnosis(
        verdict="repaired",
        explanation=words + _more(len(changes)) + ".",
        output=repaired.value,
        changes=changes,
    )


def _without_repair(case: Case) -> Result[Diagnosis]:
    left = case.attempts_allowed - case.attempts_used
    broken = _told(case.problems)
    suspects = _agents_that_agree(case)
    if suspects >= SUSPECT_AGENTS:
        words = f"{suspects} different agents broke the same rule, so the contract of {case.capability} is suspect"
        return _verdict("fail", f"{words}: check its output schema before the task is tried again. {broken}", 0.7)
    if left <= 0:
        spent = f"all {case.attempts_used} attempts are" if case.attempts_used > 1 else "the only attempt is"
        return _verdict("fail", f"It cannot be repaired without guessing, and {spent} used. {broken}", 0.9)
    if not _failed_alike(case):
        return _verdict("retry", f"{_advice(case)} {_counted(left, 'attempt')} left. {broken}", 0.8)
    if case.peers > 0:
        words = (
            f"{case.agent} broke the contract in the same way before; {_counted(case.peers, 'other agent')} can do it"
        )
        return _verdict("reassign", f"{words}. {broken}", 0.8)
    words = f"{case.agent} broke the contract in the same way before, but no other agent can do it"
    return _verdict("retry", f"{words}. {_advice(case)} {_counted(left, 'attempt')} left. {broken}", 0.4)


def _verdict(verdict: Any, explanation: str, confidence: float) -> Result[Diagnosis]:
    return Result(Diagnosis(verdict=verdict, explanation=explanation), confidence)


def _failed_alike(case: Case) -> bool:
    """Whether the agent broke the contract in this way before; it counts as such where the way is not known."""
    before = case.agents_tried[:-1]
    known = case.earlier if len(case.earlier) == len(before) else (case.problems,) * len(before)
    now = _ways(case.problems)
    return any(one == case.agent and now & _ways(wrong) for one, wrong in zip(before, known, strict=True))


def _agents_that_agree(case: Case) -> int:
    """How many agents broke a rule that this result breaks too; all that broke the contract where it is not known."""
    before = case.agents_tried[:-1]
    if len(case.earlier) != len(before):
        return len({*before, case.agent})
    return max(
        len({case.agent, *(one for one, wrong in zip(before, case.earlier, strict=True) if way in _ways(wrong))})
        for way in _ways(case.problems)
    )


def _ways(problems: tuple[Problem, ...]) -> frozenset[tuple[str, str]]:
    """In which ways a contract was broken: the code, and the rule of the schema or else the words."""
    return frozenset((one.code, (one.hint or one.message).partition(";")[0]) for one in problems)


def _advice(case: Case) -> str:
    if not case.is_json:
        return "Return one JSON document and nothing else: no text around it, no code fence, no comment."
    if not any(one.place.pointer is not None for one in case.problems):
        return "The form of the result is right, but it was refused all the same; do what is named here."
    return "Return a result that keeps the output schema; what is named here cannot be mended without guessing."


def _told(problems: tuple[Problem, ...]) -> str:
    told = [f"{one.place.pointer or 'the whole result'}: {one.message}" for one in problems[:MAX_TOLD]]
    return "; ".join(told) + _more(len(problems)) + "."


def _more(count: int) -> str:
    return f"; and {count - MAX_TOLD} more" if count > MAX_TOLD else ""


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
