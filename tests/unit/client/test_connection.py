"""The client under a bad wire: what is sent again, how long it rests, where a feed goes on, which error is raised."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from accord import errors
from accord.client.answers import error_of
from accord.client.client import Client
from accord.client.connection import Connection
from accord.client.patience import Patience
from accord.errors import (
    AccordError,
    BadInput,
    Forbidden,
    NotFound,
    Overloaded,
    Place,
    Problem,
    RateLimited,
    StoreUnavailable,
    Unauthenticated,
)
from accord.gateway.problems import answer_error

URL = "http://127.0.0.1:8421"
Answer = httpx.Response | Exception
BUSY = {"problems": [{"code": "ACC451", "message": "too much to do"}], "kind": "overloaded"}


class Wire(httpx.AsyncBaseTransport):
    """Answers as it was told, one request after the other, and keeps the requests."""

    def __init__(self, *answers: Answer | Callable[[], Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.rested: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        answer = self.answers.pop(0)
        answer = answer() if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


@asynccontextmanager
async def wired(*answers: Any, **patience: Any) -> AsyncIterator[tuple[Connection, Wire]]:
    wire = Wire(*answers)
    async with Connection(URL, "key", transport=wire, patience=Patience(**patience)) as connection:
        connection._rest = wire.rest
        yield connection, wire


def ok(value: Any = None) -> httpx.Response:
    return httpx.Response(200, json=value)


def refused(status: int, kind: str = "error", code: str = "ACC1", **headers: str) -> httpx.Response:
    body = {"problems": [{"code": code, "message": "no"}], "kind": kind}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


# -- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [httpx.ConnectError("no"), httpx.ReadError("cut"), httpx.ReadTimeout("late")])
async def test_what_makes_something_is_sent_again_under_the_same_key(first: Exception) -> None:
    async with wired(first, ok(1)) as (connection, wire):
        assert await connection.post("/v1/runs", {"n": 1}, int) == 1
    keys = [request.headers["Idempotency-Key"] for request in wire.asked]
    assert keys[0] == keys[1]
    assert wire.asked[0].content == wire.asked[1].content == b'{"n":1}'


async def test_two_requests_have_two_keys_and_a_key_of_the_callers_is_kept() -> None:
    async with wired(ok(1), ok(1), ok(1)) as (connection, wire):
        await connection.post("/a", {}, int)
        await connection.post("/a", {}, int)
        await connection.post("/a", {}, int, once="mine")
    keys = [request.headers["Idempotency-Key"] for request in wire.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


async def test_what_is_taken_away_is_not_sent_again_once_it_may_have_arrived() -> None:
    async with wired(httpx.ReadError("cut")) as (connection, wire):
        with pytest.raises(StoreUnavailable, match="ACC970"):
            await connection.delete("/v1/holds", int)
    async with wired(httpx.ConnectError("no"), ok(1)) as (connection, wire):
        assert await connection.delete("/v1/holds", int) == 1
    assert len(wire.asked) == 2


async def test_what_would_be_made_twice_is_not_sent_again_once_it_may_have_arrived() -> None:
    for answer in (httpx.ReadError("cut"), httpx.Response(503, json=BUSY)):
        async with wired(answer) as (connection, _):
            with pytest.raises(AccordError, match=r"ACC970|ACC451"):
                await connection.post("/v1/enrolments", {}, int, again=False)
    async with wired(httpx.ConnectError("no"), refused(429, "rate_limited"), ok(1)) as (connection, _):
        assert await connection.post("/v1/enrolments", {}, int, again=False) == 1


def not_there() -> httpx.ConnectError:
    """What the wire raises where nobody listens at any of the addresses of a name."""
    both = ExceptionGroup("all", [OSError("no route"), ConnectionRefusedError(111, "refused")])
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("all failed")
    error.__cause__.__cause__ = both
    return error


async def test_where_nobody_listens_it_is_given_up_sooner_than_where_somebody_is_slow() -> None:
    told = {"attempts": 4, "first_rest_s": 1.0, "longest_rest_s": 1.0}
    async with wired(*[httpx.ConnectTimeout("slow")] * 4, refused_s=0.0, **told) as (connection, wire):
        with pytest.raises(StoreUnavailable, match=r"ACC970 the server at .*: slow"):
            await connection.get("/a", int)
    assert len(wire.asked) == 4
    async with wired(not_there(), refused_s=0.0, **told) as (connection, wire):
        with pytest.raises(StoreUnavailable, match=r"ACC970 the server at .*: nobody listens there"):
            await connection.get("/a", int)
    assert wire.rested == []
    async with wired(*[not_there()] * 99, refused_s=10.0, **told) as (connection, wire):
        with pytest.raises(StoreUnavailable, match="ACC970"):
            await connection.get("/a", int)
    assert 9 <= sum(wire.rested) <= 10
    async with wired(*[not_there()] * 9, ok(1), refused_s=10.0, **told) as (connection, wire):
        assert await connection.get("/a", int) == 1


async def test_a_certificate_that_is_not_believed_is_looked_at_once() -> None:
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")
    async with wired(error) as (connection, wire):
        with pytest.raises(StoreUnavailable, match="ACC970"):
            await connection.get("/a", int)
    assert (len(wire.asked), wire.rested) == (1, [])


class Held(httpx.AsyncBaseTransport):
    """Does what it is told once somebody has been told that it waits."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.words: list[str] = []
        self.told = asyncio.Event()

    def tell(self, words: str) -> None:
        self.words.append(words)
        self.told.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        await self.told.wait()
        return answer


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ((), "has yet to answer: waiting 60 s at most"),
        ((not_there(),), "Nobody listens at http://127.0.0.1:8421 yet: trying again for 7 s"),
        ((httpx.ReadError("cut"),), "cannot be reached: trying 6 times"),
    ],
)
async def test_who_waits_is_told_once_what_for_and_how_long(
    before: tuple[Exception, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accord.client.connection.TOLD_AFTER_S", 0.0)
    wire = Held(*before, ok(1), ok(2))
    patience = Patience(first_rest_s=0.0, refused_s=7.0)
    async with Connection(URL, "key", transport=wire, patience=patience, tell=wire.tell) as connection:
        assert [await connection.get("/a", int) for _ in range(2)] == [1, 2]
    assert len(wire.words) == 1
    assert words in wire.words[0]


async def test_a_busy_server_is_asked_again_when_it_says() -> None:
    answers = (refused(429, "rate_limited", Retry_After="3"), httpx.Response(503, json=BUSY), ok(1))
    async with wired(*answers) as (connection, wire):
        assert await connection.get("/a", int) == 1
    first, second = wire.rested
    assert first >= 3
    assert 0 < second < 1


async def test_rests_grow_and_end() -> None:
    async with wired(*[httpx.Response(503, json=BUSY)] * 6) as (connection, wire):
        with pytest.raises(Overloaded, match="ACC451"):
            await connection.get("/a", int)
    assert len(wire.rested) == 5
    assert all(later > earlier for earlier, later in zip(wire.rested, wire.rested[2:], strict=False))


async def test_who_asks_for_more_patience_than_there_is_is_believed_at_once() -> None:
    async with wired(refused(429, "rate_limited", Retry_After="3600")) as (connection, wire):
        with pytest.raises(RateLimited) as limited:
            await connection.get("/a", int)
    assert limited.value.retry_after_s == 3600
    assert wire.rested == []


async def test_a_refusal_is_raised_at_once() -> None:
    async with wired(refused(409, "refused")) as (connection, wire):
        with pytest.raises(errors.Refused):
            await connection.post("/a", {}, int)
    assert wire.rested == []


async def test_an_answer_that_is_none_of_accords_is_told_as_such() -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(404, text="nothing"), ok("words")):
        async with wired(answer) as (connection, _):
            with pytest.raises(StoreUnavailable, match="ACC971"):
                await connection.get("/a", int)


# -- errors ------------------------------------------------------------------------------------------------------


def every_error(kind: type[AccordError] = AccordError) -> list[type[AccordError]]:
    return [kind, *[below for one in kind.__subclasses__() for below in every_error(one)]]


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind.__module__ == "accord.errors"])
def test_every_error_comes_back_as_itself_with_all_its_problems(kind: type[AccordError]) -> None:
    problems = (
        Problem("ACC111", "one", Place(file="a.yaml", line=3, pointer="/a"), "do this"),
        Problem("ACC112", "two"),
    )
    sent = answer_error(kind(*problems), "request")
    got = error_of(
        httpx.Response(sent.status_code, content=bytes(sent.body), headers=dict(sent.headers)), httpx.URL(URL)
    )
    if issubclass(kind, errors.StoreError | errors.KeyUnusable):
        assert [one.code for one in got.problems] == ["ACC111", "ACC112"], "the rest is the operator's business"
    else:
        assert got.problems == problems
    assert type(got) is kind or kind is AccordError


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, NotFound), (422, BadInput), (413, BadInput)]
)
def test_an_answer_of_the_framework_is_an_error_by_its_status(status: int, kind: type[AccordError]) -> None:
    assert type(error_of(refused(status), httpx.URL(URL))) is kind


