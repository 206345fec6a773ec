"""Repair: a value that breaks a schema made to keep it, where what was meant is beyond doubt.

Nothing is guessed and no data is dropped in silence: numbers are not clamped, members are not thrown away, and
what has two readings is left alone. Every change is recorded. The violations are mended where they are, all that do
not touch each other in one round, until none is left; alternatives and wrappers are tried on copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from accord.builtin.edits import Edit, Ground, Path, apply, value_at
from accord.builtin.json_text import only_value
from accord.builtin.near_names import renamed
from accord.builtin.readings import Reading, chosen, respelt, retyped
from accord.builtin.wrappers import inner_steps, is_metadata, may_be_item
from accord.domain.diagnosis import Change
from accord.domain.schema import Schema, pointer_of, resolve

MAX_ROUNDS = 8
MAX_DEPTH = 6
"""Wrappers and alternatives inside of each other."""
MAX_TRIALS = 100_000
"""Copies that are tried for one value: some seconds at most."""
MAX_VIOLATIONS = 20_000
"""Looked at in one round."""

_OBJECT_RULES = frozenset({"required", "additionalProperties", "unevaluatedProperties", "falseSchema"})
_REGEX_OPTIONS = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)


class Repair(msgspec.Struct, frozen=True):
    """A value that keeps the schema, and what was changed for it, in order."""

    value: Any
    changes: tuple[Change, ...] = ()


def repair(value: object, schema: Schema) -> Repair | None:
    """The value as it was meant; the same one without changes where it is valid, None where it cannot be told.

    The value itself is never changed. The same value and schema always give the same repair.
    """
    if schema.is_valid(value):
        return Repair(value)
    mended = _Mender(schema).mend(value, "", MAX_DEPTH)
    return mended if mended is not None and schema.is_valid(mended.value) else None


class _Fault(msgspec.Struct, frozen=True):
    """A rule that is broken, and where it is written."""

    kind: Any
    rule: str
    """Pointer into the schema document."""
    declared: bool
    """Whether the value is a member that the schema names."""

    @property
    def schema(self) -> str:
        """Pointer to the schema that the rule belongs to."""
        return self.rule.rpartition("/")[0]


class _Spot(msgspec.Struct, frozen=True):
    """A place in the value with all the rules that it breaks."""

    path: Path
    value: Any
    faults: tuple[_Fault, ...]
    schema: str
    """Pointer to the schema that the value has to keep."""
    depth: int

    @property
    def pointer(self) -> str:
        return pointer_of(self.path)

    def replaced(self, value: object, *changes: Change) -> Edit:
        return Edit("set", self.path, value, changes)

    def read(self, reading: Reading | None) -> Edit | None:
        """The edit that puts a reading in the value's place."""
        if reading is None:
            return None
        return self.replaced(reading.value, Change(self.pointer, reading.rule, self.value, reading.value))


