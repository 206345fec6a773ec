"""Agents that are declared: commands, HTTP endpoints and Python callables; and agents that are loaded from code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from accord.errors import BadInput
from accord.sdk import Agent, Context, Failure
from accord.sdk.command import CommandBody
from accord.sdk.declared import DEFAULT_TIMEOUT, declared_agent
from accord.sdk.endpoint import EndpointBody
from accord.sdk.load import load_agents
from accord.sdk.outcome import Output

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}
EXAMPLES = Path(__file__).parents[2] / "examples" / "agents"


def document(run: dict[str, Any], **changed: Any) -> dict[str, Any]:
    capability = {"description": "Counts.", "input": TEXT, "output": {"type": "integer"}, "run": run} | changed
    return {"accord": "agent/1", "name": "counter", "capabilities": {"text.count@1.0.0": capability}}


def script(source: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-c", source]}


async def answered(declared: dict[str, Any], text: str = "a b c") -> Output:
    agent = declared_agent(declared)
    body = agent.capabilities["text.count@1.0.0"].body
    return await body(orjson.dumps({"text": text}), Context.for_test(idempotency_key="key-ü"))


async def called(declared: dict[str, Any], text: str = "a b c") -> bytes:
    return (await answered(declared, text)).data


async def failure_of(declared: dict[str, Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        await called(declared)
    return caught.value


def problems_of(declared: dict[str, Any]) -> set[tuple[str, str | None]]:
    with pytest.raises(BadInput) as caught:
        declared_agent(declared)
    return {(problem.code, problem.place.pointer) for problem in caught.value.problems}


# -- the document --------------------------------------------------------------------------------------


def test_a_document_says_all_about_an_agent() -> None:
    declared = document(
        {"command": ["wc", "-w"]},
        deadline="1m30s",
        confidence=0.5,
        tags=["text"],
        examples=[{"text": "a"}],
    )
    agent = declared_agent(declared | {"organisation": "acme", "description": "All.", "concurrency": 2, "queue": 0})
    assert (agent.id, agent.description) == ("spiffe://acme/agent/counter", "All.")
    assert (agent.capacity.concurrency, agent.capacity.queue) == (2, 0)
    capability = agent.capabilities["text.count@1.0.0"]
    assert capability.contract.document() == {
        "capability": "text.count",
        "version": "1.0.0",
        "input": TEXT,
        "output": {"type": "integer"},
        "limits": {"deadline_s": 90, "min_confidence": "0.5"},
    }
    assert (capability.terms.description, capability.terms.tags) == ("Counts.", ("text",))


def test_all_that_breaks_the_shape_is_told_with_its_place() -> None:
    declared = document({"command": ["wc"], "python": "a:b", "shell": True}, deadline="soon", price=1)
    found = problems_of(declared | {"accord": "agent/2", "nmae": "x"})
    at = "/capabilities/text.count@1.0.0"
    assert found >= {
        ("ACC740", "/nmae"),
        ("ACC740", "/accord"),
        ("ACC740", f"{at}/price"),
        ("ACC740", f"{at}/run/shell"),
        ("ACC740", f"{at}/run"),
        ("ACC740", f"{at}/deadline"),
    }


def test_all_capabilities_are_looked_at() -> None:
    declared = document({"command": ["there-is-no-such-program"]})
    declared["capabilities"] |= {
        "Wrong/name": {"run": {"http": {"url": "https://example.org/"}}},
        "text.other@1.0.0": {"run": {"python": "there.is.none:such"}},
        "text.bad@1.0.0": {"run": {"command": ["wc"]}, "input": {"type": "wrong"}, "output": True},
    }
    assert problems_of(declared) == {
        ("ACC741", "/capabilities/text.count@1.0.0/run/command/0"),
        ("ACC230", "/capabilities/Wrong~1name"),
        ("ACC741", "/capabilities/Wrong~1name"),
        ("ACC741", "/capabilities/text.other@1.0.0/run/python"),
        ("ACC240", "/capabilities/text.bad@1.0.0/input/type"),
    }


@pytest.mark.parametrize("url", ["ftp://example.org", "https://user:secret@example.org/", "example.org"])
def test_only_plain_http_urls_are_taken(url: str) -> None:
    at = "/capabilities/text.count@1.0.0/run/http/url"
    assert ("ACC740", at) in problems_of(document({"http": {"url": url}}))


def test_a_duration_that_is_none_is_refused() -> None:
    at = "/capabilities/text.count@1.0.0"
    assert problems_of(document({"command": ["wc"]}, deadline="99999999999999d")) == {("ACC740", f"{at}/deadline")}


# -- Python callables ----------------------------------------------------------------------------------


def count(text: str) -> int:
    return len(text.split())


async def test_a_callable_is_bound_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bound_here", sys.modules[__name__])
    assert await called(document({"python": "bound_here:count"})) == b"3"
    derived = document({"python": "bound_here:count"})
    del derived["capabilities"]["text.count@1.0.0"]["input"], derived["capabilities"]["text.count@1.0.0"]["output"]
    assert declared_agent(derived).capabilities["text.count@1.0.0"].contract.input.document == TEXT
    assert ("ACC741", "/capabilities/text.count@1.0.0/run/python") in problems_of(
        document({"python": "bound_here:EXAMPLES"})
    )


# -- commands ------------------------------------------------------------------------------------------


async def test_a_command_reads_and_writes_json() -> None:
    assert await called(document({"command": ["wc", "-w"]})) == b"3"


@pytest.mark.abuse(
    "ASI05",
    at="agent",
    stride="information disclosure",
    case="a program that is an agent sees nothing of the environment of its host",
)
async def test_a_command_has_little_environment_and_knows_its_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hidden")
    run = script("import json, os; print(json.dumps(dict(os.environ)))") | {"environment": {"MORE": "1"}}
    environment = orjson.loads(await called(document(run, output=True)))
    environment.pop("LC_CTYPE", None)  # Python sets it for itself
    assert environment == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MORE": "1",
        "ACCORD_RUN": "run_test",
        "ACCORD_TASK": "test",
        "ACCORD_ATTEMPT": "1",
        "ACCORD_IDEMPOTENCY_KEY": "key-ü",
    }


@pytest.mark.parametrize(("code", "retryable"), [(1, True), (os.EX_TEMPFAIL, True), (os.EX_DATAERR, False)])
async def test_a_command_that_fails_says_why(code: int, retryable: bool) -> None:
    source = f"import sys; sys.stderr.write('x' * 100_000 + 'the reason'); sys.exit({code})"
    failure = await failure_of(document(script(source)))
    assert (failure.code, failure.retryable, failure.details) == ("command-failed", retryable, {"exit_code": code})
    assert failure.message.endswith("the reason")
    assert len(failure.message) < 2000


@pytest.mark.parametrize("source", ["print('no json')", "print('NaN')", 'print(\'{"a":1,"a":2}\')', "pass"])
async def test_a_command_writes_strict_json(source: str) -> None:
    assert (await failure_of(document(script(source)))).code == "output-not-json"


@pytest.mark.parametrize(
    ("written", "confidence", "cost"),
    [
        ('{"output": 3}', None, None),
        ('{"output": 3, "confidence": 0.75, "cost": "0.50"}', 0.75, "0.50"),
        ('{"cost": "2", "output": 3}\\n', None, "2"),
    ],
)
async def test_an_envelope_says_more_than_the_output(written: str, confidence: float | None, cost: str | None) -> None:
    run = script(f"print('{written}', end='')") | {"envelope": True}
    output = await answered(document(run, max_cost="3"))
    assert (output.data, output.confidence, output.cost) == (b"3", confidence, cost)


async def test_an_envelope_may_hold_a_failure() -> None:
    told = {"code": "sold-out", "message": "none left", "retryable": True, "details": {"item": "nut"}}
    run = script(f"import json; print(json.dumps({{'failure': {told!r}, 'cost': '0.1'}}))") | {"envelope": True}
    failure = await failure_of(document(run))
    assert (failure.code, failure.retryable, failure.details, failure.cost) == (
        "sold-out",
        True,
        {"item": "nut"},
        "0.1",
    )


@pytest.mark.parametrize(
    "written",
    [
        "3", "{}", '{"output": 1, "failure": {"code": "x", "message": ""}}', '{"output": 1, "confidence": 2}',
        '{"output": 1, "cost": 0.5}', '{"output": 1, "cost": "-1"}', '{"output": 1, "more": 1}', '{"output": 1', "",
        '{"output": {"a": 1, "a": 2}}',
    ],
)  # fmt: skip
async def test_what_is_no_envelope_is_no_answer(written: str) -> None:
    failure = await failure_of(document(script(f"print('{written}')") | {"envelope": True}))
    assert (failure.code, failure.retryable) == ("answer-malformed", True)


async def test_what_looks_like_an_envelope_is_a_plain_output_where_none_is_declared() -> None:
    envelope = '{"output": 3, "confidence": 0.5}'
    output = await answered(document(script(f"print('{envelope}')"), output=True))
    assert (output.data.decode(), output.confidence) == (envelope, None)


def test_a_limit_of_cost_wants_a_command_that_can_tell_it() -> None:
    at = "/capabilities/text.count@1.0.0"
    assert problems_of(document({"command": ["wc"]}, max_cost="1")) == {("ACC741", f"{at}/max_cost")}
    assert problems_of(document({"command": ["wc"], "lines": True, "envelope": True})) == {
        ("ACC741", f"{at}/run/envelope")
    }
    assert ("ACC740", f"{at}/run") in problems_of(document({"python": "a:b", "envelope": True}))
    declared_agent(document({"http": {"url": "http://agent.example/"}}, max_cost="1"))


async def test_a_command_writes_only_so_much() -> None:
    source = "import sys\nwhile True: sys.stdout.write('x' * 1000)"
    body = CommandBody([sys.executable, "-c", source], {}, max_bytes=10_000)
    with pytest.raises(Failure, match="output-too-large"):
        await body(b"{}", Context.for_test())


async def test_a_command_that_does_not_read_its_input_is_no_failure() -> None:
    assert await called(document(script("print(1)")), text="x" * 1_000_000) == b"1"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
def test_a_command_that_has_ended_before_its_input_is_written_is_no_failure() -> None:
    """The loop of the command line says in another way than asyncio's own that a pipe is closed."""
    uvloop = pytest.importorskip("uvloop")

    async def several() -> list[bytes]:
        declared = document({"command": ["/bin/echo", "1"]})
        return [await called(declared) for _ in range(20)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert set(runner.run(several())) == {b"1"}


@pytest.mark.abuse(
    "ASI05",
    "ASI10",
    at="agent",
    stride="denial of service",
    case="a program that is cancelled is killed with all it started",
)
async def test_a_cancelled_command_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    # Both processes hold the pipe open for writing: its reader sees the end when both are gone.
    source = (
        "import os, subprocess, sys, time\n"
        f"held = os.open({str(pipe)!r}, os.O_WRONLY)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], pass_fds=[held])\n"
        "os.write(held, b'x')\n"
        "time.sleep(600)\n"
    )
    body = CommandBody([sys.executable, "-c", source], {})
    running = asyncio.ensure_future(body(b"{}", Context.for_test()))
    reader = await asyncio.to_thread(pipe.open, "rb", buffering=0)
    with reader:
        assert await asyncio.to_thread(reader.read, 1) == b"x"
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert running.cancelled()
        assert await asyncio.to_thread(reader.read, 1) == b""


# -- HTTP endpoints ------------------------------------------------------------------------------------

Respond = Callable[[httpx.Request], httpx.Response]


async def posted(respond: Respond, **options: Any) -> bytes:
    return (await replied(respond, **options)).data


async def replied(respond: Respond, **options: Any) -> Output:
    transport = httpx.MockTransport(respond)
    url = "http://agent.example/count"
    body = EndpointBody(url, {"Authorization": "Bearer t"}, DEFAULT_TIMEOUT, transport=transport, **options)
    return await body(b'{"text":"a"}', Context.for_test(idempotency_key="key-ü"))


async def test_the_headers_of_an_endpoint_say_how_sure_it_is_and_what_it_has_spent() -> None:
    told = {"accord-confidence": "0.8", "ACCORD-COST": "0.250"}
    output = await replied(lambda _: httpx.Response(200, headers=told, content=b"3"))
    assert (output.data, output.confidence, output.cost) == (b"3", 0.8, "0.25")
    with pytest.raises(Failure, match="http-status") as caught:
        await replied(lambda _: httpx.Response(500, headers={"Accord-Cost": "7"}))
    assert caught.value.cost == "7"


@pytest.mark.parametrize(
    ("name", "value"),
    [("Accord-Confidence", "nan"), ("Accord-Confidence", "1.1"), ("Accord-Confidence", "high"), ("Accord-Cost", "-1")],
)
async def test_a_header_that_cannot_be_understood_is_no_answer(name: str, value: str) -> None:
    with pytest.raises(Failure, match=f"answer-malformed: .*{name}") as caught:
        await replied(lambda _: httpx.Response(200, headers={name: value}, content=b"3"))
    assert caught.value.retryable


async def test_an_endpoint_gets_the_input_and_the_idempotency_key() -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, content=b' {"count": 1}\n')

    assert await posted(respond) == b'{"count": 1}'
    headers = dict(seen[0].headers.raw)
    assert (seen[0].method, seen[0].content) == ("POST", b'{"text":"a"}')
    assert headers[b"idempotency-key"] == "key-ü".encode()
    assert (headers[b"content-type"], headers[b"authorization"]) == (b"application/json", b"Bearer t")


