"""The search for a value of which a formula holds.

By type of value, the formula is taken apart into conjunctions of atoms (an analytic tableau); conjunctions are decided
by what is known of numbers, texts, arrays and objects, which ask for values of the formulas inside. A value found for
the atoms that are certain says which alternatives still have to be chosen.

Where a formula is met again while a value is looked for inside a value of it, the answer is "none": the smallest value
of a formula has no smaller value of it inside, so that values are missed nowhere, and the search ends (a least fixed
point; JSON values are finite). That there is none is only kept for other questions when no open question was met.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from accord.verifier.containment.answers import Answer, Budget, UndecidedError, Without, Witness
from accord.verifier.containment.arrays import Arrays
from accord.verifier.containment.formulas import (
    FALSE,
    TRUE,
    TYPES,
    Among,
    Both,
    Bound,
    Either,
    Formula,
    Formulas,
    IsTrue,
    Multiple,
    Node,
    OfType,
    Opaque,
    Reference,
    Size,
    Text,
    type_of_atom,
)
from accord.verifier.containment.holding import Holding
from accord.verifier.containment.numbers import number_in
from accord.verifier.containment.objects import Objects
from accord.verifier.containment.references import UnreadSchemaError
from accord.verifier.containment.texts import text_in

_Option: TypeAlias = tuple[frozenset[Formula], frozenset[Formula]]
"""Atoms, and what still has to be chosen."""

_NEVER = 1 << 30
_COMPARED = 6
"""So many alternatives are looked at to find the one with the fewest branches."""


class Search:
    """Answers questions about formulas, and remembers the answers."""

    def __init__(self, formulas: Formulas, budget: Budget) -> None:
        self._formulas, self._budget = formulas, budget
        self._holding = Holding(formulas)
        self._simple: dict[tuple[Formula, str], Formula] = {}
        self._simplifying: set[tuple[Formula, str]] = set()
        self._known: dict[Formula, Answer] = {}
        self._open: dict[Formula, int] = {}
        self._assumed: dict[Formula, int] = {}
        """Formulas without a value as long as an open one has none, with the depth of that one."""
        self._met = _NEVER
        """The depth of the outermost open question that was met."""
        self._solved: dict[frozenset[Formula], Answer] = {}

    def find(self, formula: Formula) -> Answer:
        """A value of which the formula holds.

        Raises:
            UndecidedError: the budget is spent.
            UnreadSchemaError: a schema that is referred to is not read.
        """
        if formula in self._known:
            return self._known[formula]
        waits_for = self._open.get(formula, self._assumed.get(formula, -1))
        if waits_for >= 0:
            self._met = min(self._met, waits_for)
            return Without.NOTHING
        return self._asked(formula)

    def _asked(self, formula: Formula) -> Answer:
        depth, before, assumed = len(self._open), self._met, len(self._assumed)
        self._open[formula], self._met = depth, _NEVER
        answer = self._of_any_type(formula)
        del self._open[formula]
        if answer is Without.NOTHING and self._met < depth:
            self._assumed[formula] = self._met
        else:
            self._settle(assumed, keep=answer is Without.NOTHING)
            self._known[formula] = answer
            self._met = _NEVER
        self._met = min(before, self._met)
        return answer

    def _settle(self, since: int, *, keep: bool) -> None:
        """What was assumed inside a question is known with its answer, or not at all."""
        for formula in list(self._assumed)[since:]:
            del self._assumed[formula]
            if keep:
                self._known[formula] = Without.NOTHING

    def _of_any_type(self, formula: Formula) -> Answer:
        undecided = False
        for name in TYPES:
            answer = self._of_type(formula, name)
            if isinstance(answer, Witness):
                return answer
            undecided |= answer is Without.UNDECIDED
        return Without.UNDECIDED if undecided else Without.NOTHING

    def _of_type(self, formula: Formula, name: str) -> Answer:
        simple = self._simplified(formula, name)
        if simple == FALSE:
            return Without.NOTHING
        if name == "null":
            return Witness(None)
        literals, choices = self._split((simple,))
        return self._branch(name, literals, choices)

    def _simplified(self, formula: Formula, name: str) -> Formula:
        """What is left of a formula for values of a type: atoms of that type, and references taken apart."""
        key = (formula, name)
        if key not in self._simple:
            if key in self._simplifying:
                raise UnreadSchemaError("a schema refers to itself in place")
            self._simplifying.add(key)
            self._simple[key] = self._simplify(self._formulas.node(formula), formula, name)
            self._simplifying.discard(key)
        return self._simple[key]

    def _simplify(self, node: Node, formula: Formula, name: str) -> Formula:
        match node:
            case OfType(types):
                return TRUE if name in types else FALSE
            case Both(parts):
                return self._formulas.both(self._simplified(part, name) for part in sorted(parts))
            case Either(parts):
                return self._formulas.either(self._simplified(part, name) for part in sorted(parts))
            case Reference():
                return self._simplified(self._formulas.expanded(node), name)
            case _:
                return formula if type_of_atom(node) == name else FALSE

    def _split(self, formulas: Iterable[Formula]) -> _Option:
        literals: set[Formula] = set()
        choices: set[Formula] = set()
        for formula in formulas:
            node = self._formulas.node(formula)
            for part in node.parts if isinstance(node, Both) else (formula,):
                (choices if isinstance(self._formulas.node(part), Either) else literals).add(part)
        return frozenset(literals), frozenset(choices)

    def _branch(self, name: str, literals: frozenset[Formula], choices: frozenset[Formula]) -> Answer:
        self._budget.spend(1 + len(choices) // 4)
        answer = self._together(name, literals)
        if answer is Without.NOTHING:
            return answer
        open_choices = sorted(choices)
        if isinstance(answer, Witness):
            open_choices = [each for each in open_choices if not self._holding.holds(each, answer.value)]
        if not open_choices:
            return answer
        choice, options = self._fewest(name, literals, open_choices)
        undecided = False
        for more, further in options:
            found = self._branch(name, literals | more, (choices - {choice}) | further)
            if isinstance(found, Witness):
                return found
            undecided |= found is Without.UNDECIDED
        return Without.UNDECIDED if undecided else Without.NOTHING

    def _fewest(self, name: str, literals: frozenset[Formula], choices: list[Formula]) -> tuple[Formula, list[_Option]]:
        """The choice with the fewest branches that are not closed at once."""
        best, fewest = choices[0], self._options(name, literals, choices[0])
        for choice in choices[1:_COMPARED]:
            if len(fewest) <= 1:
                break
            options = self._options(name, literals, choice)
            if len(options) < len(fewest):
                best, fewest = choice, options
        return best, fewest

    def _options(self, name: str, literals: frozenset[Formula], choice: Formula) -> list[_Option]:
        node = self._formulas.node(choice)
        options = [self._split((part,)) for part in sorted(node.parts)] if isinstance(node, Either) else []
        return [
            (more, further)
            for more, further in options
            if FALSE not in more and self._together(name, literals | more) is not Without.NOTHING
        ]

    def _together(self, name: str, literals: frozenset[Formula]) -> Answer:
        """A value of which all atoms hold."""
        if literals not in self._solved or not literals:
            before, self._met = self._met, _NEVER
            answer = self._solve(name, literals)
            if answer is not Without.NOTHING or self._met == _NEVER:
                self._solved[literals] = answer
            self._met = min(before, self._met)
            return answer
        return self._solved[literals]

    def _solve(self, name: str, literals: frozenset[Formula]) -> Answer:
        self._budget.spend()
        atoms = [self._formulas.node(each) for each in sorted(literals)]
        match name:
            case "boolean":
                values = {each.value for each in atoms if isinstance(each, IsTrue)}
                return Without.NOTHING if len(values) > 1 else Witness(next(iter(values), True))
            case "number":
                return _number([each for each in atoms if isinstance(each, Bound | Multiple | Among)])
            case "string":
                return text_in([each for each in atoms if isinstance(each, Text | Size | Opaque)], self._budget)
            case "array":
                return Arrays(atoms, self._formulas, self.find, self._budget).look()
        return Objects(atoms, self._formulas, self.find, self._budget).look()


def _number(atoms: list[Bound | Multiple | Among]) -> Answer:
    try:
        found = number_in(atoms)
    except UndecidedError:
        return Without.UNDECIDED
    return Without.NOTHING if found is None else Witness(found)
