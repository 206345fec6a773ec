"""Random workflows whose outcome is known: each comes with a reference interpreter that says what every task must
give, whatever goes wrong on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Literal

import msgspec

from accord.testing.cast import GREED

Fate = Literal["completed", "skipped", "failed"]
Value = Any


class Outcome(msgspec.Struct, frozen=True):
    """How a task ends, and its output where that is known."""

    fate: Fate
    value: Value = None
    known: bool = True


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is declared, and what it means."""

    name: str
    spec: dict[str, Any]
    needs: tuple[str, ...] = ()
    required: int | None = None
    """How many needs must be done; all where None, none where 0."""
    when: Callable[[int], bool] | None = None
    fate: Fate = "completed"
    sure: bool = False
    """Whether it completes with a value that others may read, in every run that completes."""
    is_list: bool = False
    value: Callable[[int, Mapping[str, Outcome]], Value] | None = None
    """None where the value cannot be foretold."""
    signal: tuple[str, int] | None = None
    """The signal that it waits for, and what is to be sent."""
    approval: bool = False


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A template and what its runs come to."""

    cells: tuple[Cell, ...]
    source: dict[str, Any]
    doomed: bool = False
    """Whether every run of it fails."""

    @property
    def name(self) -> str:
        """The template's name."""
        return str(self.source["name"])

    def outcomes(self, n: int) -> dict[str, Outcome]:
        """How each task ends in a run with this input, unless somebody intervenes."""
        ended: dict[str, Outcome] = {}
        for cell in self.cells:
            ended[cell.name] = _outcome(cell, n, ended)
        return ended

    def output(self, n: int) -> dict[str, Value]:
        """The run's output."""
        ended = self.outcomes(n)
        return {name: ended[name].value for name in self.source["output"]}

    def signals(self) -> dict[str, int]:
        """What is to be sent, by the signals' names."""
        return dict(cell.signal for cell in self.cells if cell.signal is not None)


def _outcome(cell: Cell, n: int, ended: Mapping[str, Outcome]) -> Outcome:
    good = sum(ended[need].fate in ("completed", "failed") for need in cell.needs)
    if good < (len(cell.needs) if cell.required is None else cell.required):
        return Outcome("skipped")
    if cell.when is not None and not cell.when(n):
        return Outcome("skipped")
    if cell.fate != "completed":
        return Outcome(cell.fate)
    return Outcome("completed", known=False) if cell.value is None else Outcome("completed", cell.value(n, ended))


