"""Storms over the whole orchestrator: seeds decide, invariants and the oracle judge."""

from __future__ import annotations

import logging

import pytest

from accord.testing.storms import encrypted_storm, replay, replica_storm, storm
from accord.testing.world import simulated

SEEDS = 80
CHUNK = 20
REPLICA_SEEDS = 16
REPLICA_CHUNK = 8
ENCRYPTED_SEEDS = 2


@pytest.fixture(autouse=True)
def _quiet() -> object:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_storm_comes_out_right(first: int) -> None:
    assert not (failures := failures_of(first, CHUNK, replicas=False)), "\n".join(failures)


@pytest.mark.parametrize("first", range(0, REPLICA_SEEDS, REPLICA_CHUNK))
def test_every_storm_over_replicas_comes_out_right(first: int) -> None:
    assert not (failures := failures_of(first, REPLICA_CHUNK, replicas=True)), "\n".join(failures)


def failures_of(first: int, count: int, *, replicas: bool) -> list[str]:
    """Every one that fails is told, with the way to play it again."""
    failures = []
    for seed in range(first, first + count):
        try:
            simulated(seed, replica_storm if replicas else storm)
        except Exception as error:
            failures.append(f"seed {seed}: {error}\n  {replay(seed, replicas=replicas)}")
    return failures


@pytest.mark.parametrize("seed", range(ENCRYPTED_SEEDS))
def test_every_storm_over_encrypted_runs_comes_out_right(seed: int) -> None:
    assert simulated(seed, encrypted_storm)
