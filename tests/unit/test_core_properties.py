"""Random graphs in random storms: whatever happens in whatever order, the invariants hold and every run ends.

`Player` checks them after every event: the state is the fold of the journal's bytes, no output is accepted twice,
nothing is assigned during a pause, compensations run in reverse topological order and for exactly what completed.
"""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.testing.graphs import graph_of
from accord.testing.player import Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm

RANDOMS = st.randoms(use_true_random=False)
SIZES = st.integers(1, 8)
STEPS = st.integers(0, 100)
THOROUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def player_of(random: Random, size: int) -> Player:
    tasks = random_tasks(random, size)
    fields: dict[str, object] = {}
    if any("compensate" in task for task in tasks.values()) and random.random() < 0.5:
        fields["on_failure"] = "compensate"
    if random.random() < 0.3:
        fields["limits"] = {"deadline": "10m"}
    return Player(graph_of(tasks, **fields), given=INPUT)


@THOROUGH
@given(RANDOMS, SIZES, STEPS)
def test_every_run_ends_once_the_agents_work(random: Random, size: int, steps: int) -> None:
    player = player_of(random, size)
    storm = Storm(player, random)
    storm.blow(steps)
    assert storm.calm().ended
    player.crash()


@THOROUGH
@given(RANDOMS, SIZES, STEPS)
def test_a_run_that_failed_or_was_cancelled_goes_on_when_asked(random: Random, size: int, steps: int) -> None:
    player = player_of(random, size)
    storm = Storm(player, random)
    storm.blow(steps)
    storm.calm(perfect=False)
    assert storm.revive().ended


@THOROUGH
@given(RANDOMS, SIZES)
def test_without_a_storm_every_accepted_output_is_accepted_once(random: Random, size: int) -> None:
    player = player_of(random, size)
    run = Storm(player, random).calm()
    completed = {task for task, state in run.tasks.items() if state.phase == "completed"}
    assert {task for task, _ in player.watch.acceptances.counts} >= completed
    assert set(player.watch.acceptances.counts.values()) <= {1}
