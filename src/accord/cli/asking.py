"""Asking whoever sits at the terminal: forms made from JSON Schemas, for approvals, reviews and signals."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

import msgspec
from rich.text import Text

from accord.cli.errors import show_problem, usage
from accord.cli.output import Screen, agent_name, clean, shortened
from accord.cli.session import who
from accord.domain.approval import answer_schema
from accord.domain.defaults import unexplained
from accord.domain.ids import TaskId
from accord.domain.news import Happened
from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import schema_at, types_of
from accord.domain.state import Run
from accord.errors import BadInput, TransitionRefused
from accord.service import Service
from accord.views.result import value_of

_YES = ("y", "yes", "true")
_NO = ("n", "no", "false")


class DecidedElsewhere(Exception):
    """Whoever is asked need not answer any more; says what has happened."""


class NoAnswer(Exception):
    """Whoever was asked has closed the input."""


async def answer_in_terminal(service: Service, run: Run, task: TaskId, screen: Screen) -> None:
    """Ask for what a waiting task is to be told, and tell it; where somebody else does meanwhile, say so and stop.

    Raises:
        BadInput: ACC917, nobody answers.
    """
    await _introduce(service, run, task, screen)
    try:
        value = await _unless_decided(service, run, task, asked_value(answer_schema(run, task), screen))
        await service.signal(run.id, value, by=who(), task=task)
    except DecidedElsewhere as decided:
        screen.note(f"\n  {decided}", "yellow")
    except TransitionRefused:
        told = _decision(run, await service.run(run.id), task)
        if told is None:
            raise
        screen.note(f"  {told}", "yellow")
    except NoAnswer:
        hint = f"answer later: {screen.elsewhere(f'runs signal {run.id} --task {task}')}"
        raise usage("ACC917", f"nobody has answered task {task}", hint) from None


async def _introduce(service: Service, run: Run, task: TaskId, screen: Screen) -> None:
    """Say what is asked, and how it can be answered elsewhere."""
    waiting = run.state(task).waiting
    assert waiting is not None  # noqa: S101 - the caller has seen it wait
    screen.note(Text.assemble(("◆ ", "yellow"), (clean(waiting.title or f"{task} waits for {waiting.signal}"), "head")))
    if waiting.candidate is not None:
        value = await value_of(service, waiting.candidate)
        screen.note(f"  the result: {shortened(msgspec.json.encode(value).decode(), 400)}")
    how = " --approve" if waiting.for_ == "approval" else ""
    screen.note(f"  run {run.id}")
    command = screen.elsewhere(f"runs signal {run.id} --task {task}{how}")
    screen.note(f"  or from elsewhere: {command}", "hint")


async def _unless_decided(service: Service, run: Run, task: TaskId, answer: Coroutine[Any, Any, Any]) -> Any:
    """The answer. Raises DecidedElsewhere as soon as the task waits for it no more, NoAnswer."""
    asking = asyncio.ensure_future(answer)
    watching = asyncio.ensure_future(_decided_elsewhere(service, run, task))
    try:
        await asyncio.wait([asking, watching], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            raise DecidedElsewhere(await watching)
        return await asking
    finally:
        for one in (asking, watching):
            one.cancel()
        await asyncio.gather(asking, watching, return_exceptions=True)


async def _decided_elsewhere(service: Service, run: Run, task: TaskId) -> str:
    """What became of a task that waited, as soon as it waits no more."""
    async for news in service.follow(run.id):
        told = _decision(run, news.run, task) if isinstance(news, Happened) else None
        if told is not None:
            return told
    return "the run has ended"


def _decision(before: Run, now: Run, task: TaskId) -> str | None:
    """What became of a task that waited; None while it waits for the same."""
    state = now.state(task)
    if now.ended:
        return f"the run has ended meanwhile: {now.phase}"
    if state.waiting == before.state(task).waiting:
        return None
    return f"{task} is already decided{f' by {agent_name(state.by)}' if state.by else ''}: {state.phase}"


async def asked_value(schema: JsonSchema, screen: Screen) -> Any:
    """A value of the schema; what does not fit is asked for again. Raises NoAnswer."""
    while True:
        value = await _asked(schema, "value", screen, needed=True)
        problems = compile_schema(schema).violations(value)
        if not problems:
            return value
        for problem in problems:
            show_problem(screen.err, problem)


async def _asked(schema: JsonSchema, name: str, screen: Screen, *, needed: bool) -> Any:
    """A value of the schema, member by member for an object; UNSET where an optional one is left out."""
    described = schema if isinstance(schema, dict) else {}
    properties = described.get("properties")
    if isinstance(properties, dict) and types_of(schema) == {"object"}:
        members = {}
        stated = described.get("required")
        required = stated if isinstance(stated, list) else []
        for member in properties:
            inner = schema_at(schema, (member,))
            found = await _asked(True if inner is None else inner, member, screen, needed=member in required)
            if found is not msgspec.UNSET:
                members[member] = found
        return members
    return await _asked_part(described, name, screen, needed=needed)


async def _asked_part(schema: dict[str, Any], name: str, screen: Screen, *, needed: bool) -> Any:
    while True:
        screen.err.print(_question(schema, name, needed=needed), end="", soft_wrap=True)
        said = await read_line()
        if not said and "default" in schema:
            return schema["default"]
        if not said and not needed:
            return msgspec.UNSET
        try:
            return read_answer(said, schema)
        except BadInput as error:
            show_problem(screen.err, error.problems[0])


def _question(schema: dict[str, Any], name: str, *, needed: bool) -> Text:
    kinds = types_of(schema)
    if isinstance(schema.get("enum"), list):
        form = " / ".join(str(option) for option in schema["enum"])
    elif kinds == {"boolean"}:
        form = "y / n"
    elif kinds == {"string"}:
        form = ""
    else:
        form = " or ".join(sorted(kinds)) if len(kinds) < 3 else "JSON"
    title = schema.get("title") or schema.get("description") or ""
    parts = [form, "" if needed else "may be left out"]
    if "default" in schema:
        parts.append(f"default {msgspec.json.encode(schema['default']).decode()}")
    told = ", ".join(part for part in parts if part)
    about = f"  {clean(str(title))}" if title else ""
    return Text.assemble(("? ", "good"), clean(name), (about, "quiet"), (f"  ({told})" if told else "", "quiet"), ": ")


def read_answer(said: str, schema: JsonSchema) -> Any:
    """The value that an answer means, by the schema. Raises BadInput with what is wrong."""
    value = _meant(said, schema)
    BadInput.raise_if(compile_schema(unexplained(schema)).violations(value, "ACC917"))
    return value


def _meant(said: str, schema: JsonSchema) -> Any:
    kinds = types_of(schema)
    if kinds == {"boolean"} and said.casefold() in _YES + _NO:
        return said.casefold() in _YES
    if kinds == {"string"}:
        return said
    try:
        return msgspec.json.decode(said)
    except msgspec.DecodeError:
        return said


async def read_line() -> str:
    """The next line of stdin; the loop goes on meanwhile. Raises NoAnswer at its end."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    line = sys.stdin.readline()
    if not line:
        raise NoAnswer
    return line.strip()
