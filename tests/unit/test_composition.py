"""Composition: abilities are chosen by their words, linked by what fits, and never invented."""

from __future__ import annotations

import re
from pkgutil import iter_modules

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.planner import composition
from accord.planner.composition.ability import Ability, Member, ability_of, kind_named
from accord.planner.composition.clauses import clauses, spoken_of
from accord.planner.composition.composer import Composer, Composition
from accord.planner.composition.dataflow import Circle, DataTask, data_flow
from accord.planner.composition.evidence import Reading
from accord.planner.composition.index import Index
from accord.planner.composition.linking import Link, links, same_kind
from accord.planner.meaning import meanings


def tool(name: str, description: str, takes: dict[str, str], gives: dict[str, str]) -> Ability:
    def members(several: dict[str, str]) -> tuple[Member, ...]:
        split = {each: text.partition(": ") for each, text in several.items()}
        return tuple(
            Member(name=one, kind=kind_named(kind), description=said) for one, (kind, _, said) in split.items()
        )

    return Ability(name=name, description=description, inputs=members(takes), outputs=members(gives))


KITCHEN = (
    tool(
        "find_recipe",
        "Find a recipe by an ingredient.",
        {"ingredient": "str: what is in it"},
        {"recipe": "str: its text"},
    ),
    tool(
        "make_shopping_list",
        "Make a shopping list for a recipe.",
        {"recipe": "str: the recipe", "servings": "int: how many people eat"},
        {"shopping_list": "list: what to buy"},
    ),
    tool(
        "order_delivery",
        "Order the delivery of a shopping list to an address.",
        {"shopping_list": "list: what to buy", "address": "str: where to"},
        {"order_number": "str: of the order"},
    ),
    tool("book_flight", "Book a flight to a city.", {"city": "str: where to"}, {"ticket": "str: its number"}),
    tool("play_music", "Play a song.", {"song": "str: its title"}, {"playing": "bool: whether it plays"}),
)
DINNER = (
    'Find a recipe with the ingredient "pumpkin". Then make a shopping list for 4 people. '
    'Finally order the delivery of the shopping list to "12 Main Street".'
)


def compose(objective: str) -> Composition:
    return Composer(Index(KITCHEN), same_kind).compose(objective)


def edges(reading: Reading, several: tuple[Link, ...]) -> set[tuple[str, str, str, str]]:
    names = [one.name for one in reading.abilities]
    return {
        (names[one.edge.source], one.edge.output.name, names[one.edge.target], one.edge.input.name) for one in several
    }


def test_clauses_are_parted_at_sentences_and_connectors_and_never_inside_quotes() -> None:
    found = [one.text for one in clauses('Say "one, then two. Three". Then stop, and go')]
    assert found == ['Say "one, then two. Three".', "Then stop", "and go"]


def test_each_clause_speaks_of_an_ability_in_order() -> None:
    assert spoken_of(clauses(DINNER), KITCHEN[:3]) == (0, 1, 2)


def test_each_literal_fills_one_parameter_at_most_of_those_that_nothing_feeds() -> None:
    reading = Reading(DINNER, KITCHEN[:3])
    found = reading.given(frozenset(one.edge.key for one in links(reading)))
    said = {key: one.said.text for key, one in found.items() if one.said is not None}
    assert said == {(0, "ingredient"): "pumpkin", (1, "servings"): "4", (2, "address"): "12 Main Street"}


def test_outputs_feed_inputs_that_nothing_fills() -> None:
    reading = Reading(DINNER, KITCHEN[:3])
    assert edges(reading, links(reading)) == {
        ("find_recipe", "recipe", "make_shopping_list", "recipe"),
        ("make_shopping_list", "shopping_list", "order_delivery", "shopping_list"),
    }


def test_of_two_versions_of_a_thing_the_later_one_is_handed_on() -> None:
    press = (
        tool("write_letter", "Write a letter.", {"title": "str: of the letter"}, {"letter": "str: the letter"}),
        tool(
            "correct_letter",
            "Correct a letter.",
            {"letter": "str: the letter"},
            {"corrected_letter": "str: the letter"},
        ),
        tool("post_letter", "Post a letter.", {"letter": "str: the letter"}, {"receipt": "str: of the post"}),
    )
    words = 'Write a letter with the title "Bees". Then correct the letter. Finally post the letter.'
    reading = Reading(words, press)
    assert ("correct_letter", "corrected_letter", "post_letter", "letter") in edges(reading, links(reading))