class _Mender:
    """Mends values against one schema and the schemas inside of it."""

    def __init__(self, schema: Schema) -> None:
        self._document: Any = schema.document
        self._validators = jsonschema_rs.validator_map_for(
            self._document, validate_formats=True, pattern_options=_REGEX_OPTIONS, offline=True
        )
        self._trials = MAX_TRIALS

    def mend(self, value: object, schema: str, depth: int) -> Repair | None:
        """The value made to keep the schema at a pointer; None where it cannot be."""
        validator = self._validators.get("#" + schema)
        self._trials -= 1
        if validator is None or depth <= 0 or self._trials < 0:
            return None
        held, changes = [deepcopy(value)], list[Change]()
        for _ in range(MAX_ROUNDS):
            errors = list(islice(validator.iter_errors(held[0]), MAX_VIOLATIONS))
            if not errors:
                return Repair(held[0], tuple(changes))
            edits = self._edits(held[0], errors, schema, depth)
            if not edits:
                return None
            for edit in edits:
                apply(held, edit)
                changes.extend(edit.changes)
        return None

    def _edits(self, value: object, errors: list[jsonschema_rs.ValidationError], schema: str, depth: int) -> list[Edit]:
        """What can be mended at once: edits that do not touch each other, outer ones first."""
        faults: dict[Path, list[_Fault]] = {}
        for error in errors:
            faults.setdefault(tuple(error.instance_path), []).append(_fault(error, schema))
        edits, ground = list[Edit](), Ground()
        for path, found in sorted(faults.items(), key=lambda item: len(item[0])):
            own = found[0].schema if path else schema
            spot = _Spot(path, value_at(value, path), tuple(found), own, depth)
            edits.extend(edit for edit in self._edits_at(spot) if ground.take(edit))
        return edits

    def _edits_at(self, spot: _Spot) -> Iterator[Edit]:
        if isinstance(spot.value, dict) and any(fault.kind.name in _OBJECT_RULES for fault in spot.faults):
            yield from self._of_object(spot)
            return
        for fault in spot.faults:
            edit = self._of_value(spot, fault)
            if edit is not None:
                yield edit
                return

    def _of_value(self, spot: _Spot, fault: _Fault) -> Edit | None:
        match fault.kind.name:
            case "type":
                edit = self._retyped(spot, fault)
            case "enum":
                edit = spot.read(chosen(spot.value, fault.kind.options)) or self._unwrapped(spot)
            case "const":
                edit = spot.read(chosen(spot.value, [fault.kind.expected_value])) or self._unwrapped(spot)
            case "format" | "pattern" | "minLength" | "maxLength":
                edit = self._respelt(spot, fault)
            case "anyOf" | "oneOf":
                edit = self._alternative(spot, fault)
            case _:
                edit = None
        if edit is None and spot.value is None and fault.declared:
            return Edit("drop", spot.path, None, (Change(spot.pointer, "null-left-out"),))
        return edit

    # -- scalars -------------------------------------------------------------------------------------------------

    def _retyped(self, spot: _Spot, fault: _Fault) -> Edit | None:
        types = fault.kind.types
        edit = spot.read(retyped(spot.value, types)) or self._parsed(spot)
        if edit is not None or spot.value is None:
            return edit
        inner, outer = self._unwrapped(spot), self._wrapped(spot, types)
        if inner is not None and outer is not None and not self._unwrapped(spot, unknown=False):
            return None  # a lone member may be a wrapper, or the object that was wanted in an array
        return inner or outer

    def _parsed(self, spot: _Spot) -> Edit | None:
        """What the JSON inside of a string says."""
        value = only_value(spot.value) if isinstance(spot.value, str) else msgspec.UNSET
        if value is msgspec.UNSET:
            return None
        return self._trial(spot, value, Change(spot.pointer, "parsed-text", spot.value))

    def _respelt(self, spot: _Spot, fault: _Fault) -> Edit | None:
        validator = self._validators.get("#" + fault.schema)
        if not isinstance(spot.value, str) or validator is None:
            return None
        spellings = respelt(spot.value, getattr(fault.kind, "format", None))
        return spot.read(next((one for one in spellings if validator.is_valid(one.value)), None))

    def _alternative(self, spot: _Spot, fault: _Fault) -> Edit | None:
        """The alternative that takes the fewest changes, where only one value does."""
        tried = [self.mend(spot.value, f"{fault.rule}/{number}", spot.depth - 1) for number in self._branches(fault)]
        found = sorted((one for one in tried if one is not None and one.changes), key=lambda one: len(one.changes))
        if not found or (_is_number(spot.value) and self._takes_numbers(fault) and isinstance(found[0].value, str)):
            return None
        best = [one for one in found if len(one.changes) == len(found[0].changes)]
        if any(msgspec.json.encode(one.value) != msgspec.json.encode(best[0].value) for one in best):
            return None
        return spot.replaced(best[0].value, *_below(spot, best[0]))

    def _branches(self, fault: _Fault) -> range:
        branches = _reached(self._document, fault.rule)
        return range(len(branches)) if isinstance(branches, list) else range(0)

    def _takes_numbers(self, fault: _Fault) -> bool:
        """Whether an alternative refuses a number for more than being one: then it is no text in disguise."""
        refused = [error for errors in getattr(fault.kind, "context", ()) for error in errors[:1]]
        return any(error.kind.name != "type" or {"integer", "number"} & set(error.kind.types) for error in refused)

    # -- wrappers ------------------------------------------------------------------------------------------------

    def _unwrapped(self, spot: _Spot, *, unknown: bool = True, exact: bool = False) -> Edit | None:
        """The value inside of its wrapper. Inside of an unknown one it has to fit as it is, as it has to if `exact`."""
        for step, known in inner_steps(spot.value, self._members(spot)):
            if not known and not unknown:
                continue
            siblings = [name for name in spot.value if name != step] if isinstance(spot.value, dict) else []
            gone = (Change(f"{spot.pointer}/{_token(name)}", "metadata-removed", spot.value[name]) for name in siblings)
            change = Change(f"{spot.pointer}/{_token(step)}", "unwrapped")
            edit = self._trial(spot, spot.value[step], *gone, change)
            if edit is not None and ((known and not exact) or len(edit.changes) == len(siblings) + 1):
                return edit
        return None

    def _wrapped(self, spot: _Spot, types: list[str]) -> Edit | None:
        """The value in the array, or as the only member of the object, that was wanted; only one wrapper is made up."""
        members = self._members(spot)
        if "array" in types and may_be_item(spot.value):
            edit, item = self._trial(spot, [spot.value], Change(spot.pointer, "wrapped")), f"{spot.pointer}/0"
        elif "object" in types and len(members) == 1 and not isinstance(spot.value, list):
            name = next(iter(members))
            edit = self._trial(spot, {name: spot.value}, Change(spot.pointer, "wrapped"))
            item = f"{spot.pointer}/{_token(name)}"
        else:
            return None
        return None if edit is None or _reshapes(edit, item) else edit

    def _trial(self, spot: _Spot, value: object, *changes: Change) -> Edit | None:
        """The edit that puts a value, mended where needed, in the place of another one."""
        mended = self.mend(value, spot.schema, spot.depth - 1)
        return None if mended is None else spot.replaced(mended.value, *changes, *_below(spot, mended))

    # -- objects -------------------------------------------------------------------------------------------------

    def _of_object(self, spot: _Spot) -> Iterator[Edit]:
        whole = self._unwrapped(spot, exact=True)
        if whole is not None:
            yield whole
            return
        renames = list(self._renamed(spot))
        whole = None if renames else self._unwrapped(spot)
        yield from renames or ([whole] if whole is not None else [*self._filled(spot), *_without_metadata(spot)])

    def _renamed(self, spot: _Spot) -> Iterator[Edit]:
        members = self._members(spot)
        unknown = [name for name in spot.value if name not in members]
        wanted = dict.fromkeys([*_missing(spot), *(members if _unexpected(spot) else ())])
        for old, new in renamed(unknown, [name for name in wanted if name not in spot.value]).items():
            change = Change(f"{spot.pointer}/{_token(old)}", "renamed", old, new)
            yield Edit("rename", (*spot.path, old), new, (change,))

    def _filled(self, spot: _Spot) -> Iterator[Edit]:
        members = self._members(spot)
        for name in _missing(spot):
            value = self._only_choice(members.get(name))
            if value is not msgspec.UNSET:
                change = Change(f"{spot.pointer}/{_token(name)}", "filled", None, value)
                yield Edit("set", (*spot.path, name), value, (change,))

    def _only_choice(self, schema: object) -> object:
        """What a schema says a missing member is: its default, or the only value that it may have."""
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, dict):
                break
            if "default" in schema or "const" in schema:
                return schema.get("default", schema.get("const"))
            options = schema.get("enum")
            if isinstance(options, list) and len(options) == 1:
                return options[0]
            schema = resolve(self._document, schema.get("$ref"))
        return msgspec.UNSET

    def _members(self, spot: _Spot) -> dict[str, Any]:
        """The members that the schemas of a place name."""
        pending: list[Any] = [resolve(self._document, f"#{one}") for one in (spot.schema, *_schemas(spot))]
        members: dict[str, Any] = {}
        seen = set[int]()
        while pending:
            schema = pending.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            members = {**schema.get("properties", {}), **members}
            pending += [resolve(self._document, schema.get("$ref")), schema.get("then"), schema.get("else")]
            pending += [part for keyword in ("allOf", "anyOf", "oneOf") for part in schema.get(keyword, ())]
        return members


