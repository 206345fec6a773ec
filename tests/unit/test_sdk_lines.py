"""Programs that are started once: several tasks at once, cancellations, ends, and what is no answer."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from accord.domain.payloads import ProgressPayload
from accord.errors import BadInput
from accord.sdk import Context, Failure
from accord.sdk.context import Link
from accord.sdk.declared import declared_agent
from accord.sdk.lines import BACKOFF_FIRST_S, BACKOFF_MAX_S, LinesBody
from accord.sdk.outcome import Output

HEAD = """
import json, os, sys, time

def say(**answer):
    print(json.dumps(answer), flush=True)

def lines():
    while line := sys.stdin.readline():
        yield json.loads(line)
"""
ECHO = "for task in lines(): say(id=task['id'], output=[os.getpid(), task['input']])"


def program(source: str, **options: Any) -> LinesBody:
    return LinesBody([sys.executable, "-c", HEAD + source], {}, **options)


async def done(body: LinesBody, value: Any = 1, context: Context | None = None) -> Any:
    return orjson.loads((await body(orjson.dumps(value), context or Context.for_test())).data)


async def failure_of(body: LinesBody, value: Any = 1) -> Failure:
    with pytest.raises(Failure) as caught:
        await done(body, value)
    return caught.value


async def test_one_process_does_many_tasks_at_once() -> None:
    source = (
        "coming = lines(); tasks = [next(coming) for _ in range(3)]\n"
        "for task in reversed(tasks): say(id=task['id'], output=[os.getpid(), task['input']])\n"
        "for task in coming: say(id=task['id'], output=[os.getpid(), task['input']])"
    )
    async with program(source) as body:
        first = await asyncio.gather(*(done(body, number) for number in range(3)))
        later = await done(body, "later")
    assert [value for _, value in first] == [0, 1, 2]
    assert {pid for pid, _ in [*first, later]} == {later[0]}


async def test_a_task_says_what_it_is_about_on_one_line() -> None:
    async with program("for task in lines(): say(id=task['id'], output=task)") as body:
        context = Context.for_test(idempotency_key='key-"ü"', attempt=3)
        output = await body(b'{\n"a":\r\n"b\\n"}', context)
        told = orjson.loads(output.data)
    assert told == {
        "id": "1",
        "input": {"a": "b\n"},
        "context": {"run": "run_test", "task": "test", "attempt": 3, "idempotency_key": 'key-"ü"'},
    }


async def test_an_answer_says_how_sure_it_is_what_it_cost_and_how_far_it_was() -> None:
    source = (
        "for task in lines():\n"
        "  say(id=task['id'], progress={'fraction': 0.5, 'message': 'half'})\n"
        "  say(id=task['id'], output=7, confidence=0.25, cost='0.1')"
    )
    reports: list[ProgressPayload] = []
    link = Link()
    link.report = reports.append
    async with program(source) as body:
        assert await body(b"1", Context.for_test(link=link)) == Output(b"7", 0.25, "0.1")
    assert reports == [ProgressPayload(0.5, "half")]


async def test_a_failure_is_told() -> None:
    told = {"code": "no-luck", "message": "not now", "retryable": True, "details": {"a": 1}}
    async with program(f"for task in lines(): say(id=task['id'], failure={told!r})") as body:
        failure = await failure_of(body)
    assert (failure.code, failure.message, failure.retryable, failure.details) == tuple(told.values())


async def test_a_program_that_ends_says_why_and_is_started_again() -> None:
    source = (
        "for task in lines():\n"
        "  if task['input'] == 'end': print('x' * 100_000 + 'the reason', file=sys.stderr); sys.exit(3)\n"
        "  if task['input'] != 'wait': say(id=task['id'], output=[os.getpid(), 1])"
    )
    async with program(source) as body:
        first, _ = await done(body)
        waiting = asyncio.create_task(failure_of(body, "wait"))
        failure = await failure_of(body, "end")
        assert (failure.code, failure.retryable, failure.details) == ("command-ended", True, {"exit_code": 3})
        assert failure.message.endswith("the reason")
        assert len(failure.message) < 2000
        assert (await waiting).code == "command-ended"
        second, _ = await done(body)
    assert first != second


async def test_a_program_that_gives_no_answer_is_started_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def no_sleep(delay: float) -> None:
        waited.append(delay)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", no_sleep)
    async with program("next(lines())") as body:
        for _ in range(12):
            assert (await failure_of(body)).code == "command-ended"
    assert waited[:3] == [BACKOFF_FIRST_S, 2 * BACKOFF_FIRST_S, 4 * BACKOFF_FIRST_S]
    assert waited[-1] == BACKOFF_MAX_S


@pytest.mark.parametrize(
    "said",
    [
        "hello",
        '{"id": "1", "output": NaN}',
        '{"id": "1", "output": 1, "output": 2}',
        '{"id": "1"}',
        '{"id": "1", "output": 1, "failure": {"code": "a", "message": "b"}}',
        '{"id": "1", "output": 1, "confidence": 2}',
        '{"id": "1", "output": 1, "cost": "much"}',
        '{"id": "1", "failure": {"code": "no code", "message": "b"}}',
        '{"output": 1}',
        '{"id": "1", "output": 1, "more": 1}',
        "",
    ],
)
async def test_what_is_no_answer_ends_the_program(said: str) -> None:
    async with program(f"next(lines()); print({said!r}, flush=True); time.sleep(600)") as body:
        failure = await failure_of(body)
    assert (failure.code, failure.retryable, failure.details) == ("command-ended", True, {"exit_code": -9})
    assert "a line that is no answer" in failure.message


async def test_a_line_is_bounded() -> None:
    async with program("next(lines()); print('x' * 10_000, flush=True)", line_max_bytes=1000) as body:
        assert "a line that is no answer" in (await failure_of(body)).message


async def test_answers_that_nobody_waits_for_are_no_matter() -> None:
    source = (
        "for task in lines(): say(id='other', output=1); say(id=task['id'], output=2); say(id=task['id'], output=3)"
    )
    async with program(source) as body:
        assert [await done(body), await done(body)] == [2, 2]


async def test_what_cannot_be_started_says_so() -> None:
    async with LinesBody(["/there/is/none"], {}) as body:
        assert (await failure_of(body)).code == "command-unusable"


async def test_a_cancelled_task_is_called_off_and_the_others_go_on() -> None:
    source = (
        "for task in lines():\n"
        "  if 'cancel' in task: say(id=task['id'], failure={'code': 'cancelled', 'message': ''}); called = task['id']\n"
        "  elif task['input'] == 'long': say(id=task['id'], progress={'fraction': 0})\n"
        "  else: say(id=task['id'], output=[os.getpid(), called])"
    )
    begun = asyncio.Event()
    link = Link()
    link.report = lambda _: begun.set()
    async with program("called = ''\n" + source) as body:
        pid, _ = await done(body)
        long = asyncio.create_task(done(body, "long", Context.for_test(link=link)))
        await begun.wait()
        long.cancel()
        with suppress(asyncio.CancelledError):
            await long
        assert long.cancelled()
        assert await done(body) == [pid, "2"]


async def test_a_program_that_does_not_call_off_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accord.sdk.lines.CANCEL_GRACE_S", 0.0)
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    source = (
        "import subprocess\n"
        f"held = os.open({str(pipe)!r}, os.O_WRONLY)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], pass_fds=[held])\n"
        "next(lines()); next(lines()); os.write(held, b'x'); time.sleep(600)"
    )
    async with program(source) as body:
        one, other = asyncio.create_task(done(body)), asyncio.create_task(failure_of(body))
        reader = await asyncio.to_thread(pipe.open, "rb", buffering=0)
        with reader:
            assert await asyncio.to_thread(reader.read, 1) == b"x"
            one.cancel()
            assert "was not answered" in (await other).message
            assert await asyncio.to_thread(reader.read, 1) == b""
        await asyncio.gather(one, return_exceptions=True)
        assert one.cancelled()


@pytest.mark.parametrize("ending", ["", "; time.sleep(600)"])
async def test_closing_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    if ending:
        monkeypatch.setattr("accord.sdk.lines.STOP_GRACE_S", 0.0)
    said = tmp_path / "said"
    source = f"{ECHO}\nopen({str(said)!r}, 'w').write('goodbye'){ending}"
    body = program(source)
    async with body:
        async with body:
            pid, _ = await done(body)
        assert (await done(body))[0] == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    if not ending:
        assert said.read_text() == "goodbye"
    assert (await failure_of(body)).code == "command-stopped"


def test_a_declared_agent_says_that_its_command_takes_lines() -> None:
    run: dict[str, Any] = {"command": [sys.executable, "-c", "pass"], "lines": True}
    capability: dict[str, Any] = {"input": True, "output": True, "max_cost": "1.5", "run": run}
    document = {"accord": "agent/1", "name": "lines", "capabilities": {"text.count@1.0.0": capability}}
    assert isinstance(declared_agent(document).capabilities["text.count@1.0.0"].body, LinesBody)
    capability["run"] = {"python": "a:b", "lines": True}
    with pytest.raises(BadInput, match="ACC740"):
        declared_agent(document)