def test_a_graph_is_composed_of_what_the_words_ask_for() -> None:
    found = compose(DINNER)
    assert [one.ability.name for one in found.chosen] == ["find_recipe", "make_shopping_list", "order_delivery"]
    assert len(found.links) == 2
    assert all(one.why for one in found.links)


@pytest.mark.parametrize("objective", ["xyzzy", "what a lovely evening", "the of and to"])
def test_nothing_is_composed_where_no_ability_is_asked_for(objective: str) -> None:
    found = compose(objective)
    assert not found.chosen
    assert not found.links
    assert found.confidence == 0


WORDS = sorted({word for ability in KITCHEN for word in ability.description.lower().rstrip(".").split()} | {'"x"', "7"})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "then", ".", ",", "and"]), min_size=1, max_size=25))
def test_nothing_is_invented_and_no_link_closes_a_circle_or_breaks_a_kind(words: list[str]) -> None:
    found = compose(" ".join(words))
    assert {one.ability for one in found.chosen} <= set(KITCHEN)
    assert all(same_kind(one.edge) for one in found.links)
    fed = [one.edge.key for one in found.links]
    assert len(fed) == len(set(fed))
    names = [one.ability.name for one in found.chosen]
    tasks = {(one.edge.source, one.edge.target) for one in found.links}
    data = [
        DataTask(name, tuple(str(source) for source, target in tasks if target == at), (str(at),))
        for at, name in enumerate(names)
    ]
    assert len(data_flow(data)) == len(tasks)


SHOP = (
    tool("order.find", "Find all orders of a customer.", {"customer": "str: who"}, {"numbers": "list: of the orders"}),
    tool("order.cancel", "Cancel an order.", {"number": "str: of the order"}, {"cancelled": "bool: whether it is"}),
    tool("item.order", "Order an item from the supplier.", {"item": "str: which"}, {"number": "str: of the order"}),
    tool("goods.order", "Order an item from the supplier.", {"item": "str: which"}, {"number": "str: of the order"}),
)


def in_shop(objective: str, *, by_meaning: bool) -> list[str]:
    index = Index(SHOP, by_meaning=by_meaning)
    return [one.ability.name for one in Composer(index, same_kind).compose(objective, 0.5).chosen]


@pytest.mark.parametrize("by_meaning", [False, True])
@pytest.mark.parametrize(
    ("objective", "chosen"),
    [
        ('Remove the order "7"', ["order.cancel"]),
        ('Order the item "bolt" from the supplier', ["item.order"]),
        ('Find all orders of the customer "M"', ["order.find"]),
    ],
)
def test_what_does_nearly_the_same_is_not_chosen_beside_what_is_asked_for(
    objective: str, chosen: list[str], by_meaning: bool
) -> None:
    assert in_shop(objective, by_meaning=by_meaning) == chosen


def test_what_has_none_of_the_words_is_chosen_for_what_it_means() -> None:
    if meanings() is None:
        pytest.skip("WordLlama is not installed: pip install 'accord-orchestrator[meaning]'")
    words = 'Get me on a plane to "Rome"'
    (found,) = Composer(Index(KITCHEN), same_kind).compose(words).chosen
    assert found.ability.name == "book_flight"
    assert not Composer(Index(KITCHEN, by_meaning=False), same_kind).compose(words).chosen


def test_the_same_words_give_the_same_graph() -> None:
    assert compose(DINNER) == compose(DINNER)


def test_members_of_a_contract_are_read_with_their_kinds_and_needs() -> None:
    accepts = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "where it is"},
            "depth": {"type": ["integer", "null"]},
            "inner": {"$ref": "#/$defs/inner"},
        },
        "required": ["path"],
        "$defs": {"inner": {"type": "array", "title": "Parts"}},
    }
    found = ability_of("code.read@1.0.0", "", accepts, {"type": "object"})
    assert [(one.name, one.kind, one.required) for one in found.inputs] == [
        ("path", "string", True),
        ("depth", "integer", False),
        ("inner", "array", False),
    ]
    assert found.named == {"cod", "read"}
    assert found.inputs[0].described == ("wher",)


