"""`accord conformance`: an examination, and its table."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, nullcontext
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

import msgspec
from rich.text import Text

from accord.cli.errors import DONE, usage
from accord.cli.options import Shared
from accord.cli.output import Screen, styled
from accord.cli.result import unwritable_file
from accord.cli.session import carry_out
from accord.conformance import Asked, Outcome, examined
from accord.conformance.junit import junit
from accord.conformance.orchestrator import Orchestrator
from accord.domain.message import strict_json
from accord.errors import BadInput, MessageRefused
from accord.gateway.server import Address, bound, url_of

BROKEN = 1

STDERR_LINES = 40
STDERR_BYTES = 20_000
"""So much of an agent's stderr is shown where it breaks a rule."""

_STYLES = {"kept": "good", "broken": "bad", "not tested": "quiet"}


class Options(msgspec.Struct, frozen=True):
    """What the command line says beside the target."""

    input: str | None
    slow_input: str | None
    capability: str | None
    large_input: str | None
    organisation: str
    heartbeat_s: float
    within_s: float
    junit: Path | None


def conformance(shared: Shared, target: tuple[str, ...], options: Options) -> None:
    """Carry out `accord conformance`."""

    async def work(screen: Screen) -> int:
        elsewhere = len(target) == 1 and target[0].startswith(("http://", "https://"))
        address = _address(target[0]) if elsewhere else Address(port=0)
        asked = _asked(() if elsewhere else target, options)
        if options.junit is not None:
            BadInput.raise_if(unwritable_file(options.junit, "--junit"))

        def bind() -> tuple[socket.socket, str]:
            taken = bound(address)
            return taken, url_of(address, taken)

        def told(orchestrator: Orchestrator) -> None:
            if elsewhere:
                # Whoever starts the agent needs it, with --json as well.
                text = f"Waiting for an agent at {orchestrator.url}, with the token {orchestrator.token}"
                screen.err.print(Text(text), soft_wrap=True)

        with _kept(shared) as stderr:
            try:
                outcomes = await examined(msgspec.structs.replace(asked, stderr=stderr), bind, told)
            except BadInput:
                _tell_stderr(screen, stderr)
                raise
            _show(screen, outcomes)
            broken = any(one.verdict == "broken" for one in outcomes)
            if broken:
                _tell_stderr(screen, stderr)
        if options.junit is not None:
            _write(options.junit, junit(outcomes))
        return BROKEN if broken else DONE

    carry_out(shared, work)


def _write(path: Path, report: str) -> None:
    try:
        path.write_text(report, "utf-8")
    except OSError as error:
        raise usage("ACC914", f"--junit: {path} cannot be written: {error.strerror}") from error


def _asked(command: tuple[str, ...], options: Options) -> Asked:
    return Asked(
        command=command,
        organisation=options.organisation,
        capability=options.capability,
        input=_json(options.input, "--input"),
        slow_input=_json(options.slow_input, "--slow-input"),
        large_input=_json(options.large_input, "--large-input"),
        heartbeat_s=options.heartbeat_s,
        within_s=options.within_s,
    )


def _kept(shared: Shared) -> AbstractContextManager[IO[bytes] | None]:
    """Where the agent's stderr is kept: it also tells of what the examination does to the agent on purpose. None, to
    show it at once, with --verbose.
    """
    return nullcontext() if shared.verbose else TemporaryFile()


def _tell_stderr(screen: Screen, stderr: IO[bytes] | None) -> None:
    """Show the end of what the agent wrote."""
    if stderr is None:
        return
    stderr.seek(max(stderr.seek(0, SEEK_END) - STDERR_BYTES, 0))
    lines = stderr.read().decode("utf-8", "replace").splitlines()[-STDERR_LINES:]
    if lines:
        screen.note("What the agent wrote last on stderr; all of it as it comes with --verbose:", "head")
        for line in lines:
            screen.note(f"  {line}")


def _show(screen: Screen, outcomes: list[Outcome]) -> None:
    if screen.as_json:
        screen.document(outcomes)
        return
    rows = [(one.rule, one.name, styled((one.verdict, _STYLES[one.verdict])), one.seen) for one in outcomes]
    screen.table(("rule", "name", "outcome", "seen"), rows)
    broken = [one for one in outcomes if one.verdict == "broken"]
    if broken:
        screen.heading("Broken")
    for one in broken:
        screen.line(styled((one.rule, "bad"), (f"  {one.says}", "")))
        screen.line(styled((f"  → {one.read}", "hint")))
    screen.line()
    counts = {verdict: sum(one.verdict == verdict for one in outcomes) for verdict in _STYLES}
    screen.line(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _json(text: str | None, option: str) -> bytes | None:
    if text is None:
        return None
    data = text.encode("utf-8", "surrogateescape")
    try:
        strict_json(data)
    except MessageRefused as error:
        raise usage("ACC990", f"{option}: {error.problems[0].message}", "give one JSON value") from error
    return data


def _address(url: str) -> Address:
    if not url.startswith("http://"):
        hint = "agents connect over http:// here; for example http://127.0.0.1:9000"
        raise usage("ACC990", f"{url} is no address to listen at", hint)
    try:
        parts = urlsplit(url)
        address = Address(host=parts.hostname or "", port=parts.port or 0)
    except ValueError as error:
        raise usage(
            "ACC990", f"{url} is no address to listen at: {error}", "for example http://127.0.0.1:9000"
        ) from None
    address.check()
    return address