def _schemas(spot: _Spot) -> list[str]:
    return [fault.schema for fault in spot.faults]


def _missing(spot: _Spot) -> list[str]:
    return [fault.kind.property for fault in spot.faults if isinstance(getattr(fault.kind, "property", None), str)]


def _unexpected(spot: _Spot) -> list[str]:
    if any(fault.kind.name == "falseSchema" and fault.rule.endswith("/additionalProperties") for fault in spot.faults):
        return list(spot.value)  # where no member is declared, the validator names none
    return [name for fault in spot.faults for name in getattr(fault.kind, "unexpected", ()) if isinstance(name, str)]


def _without_metadata(spot: _Spot) -> Iterator[Edit]:
    """Without the members that tell how the result was made, and those that say nothing."""
    for name in _unexpected(spot):
        value = spot.value[name]
        if value is None or is_metadata(name):
            rule = "null-left-out" if value is None else "metadata-removed"
            yield Edit("drop", (*spot.path, name), None, (Change(f"{spot.pointer}/{_token(name)}", rule, value),))


def _reshapes(edit: Edit, item: str) -> bool:
    """Whether an edit puts the item itself into a wrapper, or takes it out of one."""
    return any(
        change.pointer == item if change.rule == "wrapped" else change.pointer.rpartition("/")[0] == item
        for change in edit.changes
        if change.rule in ("wrapped", "unwrapped")
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _below(spot: _Spot, mended: Repair) -> Iterator[Change]:
    """The changes of a part, with places in the whole."""
    for change in mended.changes:
        yield msgspec.structs.replace(change, pointer=spot.pointer + change.pointer)


def _reached(document: object, pointer: str) -> object:
    """What a JSON pointer reaches in a document; None where there is nothing."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, dict):
            document = document.get(name)
        else:
            return None
    return document


def _fault(error: jsonschema_rs.ValidationError, base: str) -> _Fault:
    # Behind a reference the path is that in the document, else it starts at the schema that was asked.
    inside = error.schema_path == error.evaluation_path
    steps, last = error.evaluation_path, error.instance_path[-1:]
    declared = any(steps[at : at + 2] == ["properties", *last] for at in range(len(steps))) if last else False
    return _Fault(error.kind, (base if inside else "") + pointer_of(error.schema_path), declared)


def _token(step: str | int) -> str:
    return pointer_of((step,))[1:]
