"""What a language model is shown of what agents offer: a bounded selection, the nearest to the objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accord.domain.contract import Contract
from accord.planner.composition.ability import Ability
from accord.planner.composition.catalogue import index_of, offered
from accord.planner.composition.choice import look, weighed
from accord.planner.composition.weights import weights
from accord.planner.suggestion.wording import plain
from accord.planner.ways import Objective

MOST_BYTES = 48_000
"""Of all that is shown; of what is more, the least likely are left out."""

MOST_SCHEMA_BYTES = 6_000
"""Of one schema; of a longer one, only the names and kinds of its members are shown."""

MOST_DESCRIPTION = 400
"""Characters of a description that are shown."""


class Shown(msgspec.Struct, frozen=True):
    """A capability that the model is shown."""

    ability: Ability
    contract: Contract
    document: dict[str, Any]
    """What it is shown of it."""

    @property
    def name(self) -> str:
        """Without a version."""
        return self.ability.title


def nearest(objective: Objective, most: int) -> list[Shown]:
    """Of what agents offer, what the objective most likely means, the likeliest first; all, where that is not more.

    A model may know what words mean that nobody here does: so what has words in common with the objective is followed
    by what is only alike in meaning, as far as that is known.
    """
    catalogue = tuple(offered(objective))
    index = index_of(catalogue)
    meant = index.meant(objective.text)
    looked = look(objective.text, index, meant.first(most) if meant is not None else ())
    ranked = sorted(weighed(looked, weights()), key=lambda one: (not one.is_near, -one.log_odds, one.at))
    places = [one.at for one in ranked]
    if len(catalogue) <= most:
        places += sorted(set(range(len(catalogue))).difference(places))
    return [_shown(index.abilities[at], catalogue[at][0]) for at in places[:most]]


def bounded(shown: Sequence[Shown]) -> Mapping[str, Shown]:
    """The first of these that fit into `MOST_BYTES`, by name."""
    kept: dict[str, Shown] = {}
    size = 0
    for one in shown:
        size += len(msgspec.json.encode(one.document))
        if size > MOST_BYTES:
            break
        kept[one.name] = one
    return kept


def _shown(ability: Ability, contract: Contract) -> Shown:
    document = {
        "capability": ability.title,
        "description": plain(ability.description, MOST_DESCRIPTION),
        "input": _schema(contract.input.document),
        "output": _schema(contract.output.document),
    }
    return Shown(ability, contract, document)


def _schema(schema: Any) -> Any:
    """The schema, or what stands for one that is too long."""
    if len(msgspec.json.encode(schema)) <= MOST_SCHEMA_BYTES or not isinstance(schema, dict):
        return schema
    properties = schema.get("properties")
    members = properties if isinstance(properties, dict) else {}
    kinds = {name: {"type": part["type"]} if _has_type(part) else {} for name, part in list(members.items())[:100]}
    return {"type": "object", "properties": kinds, "required": schema.get("required", [])}


def _has_type(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)