@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (404, False), (429, True), (500, True), (503, True), (302, False)]
)
async def test_a_status_says_whether_to_try_again(status: int, retryable: bool) -> None:
    calls = 0

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(status, headers={"location": "http://elsewhere.example/"})

    with pytest.raises(Failure) as caught:
        await posted(respond)
    assert (caught.value.code, caught.value.retryable, calls) == ("http-status", retryable, 1)


async def test_an_endpoint_that_does_not_answer_may_be_tried_again() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    for respond, code in ((slow, "http-timeout"), (away, "http-unreachable")):
        with pytest.raises(Failure) as caught:
            await posted(respond)
        assert (caught.value.code, caught.value.retryable) == (code, True)


async def test_an_endpoint_sends_strict_json_and_only_so_much() -> None:
    with pytest.raises(Failure, match="output-not-json"):
        await posted(lambda _: httpx.Response(200, content=b"<html>"))
    with pytest.raises(Failure, match="output-too-large"):
        await posted(lambda _: httpx.Response(200, content=b"1" * 101), max_bytes=100)


# -- loading -------------------------------------------------------------------------------------------


def test_agents_are_loaded_from_files_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from accord.sdk import Agent\none, two = Agent('one'), Agent('two')\nboth = [one, two]\nother = 3\n"
    (tmp_path / "some_agents.py").write_text(source)
    path = str(tmp_path / "some_agents.py")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for target, names in (
        (path, ["one", "two"]),
        (f"{path}:two", ["two"]),
        (f"{path}:both", ["one", "two"]),
        ("some_agents", ["one", "two"]),
        ("some_agents:one", ["one"]),
    ):
        assert [agent.name for agent in load_agents(target)] == names
    for target, code in (
        (f"{path}:other", "ACC746"),
        (f"{path}:none", "ACC746"),
        (str(tmp_path / "none.py"), "ACC745"),
        ("there.is.none", "ACC745"),
    ):
        with pytest.raises(BadInput, match=code):
            load_agents(target)


