"""Programs as processes: started without a shell, and ended with all that they have started."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from accord.sdk.outcome import Failure

SEARCH_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for that are named without a directory."""

STDERR_MAX_BYTES: Final = 1500
"""What is told of a failed program's standard error: its end."""

CHUNK_BYTES: Final = 1 << 16


async def spawned(argv: Sequence[str], environment: Mapping[str, str], *, line_max_bytes: int = CHUNK_BYTES) -> Process:
    """The program, in a process group of its own and with no environment but this one, `PATH` and `LANG`; its three
    streams are pipes. Raises Failure where it cannot be started.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={"PATH": SEARCH_PATH, "LANG": "C.UTF-8", **environment},
            start_new_session=True,
            limit=line_max_bytes,
        )
    except (OSError, ValueError) as error:
        raise Failure("command-unusable", f"{argv[0]} cannot be started: {error}") from None


def kill_group(process: Process) -> None:
    """End the program and what it has started: nothing of it outlives it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def end_in_words(program: str, code: int, complaint: bytes) -> str:
    """How the program ended, and the end of what it said on its standard error."""
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    said = complaint.decode(errors="replace").strip()
    return f"{program} {how}: {said}" if said else f"{program} {how}"
