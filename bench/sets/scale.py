"""`python -m bench.sets.scale`: how long a plan takes with 1 000 and 10 000 capabilities that we make up."""

from __future__ import annotations

import random
import time
from statistics import median

import msgspec

from accord.planner.composition.ability import Ability, Member
from accord.planner.composition.composer import Composer
from accord.planner.composition.index import Index
from accord.planner.composition.linking import same_kind

SIZES = (1_000, 10_000)
VERBS = [
    "find",
    "get",
    "make",
    "send",
    "check",
    "book",
    "order",
    "translate",
    "summarize",
    "compare",
    "convert",
    "rank",
    "extract",
    "merge",
    "print",
    "plan",
]
THINGS = [
    "recipe",
    "invoice",
    "flight",
    "hotel",
    "report",
    "image",
    "song",
    "article",
    "customer",
    "parcel",
    "meeting",
    "contract",
    "ticket",
    "account",
    "budget",
    "forecast",
    "sensor",
    "lesson",
    "patient",
    "garden",
    "bridge",
    "engine",
    "museum",
    "poem",
    "survey",
]
SIDES = [
    "city",
    "country",
    "owner",
    "draft",
    "archive",
    "season",
    "colour",
    "price",
    "market",
    "branch",
    "region",
    "school",
]


class Scale(msgspec.Struct, frozen=True):
    """How long it takes; milliseconds."""

    capabilities: int
    index_ms: float
    plan_ms_p50: float
    plan_ms_most: float


def catalogue(size: int) -> list[Ability]:
    """Abilities of a verb, a thing and a side of it, the further ones numbered."""
    chosen = random.Random(size)  # noqa: S311  # nothing is secret here
    return [_ability(at, chosen) for at in range(size)]


def _ability(at: int, chosen: random.Random) -> Ability:
    verb, thing, side = chosen.choice(VERBS), chosen.choice(THINGS), chosen.choice(SIDES)
    return Ability(
        name=f"{thing}.{verb}_{side}_{at}",
        description=f"{verb.capitalize()} the {thing} of a {side}, kind {at}.",
        inputs=(
            Member(name=f"{side}_name", description=f"the name of the {side}", kind="string"),
            Member(name="limit", description="how many at most", kind="integer", required=False),
        ),
        outputs=(Member(name=thing, description=f"the {thing}", kind="string"),),
    )


def measured(size: int) -> Scale:
    """One size; 20 objectives of three clauses."""
    started = time.perf_counter()
    index = Index(catalogue(size))
    made = time.perf_counter() - started
    chosen = random.Random(1)  # noqa: S311  # nothing is secret here
    composer, times = Composer(index, same_kind), []
    for _ in range(20):
        parts = [f"{chosen.choice(VERBS)} the {chosen.choice(THINGS)} of the {chosen.choice(SIDES)}" for _ in range(3)]
        started = time.perf_counter()
        composer.compose(", then ".join(parts))
        times.append(time.perf_counter() - started)
    return Scale(size, round(made * 1000, 1), round(median(times) * 1000, 1), round(max(times) * 1000, 1))


if __name__ == "__main__":
    for size in SIZES:
        print(msgspec.json.encode(measured(size)).decode())
