"""`accord runs capture`: a run as a test of its workflow."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import msgspec
from rich.text import Text

from accord.cli.errors import DONE, usage
from accord.cli.finding import find_run
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, counted, run_text
from accord.cli.session import carry_out, opened
from accord.domain.workflow_test import WorkflowTest
from accord.templates.workflow_tests import workflow_test_text
from accord.views.capture import capture


class Captured(msgspec.Struct, frozen=True):
    """What was written."""

    run: str
    file: str
    test: WorkflowTest


def capture_run(shared: Shared, reference: str, output: Path | None, *, with_data: bool) -> None:
    """Carry out `accord runs capture`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await find_run(service, reference)
            test = await capture(service, run, with_data=with_data)
        file = output or Path(f"{run}.test.yaml")
        write_test(file, test)
        if screen.as_json:
            screen.document(Captured(run, str(file), test))
            return DONE
        answers = counted(sum(map(len, test.agents.values())), "answer")
        screen.line(Text.assemble("✔ ", run_text(run), f" is in {file}: {answers} of its agents"))
        screen.line(clean(test.description), "quiet")
        screen.note(f"  → accord test {clean(quote(str(file)))}", "hint")
        return DONE

    carry_out(shared, work)


def write_test(file: Path, test: WorkflowTest) -> None:
    """Write the test, with the command that plays it at its head; a file that is there already is left alone. Raises
    BadInput ACC914.
    """
    name = quote(file.name) if file.name.isprintable() else "FILE"
    try:
        with file.open("x", encoding="utf-8") as made:
            made.write(f"# accord test {name}\n{workflow_test_text(test)}")
    except OSError as error:
        raise usage(
            "ACC914", f"{file} cannot be written: {error.strerror or error}", "give another --output"
        ) from error
