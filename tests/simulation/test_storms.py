"""Storms over the whole orchestrator: seeds decide, invariants and the oracle judge."""

from __future__ import annotations

import logging

import pytest

from accord.testing.storms import KINDS, encrypted_storm, replay
from accord.testing.world import simulated

SEEDS = 80
REPLICA_SEEDS = 16
CALLING_SEEDS = 4
CHUNK = 4
"""So many seeds are a test: whoever gets the last test of all lets the others wait for as long as it takes."""
ENCRYPTED_SEEDS = 2


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_storm_comes_out_right(first: int) -> None:
    assert not (failures := failures_of(first, CHUNK, "alone")), "\n".join(failures)


@pytest.mark.parametrize("first", range(0, REPLICA_SEEDS, CHUNK))
def test_every_storm_over_replicas_comes_out_right(first: int) -> None:
    assert not (failures := failures_of(first, CHUNK, "replicas")), "\n".join(failures)


def test_every_storm_over_agents_that_ask_others_comes_out_right() -> None:
    assert not (failures := failures_of(0, CALLING_SEEDS, "calls")), "\n".join(failures)


def failures_of(first: int, count: int, kind: str) -> list[str]:
    """Every one that fails is told, with the way to play it again."""
    failures = []
    for seed in range(first, first + count):
        try:
            simulated(seed, KINDS[kind])
        except Exception as error:
            failures.append(f"seed {seed}: {error}\n  {replay(seed, kind)}")
    return failures


@pytest.mark.parametrize("seed", range(ENCRYPTED_SEEDS))
def test_every_storm_over_encrypted_runs_comes_out_right(seed: int) -> None:
    assert simulated(seed, encrypted_storm)
