"""Lists: what is in an output's lists is given item by item, and what is done for each item gives a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from accord.domain.schema import JsonSchema
from accord.domain.schema_path import joined, schema_at
from accord.planner.composition.ability import Ability, Member, kind_of, members_of

WHOLE = ""
"""Stands for the output as a whole where that is the list."""


def with_items(outputs: Iterable[Member]) -> tuple[Member, ...]:
    """The outputs, and what each item of their lists is, as a whole and by its members."""
    known = tuple(outputs)
    return (*known, *(item for one in known if one.kind == "array" for item in _items(one)))


def _items(one: Member) -> Iterator[Member]:
    schema = schema_at(one.schema, (0,))
    if schema is None or isinstance(schema, bool):
        return  # nothing is known of them, or there are none
    of = WHOLE if one.whole else one.name
    yield Member(name=one.name, description=one.description, kind=kind_of(schema), schema=schema, whole=True, each=of)
    for member in members_of(schema):
        if member.required:
            yield msgspec.structs.replace(member, each=of)


def repeated(ability: Ability) -> Ability:
    """The ability when it is done for each item of a list: its output is the list of its outputs."""
    known = [one for one in ability.outputs if one.each is None]
    return msgspec.structs.replace(
        ability,
        outputs=(
            *(_list(one) for one in known),
            *(msgspec.structs.replace(one, each=WHOLE) for one in known),
        ),
    )


def _list(one: Member) -> Member:
    """All outputs, or this member of all of them."""
    items, definitions = joined({"items": one.schema})
    schema: dict[str, object] = {"type": "array", **items}
    whole: JsonSchema = {**schema, "$defs": definitions} if definitions else schema
    return msgspec.structs.replace(one, kind="array", schema=whole, gathered=not one.whole)
