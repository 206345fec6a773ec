"""An image gives back the run that it was made from, whatever the run has been through."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain.image import Image, image_of, run_of
from accord.domain.state import Run
from accord.testing.graphs import graph_of
from accord.testing.player import Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm

DERIVED = {"graph", "tasks", "subruns", "leaving", "busy", "due", "offers", "listening", "compensating"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 8), st.integers(0, 60))
def test_a_run_comes_back_from_the_bytes_of_its_image(random: Random, size: int, steps: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    Storm(player, random).blow(steps)
    data = msgspec.json.encode(image_of(player.run))
    assert run_of(msgspec.json.decode(data, type=Image), player.graph) == player.run


def test_an_image_has_all_of_a_run_that_is_not_derived() -> None:
    assert set(Run.__struct_fields__) - DERIVED == set(Image.__struct_fields__) - DERIVED
