"""What is exported, and how much: from the settings and from the variables that OpenTelemetry has for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from accord.errors import Place, Problem

Signal = Literal["traces", "metrics", "logs"]

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"

_SAMPLERS: Final[Mapping[str, float | None]] = {
    "always_on": 1.0,
    "always_off": 0.0,
    "traceidratio": None,
    "parentbased_always_on": 1.0,
    "parentbased_always_off": 0.0,
    "parentbased_traceidratio": None,
}
"""By their names in `OTEL_TRACES_SAMPLER`: the share; None where `OTEL_TRACES_SAMPLER_ARG` says it."""


class Exports(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, and what."""

    endpoints: Mapping[Signal, str]
    """The URL of each signal that is exported."""
    ratio: float = 1.0
    """The share of runs that is traced, of those that nobody has asked for from within a trace."""
    metrics_every_s: float = 60.0
    queue_most: int = 65_536
    """Spans, and log records, that may wait to be sent; more are dropped."""
    batch_most: int = 2048
    send_every_s: float = 5.0
    named: bool = True
    """Whether somebody has named the collector in Accord's own settings: then the extra has to be there."""


def exports_of(
    endpoint: str | None, ratio: float | None, given: Mapping[str, str]
) -> tuple[Exports | None, list[Problem]]:
    """What is exported, None where nothing is, and what is wrong with the variables. Settings beat variables."""
    problems: list[Problem] = []
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None, problems
    endpoints = dict(_endpoints(endpoint, given))
    if not endpoints:
        return None, problems
    problems += _unusable(given)
    if not all(map(is_way, endpoints.values())):
        problems.append(_no_way("otlp_endpoint" if endpoint else ENDPOINT))
    numbers = _Numbers(given, problems)
    exports = Exports(
        endpoints=endpoints,
        ratio=_ratio(given, numbers, problems) if ratio is None else ratio,
        metrics_every_s=numbers.at("OTEL_METRIC_EXPORT_INTERVAL", 60_000, least=100) / 1000,
        queue_most=int(numbers.at("OTEL_BSP_MAX_QUEUE_SIZE", 65_536, least=1)),
        batch_most=int(numbers.at("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2048, least=1)),
        send_every_s=numbers.at("OTEL_BSP_SCHEDULE_DELAY", 5000, least=1) / 1000,
        named=endpoint is not None,
    )
    return exports, problems


def is_way(url: str) -> bool:
    """Whether a collector can be there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def without_password(url: str) -> str:
    """The URL as it may be told."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_open_way(url: str) -> bool:
    """Whether what goes there leaves this machine without TLS."""
    parts = urlsplit(url)
    return parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def _endpoints(endpoint: str | None, given: Mapping[str, str]) -> Iterator[tuple[Signal, str]]:
    for signal in SIGNALS:
        own, name = given.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"), given.get(ENDPOINT)
        base = endpoint or (None if own else name)
        url = f"{base.rstrip('/')}/v1/{signal}" if base else own
        if url and given.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip().lower() != "none":
            yield signal, url


def _unusable(given: Mapping[str, str]) -> Iterator[Problem]:
    """Ways of exporting that are not ours."""
    for name, value in given.items():
        if name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("PROTOCOL") and value != "http/protobuf":
            yield _problem(name, value, "http/protobuf is what Accord speaks: the collector's port for it is 4318")
        if name in {f"OTEL_{signal.upper()}_EXPORTER" for signal in SIGNALS} and value not in ("otlp", "none", ""):
            yield _problem(name, value, "otlp or none")


def _ratio(given: Mapping[str, str], numbers: _Numbers, problems: list[Problem]) -> float:
    sampler = given.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    if sampler not in _SAMPLERS:
        problems.append(_problem("OTEL_TRACES_SAMPLER", sampler, " or ".join(_SAMPLERS)))
        return 1.0
    share = _SAMPLERS[sampler]
    return numbers.at("OTEL_TRACES_SAMPLER_ARG", 1.0, least=0.0, most=1.0) if share is None else share


class _Numbers:
    """Reads numbers; what is none is a problem."""

    def __init__(self, given: Mapping[str, str], problems: list[Problem]) -> None:
        self._given = given
        self._problems = problems

    def at(self, name: str, default: float, *, least: float, most: float = 1e9) -> float:
        """The number of this variable."""
        text = self._given.get(name)
        if not text:
            return default
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            self._problems.append(_problem(name, text, f"a number from {least:g} on"))
            return default
        return number


def _no_way(name: str) -> Problem:
    """What is wrong is not told: it may hold a password."""
    hint = "an http or https URL, such as http://127.0.0.1:4318"
    return Problem("ACC480", f"{name} is no URL of a collector", Place(file=name), hint)


def _problem(name: str, value: str, hint: str) -> Problem:
    return Problem("ACC480", f"{name} cannot be {value!r:.100}", Place(file=name), hint)
