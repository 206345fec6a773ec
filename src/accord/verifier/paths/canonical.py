"""Canonical trees: parts of expressions that always give the same, or fail alike, are written alike.

Variables of comprehensions have names by their depth; `all` is `exists` of what it is not, denied; what is denied is
denied as far inside as it goes. CEL's `&&` and `||` ask for no order, and forgive a failure where the other side
decides, so that this holds for failures as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from accord.domain.expression.inference import Inference
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence, walked

_DENIED: Final = {
    "_<_": "_>=_",
    "_<=_": "_>_",
    "_>_": "_<=_",
    "_>=_": "_<_",
    "_==_": "_!=_",
    "_!=_": "_==_",
}
_EQUAL: Final = frozenset({"_==_", "_!=_"})
_OTHER: Final = {"_&&_": "_||_", "_||_": "_&&_"}
_ASKED: Final = frozenset({"@in", "contains", "startsWith", "endsWith", "matches", "hasValue"})
_TRUTHS: Final = frozenset({*_DENIED, *_OTHER, *_ASKED, "!_"})
_STATED, _MADE, _GATHERED = "#", "%", "@"
"""What the names of variables begin with: what data is gone through, what something else is, and what is gathered."""
_BOUND: Final = (_STATED, _MADE, _GATHERED)
_NOWHERE: Final[Mapping[str, str]] = {}


def canonical(node: Node, names: Mapping[str, str] = _NOWHERE) -> Node:
    """The tree as it is written where it is compared; `names` are those of the variables around it."""
    match node:
        case Name(name):
            return Name(names.get(name, name.removeprefix(".")))
        case Select(operand, field, test):
            return Select(canonical(operand, names), field, test)
        case Call("!_", (operand,)):
            return denied(canonical(operand, names))
        case Call(function, arguments):
            return Call(function, tuple(canonical(each, names) for each in arguments))
        case Sequence(elements, optional):
            return Sequence(tuple(canonical(each, names) for each in elements), optional)
        case Record(entries, optional):
            return Record(tuple((canonical(key, names), canonical(one, names)) for key, one in entries), optional)
        case Comprehension() if len(node.variables) == 1:
            return _fold(node, names)
    return node


def denied(node: Node) -> Node:
    """What is true where a canonical tree is false, false where it is true, and fails where it does."""
    match node:
        case Call("!_", (operand,)) if _is_truth(operand):
            return operand
        case Call(("_&&_" | "_||_") as function, (one, other)):
            return Call(_OTHER[function], (denied(one), denied(other)))
        case Call(function, (one, other)) if function in _EQUAL:
            return Call(_DENIED[function], (one, other))
        case Call(function, (one, other)) if function in _DENIED and _is_stated(one) and _is_stated(other):
            return Call(_DENIED[function], (one, other))
    return Call("!_", (node,))


def is_stable(node: Node, here: Inference) -> bool:
    """Whether it gives the same wherever it is evaluated on the same. The members of an object come in no certain
    order, which `exists`, `all` and `exists_one` do not tell.
    """
    match node:
        case Comprehension() if len(node.variables) != 1:
            return False
        case Comprehension():
            ordered = here.of(node.over).kinds == {"list"} or isinstance(node.start, Constant)
            inside = here.within(node)
            parts = is_stable(node.over, here) and is_stable(node.start, here)
            within = parts and is_stable(node.condition, inside) and is_stable(node.step, inside)
            return ordered and within and is_stable(node.result, here.after(node))
        case Select(operand):
            return is_stable(operand, here)
        case Call(_, children) | Sequence(children):
            return all(is_stable(each, here) for each in children)
        case Record(entries):
            return all(is_stable(part, here) for entry in entries for part in entry)
    return True


def roots_of(node: Node) -> set[str]:
    """The names that a canonical tree reads from outside of it."""
    return {each.name for each in walked(node) if isinstance(each, Name) and each.name[:1] not in _BOUND}


def _fold(node: Comprehension, names: Mapping[str, str]) -> Node:
    depth = max((int(name[1:]) + 1 for name in names.values()), default=0)
    (variable,), over = node.variables, canonical(node.over, names)
    each = f"{_STATED if _is_stated(over) else _MADE}{depth}"
    gathered = {**names, node.accumulator: f"{_GATHERED}{depth}"}
    inside = {**gathered, variable: each}
    found = Comprehension(
        variables=frozenset({each}),
        accumulator=gathered[node.accumulator],
        over=over,
        start=canonical(node.start, names),
        condition=canonical(node.condition, inside),
        step=canonical(node.step, inside),
        result=canonical(node.result, gathered),
    )
    body = _all_of(found)
    return found if body is None else Call("!_", (_exists(found, denied(body)),))


def _all_of(fold: Comprehension) -> Node | None:
    """What `all` asks of each; None where it is another macro."""
    name = Name(fold.accumulator)
    match fold.step:
        case Call("_&&_", (before, body)) if before == name and fold.result == name:
            return body if isinstance(fold.start, Constant) and fold.start.value is True else None
    return None


def _exists(fold: Comprehension, body: Node) -> Comprehension:
    """The `exists` that goes through the same and asks for this, as the macro writes it."""
    name = Name(fold.accumulator)
    goes_on = Call("@not_strictly_false", (Call("!_", (name,)),))
    step = Call("_||_", (name, body))
    return msgspec.structs.replace(fold, start=Constant(False), condition=goes_on, step=step)


def _is_truth(node: Node) -> bool:
    """Whether it is true or false, or fails."""
    match node:
        case Call(function):
            return function in _TRUTHS
        case Select(_, _, test):
            return test
        case Comprehension(start=Constant(bool()), result=Name()):
            return True
    return False


def _is_stated(node: Node) -> bool:
    """Whether it is data or a constant: a number of these is never NaN, which is neither more nor less than any."""
    match node:
        case Select(operand, _, False) | Call("_[_]", (operand, Constant())):
            return _is_stated(operand)
        case Name(name):
            return name[:1] not in (_GATHERED, _MADE)
    return isinstance(node, Constant)
