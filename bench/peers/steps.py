"""What all peers have in common: the scenarios, and how one of them is measured and told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import msgspec

from bench.measure import Figures, Meter

TEXT = "x" * 260
"""As in Accord's own scenarios: inputs and outputs of about 300 bytes."""

STEPS = 5
WIDTH = 100

IN_FLIGHT = {"lone": 1, "chain-100": 100, "chain-500": 500, "fan-out": 10}
"""Runs at once, by scenario."""

RUNS = {"lone": 40, "chain-100": 400, "chain-500": 1_000, "fan-out": 10}
"""Fewer than Accord's: what is measured is a rate."""

Run = Callable[[int], Awaitable[int]]
"""Does the run of this number, which adds one in each step; gives what comes out."""


async def measured(scenario: str, scale: float, run: Run) -> Figures:
    """All runs of a scenario, after one that is not counted."""
    in_flight = IN_FLIGHT[scenario]
    count = max(int(RUNS[scenario] * scale), in_flight)
    handoffs = WIDTH + 2 if scenario == "fan-out" else STEPS
    meter, places = Meter(), asyncio.Semaphore(in_flight)

    async def one(number: int, counts: Meter) -> None:
        async with places:
            with counts.run(handoffs):
                found = await run(number)
        expected = WIDTH if scenario == "fan-out" else number + STEPS
        if found != expected:
            raise RuntimeError(f"run {number} gave {found}, not {expected}")

    await one(0, Meter())
    with meter.measuring():
        await asyncio.gather(*(one(number, meter) for number in range(1, count + 1)))
    return meter.figures()


def asked() -> tuple[str, float]:
    """The scenario and the scale on the command line."""
    return sys.argv[1], float(sys.argv[2])


def tell(figures: Figures) -> None:
    """Print the figures for whoever started this process."""
    print(json.dumps(msgspec.to_builtins(figures)))
