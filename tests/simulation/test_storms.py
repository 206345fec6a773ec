"""Storms over the whole orchestrator: seeds decide, invariants and the oracle judge."""

from __future__ import annotations

import logging

import pytest

from accord.testing.storms import replay, storm
from accord.testing.world import simulated

SEEDS = 80
CHUNK = 20


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_storm_comes_out_right(first: int) -> None:
    failures = []
    for seed in range(first, first + CHUNK):
        try:
            simulated(seed, storm)
        except Exception as error:  # every one of a chunk is told, with the way to play it again
            failures.append(f"seed {seed}: {error}\n  {replay(seed)}")
    assert not failures, "\n".join(failures)
