"""Records the golden histories of the core: `python tests/replay/record_core.py`.

What has been recorded and released is kept for ever, and is never written again; only missing files are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.testing.graphs import graph_of
from accord.testing.history import Header, History, chain_digest, state_digest, write_history
from accord.testing.player import Broken, Done, Failed, Player, Refuses, Verdict

FOLDER = Path(__file__).parent / "core"
BAD = Failed(retryable=False)
UNDO = {"compensate": {"uses": "test.undo@^1", "with": {"made": "${ task.output }"}}}
Story = Callable[[], tuple[str, dict[str, Any], dict[str, Any], Player]]


def told(about: str, tasks: dict[str, Any], script: Any = None, given: Any = None, **fields: Any) -> Any:
    return about, tasks, fields, Player(graph_of(tasks, **fields), script, given=given)


def chain() -> Any:
    story = told("Three tasks in a row; the second fails once.", CHAIN, {"b": [Failed(), Done(2)]})
    story[3].play()
    return story


def fan_out() -> Any:
    tasks = {"many": {"for_each": "${ input }", "parallel": 3}, "end": {"with": {"all": "${ tasks.many.output }"}}}
    story = told("A group of which one item fails; it alone is done again.", tasks, {"many[2]": BAD}, [1, 2, 3, 4, 5])
    player = story[3]
    player.play()
    player.script = {}
    player.do(c.RetryTask(task=TaskId("many[2]"), by="ann"))
    player.play()
    return story


def diagnosis() -> Any:
    tasks = {
        "a": {},
        "b": {"needs": ["a"], "fallback": [{"value": "instead"}]},
        "c": {"redundancy": {"copies": 3, "agree": 2}},
        "d": {"confidence": {"at_least": 0.5, "otherwise": "review"}},
    }
    script = {"a": [Broken("bad"), Verdict("repaired", "mended")], "b": BAD, "d": Done("unsure", 0.1)}
    story = told("A repaired result, a fallback, a vote, a review.", tasks, script)
    player = story[3]
    player.play()
    player.decide_on("d", {"approved": True})
    return story


def rolled_back() -> Any:
    tasks = {"a": UNDO, "b": {"needs": ["a"], **UNDO}, "side": {"needs": ["a"]}, "end": {"needs": ["b", "side"]}}
    story = told("A rollback that is paused, and a second one on top of it.", tasks)
    player = story[3]
    player.play()
    player.do(c.Rollback(to=TaskId("b"), by="ann"))
    player.do(c.Pause(by="ann", reason="lunch"))
    player.do(c.Rollback(to=TaskId("a"), by="bob"))
    player.do(c.Resume(by="ann"))
    player.play()
    return story


def compensated() -> Any:
    tasks = {"a": UNDO, "many": {"needs": ["a"], "for_each": "${ input }", **UNDO}, "c": {"needs": ["many"]}}
    story = told("A run that fails is undone.", tasks, {"c": BAD}, [1, 2, 3], on_failure="compensate")
    story[3].play()
    return story


def waits() -> Any:
    tasks = {
        "nap": {"sleep": "90s"},
        "go": {"needs": ["nap"], "signal": {"name": "go"}},
        "ask": {"approval": {"title": "Go on?", "timeout": "1m", "on_timeout": "skip"}},
        "sub": {"workflow": "other@^1", "with": {"n": 1}},
        "end": {"needs": ["go", "ask", "sub"], "join": "settled"},
    }
    story = told("A timer, an early signal, an approval that nobody gives, a sub-workflow.", tasks)
    player = story[3]
    player.signal("go", {"by": "ann"})
    player.play()
    return story


def rejected() -> Any:
    tasks = {
        "agreed": {"approval": {"title": "Pay?", "on_reject": "skip"}},
        "paid": {"needs": ["agreed"]},
        "checked": {"approval": {"title": "Is it right?"}},
        "end": {"needs": ["checked"]},
    }
    story = told("A rejection that skips, and one that fails the run.", tasks)
    player = story[3]
    player.decide_on("agreed", {"approved": False, "comment": "too dear"})
    player.decide_on("checked", {"approved": False})
    player.play()
    return story


def cancelled() -> Any:
    story = told("A run that is cancelled, and retried.", CHAIN)
    player = story[3]
    player.assign("a")
    player.do(c.Cancel(by="ann", reason="enough"))
    player.do(c.RetryTask(task=TaskId("a"), by="ann"))
    player.play()
    return story


def faults() -> Any:
    once = {"attempts": 3, "backoff": {"first": "1s", "jitter": 0}}
    tasks = {
        "made": {"diagnose": False, "retry": once},
        "refused": {"needs": ["made"], "retry": once},
        "mapped": {"needs": ["refused"], "with": {"n": "${ tasks.made.output }"}, "fallback": [{"value": "instead"}]},
        "sent": {"needs": ["mapped"]},
        "agreed": {"needs": ["sent"], "diagnose": False, "on_failure": "continue", "retry": {"attempts": 9}},
        "last": {"needs": ["agreed"], "with": {"n": "${ tasks.agreed.output.none }"}},
    }
    script = {"made": [Broken(), Done(1)], "refused": [Refuses(), Done(2)], "agreed": Broken()}
    story = told("Faults: producer, consumer, mapping, transport, contract, and mapping again.", tasks, script)
    player = story[3]
    while player.run.state(TaskId("mapped")).phase != "active":
        player.step() or player.wake()
    player.refuse_input("mapped", "/n")
    player.assign("sent")
    player.damage("sent", 1)
    player.play()
    return story


def labelled() -> Any:
    reads = {"with": {"v": "${ input.name }"}}
    lowers = {"to": "internal", "without": ["personal"], "why": "names are removed"}
    tasks = {
        "open": {"with": {"v": "${ input.order }"}},
        "secret": {**reads, "labels": ["health"]},
        "cleared": {"with": {"v": "${ tasks.secret.output }"}, "declassify": lowers},
        "all": {"for_each": "${ input.rows }", "with": {"v": "${ item }"}, "needs": ["cleared"]},
        "end": {
            "with": {"a": "${ tasks.open.output }", "b": "${ tasks.cleared.output }", "c": "${ tasks.all.output }"}
        },
    }
    script = {"open": Done(1, labels=("trade-secret",)), "cleared": Done(2, declassifies=True)}
    labels = {"/name": ["confidential", "personal"], "/order": ["public"], "/rows": ["public"]}
    given = {"name": "Ann", "order": 7, "rows": [1, 2]}
    story = told(
        "Labels: of the input, a task and an agent; one declassification.", tasks, script, given, labels=labels
    )
    story[3].play()
    return story


# `answered_no.jsonl` has no story: today's Accord does not write it any more.
CHAIN = {"a": {}, "b": {"needs": ["a"]}, "c": {"with": {"b": "${ tasks.b.output }"}}}
STORIES: tuple[Story, ...] = (
    chain,
    fan_out,
    diagnosis,
    rolled_back,
    compensated,
    waits,
    rejected,
    cancelled,
    faults,
    labelled,
)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for story in STORIES:
        path = FOLDER / f"{story.__name__}.jsonl"
        if not path.exists():
            about, tasks, fields, player = story()
            header = Header(about, tasks, fields, state_digest(player.run), chain_digest(player.journal))
            write_history(path, History(header, tuple(player.journal)))
            sys.stdout.write(f"{path.name}: {len(player.journal)} events, {player.run.phase}\n")


if __name__ == "__main__":
    main()
