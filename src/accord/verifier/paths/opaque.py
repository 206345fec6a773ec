"""Opaque parts: what has no formula here may give anything or fail, but the same wherever it stands again.

What the types of CEL and the rules of totality say of it holds all the same: of which kinds it is, and that it gives
something wherever the outputs are there that it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import z3

from accord.domain.expression import Types
from accord.domain.expression.inference import Inference
from accord.domain.expression.kinds import ALL, LARGE
from accord.domain.expression.syntax import Call, Constant, Name, Node, Select, walked
from accord.domain.expression.totality import Totality
from accord.formulas import Formula, both, either, negated
from accord.verifier.paths.canonical import canonical, is_stable, roots_of
from accord.verifier.paths.terms import KINDS, Case, Kind, Term

if TYPE_CHECKING:
    from accord.verifier.paths.translation import Reader

SORTS: Final[dict[Kind, Any]] = {
    "bool": z3.Bool,
    "int": z3.Int,
    "double": z3.Real,
    "string": z3.String,
    "list": z3.Int,
}
_SHARED: Final = frozenset({"input", "run"})
"""What is the same for all readers."""


class _Part(msgspec.Struct, frozen=True):
    """A part as it is compared with others."""

    node: Node
    text: str
    stable: bool


class Opaque:
    """The opaque parts of one graph's expressions; `types` are the schemas of what they read."""

    def __init__(self, solver: z3.Solver, types: Types) -> None:
        self._solver, self._types = solver, types
        self._terms: dict[str, Term] = {}
        self._made_anew = 0
        self._parts: dict[str, _Part] = {}

    def of(self, node: Node, reader: Reader) -> Term:
        """What a part may give."""
        name = self.name(node, reader)
        if name not in self._terms:
            self._terms[name] = self._new(name, self._part(node).node, reader)
        return self._terms[name]

    def anew(self) -> Term:
        """Anything, and nothing that is anywhere else."""
        name = self._another()
        return self._anything(name, KINDS, z3.Bool(f"{name} fails"), stated=False)

    def name(self, node: Node, reader: Reader) -> str:
        """The name of what a part gives to a reader: the same one wherever it gives the same."""
        part = self._part(node)
        if not part.stable:
            return self._another()
        return part.text if roots_of(part.node) <= _SHARED else f"{reader.name} {part.text}"

    def is_stable(self, node: Node) -> bool:
        """Whether a part gives the same wherever it is evaluated on the same."""
        return self._part(node).stable

    def _another(self) -> str:
        self._made_anew += 1
        return f"opaque {self._made_anew}"

    def _part(self, node: Node) -> _Part:
        written = f"{node}"  # nodes are no keys: to Python, 1 is True
        if written not in self._parts:
            found = canonical(node)
            self._parts[written] = _Part(found, f"{found}", is_stable(found, Inference(self._types)))
        return self._parts[written]

    def _new(self, name: str, node: Node, reader: Reader) -> Term:
        kinds, fails = Inference(self._types).of(node).kinds, z3.Bool(f"{name} fails")
        if "large" in kinds:
            kinds = kinds - LARGE | {"double"}
        if not Totality(self._types, lambda wanted, given: False).failures(node, ALL):
            fails = both((fails, _absent(node, reader)))
        if not kinds or not kinds.issubset(KINDS):  # of none is what always fails
            return self._anything(name, KINDS, fails, stated=False)
        return self._anything(name, tuple(kind for kind in KINDS if kind in kinds), fails, stated=True)

    def _anything(self, name: str, kinds: tuple[Kind, ...], fails: Formula, *, stated: bool) -> Term:
        if len(kinds) == 1:
            return Term((Case(True, kinds[0], self._value(name, kinds[0])),), False, fails, stated)
        selector = z3.Int(f"{name} type")
        self._solver.add(selector >= 0, selector < len(kinds))
        cases = tuple(Case(selector == number, kind, self._value(name, kind)) for number, kind in enumerate(kinds))
        return Term(cases, False, fails, stated)

    def _value(self, name: str, kind: Kind) -> Any:
        value = SORTS[kind](f"{name} {kind}") if kind in SORTS else None
        if value is not None and kind == "list":
            self._solver.add(value >= 0)
        return value


def _absent(node: Node, reader: Reader) -> Formula:
    """That an output is not there which is read somewhere in a canonical tree."""
    read = (names_of(each) for each in walked(node))
    found = (reader.place(names) for names in read if names is not None and len(names) > 1)
    return either(negated(one[1]) for one in found if one is not None)


def names_of(node: Node) -> tuple[str, ...] | None:
    """The root and the names of a path that has to be there."""
    match node:
        case Name(name):
            return (name.removeprefix("."),)
        case Select(operand, field, False) | Call("_[_]", (operand, Constant(str() as field))):
            before = names_of(operand)
            return None if before is None else (*before, field)
    return None
