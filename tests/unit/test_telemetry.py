"""The table of telemetry: nothing is emitted that it does not name, and it names nothing that is not emitted; traces,
their ids and their exports.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource

import accord
from accord.domain.ids import LeaseToken, RunId
from accord.domain.trace import TraceContext, read_traceparent, trace_of, traceparent_of
from accord.engine.tracer import Tracer
from accord.errors import BadInput
from accord.otel.metrics import MetricsSender
from accord.otel.opening import open_telemetry
from accord.otel.outbound import Outbound
from accord.settings import read_settings
from accord.telemetry import ATTRIBUTES, BY_TEXT, LOG_EVENTS, METRICS, SPANS
from accord.telemetry.exports import Exports, exports_of, without_password
from accord.telemetry.lines import JsonLines

SOURCES = Path(accord.__file__).parent
CALLS = {"debug", "info", "warning", "error", "exception", "log"}
"""Of loggers."""


# -- the table ---------------------------------------------------------------------------------------------------


class Logged(ast.NodeVisitor):
    """What a module logs: logger, level and text of each call."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: set[tuple[str, str, str]] = set()
        self.logger = "accord.agent"  # that of a context, where the module has none
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "logger":
                assert isinstance(node.value, ast.Call)
                self.logger = ast.literal_eval(node.value.args[0])
        self.visit(tree)

    def visit_Call(self, node: ast.Call) -> None:
        """A call of a logger."""
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in CALLS:
            whose = ast.unparse(function.value)
            if whose == "logger" or whose.endswith(".log"):
                place = 1 if function.attr == "log" else 0
                text = ast.literal_eval(node.args[place])
                level = {"exception": "error", "log": "warning"}.get(function.attr, function.attr)
                self.found.add((self.logger, level, text))
                event = BY_TEXT.get((self.logger, text))
                assert event is None or len(event.fields) == len(node.args) - 1 - place, text
        self.generic_visit(node)


def test_every_log_call_is_in_the_table_and_nothing_else_is() -> None:
    texts = (path.read_text() for path in SOURCES.rglob("*.py"))
    logged = set().union(*(Logged(ast.parse(text)).found for text in texts if "logger" in text or ".log." in text))
    assert logged == {(one.logger, one.level, one.text) for one in LOG_EVENTS}


def test_names_of_log_events_are_unique_and_dotted() -> None:
    names = [one.name for one in LOG_EVENTS]
    assert len(names) == len(set(names)) == len(BY_TEXT)
    assert all(name.count(".") == 1 and name.replace(".", "").replace("_", "").isalpha() for name in names)


def test_names_of_metrics_are_as_prometheus_wants_them() -> None:
    for one in METRICS.values():
        assert one.name.startswith("accord_")
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert not one.name.endswith(("_ms", "_milliseconds", "_minutes")), one.name
        assert one.words[0].isupper()
        assert not one.words.endswith(".")


def test_spans_name_known_parents_and_attributes() -> None:
    for one in SPANS.values():
        assert one.parent in SPANS or one.key == "invoke_workflow", one
        assert set(one.attributes) <= ATTRIBUTES.keys(), one
        assert one.name.partition("{")[2].rstrip("}") in {"", *one.attributes}
    used = {name for one in SPANS.values() for name in one.attributes}
    assert used | {"gen_ai.operation.name"} == set(ATTRIBUTES)


# -- traces ------------------------------------------------------------------------------------------------------

RUN = RunId("run_0example0example0example0ex")
CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (str(CALLER), CALLER),
        (str(CALLER)[:-2] + "00", TraceContext(CALLER.trace, CALLER.span, sampled=False)),
        (str(CALLER)[:-2] + "03", CALLER),
        ("cc" + str(CALLER)[2:] + "-what comes later", CALLER),
        (str(CALLER) + "-more", None),
        ("ff" + str(CALLER)[2:], None),
        (str(CALLER).upper(), None),
        (f"00-{'0' * 32}-{CALLER.span}-01", None),
        (f"00-{CALLER.trace}-{'0' * 16}-01", None),
        (str(CALLER) + "\n", None),
        ("", None),
    ],
)
def test_traceparents_are_read_as_the_recommendation_says(text: str, context: TraceContext | None) -> None:
    assert read_traceparent(text) == context


