"""Random graphs: every kind of task, join and rule, as template tasks."""

from __future__ import annotations

from random import Random
from typing import Any

INPUT: dict[str, Any] = {
    "yes": True,
    "no": False,
    "word": "ok",
    "lists": {f"l{size}": [{"n": number} for number in range(size)] for size in range(6)},
}
"""The input that the expressions of random tasks read."""

SIGNALS = ("go", "stop")


def random_tasks(random: Random, size: int) -> dict[str, dict[str, Any]]:
    """Tasks `t0` to `t<size-1>`, each behind some of those before it."""
    names = [f"t{index}" for index in range(size)]
    return {name: _task(random, names[:index]) for index, name in enumerate(names)}


def _task(random: Random, before: list[str]) -> dict[str, Any]:
    needs = random.sample(before, min(len(before), random.choice((0, 1, 1, 2, 3))))
    task = random.choices((_work, _signal, _approval, _sleep, _workflow), (12, 1, 1, 1, 1))[0](random)
    task["needs"] = needs
    if needs:
        task["join"] = random.choices(("all", "any", "settled", {"at_least": len(needs)}), (6, 1, 2, 1))[0]
    if random.random() < 0.15:
        task["when"] = random.choice(("${ input.yes }", "${ input.no }", "${ input.missing }"))
    if random.random() < 0.25:
        task["on_failure"] = "continue"
    return task


def _work(random: Random) -> dict[str, Any]:
    task: dict[str, Any] = {"uses": "test.work@^1", "with": {"word": "${ input.word }"}}
    task["retry"] = {"attempts": random.randint(1, 3), "backoff": {"first": "1s", "jitter": 0}}
    if random.random() < 0.3:
        task["for_each"] = _list(random, 6)
        task["parallel"] = random.randint(1, 4)
    if random.random() < 0.4:
        task["compensate"] = {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}
    if random.random() < 0.2:
        task["fallback"] = [{"uses": "test.other@^1"}, {"value": "instead: ${ error.code }"}][: random.randint(1, 2)]
    if random.random() < 0.15:
        task["redundancy"] = random.choice(({"copies": 2, "agree": 2}, {"copies": 3, "agree": 2}))
    if random.random() < 0.15:
        task["confidence"] = {"at_least": 0.5, "otherwise": random.choice(("retry", "other_agent", "review", "fail"))}
    if random.random() < 0.15:
        task["deadline"] = "2m"
    return task


def _list(random: Random, longest: int) -> str:
    return f"${{ input.lists.l{random.randrange(longest)} }}"


def _signal(random: Random) -> dict[str, Any]:
    return {"signal": {"name": random.choice(SIGNALS), **_timeout(random)}}


def _approval(random: Random) -> dict[str, Any]:
    rejected = random.choice(({}, {"on_reject": "skip"}, {"on_reject": "continue"}))
    task: dict[str, Any] = {"approval": {"title": "All right?", **_timeout(random), **rejected}}
    if random.random() < 0.3:
        task["for_each"] = _list(random, 4)
    return task


def _timeout(random: Random) -> dict[str, Any]:
    return random.choice(({}, {"timeout": "1m"}, {"timeout": "1m", "on_timeout": "skip"}))


def _sleep(random: Random) -> dict[str, Any]:
    return {"sleep": random.choice(("10s", "1m", "${ input.word }"))}


def _workflow(random: Random) -> dict[str, Any]:
    task: dict[str, Any] = {"workflow": "other@^1", "with": {"word": "${ input.word }"}}
    if random.random() < 0.3:
        task["for_each"] = _list(random, 4)
    if random.random() < 0.3:
        task["deadline"] = "1m"
    return task
