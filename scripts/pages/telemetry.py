"""The page of telemetry."""

from __future__ import annotations

from accord.telemetry import ATTRIBUTES, LOG_EVENTS, METRICS, SPANS
from pages.markdown import GENERATED, table

_HEAD = f"""\
# Telemetry

{GENERATED}

All that Accord tells about itself. [Telemetry](../how-to/telemetry.md) says how it is sent to Jaeger, Tempo,
Prometheus or a collector, [alerts](../how-to/alerts.md) what to do when something is wrong.
"""

_SPANS = """\
## Spans

One run is one trace, across orchestrators and agents. Where whoever starts it sends a `traceparent`, the run is a
part of that trace; else the trace's id is the beginning of the SHA-256 of `trace`, a zero byte and the run's id.
A span's id is made in the same way of what it is the span of, so a process that takes a run over goes on with the
same trace. A run that does a task of another one, and a fork, have traces of their own; a link leads from the one
to the other.

A span is told once it is over. A run that is taken up again after its end (a retry, a rollback) tells its span
again, longer. Nothing in a span comes from an input, an output or a context.
"""

_METRICS = """\
## Metrics

At `/metrics`, and by OTLP under the same names. Beside them are those of the process (`process_cpu_seconds_total`,
`process_resident_memory_bytes`, …). `accord serve --workers` adds the label `worker`. What is counted begins at 0
with the process.
"""

_LOGS = """\
## Log events

With `log_format = "json"`, servers and agents write one JSON object a line: `time`, `level`, `event`, `logger`,
`message`, what the table names, and where they are known `run`, `task`, `attempt`, `agent`, `trace_id` and
`span_id`. Of what was raised there are the kind and the place
(`exception`, `stack`), not what it says: that may hold what an agent was given. By OTLP the same members are
attributes, and the name is the record's event name. The event `log` is anything else, such as what the code of
agents logs.
"""


def telemetry_page() -> str:
    """The page, as Markdown."""
    return "\n".join((_HEAD, _SPANS, _spans(), _METRICS, _metrics(), _LOGS, _logs()))


def _spans() -> str:
    rows = [
        (
            f"`{one.name}`",
            f"`{one.parent}`" if one.parent in SPANS else one.parent,
            one.kind,
            one.lasts,
            ", ".join(f"`{name}`" for name in one.attributes),
        )
        for one in SPANS.values()
    ]
    said = [(f"`{name}`", words) for name, words in ATTRIBUTES.items()]
    return f"""{table(("span", "hangs under", "kind", "lasts", "says"), rows)}

{table(("attribute", "what it says"), said)}
"""


def _metrics() -> str:
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.words)
        for one in METRICS.values()
    ]
    return f"{table(('metric', 'kind', 'labels', 'what it says'), rows)}\n"


def _logs() -> str:
    rows = [
        (f"`{one.name}`", one.level, f"`{one.logger}`", one.text, ", ".join(f"`{name}`" for name in one.fields))
        for one in sorted(LOG_EVENTS)
    ]
    return f"{table(('event', 'level', 'logger', 'text', 'names'), rows)}\n"