# -- where, and with what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["ftp://a", "a.example", "http://", "http://a:b@127.0.0.1", "http://127.0.0.1?x=1"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="ACC972"):
        Connection(url, "key")


def test_a_key_is_sent_in_the_clear_to_this_machine_alone() -> None:
    with pytest.raises(BadInput, match="ACC974"):
        Connection("http://accord.example.org", "key")
    for url in ("http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://accord.example.org"):
        assert Connection(url, "key").url.host
    assert Connection("http://accord.example.org", "key", insecure_http=True).url.host == "accord.example.org"


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "schlüssel"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(Unauthenticated, match="ACC973"):
        Connection(URL, key)


# -- feeds -------------------------------------------------------------------------------------------------------


class Cut(httpx.AsyncByteStream):
    """A body that ends in the middle of things."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part


def event(number: int) -> bytes:
    return b'event: record\ndata: {"n":"\xe2\x80\xa8"}\nid: %d\n\n' % number


END = b"event: end\ndata: {}\n\n"


def feed(*parts: bytes | Exception) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Cut(*parts))


async def numbers(connection: Connection, **more: Any) -> list[int]:
    found = []
    async for one in connection.feed("/feed", **more):
        if one.event == "record":
            assert one.data == '{"n":"\u2028"}', "only new lines end a line"
            found.append(int(one.id))
    return found


@pytest.mark.parametrize("cut", [httpx.ReadError("cut"), httpx.ReadTimeout("silent"), None])
async def test_a_feed_goes_on_behind_the_last_event_that_was_whole(cut: Exception | None) -> None:
    half = event(3)[:9]
    first = feed(event(1), event(2), half, *([cut] if cut else []))
    async with wired(first, httpx.ConnectError("restarting"), feed(event(3), b": still here\n\n", END)) as (it, wire):
        assert await numbers(it) == [1, 2, 3]
    assert [request.headers["Last-Event-ID"] for request in wire.asked] == ["0", "2", "2"]
    assert len(wire.rested) == 2


async def test_whoever_follows_a_feed_is_told_when_it_is_gone_for_longer() -> None:
    wire, words = Wire(feed(event(1)), not_there(), not_there(), feed(event(2), END)), []
    async with Connection(URL, "key", transport=wire, tell=words.append) as connection:
        connection._rest = wire.rest
        assert await numbers(connection) == [1, 2]
    assert words == [f"The server at {URL} tells nothing more: connecting again, 20 times at most."]


async def test_a_feed_that_is_over_is_over() -> None:
    async with wired(httpx.Response(204)) as (connection, _):
        assert await numbers(connection, after=7) == []


async def test_a_busy_server_is_asked_for_the_feed_again() -> None:
    async with wired(refused(503, "overloaded", Retry_After="4"), feed(event(1), END)) as (connection, wire):
        assert await numbers(connection) == [1]
    assert wire.rested[0] >= 4


async def test_a_feed_that_is_refused_is_not_asked_for_again() -> None:
    async with wired(refused(404, "not_found")) as (connection, _):
        with pytest.raises(NotFound):
            await numbers(connection)
    async with wired(httpx.Response(200, text="<html>")) as (connection, _):
        with pytest.raises(StoreUnavailable, match="ACC971"):
            await numbers(connection)


async def test_a_feed_that_is_cut_again_and_again_without_news_is_given_up() -> None:
    news = [lambda: feed(event(1), httpx.ReadError("cut"))]
    silent = [lambda: feed(httpx.ReadError("cut"))]
    async with wired(*silent * 2, *news, *silent * 2, feed_attempts=3) as (connection, wire):
        with pytest.raises(StoreUnavailable, match="ACC970"):
            await numbers(connection)
    assert len(wire.asked) == 5, "news begin the count anew"


def test_a_url_that_is_not_the_servers_root_is_told_as_that() -> None:
    nothing = answer_error(NotFound.of("ACC950", "nothing has the path /foo/v1/holds"), "request")
    answer = httpx.Response(404, content=bytes(nothing.body), headers=dict(nothing.headers))
    got = error_of(answer, httpx.URL(f"{URL}/foo"))
    assert isinstance(got, BadInput)
    [problem] = got.problems
    assert problem.code == "ACC972"
    assert "is not the URL of a server's root" in problem.message
    assert problem.hint == f"it may be {URL}"
    assert error_of(answer, httpx.URL(URL)).problems[0].code == "ACC950"


async def test_a_document_that_is_to_be_run_is_told_to_be_published_first() -> None:
    async with Client(URL, "key") as client:
        for ask in (client.start, client.plan):
            with pytest.raises(BadInput, match=r"ACC994 .* this is a dict") as refused:
                await ask({"accord": "template/1"})  # type: ignore[arg-type]
            assert "client.publish" in refused.value.problems[0].hint
        with pytest.raises(BadInput, match="ACC995"):
            await client.start("two", {"n": object()})
