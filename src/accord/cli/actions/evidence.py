"""`accord journal export`, `verify`, `checkpoints`, `prove` and `witness`: runs that prove themselves, and the log of
checkpoints.

ACC855  a key to be trusted cannot be read, or none is named
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.text import Text

from accord.cli.errors import DONE, FAILED, show_problem, tell, usage
from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, counted, moment, run_text, size
from accord.cli.session import answered, carry_out, opened
from accord.cli.tables import Column
from accord.domain.ids import KeyId, RunId
from accord.domain.signature import PublicKey
from accord.errors import AccordError, BadInput, KeyUnusable, Place, StoreCorrupt
from accord.evidence.examine import Report, examine
from accord.evidence.manifest import Roots
from accord.evidence.witness import Witnessed, witnessed
from accord.policy.cedar import decide_by
from accord.service import MadeCheckpoint, Payloads, ProvenRun, Service
from accord.views.plain import plain_value
from accord.views.proof import proof_of

_THUMBPRINT: Final = re.compile(r"\A[A-Za-z0-9_-]{43}\Z")
_ALARMS: Final = frozenset({"ACC526", "ACC852", "ACC853", "ACC854"})
"""The journal was changed, rewritten or cut off, or its log is signed with another key: a check that did not pass."""


class Exported(msgspec.Struct, frozen=True):
    """What was written."""

    run: str
    file: str
    bytes: int


def export_run(shared: Shared, reference: str, output: Path | None, payloads: Payloads) -> None:
    """Carry out `accord journal export`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            file = output or Path(f"{run}.tar")
            length = await _written(service, run, file, payloads)
        if screen.as_json:
            screen.document(Exported(run, str(file), length))
        else:
            screen.line(Text.assemble("✔ ", run_text(run), f" is in {file} ({size(length)})"))
            screen.note(f"accord journal verify {file} --trust KEY  examines it, without this home")
            screen.note(f"accord journal import {file} --trust KEY --home ./exhibit  loads it, to be looked at")
        return DONE

    carry_out(shared, work)


async def _written(service: Service, run: RunId, file: Path, payloads: Payloads) -> int:
    """Write a bundle, which is there once it is whole; returns its length in bytes. Raises BadInput ACC914."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        with fresh.open("wb") as made:
            async for chunk in service.export(run, payloads):
                made.write(chunk)
            length = made.tell()
        fresh.replace(file)
    except OSError as error:
        raise _unwritten(file, error, "give another --output") from error
    finally:
        with suppress(OSError):
            fresh.unlink()
    return length


def _unwritten(file: Path, error: OSError, hint: str) -> BadInput:
    return usage("ACC914", f"{file} cannot be written: {error.strerror or error}", hint)


# -- verifying ---------------------------------------------------------------------------------------------------


def verify(shared: Shared, what: str, trust: Sequence[str]) -> None:
    """Carry out `accord journal verify`."""

    bundle = Path(what) if Path(what).is_file() else None
    if bundle is None and (Path(what).suffix or os.sep in what):
        raise _no_file(what)

    async def work(screen: Screen) -> int:
        trusted = trusted_keys(trust)
        if bundle is not None:
            report = examined_file(bundle, trusted)
        else:
            async with opened(shared) as service:
                report = await proof_of(service, await find_run(service, what), trusted or None)
        if screen.as_json:
            screen.document({**plain_value(report), "ok": report.ok})
        else:
            show_report(report, screen)
        return DONE if report.ok else FAILED

    carry_out(shared, work)


def examined_file(file: Path, trusted: Collection[KeyId]) -> Report:
    """What is found in a bundle by whoever trusts these keys. Raises BadInput ACC855 where there are none, ACC856."""
    if not trusted:
        hint = "name the orchestrator's key with --trust: `accord keys list` at its home tells it"
        raise BadInput.of("ACC855", "a file proves nothing to whoever trusts no key", hint=hint)
    if not file.is_file():
        raise _no_file(str(file))
    with file.open("rb") as bundle:
        return examine(bundle, trusted, decide_by)


def _no_file(name: str) -> BadInput:
    return usage("ACC856", f"there is no file {name}", "accord journal export RUN writes one")


def trusted_keys(named: Sequence[str]) -> frozenset[KeyId]:
    """The keys that are named by their thumbprints, or by files with a JWK or a JWK Set. Raises BadInput ACC855."""
    return frozenset(key for one in named for key in _keys_of(one))


def _keys_of(named: str) -> list[KeyId]:
    if not Path(named).is_file():
        if _THUMBPRINT.match(named) is None:
            hint = "43 characters of base64url, or a file with a JWK or a JWK Set"
            raise BadInput.of("ACC855", f"{named} is neither a key's thumbprint nor a file", hint=hint)
        return [KeyId(named)]
    try:
        data = msgspec.json.decode(Path(named).read_bytes(), type=dict[str, Any])
        jwks = msgspec.convert(data, Roots).keys if "keys" in data else (data,)
        return [PublicKey.from_jwk(jwk).kid for jwk in jwks]
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, KeyUnusable) as error:
        raise BadInput.of("ACC855", f"there is no key in it: {error}", place=Place(file=named)) from error


def show_report(report: Report, screen: Screen) -> None:
    """Print what was found for people."""
    sign = ("✔ ", "green") if report.ok else ("✘ ", "red")
    screen.line(Text.assemble(sign, run_text(report.run), " holds" if report.ok else " does not hold"))
    undone = f"; {report.undone} in doubt, of what was rolled back since" if report.undone else ""
    signers = counted(len(report.signers), "agent")
    left_out = f"; {report.unproven} left out, of which there are the digests" if report.unproven else ""
    screen.facts(
        [
            ("chain", f"{counted(report.events, 'event')}, each bound to the one before; head {report.head[:16]}…"),
            ("statements", f"{report.statements} verified under the keys of {signers}{undone}"),
            ("payloads", f"{report.payloads} read again; their bytes are those that were signed{left_out}"),
            ("certified", _certified(report)),
            ("runs", f"{len(report.runs)} folded again from their events, and anchored"),
            ("signed by", f"{report.signed_by}, {report.key or 'with no key that is trusted'}"),
        ]
    )
    for problem in report.problems:
        show_problem(screen.out, problem)


def _certified(report: Report) -> str:
    """What was proven of the graph before it began."""
    if report.certificate is None:
        return "nothing: the run was begun by a version that certified no graphs" if report.ok else ""
    others = f"; {report.certified} of {len(report.runs)} runs" if len(report.runs) > 1 else ""
    return f"{report.certificate.words()}, by Accord {report.certificate.verifier}{others}"


# -- checkpoints -------------------------------------------------------------------------------------------------


def list_checkpoints(shared: Shared, since: int) -> None:
    """Carry out `accord journal checkpoints`."""

    async def ask(service: Service) -> list[MadeCheckpoint]:
        return await service.checkpoints(after=since)

    answered(shared, ask, _show_checkpoints)


def _show_checkpoints(made: list[MadeCheckpoint], screen: Screen) -> None:
    rows = [_row(one) for one in made]
    if rows:
        screen.table(("#", "at", "added", "size", Column("root", spare=1)), rows)
    else:
        screen.line("There is no checkpoint.")


def _row(made: MadeCheckpoint) -> tuple[str, ...]:
    checkpoint = made.checkpoint
    return str(made.number), moment(made.at), str(made.added), str(checkpoint.size), checkpoint.root


def prove_run(shared: Shared, reference: str) -> None:
    """Carry out `accord journal prove`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            try:
                proven = await _proven(service, run)
            except AccordError as error:
                return _alarmed(error, screen)
        if screen.as_json:
            screen.document(proven)
        else:
            _show_proven(proven, screen)
        return DONE

    carry_out(shared, work)


