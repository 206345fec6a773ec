"""The application around all operations: problems, limits, headers, health, metrics, and what is never told."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import Request
from prometheus_client.parser import text_string_to_metric_families

from accord.client.answers import error_of
from accord.domain.access import ROLES
from accord.errors import BusUnavailable, InputRequired, Place, RateLimited, StoreUnavailable
from accord.gateway.access.rates import CALLERS_MAX, Rates
from accord.gateway.application import Options, openapi_document
from accord.telemetry import METRICS

PROBLEM = "application/problem+json"


def code_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    document = response.json()
    assert document["status"] == status
    assert document["type"] == f"urn:accord:problem:{document['code']}"
    assert document["problems"][0]["code"] == document["code"]
    assert document["instance"].endswith(response.headers["X-Request-Id"])
    return str(document["code"])


# -- problems ----------------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_told_as_a_problem(asker: Any) -> None:
    assert code_of(await asker.http.get("/nowhere"), 404) == "ACC950"
    assert code_of(await asker.http.get("/v1/health/live/"), 404) == "ACC950"
    wrong = await asker.http.post("/v1/health/live")
    assert code_of(wrong, 405) == "ACC951"
    assert wrong.headers["Allow"] == "GET"


async def test_a_browser_that_looks_for_a_page_that_is_not_there_gets_the_console_which_says_so(
    asker: Any, opened: Any
) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = await asker.http.get("/nowhere", headers=browser)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.content == (await asker.http.get("/runs")).content
    assert (page.headers["Cache-Control"], "Content-Security-Policy" in page.headers) == ("no-store", True)
    for path in ("/v1", "/v1/nowhere"):
        assert code_of(await asker.http.get(path, headers=browser), 404) == "ACC950"
    assert code_of(await asker.http.post("/nowhere", headers=browser), 404) == "ACC950"
    without = await opened(Options(console=False))
    assert code_of(await without.http.get("/nowhere", headers=browser), 404) == "ACC950"


async def test_what_an_objective_leaves_out_is_asked_for_and_may_be_given_beside_it(asker: Any) -> None:
    await asker.show("operator")
    lacking = await asker.http.post("/v1/plans", json={"objective": "audit"})
    assert code_of(lacking, 422) == "ACC802"
    told = lacking.json()
    assert told["kind"] == "input_required"
    assert told["wanting"]["template"] == "source-audit@1.0.0"
    assert list(told["wanting"]["schema"]["properties"]) == told["wanting"]["schema"]["required"] == ["directory"]
    error = error_of(lacking, lacking.url)
    assert isinstance(error, InputRequired)
    assert error.wanting is not None
    assert error.wanting.schema == told["wanting"]["schema"]
    body = {"objective": "audit", "input": {"directory": "."}}
    plan = (await asker.http.post("/v1/plans", json=body)).json()
    assert (plan["way"], plan["input"]["directory"]) == ("rules", ".")
    unknown = (await asker.http.post("/v1/plans", json={"objective": "bake a cake"})).json()
    assert unknown["kind"] == "not_understood"
    assert "wanting" not in unknown


async def test_a_body_that_is_no_json_is_told_with_its_place(asker: Any) -> None:
    await asker.show("admin")
    headers = {"Content-Type": "application/json"}
    broken = await asker.http.post("/v1/access/keys", content=b'{"name":\n "a", nonsense', headers=headers)
    assert code_of(broken, 400) == "ACC957"
    [problem] = broken.json()["problems"]
    assert problem["place"] == {"line": 2, "column": 7}
    assert problem["message"].startswith("the body is no JSON: ")
    assert code_of(await asker.http.post("/v1/access/keys", content=b"\xff\xfe", headers=headers), 400) == "ACC957"
    assert code_of(await asker.http.post("/v1/access/keys"), 422) == "ACC956"
    unsaid = await asker.http.post("/v1/access/keys", content=b"{}")
    assert unsaid.json()["problems"][0]["message"] == "the body is not said to be JSON"


async def test_all_that_is_wrong_with_a_body_is_told_with_place_rule_and_way_out(asker: Any) -> None:
    await asker.show("admin")
    answer = await asker.http.post("/v1/runs", json={"templat": "x", "title": 3})
    assert code_of(answer, 422) == "ACC956"
    told = {one["message"]: (one["place"], one.get("hint", "")) for one in answer.json()["problems"]}
    about = "What lists show; the objective where it is left out."
    assert told == {
        '3 is not of type "string"': ({"pointer": "/title"}, f"{about}; rule /properties/title/type"),
        "there is no `templat` here": ({"pointer": "/templat"}, "did you mean `template`? rule /additionalProperties"),
        "name one of objective, template, digest and document, or an objective and what it means": (
            {"pointer": ""},
            "",
        ),
    }
    answer = await asker.http.post("/v1/webhooks", json={"urls": "https://example.org", "types": ["A"]})
    assert {one["message"] for one in answer.json()["problems"]} == {
        '"A" does not match "^[a-z_.]{1,64}\\*?$"',
        "there is no `urls` here",
        '"url" is a required property',
    }


async def test_a_fault_of_ours_tells_nothing_of_the_inside_and_is_logged_with_the_request(
    asker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @asker.gateway.api.get("/test/fault")
    async def fault() -> None:
        raise RuntimeError("the password is swordfish")

    response = await asker.http.get("/test/fault", headers={"X-Request-Id": "the-request-1"})
    assert code_of(response, 500) == "ACC955"
    assert "swordfish" not in response.text
    assert response.headers["X-Request-Id"] == "the-request-1"
    assert "the-request-1" in caplog.text


@pytest.mark.parametrize("given", ["short", "with spaces in it", "x" * 65, "new\\nline-1234", "ümlaut-12345678"])
async def test_a_request_id_that_is_none_is_replaced(asker: Any, given: str) -> None:
    response = await asker.http.get("/v1/health/live", headers={"X-Request-Id": given.encode()})
    assert response.headers["X-Request-Id"] != given


async def test_what_a_store_says_is_logged_and_not_told(asker: Any, caplog: pytest.LogCaptureFixture) -> None:
    @asker.gateway.api.get("/test/store")
    async def store() -> None:
        raise StoreUnavailable.of("ACC520", "/secret/path is full", place=Place(file="/secret/path"))

    response = await asker.http.get("/test/store")
    assert code_of(response, 503) == "ACC520"
    assert response.json()["kind"] == "store_unavailable"
    assert response.headers["Retry-After"]
    assert "secret" not in response.text
    assert "/secret/path is full" in caplog.text
    assert response.headers["X-Request-Id"] in caplog.text


async def test_a_time_that_runs_out_inside_is_a_fault_and_no_late_answer(
    asker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @asker.gateway.api.get("/test/inside")
    async def inside() -> None:
        raise TimeoutError

    assert code_of(await asker.http.get("/test/inside"), 500) == "ACC955"
    assert "TimeoutError" in caplog.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"])
async def test_moments_at_the_ends_of_the_calendar(asker: Any, moment: str) -> None:
    await asker.show("admin")
    new = {"name": "ci", "role": "viewer", "expires_at": moment}
    for answer in (
        await asker.http.get("/v1/runs", params={"since": moment}),
        await asker.http.get("/v1/events", params={"after": moment}),
        await asker.http.get("/v1/events", headers={"Last-Event-ID": moment}),
        await asker.http.delete("/v1/keys/k", params={"since": moment}),
        await asker.http.post("/v1/access/keys", json=new),
    ):
        assert code_of(answer, 422) == "ACC956"
        assert "from 1970 to 9998" in answer.text


async def test_a_moment_of_another_zone_is_one_in_utc(asker: Any) -> None:
    await asker.show("admin")
    new = {"name": "ci", "role": "viewer", "expires_at": "2100-01-01T01:00:00+01:00"}
    issued = await asker.http.post("/v1/access/keys", json=new)
    assert issued.json()["key"]["expires_at"] == "2100-01-01T00:00:00Z"


# -- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.abuse("ASI08", at="gateway", stride="denial of service", case="a body that is too large")
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(opened: Any) -> None:
    asker = await opened(Options(max_body_bytes=1024))
    await asker.show("admin")
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b" " * 512

    announced = await asker.http.post("/v1/access/keys", content=b" " * 1025)
    assert code_of(announced, 413) == "ACC953"
    streamed = await asker.http.post("/v1/access/keys", content=chunks(), headers={"Content-Type": "application/json"})
    assert code_of(streamed, 413) == "ACC953"
    assert taken < 10


@pytest.mark.abuse("ASI08", at="gateway", stride="denial of service", case="slow senders: the body of a request")
async def test_a_request_that_takes_too_long_is_answered(opened: Any) -> None:
    asker = await opened(Options(request_within=timedelta(milliseconds=20)))
    ended = asyncio.Event()

    @asker.gateway.api.get("/test/slow")
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    response = await asker.http.get("/test/slow")
    assert code_of(response, 503) == "ACC954"
    assert response.headers["Retry-After"]
    await ended.wait()


async def test_who_asks_too_often_is_told_when_to_ask_again(opened: Any) -> None:
    asker = await opened(Options(requests_per_second=0.001, burst=3))
    await asker.show("admin")
    for _ in range(3):
        assert (await asker.http.get("/v1/access/keys")).status_code == 200
    refused = await asker.http.get("/v1/access/keys")
    assert code_of(refused, 429) == "ACC952"
    assert int(refused.headers["Retry-After"]) >= 1
    await asker.show("viewer")
    assert (await asker.http.get("/v1/access/keys")).status_code == 403  # somebody else at the same address


async def test_an_address_is_limited_whoever_asks_but_not_its_health_checks(opened: Any) -> None:
    asker = await opened(Options(requests_per_second=0.001, burst=1))
    answers = [(await asker.http.get("/nowhere")).status_code for _ in range(11)]
    assert answers == [404] * 10 + [429]
    assert (await asker.http.get("/v1/health/live")).status_code == 200


async def test_sockets_are_counted_as_well(opened: Any) -> None:
    asker = await opened(Options(requests_per_second=0.001, burst=1))
    for _ in range(10):
        await asker.http.get("/nowhere")
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/socket.io/", "client": ("192.0.2.1", 1), "headers": [], "query_string": b""}
    await asker.gateway(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1013)]


def test_a_bucket_fills_with_time() -> None:
    now = 0.0
    rates = Rates(2.0, 2, lambda: now)
    rates.take("a")
    rates.take("a")
    with pytest.raises(RateLimited) as refused:
        rates.take("a")
    assert refused.value.retry_after_s == 0.5
    rates.take("b")
    now = 0.5
    rates.take("a")
    with pytest.raises(RateLimited):
        rates.take("a")


def test_callers_are_forgotten_when_there_are_too_many() -> None:
    rates = Rates(1.0, 1, lambda: 0.0)
    for number in range(CALLERS_MAX + 1):
        rates.take(str(number))
    rates.take("0")
    with pytest.raises(RateLimited):
        rates.take(str(CALLERS_MAX))


# -- browsers ----------------------------------------------------------------------------------------------------


@pytest.mark.abuse("ASI09", at="gateway", stride="spoofing", case="a page of another origin in a person's browser")
async def test_no_page_of_another_origin_gets_in_unless_it_is_named(opened: Any) -> None:
    closed = await opened()
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("OPTIONS", "GET"):
        response = await closed.http.request(method, "/v1/health/live", headers=asked)
        assert "access-control-allow-origin" not in response.headers
    open_ = await opened(Options(cors_origins=("https://console.example",)))
    for origin, allowed in (("https://console.example", "https://console.example"), ("https://evil.example", None)):
        response = await open_.http.get("/v1/health/live", headers={"Origin": origin})
        assert response.headers.get("access-control-allow-origin") == allowed


async def test_socket_io_takes_no_page_of_another_origin(opened: Any) -> None:
    asker = await opened()
    path = "/socket.io/?EIO=4&transport=polling"
    assert (await asker.http.get(path)).status_code == 200
    refused = await asker.http.get(path, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 400


async def test_every_answer_has_the_headers_of_security(asker: Any) -> None:
    for path in ("/v1/health/live", "/nowhere", "/socket.io/?EIO=4&transport=polling"):
        headers = (await asker.http.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


# -- what is told, and what is not -------------------------------------------------------------------------------


@pytest.mark.abuse("ASI03", at="gateway", stride="information disclosure", case="secrets in logs")
async def test_no_secret_is_logged(asker: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    @asker.gateway.api.post("/test/fault")
    async def fault(request: Request) -> None:
        await request.body()
        raise RuntimeError("a fault")

    key = await asker.key("admin")
    secret = key.rpartition("_")[2]
    shown = {"Authorization": f"Bearer {key}"}
    made = await asker.http.post("/v1/access/keys", json={"name": "ci", "role": "viewer"}, headers=shown)
    await asker.http.post("/test/fault", json={"token": key}, headers=shown)
    await asker.http.get("/v1/access/keys", headers={"Authorization": f"Bearer {key}x"})
    await asker.http.get("/v1/access/keys", headers={"Authorization": f"Basic {key}"})
    assert "a fault" in caplog.text
    assert secret not in caplog.text
    assert made.json()["text"].rpartition("_")[2] not in caplog.text


async def test_the_openapi_document_is_one_and_every_operation_is_told_whole(asker: Any) -> None:
    document = (await asker.http.get("/v1/openapi.json")).json()
    assert document == json.loads(json.dumps(openapi_document()))
    assert document["openapi"].startswith("3.1")
    schemas, problem = document["components"]["schemas"], {"$ref": "#/components/responses/Problem"}
    assert {"ProblemDetails", "ApiKey", "IssuedApiKey", "RunDocument", "PlanDocument"} <= schemas.keys()
    assert "HTTPValidationError" not in str(document)
    assert list(document["components"]["responses"]["Problem"]["content"]) == [PROBLEM]
    names = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            where, responses = f"{method} {path}", operation["responses"]
            assert operation["summary"] != operation["operationId"].replace("_", " ").title(), where
            assert operation["description"], where
            assert responses["default"] == problem, where
            assert all(told == problem for status, told in responses.items() if status >= "400"), where
            assert [status for status in responses if status < "300"], where
            for status, told in responses.items():
                for content in told.get("content", {}).values():
                    assert content["schema"], f"{where} {status}"
            open_ = path in OPEN or where == SIGN_IN
            assert open_ == (not operation.get("security")), where
            assert open_ or {"401", "403"} <= responses.keys(), where
            if not (open_ or path == "/metrics" or path.startswith(("/v1/uploads", "/v1/session"))):
                assert operation["x-accord-role"] in ROLES, where
    assert len(names) == len(set(names))
    for name in schemas:
        jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_what_is_sent_has_examples_that_are_valid() -> None:
    document = openapi_document()
    told = 0
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
                if not name:
                    continue  # a template, or a document of an agent: any JSON
                schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
                validator = jsonschema_rs.validator_for(schema)
                examples = document["components"]["schemas"][name]["examples"]
                told += len(examples)
                for example in examples:
                    assert validator.is_valid(example), (path, example)
    assert told > 12


async def test_problems_are_as_the_openapi_document_says(asker: Any) -> None:
    document = (await asker.http.get("/v1/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/ProblemDetails", "components": document["components"]}
    validator = jsonschema_rs.validator_for(schema)
    await asker.show("admin")
    for response in (
        await asker.http.get("/nowhere"),
        await asker.http.post("/v1/access/keys", json={"name": "?", "role": "?"}),
    ):
        validator.validate(response.json())


OPEN = {"/v1/health/live", "/v1/health/ready", "/.well-known/jwks.json", "/v1/organisations/{organisation}/jwks"}
"""What may be asked without a credential."""

SIGN_IN = "post /v1/session"
"""Its credential is in the body."""


@pytest.mark.abuse("ASI03", at="gateway", stride="spoofing", case="a request without a credential")
async def test_every_operation_takes_a_credential_before_it_looks_at_anything_else(asker: Any) -> None:
    document = (await asker.http.get("/v1/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method in operations:
            response = await asker.http.request(method.upper(), re.sub(r"{\w+}", "x", path))
            if path in OPEN:
                assert response.status_code == 200
            elif f"{method} {path}" == SIGN_IN:
                assert code_of(response, 403) == "ACC998"
            else:
                assert code_of(response, 401) == "ACC650", (method, path)


async def test_whoever_is_connected_is_told_to_go_elsewhere_and_nobody_holds_that_up(
    asker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("accord.gateway.application.TELL_WITHIN", timedelta(milliseconds=10))
    told: list[str] = []

    async def tell() -> None:
        told.append("told")

    async def fail() -> None:
        raise RuntimeError("cannot be told")

    asker.gateway.on_drain += [asyncio.Event().wait, fail, tell]
    await asker.gateway.drain()
    assert told == ["told"]
    assert "cannot be told" in caplog.text
    assert asker.gateway.readiness.draining.is_set()


# -- health and metrics ------------------------------------------------------------------------------------------


class DeadJournal:
    """A store that cannot be reached."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def head(self, stream: str) -> Any:
        return await self._answer()


