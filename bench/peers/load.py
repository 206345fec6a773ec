"""The load that all compared systems get, Accord too: what is run, how much of it at once, and for how long."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from itertools import count

import msgspec

from bench.measure import Family, Figures, Meter

TEXT = "x" * 260
"""Makes inputs and outputs of about 300 bytes."""

STEPS = 5
WIDTH = 100

Run = Callable[[int], Awaitable[int]]
"""Does the run of this number. A chain adds one in each step and gives the sum; a fan gives how wide it was."""


class Load(msgspec.Struct, frozen=True):
    """What is kept going."""

    in_flight: int
    handoffs: int
    """Of one run."""
    seconds: float
    """After so long no run is started any more. Those that are under way are waited for, and counted."""

    @property
    def fans(self) -> bool:
        """Whether its runs are fans, not chains."""
        return self.handoffs != STEPS


LOADS: Mapping[str, Load] = {
    "lone": Load(1, STEPS, 3),
    "chain-100": Load(100, STEPS, 5),
    "chain-500": Load(500, STEPS, 7),
    "fan-out": Load(10, WIDTH + 2, 5),
}
"""By scenario. A rate is measured, so a faster system does more runs; each place does one at least."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a measuring process is asked for, as JSON on its input."""

    scenarios: tuple[str, ...]
    scale: float = 1.0
    """Of the seconds."""
    addresses: dict[str, str] = {}
    """Of the servers that were started for it, by their kind."""
    pids: tuple[int, ...] = ()
    """The processes of those servers, each with its children: they are counted as well."""


class Told(msgspec.Struct, frozen=True):
    """What a measuring process says: a line for each scenario."""

    scenario: str
    figures: Figures
    versions: dict[str, str]


def asked() -> Order:
    """The order on the standard input."""
    return msgspec.json.decode(sys.stdin.buffer.read(), type=Order)


async def measured(load: Load, scale: float, run: Run, meter: Meter) -> Figures:
    """The load, after one run that is not counted. Raises RuntimeError where a run gives what it should not."""
    numbers = count(1)
    await _checked(load, 0, run)
    with meter.measuring():
        until = time.perf_counter() + load.seconds * scale

        async def place() -> None:
            going_on = True
            while going_on:
                with meter.run(load.handoffs):
                    await _checked(load, next(numbers), run)
                going_on = time.perf_counter() < until

        await asyncio.gather(*(place() for _ in range(load.in_flight)))
    return meter.figures()


async def _checked(load: Load, number: int, run: Run) -> None:
    found, expected = await run(number), WIDTH if load.fans else number + STEPS
    if found != expected:
        raise RuntimeError(f"run {number} gave {found}, not {expected}")


async def answer(order: Order, runs: Callable[[Load], Run], versions: Mapping[str, str], *children: int) -> None:
    """Measure the scenarios that were asked for, and tell each as soon as it is measured.

    `children` are processes that the peer has started itself; they are counted with theirs.
    """
    for scenario in order.scenarios:
        load = LOADS[scenario]
        meter = Meter([Family(pid) for pid in (*order.pids, *children)])
        figures = await measured(load, order.scale, runs(load), meter)
        print(msgspec.json.encode(Told(scenario, figures, dict(versions))).decode(), flush=True)


def versions_of(*names: str) -> dict[str, str]:
    """The versions of these distributions."""
    return {name: version(name) for name in names}