def test_who_writes_a_datum_feeds_all_that_read_it() -> None:
    found = data_flow(
        [
            DataTask("split", ("all",), ("a", "b")),
            DataTask("left", ("a",), ("x",)),
            DataTask("right", ("b", "a"), ("y",)),
            DataTask("join", ("x", "y", "given"), ()),
        ]
    )
    assert [(one.source, one.target, one.data) for one in found] == [
        ("split", "left", ("a",)),
        ("split", "right", ("a", "b")),
        ("left", "join", ("x",)),
        ("right", "join", ("y",)),
    ]


def test_what_is_changed_in_place_goes_from_one_to_the_next() -> None:
    tasks = [DataTask("make", (), ("d",)), DataTask("change", ("d",), ("d",)), DataTask("read", ("d",), ())]
    assert [(one.source, one.target) for one in data_flow(tasks)] == [("make", "change"), ("change", "read")]


def pairs(*tasks: tuple[str, str, str]) -> list[tuple[str, str]]:
    """The edges between tasks of which each has a name, what it reads and what it writes."""
    found = data_flow([DataTask(name, tuple(reads.split()), tuple(writes.split())) for name, reads, writes in tasks])
    return [(one.source, one.target) for one in found]


@pytest.mark.parametrize(
    ("tasks", "edges"),
    [
        ((("a", "", "./x"), ("b", "x", "")), [("a", "b")]),
        ((("a", "", "d/X"), ("b", "d/x", "")), []),
        ((("a", "", "d/x d/e/y"), ("b", "d", ""), ("c", "d/e/", "")), [("a", "b"), ("a", "c")]),
        ((("a", "", "out"), ("b", "out/x", ""), ("c", "output/x", "")), [("a", "b")]),
        ((("a", "", "d/x.txt"), ("b", "", "d/y.csv"), ("c", "d/*.txt", "")), [("a", "c")]),
        ((("a", "", "x[1]"), ("b", "x[1]", ""), ("c", "", "x1")), [("a", "b")]),
        ((("a", "x", "x"),), []),
        ((("a", "x x", "y y"), ("b", "y", "")), [("a", "b")]),
        ((("a", "", "x"), ("b", "", "x"), ("c", "x", "")), [("a", "c"), ("b", "c")]),
        (
            (("a", "", "x"), ("r", "x", "y"), ("b", "y", "x"), ("e", "x", "")),
            [("a", "r"), ("a", "e"), ("r", "b"), ("b", "e")],
        ),
        ((("c", "x", "x"), ("a", "", "x"), ("r", "x", "")), [("c", "r"), ("a", "c")]),
        ((("r", "x", ""), ("a", "", "x"), ("c", "x", "x")), [("a", "c"), ("c", "r")]),
        ((("r", "x", ""), ("c", "x", "x"), ("e", "x", "")), [("c", "e")]),
        ((("b", "y", "z"), ("a", "x", "y")), [("a", "b")]),
    ],
)
def test_edges_follow_from_names(tasks: tuple[tuple[str, str, str], ...], edges: list[tuple[str, str]]) -> None:
    assert sorted(pairs(*tasks)) == sorted(edges)


def test_circles_are_refused() -> None:
    with pytest.raises(Circle, match="wait for each other"):
        pairs(("one", "b", "a"), ("other", "a", "b"))


def test_an_act_that_is_said_in_another_clause_is_not_passed_over_for_words_that_others_have() -> None:
    papers = [
        tool("paper.submit", "Submit a research paper.", {"title": "string"}, {"paper_id": "string"}),
        tool("paper.review", "Review a research paper.", {"paper_id": "string"}, {"review_id": "string"}),
        tool("paper.publish", "Publish a research paper.", {"paper_id": "string"}, {"date": "string"}),
    ]
    words = 'Submit a research paper titled "A". Arrange for Dr. Smith to review it. Publish the research paper'
    found = Composer(Index(papers)).compose(words)
    assert {one.ability.name for one in found.chosen} == {one.name for one in papers}


def test_the_map_of_the_package_names_each_module() -> None:
    told = set(re.findall(r"`(\w+)`", composition.__doc__ or ""))
    modules = {one.name for one in iter_modules(composition.__path__)}
    assert modules - told == set()
    assert told - modules == set()