@given(st.text())
def test_no_text_is_too_strange_for_a_traceparent(text: str) -> None:
    read = read_traceparent(text)
    assert read is None or read_traceparent(str(read)) == read


def test_the_ids_of_a_run_are_for_ever() -> None:
    """They are in journals and in statements: another way to make them would tear traces apart."""
    context = trace_of(RUN, 1.0)
    assert str(context) == VECTOR
    assert traceparent_of(str(context), LeaseToken("0lease")) == VECTOR_OF_LEASE


VECTOR = "00-665538a7be5e9e274ae19a3432ad3ab8-31261177dbaa5433-01"
VECTOR_OF_LEASE = "00-665538a7be5e9e274ae19a3432ad3ab8-9ba933136f8c7a91-01"


def test_the_share_that_is_sampled_grows_with_the_ratio() -> None:
    runs = [RunId(f"run_{number:026x}") for number in range(1000)]

    def sampled(ratio: float) -> set[RunId]:
        return {run for run in runs if trace_of(run, ratio).sampled}

    assert sampled(0.0) == set()
    assert sampled(0.3) <= sampled(0.6) <= sampled(1.0) == set(runs)
    assert 250 < len(sampled(0.3)) < 350


def test_a_tracer_that_is_off_hands_on_what_callers_say_and_nothing_else() -> None:
    tracer = Tracer(None, None)  # type: ignore[arg-type] - no clock is asked
    assert tracer.trace_for(RUN, str(CALLER)) == str(CALLER)
    assert tracer.trace_for(RUN, "nonsense") == ""
    assert not tracer.on


# -- what is exported --------------------------------------------------------------------------------------------


def exports(endpoint: str | None = None, **given: str) -> Exports | None:
    found, problems = exports_of(endpoint, None, given)
    assert not problems
    return found


def test_nothing_is_exported_where_nothing_names_a_collector() -> None:
    assert exports() is None
    assert exports("http://127.0.0.1:4318", OTEL_SDK_DISABLED="true") is None
    assert exports(OTEL_TRACES_SAMPLER="always_on") is None


def test_settings_beat_variables_and_each_signal_has_its_way() -> None:
    all_of = exports("http://collector:4318/")
    assert all_of is not None
    assert all_of.endpoints == {one: f"http://collector:4318/v1/{one}" for one in ("traces", "metrics", "logs")}
    some = exports(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://all:4318",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="http://logs:1/in",
        OTEL_METRICS_EXPORTER="none",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.25",
        OTEL_METRIC_EXPORT_INTERVAL="5000",
    )
    assert some is not None
    assert some.endpoints == {"traces": "http://all:4318/v1/traces", "logs": "http://logs:1/in"}
    assert (some.ratio, some.metrics_every_s, some.named) == (0.25, 5.0, False)