class DeadBus:
    """A bus that cannot be reached."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def depth(self, subject: str) -> Any:
        return await self._answer()


async def test_ready_is_only_what_can_serve(asker: Any) -> None:
    assert (await asker.http.get("/v1/health/ready")).json() == {"status": "ok"}
    readiness = asker.gateway.readiness

    async def away() -> None:
        raise StoreUnavailable.of("ACC520", "/secret/path is full")

    async def gone() -> None:
        raise BusUnavailable.of("ACC754", "/secret/path does not listen")

    readiness._journal = DeadJournal(away)
    readiness._bus = DeadBus(gone)
    readiness.draining.set()
    response = await asker.http.get("/v1/health/ready")
    assert code_of(response, 503) == "ACC958"
    assert "ACC520" in response.text
    assert "ACC754" in response.text
    assert "/secret/path" not in response.text
    assert len(response.json()["problems"]) == 3
    assert (await asker.http.get("/v1/health/live")).status_code == 200


async def test_who_does_not_answer_is_not_ready(asker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accord.gateway.readiness.ANSWERS_WITHIN", timedelta(milliseconds=1))
    asker.gateway.readiness._journal = DeadJournal(asyncio.Event().wait)
    asker.gateway.readiness._bus = DeadBus(asyncio.Event().wait)
    response = await asker.http.get("/v1/health/ready")
    assert code_of(response, 503) == "ACC958"
    told = [one["message"] for one in response.json()["problems"]]
    assert told == ["the store does not answer", "the bus does not answer"]


async def test_metrics_do_not_wait_for_a_bus_that_is_away(asker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await asker.show("viewer")
    assert "accord_messages_queued 0" in (await asker.http.get("/metrics")).text
    monkeypatch.setattr("accord.engine.cluster.BUS_WITHIN_S", 0.01)
    await asker.gateway.node.parts.partitions.claim(0)
    monkeypatch.setattr(asker.gateway.node.parts.ports.bus, "depth", DeadBus(asyncio.Event().wait).depth)
    shown = (await asker.http.get("/metrics")).text
    assert "accord_messages_queued" not in shown
    assert "accord_tasks_waiting" in shown


async def test_metrics_take_the_right_to_look(asker: Any) -> None:
    assert code_of(await asker.http.get("/metrics"), 401) == "ACC650"
    await asker.show("viewer")
    response = await asker.http.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    requests = {tuple(one.labels.values()): one.value for one in families["accord_http_requests"].samples}
    assert requests["GET", "/metrics", "401"] == 1
    assert families["accord_tasks_waiting"].samples[0].value == 0
    assert {"accord_commit_seconds", "accord_hand_offs", "accord_agents_present", "accord_gate_refusals"} <= set(
        families
    )


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 401), ("unknown", 401)]
)
async def test_open_metrics_are_open_to_this_machine_alone(opened: Any, address: str, status: int) -> None:
    asker = await opened(Options(open_metrics=True))
    transport = httpx.ASGITransport(app=asker.gateway, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://accord.test") as http:
        assert (await http.get("/metrics")).status_code == status


async def test_paths_of_nobody_make_no_new_series(asker: Any) -> None:
    await asker.show("viewer")
    for number in range(5):
        await asker.http.get(f"/nowhere/{number}")
        await asker.http.request(f"METHOD{number}", "/nowhere")
    text = (await asker.http.get("/metrics")).text
    assert "/nowhere" not in text
    assert "METHOD" not in text
    assert 'method="GET",route="none",status="404"' in text


async def test_every_metric_is_in_the_table_and_all_of_the_table_is_told(asker: Any) -> None:
    await asker.show("viewer")
    await asker.http.get("/metrics")
    families = list(text_string_to_metric_families((await asker.http.get("/metrics")).text))
    told = {one.name: one for one in families if not one.name.startswith("process_")}
    told = {name: one for name, one in told.items() if not name.endswith("_created")}
    hidden = {"accord_key_expiry_seconds"}  # where no key ends by itself
    assert set(told) == {one.family for one in METRICS.values()} - hidden
    for spec in METRICS.values():
        if spec.family in told:
            family = told[spec.family]
            assert (family.type, family.documentation) == (spec.kind, spec.words)
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(spec.labels), sample


async def test_the_framework_tells_nothing_on_its_own(asker: Any) -> None:
    told = asker.gateway.api._telemetry
    assert [told[name] for name in ("tracing", "metrics", "logs", "auto_configure")] == [False] * 4