def test_what_the_code_refuses_is_told_as_it_is(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from accord.sdk import Agent\nAgent('Not a name')\n")
    with pytest.raises(BadInput, match="ACC728"):
        load_agents(str(wrong))
    wrong.write_text("1 / 0\n")
    with pytest.raises(BadInput, match=r"ACC745 .*ZeroDivisionError"):
        load_agents(str(wrong))


# -- the examples --------------------------------------------------------------------------------------

CALLS = [
    ("summarize", {"text": "Bees dance. Bees tell where. So.", "sentences": 1}, {"sentences": ["Bees tell where."]}),
    ("primes", {"below": 100}, {"count": 25, "greatest": 97}),
    ("primes", {"below": 0}, {"count": 0, "greatest": None}),
    ("orders", {"item": "bolt", "amount": 2}, {"number": "order-1", "amount": 2}),
]


def example(name: str) -> Agent:
    return load_agents(str(EXAMPLES / f"{name}.py"))[0]


@pytest.mark.parametrize(("name", "given", "expected"), CALLS)
async def test_an_example_does_what_it_says(name: str, given: Any, expected: dict[str, Any]) -> None:
    (capability,) = example(name).capabilities.values()
    assert not capability.contract.violations_of_input(given)
    output = orjson.loads((await capability.body(orjson.dumps(given), Context.for_test())).data)
    assert not capability.contract.violations_of_output(output)
    assert output == {**output, **expected}


async def test_the_order_example_books_once_per_key() -> None:
    (capability,) = example("orders").capabilities.values()
    order, context = b'{"item":"nut","amount":2}', Context.for_test()
    assert await capability.body(order, context) == await capability.body(order, context)
    with pytest.raises(Failure, match="out-of-stock"):
        await capability.body(order, Context.for_test(idempotency_key="another"))


def test_there_is_a_call_for_every_example() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {name for name, _, _ in CALLS}