def test_what_cannot_be_is_told_all_at_once(tmp_path: Path) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "jaeger_remote",
        "OTEL_LOGS_EXPORTER": "console",
        "OTEL_METRIC_EXPORT_INTERVAL": "soon",
    }
    with pytest.raises(BadInput) as error:
        read_settings(given, home=tmp_path)
    assert {one.place.file for one in error.value.problems} == set(given) - {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert {one.code for one in error.value.problems} == {"ACC480"}


def test_a_collector_elsewhere_needs_tls_where_everything_does(tmp_path: Path) -> None:
    given = {"ACCORD_REQUIRE_TLS": "true", "ACCORD_OTLP_ENDPOINT": "http://collector:4318"}
    with pytest.raises(BadInput, match="collector"):
        read_settings(given, home=tmp_path)
    for url in ("https://collector:4318", "http://127.0.0.1:4318"):
        assert read_settings({**given, "ACCORD_OTLP_ENDPOINT": url}, home=tmp_path).exports is not None


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector", "http://?", "http://[::1", "http://a:99999999"])
def test_what_is_no_collectors_url_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ACC480") as error:
        read_settings({"ACCORD_OTLP_ENDPOINT": url}, home=tmp_path)
    assert url not in str(error.value)


def test_a_password_in_a_url_is_not_told() -> None:
    assert without_password("https://me:secret@collector:4318/v1/traces") == "https://collector:4318/v1/traces"


async def test_without_the_extra_a_setting_is_refused_and_a_variable_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(BadInput, match="ACC481"):
        async with open_telemetry(exports("http://127.0.0.1:1"), "accord", logging.WARNING):
            pass
    async with open_telemetry(
        exports(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"), "accord", logging.WARNING
    ) as telemetry:
        assert telemetry is None
    assert "the extra is not installed" in caplog.text


# -- the queue ---------------------------------------------------------------------------------------------------


class Sent:
    """Keeps what is sent, in batches, and says what is made of it."""

    def __init__(self, *, taken: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.taken = taken

    def __call__(self, batch: Sequence[int]) -> bool:
        self.batches.append(list(batch))
        if not self.taken:
            raise OSError("nobody listens")
        return True


@pytest.mark.parametrize("taken", [True, False])
def test_everything_is_sent_in_its_order_and_what_is_not_taken_is_counted(taken: bool) -> None:
    sent = Sent(taken=taken)
    outbound = Outbound("test", sent, most=100, batch=3, every_s=60)
    for number in range(8):
        outbound.put(number)
    outbound.close(10)
    assert [one for batch in sent.batches for one in batch] == list(range(8))
    assert max(map(len, sent.batches)) <= 3
    assert (outbound.made, outbound.dropped) == (8, 0 if taken else 8)
    outbound.put(9)
    assert outbound.dropped == (1 if taken else 9)


def test_what_does_not_fit_is_dropped_and_nobody_waits() -> None:
    blocked = threading.Event()
    outbound = Outbound[int]("test", lambda _: blocked.wait(10), most=4, batch=1, every_s=60)
    for number in range(20):
        outbound.put(number)
    assert outbound.dropped >= 20 - 4 - 1
    blocked.set()
    outbound.close(10)


# -- log lines ---------------------------------------------------------------------------------------------------


async def test_metrics_are_sent_on_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    sent, asked = asyncio.Event(), iter((RuntimeError("a fault"), []))
    loop = asyncio.get_running_loop()

    async def families() -> Any:
        found = next(asked, [])
        if isinstance(found, Exception):
            raise found
        return found

    def send(data: Any) -> bool:
        loop.call_soon_threadsafe(sent.set)
        return True

    async with MetricsSender(send, Resource.get_empty(), 0.0).sending(families):
        async with asyncio.timeout(30):
            await sent.wait()
    assert [record.getMessage() for record in caplog.records] == ["metrics are missing because of a fault of Accord's"]


def record_of(name: str, text: str, *args: Any, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "", 0, text, args, None)
    for key, value in extra.items():
        setattr(record, key, value)
    return record


def test_a_line_has_the_name_of_its_event_and_what_stands_in_it() -> None:
    event = BY_TEXT["accord.ledger", "no snapshot of %s: %s"]
    line = orjson.loads(JsonLines().format(record_of(event.logger, event.text, RUN, ValueError("away"))))
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "warning",
        "event": "snapshot.failed",
        "logger": "accord.ledger",
        "message": f"no snapshot of {RUN}: away",
        "run": RUN,
        "error": "away",
    }


def test_a_line_of_an_attempt_has_its_ids_and_no_values_of_what_was_raised() -> None:
    record = record_of("accord.agent", "hm", run=RUN, task="one", attempt=2, traceparent=str(CALLER))
    try:
        raise ValueError("the patient's name")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    text = JsonLines().format(record)
    line = orjson.loads(text)
    assert (line["run"], line["task"], line["attempt"]) == (RUN, "one", 2)
    assert (line["trace_id"], line["span_id"]) == (CALLER.trace, CALLER.span)
    assert (line["event"], line["exception"]) == ("log", "ValueError")
    assert "patient's" not in line["stack"].replace('raise ValueError("the patient\'s name")', "")


def test_a_line_is_one_line_whatever_stands_in_it() -> None:
    assert "\n" not in JsonLines().format(record_of("other", "a\nb \ud800 %s", "c\nd"))