class Maker:
    """Makes workflows."""

    def __init__(self, rng: Random, *, late: bool = False, calls: bool = False) -> None:
        self._rng = rng
        self._calls = calls
        self._add = "late.add@^1" if late else "math.add@^1"
        self._cells: list[Cell] = []

    def workflow(self, name: str, size: int, *, child: Workflow | None = None, doomed: bool = False) -> Workflow:
        """A workflow of so many tasks; doomed ones fail at a task in the middle."""
        self._cells = [self._first()]
        makers = [self._sum, self._sum, self._each, self._copies, self._unsure, self._fallback, self._signal]
        makers += [self._approval, self._sleep, self._may_fail, self._nobody, self._any, self._when, self._hang]
        makers += [self._asking, self._asking, self._asking, self._greedy] * self._calls
        for index in range(1, size):
            make = self._rng.choice(makers)
            if self._calls and index == 1:
                self._cells.append(self._asking(f"t{index}"))
            elif child is not None and self._rng.random() < 0.15:
                self._cells.append(self._sub(f"t{index}", child))
            else:
                self._cells.append(make(f"t{index}"))
        if doomed:
            self._cells.append(self._doom(f"t{size}"))
        return Workflow(cells=tuple(self._cells), source=self._source(name, doomed=doomed), doomed=doomed)

    def _source(self, name: str, *, doomed: bool) -> dict[str, Any]:
        rng = self._rng
        undoable = any("compensate" in cell.spec for cell in self._cells)
        shown = {cell.name: f"${{ tasks.{cell.name}.output }}" for cell in self._cells if cell.sure}
        return {
            "accord": "template/1",
            "name": name,
            "version": "1.0.0",
            "input": {
                "type": "object",
                "properties": {"n": {"type": "integer"}, "padding": {"type": "string"}},
                "required": ["n"],
                "additionalProperties": False,
            },
            "defaults": {"attempts": 100, "backoff": {"first": "100ms", "cap": "1s"}},
            "limits": {"parallel": rng.choice((1, 2, 256))},
            "on_failure": "compensate" if undoable and rng.random() < 0.6 else "stop",
            "tasks": {cell.name: {**cell.spec, **self._joined(cell)} for cell in self._cells},
            "output": shown,
        }

    def _joined(self, cell: Cell) -> dict[str, Any]:
        if cell.required is None:
            return {}
        join = {0: "settled", 1: "any"}.get(cell.required, {"at_least": cell.required})
        return {"needs": list(cell.needs), "join": join}

    # -- parts ---------------------------------------------------------------------------------------------------

    def _sure(self, *, is_list: bool = False) -> Cell | None:
        found = [cell for cell in self._cells if cell.sure and cell.is_list == is_list]
        return self._rng.choice(found) if found else None

    def _number(self) -> Cell:
        cell = self._sure()
        assert cell is not None  # noqa: S101 - the first one is
        return cell

    def _extras(self) -> dict[str, Any]:
        rng, extras = self._rng, dict[str, Any]()
        if rng.random() < 0.4:
            extras["compensate"] = {"uses": "math.undo@^1", "with": {"made": "${ task.output }"}}
        if rng.random() < 0.2:
            extras["context"] = "upstream"
        if rng.random() < 0.2:
            extras["timeout"] = "30s"
        return extras

    def _work(self, a: str, b: int | str, **more: Any) -> dict[str, Any]:
        return {"uses": self._add, "with": {"a": a, "b": b}, **self._extras(), **more}

    def _first(self) -> Cell:
        return Cell(name="t0", spec=self._work("${ input.n }", 1), sure=True, value=lambda n, _: n + 1)

    def _sum(self, name: str, **more: Any) -> Cell:
        left, right = self._number(), self._number()
        spec = self._work(_of(left), _of(right), **more)
        needs = tuple(dict.fromkeys((left.name, right.name)))
        return Cell(
            name=name, spec=spec, needs=needs, sure=True, value=lambda n, t: t[left.name].value + t[right.name].value
        )

    def _copies(self, name: str) -> Cell:
        return self._sum(name, redundancy=self._rng.choice(({"copies": 2, "agree": 2}, {"copies": 3, "agree": 2})))

    def _unsure(self, name: str) -> Cell:
        otherwise = self._rng.choice(("retry", "other_agent", "review"))
        return self._sum(name, confidence={"at_least": 0.5, "otherwise": otherwise})

    def _each(self, name: str) -> Cell:
        source, factor = self._sure(is_list=True), self._number()
        more: dict[str, Any] = {"parallel": self._rng.randint(1, 4)} if self._rng.random() < 0.5 else {}
        if source is not None and self._rng.random() < 0.5:
            spec = self._work("${ item }", _of(factor), for_each=_of(source), **more)
            needs, start = (source.name, factor.name), source.name
            return Cell(
                name=name,
                spec=spec,
                needs=needs,
                sure=True,
                is_list=True,
                value=lambda n, t: [one + t[factor.name].value for one in t[start].value],
            )
        items = list(range(self._rng.choice((0, 1, 3, 6))))
        spec = self._work("${ item }", _of(factor), for_each=f"${{ {items} }}", **more)
        return Cell(
            name=name,
            spec=spec,
            needs=(factor.name,),
            sure=True,
            is_list=True,
            value=lambda n, t: [one + t[factor.name].value for one in items],
        )

    def _fallback(self, name: str) -> Cell:
        need = self._number()
        spec: dict[str, Any] = {"uses": "math.broken@^1", "with": {"a": _of(need), "b": 5}}
        if self._rng.random() < 0.5:
            spec["fallback"] = [{"uses": "math.add@^1"}]
            return Cell(name=name, spec=spec, needs=(need.name,), sure=True, value=lambda n, t: t[need.name].value + 5)
        spec["fallback"] = [{"value": 77}]
        return Cell(name=name, spec=spec, needs=(need.name,), sure=True, value=lambda n, t: 77)

    def _hang(self, name: str) -> Cell:
        need = self._number()
        spec: dict[str, Any] = {"uses": "math.hang@^1", "with": {"a": _of(need), "b": 5}}
        if self._rng.random() < 0.5:
            retry = {"attempts": 2, "backoff": {"first": "1s"}}
            spec |= {"timeout": "3s", "retry": retry, "fallback": [{"value": 78}]}
            return Cell(name=name, spec=spec, needs=(need.name,), sure=True, value=lambda n, t: 78)
        spec |= {"deadline": "6s", "on_failure": "continue"}
        return Cell(name=name, spec=spec, needs=(need.name,), fate="failed")

    def _may_fail(self, name: str) -> Cell:
        need = self._number()
        spec = {"uses": "math.broken@^1", "with": {"a": _of(need), "b": 5}, "on_failure": "continue"}
        return Cell(name=name, spec=spec, needs=(need.name,), fate="failed")

    def _asking(self, name: str) -> Cell:
        """Its agent asks others, twice at each attempt at most."""
        left, right = self._number(), self._number()
        calls = {"capabilities": ["math.add"], "objectives": True, "at_most": 1000}
        spec = self._work(_of(left), _of(right)) | {"uses": "math.twice@^1", "calls": calls}
        spec.pop("timeout", None)
        return Cell(
            name=name,
            spec=spec,
            needs=tuple(dict.fromkeys((left.name, right.name))),
            sure=True,
            value=lambda n, t: t[left.name].value + 2 * t[right.name].value,
        )

    def _greedy(self, name: str) -> Cell:
        """Its agent wants more than it may ask for."""
        need = self._number()
        calls = {"capabilities": ["math.add"], "at_most": self._rng.randint(1, GREED - 1)}
        spec = {"uses": "math.greedy@^1", "with": {"a": _of(need), "b": 5}, "calls": calls, "on_failure": "continue"}
        return Cell(name=name, spec=spec, needs=(need.name,), fate="failed")

    def _signal(self, name: str) -> Cell:
        need, payload = self._number(), self._rng.randrange(1000)
        spec = {"signal": {"name": f"s_{name}", "schema": {"type": "integer"}}, "needs": [need.name]}
        return Cell(
            name=name,
            spec=spec,
            needs=(need.name,),
            sure=True,
            value=lambda n, t: payload,
            signal=(f"s_{name}", payload),
        )

    def _nobody(self, name: str) -> Cell:
        need = self._number()
        waits = {"name": f"never_{name}", "timeout": "5s", "on_timeout": "skip"}
        return Cell(name=name, spec={"signal": waits, "needs": [need.name]}, needs=(need.name,), fate="skipped")

    def _approval(self, name: str) -> Cell:
        need = self._number()
        spec = {"approval": {"title": "All right?"}, "needs": [need.name]}
        return Cell(name=name, spec=spec, needs=(need.name,), approval=True, value=lambda n, t: {"approved": True})

    def _sleep(self, name: str) -> Cell:
        need = self._number()
        return Cell(name=name, spec={"sleep": "2s", "needs": [need.name]}, needs=(need.name,))

    def _any(self, name: str) -> Cell:
        size = min(len(self._cells), self._rng.randint(1, 3))
        needs = tuple(cell.name for cell in self._rng.sample(self._cells, size))
        required = self._rng.choice((0, 1, size))
        return Cell(
            name=name, spec=self._work("${ input.n }", 9), needs=needs, required=required, value=lambda n, t: n + 9
        )

    def _when(self, name: str) -> Cell:
        need, rest = self._number(), self._rng.randrange(2)
        spec = self._work(_of(need), 3, when=f"${{ input.n % 2 == {rest} }}")
        return Cell(
            name=name,
            spec=spec,
            needs=(need.name,),
            when=lambda n: n % 2 == rest,
            value=lambda n, t: t[need.name].value + 3,
        )

    def _sub(self, name: str, child: Workflow) -> Cell:
        need = self._number()
        spec = {"workflow": f"{child.name}@^1", "with": {"n": _of(need)}}
        return Cell(name=name, spec=spec, needs=(need.name,), value=lambda n, t: child.output(t[need.name].value))

    def _doom(self, name: str) -> Cell:
        need = self._number()
        spec = {"uses": "math.broken@^1", "with": {"a": _of(need), "b": 5}}
        return Cell(name=name, spec=spec, needs=(need.name,), fate="failed")


def _of(cell: Cell) -> str:
    return f"${{ tasks.{cell.name}.output }}"