async def _proven(service: Service, run: RunId) -> ProvenRun:
    proven = await service.anchor(run)
    proven.checkpoint.check(PublicKey.from_jwk(proven.key))
    if not proven.run.is_in(proven.checkpoint):
        raise StoreCorrupt.of("ACC852", "the proof does not lead to the root of the checkpoint")
    return proven


def _alarmed(error: AccordError, screen: Screen) -> int:
    """The exit code where the journal is not what it was, which is told; anything else is raised again."""
    if _ALARMS.isdisjoint(problem.code for problem in error.problems):
        raise error
    tell(error, as_json=screen.as_json)
    return FAILED


def _show_proven(proven: ProvenRun, screen: Screen) -> None:
    anchor, checkpoint = proven.run.anchor, proven.checkpoint
    screen.line(Text.assemble("✔ ", run_text(RunId(anchor.stream)), " is in the newest checkpoint"))
    screen.facts(
        [
            ("event", f"{anchor.sequence}, {anchor.digest}"),
            ("entry", f"{proven.run.index} of {checkpoint.size}"),
            ("root", checkpoint.root),
            ("signed with", proven.key.get("kid", "")),
            ("proof", "\n".join(proven.run.proof) or "none is needed: it is the only entry"),
        ]
    )


def keep_witness(shared: Shared, file: Path, trust: Sequence[str]) -> None:
    """Carry out `accord journal witness`."""

    async def work(screen: Screen) -> int:
        before, trusted = _seen(file), trusted_keys(trust)
        async with opened(shared) as service:
            try:
                growth = await service.growth(before.size if before is not None else 0)
                seen = witnessed(before, growth, trusted)
            except AccordError as error:
                return _alarmed(error, screen)
        _keep(file, seen)
        if screen.as_json:
            screen.document(seen)
        else:
            grown = f"it was {before.size}, and begins as it did" if before is not None else "seen for the first time"
            screen.line(f"✔ the log of {seen.origin} has {seen.size} entries: {grown}")
            screen.facts([("root", seen.root), ("signed with", seen.key)])
        return DONE

    carry_out(shared, work)


def _seen(file: Path) -> Witnessed | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Witnessed)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "take it from a copy; without it nobody knows what was seen"
        place = Place(file=str(file))
        raise BadInput.of("ACC853", f"what was seen cannot be read: {error}", place=place, hint=hint) from error


def _keep(file: Path, seen: Witnessed) -> None:
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(seen)) + b"\n")
        fresh.replace(file)
    except OSError as error:
        hint = "what was seen is not kept: let it be written there, or move the witness's file to where it can be"
        raise _unwritten(file, error, hint) from error
