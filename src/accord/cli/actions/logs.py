"""`accord runs logs`: what the agents of a run have logged, and what they log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.text import Text

from accord.cli.errors import DONE, usage
from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted
from accord.cli.session import carry_out, opened
from accord.domain.ids import RunId, TaskId
from accord.domain.log import Level, LogGap, LoggedLine, LogPage, LogQuery
from accord.service import Service
from accord.views.tasks import refuse_unknown

PAGE: Final = 2000

_STYLES: Final[Mapping[Level, str]] = {"debug": "quiet", "info": "", "warning": "warn", "error": "bad"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of the log is to be shown."""

    task: str | None = None
    attempt: int | None = None
    level: Level = "debug"
    at: int | None = None
    """Only what was written by the time of this event."""

    @property
    def query(self) -> LogQuery:
        """The same for the service."""
        task = TaskId(self.task) if self.task is not None else None
        return LogQuery(task=task, attempt=self.attempt, level=self.level, limit=PAGE, at=self.at)


def show_logs(shared: Shared, reference: str, wanted: Wanted, *, follow: bool) -> None:
    """Carry out `accord runs logs`."""
    if follow and wanted.at is not None:
        raise usage("ACC911", "what comes is not of the past", "leave out --follow, or --at")

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            if wanted.task is not None:
                refuse_unknown(await service.run(run), wanted.task)
            if follow:
                await _follow(service, run, wanted.query, screen)
            else:
                await _show(service, run, wanted.query, screen)
        return DONE

    carry_out(shared, work)


async def _show(service: Service, run: RunId, wanted: LogQuery, screen: Screen) -> None:
    lines: list[LoggedLine] = []
    told = 0
    while True:
        page = await service.logs(run, wanted)
        told += len(page.lines)
        if screen.as_json:
            lines += page.lines
        else:
            _print(page.lines, screen)
        if not page.more:
            break
        wanted = msgspec.structs.replace(wanted, after=page.next)
    if screen.as_json:
        screen.document({"run": run, "lines": lines, "gaps": page.gaps})
        return
    if not told:
        imported = await service.exhibit() is not None
        screen.note("Nothing is here: exports leave logs out." if imported else "Nothing of this was logged.")
    _tell(page.gaps, screen)


async def _follow(service: Service, run: RunId, wanted: LogQuery, screen: Screen) -> None:
    page: LogPage | None = None
    async for page in service.follow_logs(run, wanted):
        if screen.as_json:
            for line in page.lines:
                screen.write(msgspec.json.encode(line).decode() + "\n")
        else:
            _print(page.lines, screen)
    if page is not None:
        _tell(page.gaps, screen)


def _print(lines: Sequence[LoggedLine], screen: Screen) -> None:
    for line in lines:
        screen.line(_words(line))


def _words(line: LoggedLine) -> Text:
    """A line as people read it. It is an agent's: what is behind its first line break is set in, so that it cannot look
    like a line of its own.
    """
    at = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    style = _STYLES[line.level]
    first, *rest = clean(line.message).splitlines() or [""]
    where = f"{line.task} #{line.attempt}" if line.attempt > 1 else line.task
    fields = "".join(f" {name}={_value(value)}" for name, value in line.fields.items() if name != "exception")
    more = [*rest, *clean(str(line.fields.get("exception", ""))).splitlines()]
    return Text.assemble(
        (f"{at} ", "quiet"),
        (f"{line.level:<7} ", style),
        (f"{clean(where)}  ", "name"),
        (first, style if line.level in ("warning", "error") else ""),
        (clean(fields).replace("\n", " "), "quiet"),
        *((f"\n    │ {one}", "quiet") for one in more),
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value and " " not in value else msgspec.json.encode(value).decode()


def _tell(gaps: Sequence[LogGap], screen: Screen) -> None:
    for gap in gaps:
        what = f"{gap.task}, attempt {gap.attempt}: {counted(gap.missing, 'line')} missing"
        screen.note(f"{what}: dropped on the way, or beyond what is kept.", "warn")
