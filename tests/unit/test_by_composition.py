"""Plans of new graphs: what agents offer is put together, verified, and never invented."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.contract import Contract, compile_contract
from accord.domain.experience import Try
from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import template_from_json
from accord.errors import NotUnderstood
from accord.planner.by_composition import Accepted, Composed
from accord.planner.classifier.examples import Example as Said
from accord.planner.composition import teaching
from accord.planner.composition.ability import ability_of
from accord.planner.composition.examples import Example
from accord.planner.lessons import Lessons
from accord.planner.meaning import meanings
from accord.planner.plan import plan
from accord.planner.ways import Found, Incomplete, KnownTemplate, Objective, Unsure
from accord.templates.reading import read_source
from accord.templates.writing import yaml_text
from accord.verifier.known import ContractTable

TEXT = {"type": "string"}


def contract(name: str, takes: dict[str, Any], gives: dict[str, Any], optional: tuple[str, ...] = ()) -> Contract:
    def schema(members: dict[str, Any], needed: list[str]) -> dict[str, Any]:
        return {"type": "object", "properties": members, "required": needed, "additionalProperties": False}

    return compile_contract(
        capability=name,
        version="1.0.0",
        input_schema=schema(takes, [one for one in takes if one not in optional]),
        output_schema=schema(gives, list(gives)),
    )


SENTENCES = {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
OFFERED = {
    contract("web.fetch", {"url": TEXT}, {"page": TEXT}): "Fetch the page of a URL.",
    contract(
        "text.summarize", {"page": TEXT, "sentences": SENTENCES}, {"summary": TEXT}, ("sentences",)
    ): "Summarize a page in a few sentences.",
    contract("text.translate", {"summary": TEXT, "language": TEXT}, {"translation": TEXT}): "Translate a summary.",
    contract("garden.water", {"garden": TEXT}, {"litres": {"type": "number"}}): "Water a garden.",
}
WORDS = (
    'Fetch the page of the URL "https://example.com", summarize the page in 4 sentences, '
    "then translate the summary into German"
)


def objective(text: str, offered: dict[Contract, str] = OFFERED) -> Objective:
    described = {str(each.ref): words for each, words in offered.items()}
    return Objective(text, (), ContractTable(OFFERED), described=described)


def answer(text: str, offered: dict[Contract, str] = OFFERED) -> Any:
    return asyncio.run(Composed().find(objective(text, offered)))


def test_a_composed_plan_is_verified_and_says_why_each_part_is_there() -> None:
    found = asyncio.run(plan(objective(WORDS), (Composed(),)))
    assert found.way == "composition"
    assert found.report.ok
    assert found.report.proven == found.report.edges
    assert found.input == {"url": "https://example.com", "sentences": 4, "language": "German"}
    assert [(task.task, [need.task for need in task.after]) for task in found.tasks] == [
        ("fetch", []),
        ("summarize", ["fetch"]),
        ("translate", ["summarize"]),
    ]
    assert "`translate` is asked for by `then translate the summary into German`" in " ".join(found.reasons)
    assert {one.template for one in found.alternatives} <= {"garden.water@1.0.0"}


def test_the_document_is_a_template_that_can_be_saved_and_read(tmp_path: Any) -> None:
    found = answer(WORDS)
    assert isinstance(found, Found)
    assert found.document is not None
    path = tmp_path / "draft.yaml"
    path.write_text(yaml_text(found.document))
    assert read_source(path).digest == found.known.digest
    assert answer(WORDS).document == found.document


def test_the_document_has_no_words_of_the_objective_and_the_plan_has_them() -> None:
    others = WORDS.replace("example.com", "b.example").replace("then translate", "finally please translate")
    one, other = (asyncio.run(plan(objective(text), (Composed(),))) for text in (WORDS, others))
    assert one.document == other.document
    assert one.digest == other.digest
    written = yaml_text(one.document)
    assert not any(word in written for word in ("then", "into", "German", "example.com", "few", "4"))
    assert "Asked for by `then translate the summary into German`" in one.tasks[-1].why
    assert one.document["tasks"]["translate"]["description"] == "`summary` is `summary` of `summarize`."


def test_what_is_not_there_is_not_used() -> None:
    there = {one: words for one, words in OFFERED.items() if one.capability != "text.translate"}
    found = answer(WORDS, there)
    used = found.document["tasks"].values() if isinstance(found, Found) else ()
    assert not any("translate" in task["uses"] for task in used)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("what are litres", "ACC810"),
        ("water the garden, wake up grandfather, tell jokes about elephants, cook spaghetti with tomatoes", "ACC812"),
    ],
)
def test_what_is_not_understood_is_told(text: str, code: str) -> None:
    found = answer(text)
    assert isinstance(found, Unsure)
    assert {problem.code for problem in found.problems} == {code}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ('find the laons of member "M3"', "did you mean `loans`?"),
        ("print labels for the spines B1, B2", 'if it is one of `spines`, say each of them in quotation marks: `"B2"`'),
        (
            'find the loans of member "M3" and compute the fee for each',
            "each item of `loans.find` has `days`, but not each that may be there is one that `fee.compute` takes",
        ),
        ("print labels for spines tomorrow", "say it without `tomorrow`"),
    ],
)
def test_a_hint_says_what_may_have_been_meant(words: str, hint: str) -> None:
    days = {"type": "integer"}
    loans = {"type": "array", "items": {"type": "object", "properties": {"days": days}, "required": ["days"]}}
    spines = {"spines": {"type": "array", "items": TEXT}}
    offered = {
        contract("label.print", spines, {"pages": TEXT}): "Print labels for spines.",
        contract("loans.find", {"member": TEXT}, {"loans": loans}): "Find all loans of a member.",
        contract("fee.compute", {"days": {**days, "maximum": 9}}, {"fee": days}): "Compute the fee for days.",
    }
    described = {str(one.ref): said for one, said in offered.items()}
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(offered), described=described)))
    assert isinstance(found, Unsure | Incomplete)
    assert any(hint in str(one.hint) for one in found.problems), found.problems


def test_what_is_not_said_is_asked_for() -> None:
    found = answer("fetch the page of the URL")
    assert isinstance(found, Incomplete)
    (problem,) = found.problems
    assert (problem.code, problem.place.pointer) == ("ACC811", "/url")
    assert found.wanting is not None
    assert list(found.wanting.schema["properties"]) == found.wanting.schema["required"] == ["url"]
    assert found.wanting.input == {}
    assert found.wanting.template.startswith("composed-fetch-")


def test_what_is_not_said_can_be_given() -> None:
    asked = Objective(
        "fetch the page of the URL",
        (),
        ContractTable(OFFERED),
        change=lambda value, _: {**value, "url": "https://a.example"},
        described={str(each.ref): words for each, words in OFFERED.items()},
    )
    found = asyncio.run(plan(asked, (Composed(),)))
    assert found.report.ok
    assert found.input == {"url": "https://a.example"}


def test_a_graph_that_is_not_sure_is_planned_where_somebody_accepts_it() -> None:
    doubted = objective('shorten the text "abc" really nicely')
    found = asyncio.run(Composed().find(doubted))
    assert isinstance(found, Incomplete)
    assert ([one.code for one in found.problems], found.problems[0].message.count("`really nicely`")) == (["ACC818"], 1)
    assert found.wanting is not None
    assert found.wanting.document is not None
    assert (found.wanting.schema["required"], found.wanting.input) == ([], {"page": "abc"})
    name = found.wanting.template.partition("@")[0]
    accepted = asyncio.run(plan(doubted, (Accepted(name),)))
    assert (accepted.template, accepted.document) == (found.wanting.template, found.wanting.document)
    assert accepted.confidence < 0.5
    with pytest.raises(NotUnderstood) as refused:
        asyncio.run(plan(doubted, (Accepted("composed-fetch-000000000000"),)))
    assert [one.code for one in refused.value.problems] == ["ACC819"]


def test_one_of_several_is_done_where_somebody_says_which() -> None:
    words = "fetch the page of every URL"
    asked = answer(words)
    assert isinstance(asked, Incomplete)
    assert [one.code for one in asked.problems] == ["ACC811", "ACC813"]
    beside = {"url": "https://a.example"}
    given = msgspec.structs.replace(objective(words), change=lambda value, _: {**value, **beside})
    assert isinstance(asyncio.run(Composed().find(given)), Found)


def test_a_capability_may_be_called_like_a_word_of_expressions() -> None:
    returns = {contract("item.return", {"item": TEXT}, {"returned": TRUTH}): "Return an item."}
    described = {str(each.ref): words for each, words in returns.items()}
    wanted = Objective('return the item "bolt"', (), ContractTable(returns), described=described)
    found = asyncio.run(plan(wanted, (Composed(),)))
    assert [one.task for one in found.tasks] == ["return_task"]
    assert found.report.ok


def test_an_output_that_the_input_refuses_feeds_nothing() -> None:
    short = contract("text.print", {"page": {"type": "string", "maxLength": 5}}, {"sheet": TEXT})
    offered = {next(iter(OFFERED)): "Fetch the page of a URL.", short: "Print a page."}
    described = {str(each.ref): words for each, words in offered.items()}
    words = 'fetch the page of the URL "https://a.example", then print the page'
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(offered), described=described)))
    assert isinstance(found, Incomplete)
    assert [problem.code for problem in found.problems] == ["ACC811"]
    assert "`page`" in found.problems[0].message


TRUTH = {"type": "boolean"}
WORK = {
    contract("web.search", {"topic": TEXT}, {"urls": {"type": "array", "items": TEXT}}): "Search the web for a topic.",
    **{one: words for one, words in OFFERED.items() if one.capability in ("web.fetch", "text.summarize")},
    contract(
        "report.write", {"summaries": {"type": "array", "items": TEXT}}, {"report": TEXT}
    ): "Write a report of several summaries.",
    contract(
        "order.find",
        {"customer": TEXT},
        {
            "orders": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"number": TEXT, "late": TRUTH, "amount": {"type": "integer"}},
                    "required": ["number", "late", "amount"],
                },
            }
        },
    ): "Find all orders of a customer.",
    contract("order.cancel", {"number": TEXT}, {"cancelled": TRUTH}): "Cancel an order.",
    contract(
        "stock.check", {"item": TEXT}, {"available": TRUTH, "amount": {"type": "integer"}}
    ): "Check the stock of an item.",
    contract("item.order", {"item": TEXT}, {"order_number": TEXT}): "Order an item from the supplier.",
    contract("manager.notify", {"message": TEXT}, {"notified": TRUTH}): "Notify the manager with a message.",
    contract(
        "mood.judge", {"text": TEXT}, {"sentiment": {"enum": ["positive", "negative"]}}
    ): "Judge a mood by a text.",
}


def parts(text: str, *members: str) -> dict[str, tuple[Any, ...]]:
    """Of each task of the composed document these members."""
    found = asyncio.run(plan(Objective(text, (), ContractTable(WORK), described=_described(WORK)), (Composed(),)))
    assert found.report.ok
    assert found.document is not None
    return {name: tuple(task.get(one) for one in members) for name, task in found.document["tasks"].items()}


def _described(offered: dict[Contract, str]) -> dict[str, str]:
    return {str(each.ref): words for each, words in offered.items()}


def test_what_is_in_a_list_is_done_item_by_item_and_gathered_again() -> None:
    words = (
        'Search the web for the topic "bees", fetch each page and summarize it, then write a report of the summaries'
    )
    assert parts(words, "for_each", "with") == {
        "search": (None, {"topic": "${ input.topic }"}),
        "fetch": ("${ tasks.search.output.urls }", {"url": "${ item }"}),
        "summarize": ("${ tasks.fetch.output }", {"page": "${ item.page }"}),
        "write": (None, {"summaries": "${ tasks.summarize.output.map(one, one.summary) }"}),
    }


def test_members_of_the_items_of_a_list_are_given() -> None:
    found = parts('Find all orders of the customer "Miller" and cancel each order', "for_each", "with")
    assert found["cancel"] == ("${ tasks.find.output.orders }", {"number": "${ item.number }"})


@pytest.mark.parametrize(
    ("words", "conditions"),
    [
        (
            'Check the stock of the item "bolt", and if it is available, order the item; otherwise notify the manager '
            'with the message "none"',
            [None, "${ tasks.check.output.available }", "${ !tasks.check.output.available }"],
        ),
        (
            'Check the stock of the item "bolt". If the amount is less than 5, order the item.',
            [None, "${ tasks.check.output.amount < 5 }"],
        ),
        (
            'Check the stock of the item "bolt", and order the item unless the amount is at least 7.',
            [None, "${ !(tasks.check.output.amount >= 7) }"],
        ),
        (
            'Judge the mood by the text "bad". If it is negative, notify the manager with the message "oh".',
            [None, '${ tasks.judge.output.sentiment == "negative" }'],
        ),
        (
            'Check the stock of the item "bolt" and if it isn\'t available notify the manager with the message "x"',
            [None, "${ !tasks.check.output.available }"],
        ),
        (
            'Check the stock of the item "bolt", and order the item if it is available or the amount is over 5',
            [None, "${ tasks.check.output.available || tasks.check.output.amount > 5 }"],
        ),
        (
            'Check the stock of the item "bolt". If it is not available and the amount is below 5, order the item; '
            'otherwise notify the manager with the message "none"',
            [
                None,
                "${ !tasks.check.output.available && tasks.check.output.amount < 5 }",
                "${ !(!tasks.check.output.available && tasks.check.output.amount < 5) }",
            ],
        ),
        (
            'Check the stock of the item "bolt", and order the item if the amount is above 5 and below 9',
            [None, "${ tasks.check.output.amount > 5 && tasks.check.output.amount < 9 }"],
        ),
        ('Check if the item "bolt" is in the stock', [None]),
        ('Notify the manager with the message "if it is available"', [None]),
    ],
)
def test_conditions_are_read_from_what_is_found_out(words: str, conditions: list[str | None]) -> None:
    assert [one for (one,) in parts(words, "when").values()] == conditions


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("cancel each order that is late", "one.late"),
        ("cancel all orders which are not late", "!one.late"),
        ("cancel each order whose amount is at least 5 and below 9", "one.amount >= 5 && one.amount < 9"),
        ("for each order that is late and whose amount is over 5, cancel it", "one.late && one.amount > 5"),
        ("for each order, if it is late, cancel it", "one.late"),
        ("cancel each order unless it is late", "!one.late"),
        ("cancel the orders that are late", "one.late"),
        ("cancel those which are not yet late", "!one.late"),
        ("only cancel each order if it is late", "one.late"),
        ("cancel the late orders", "one.late"),
        ("cancel each late order", "one.late"),
        ("cancel only the late ones", "one.late"),
        ("cancel the not late ones", "!one.late"),
        ("cancel all orders but the late ones", "!one.late"),
        ("cancel all except the late ones", "!one.late"),
    ],
)
def test_conditions_on_items_leave_the_others_out(words: str, items: str) -> None:
    found = parts(f'Find all orders of the customer "Miller" and {words}', "for_each", "with", "when")
    orders = f"${{ tasks.find.output.orders.filter(one, {items}) }}"
    assert found["cancel"] == (orders, {"number": "${ item.number }"}, None)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (
            'Check the stock of the item "bolt", and order the item if it is available',
            {"check": "${ tasks.check.output }", "order": "${ tasks.order.?output.orValue(null) }"},
        ),
        ('Find all orders of the customer "Miller" and cancel each order that is late', None),
    ],
)
def test_what_only_decides_whether_something_is_done_is_a_result_as_well(words: str, output: Any) -> None:
    found = at_work(words)
    assert isinstance(found, Found)
    assert found.document is not None
    assert found.document.get("output") == output


def test_a_value_of_several_words_restricts_nothing() -> None:
    found = at_work('Find all orders of the customer "Miller and Sons" and cancel each order')
    assert isinstance(found, Found), found
    assert found.input == {"customer": "Miller and Sons"}


def test_each_of_two_acts_on_items_has_its_own_condition() -> None:
    offered = {
        **{one: said for one, said in WORK.items() if one.capability in ("order.find", "order.cancel")},
        contract("order.hurry", {"number": TEXT}, {"hurried": TRUTH}): "Hurry an order.",
    }
    words = "cancel each order that is late and hurry each order that is not late"
    asked = f'Find all orders of the customer "Miller" and {words}'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(offered), described=_described(offered))))
    assert isinstance(found, Found), found
    assert found.document is not None
    tasks = found.document["tasks"]
    assert tasks["cancel"]["for_each"] == "${ tasks.find.output.orders.filter(one, one.late) }"
    assert tasks["hurry"]["for_each"] == "${ tasks.find.output.orders.filter(one, !one.late) }"


def test_a_condition_on_items_counts_for_all_that_goes_through_them() -> None:
    offered = {
        **{one: said for one, said in WORK.items() if one.capability in ("order.find", "order.cancel")},
        contract("order.hurry", {"number": TEXT}, {"hurried": TRUTH}): "Hurry an order.",
    }
    asked = (
        'Find all orders of the customer "Miller". For each order, if it is late, hurry the order and cancel the order.'
    )
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(offered), described=_described(offered))))
    assert isinstance(found, Found), found
    assert found.document is not None
    listed = {name: task.get("for_each") for name, task in found.document["tasks"].items()}
    late = "${ tasks.find.output.orders.filter(one, one.late) }"
    assert listed == {"find": None, "hurry": late, "cancel": late}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ('For each customer notify the manager with the message "x"', "ACC813", "no list"),
        ('Check the stock of the item "bolt", and order the item if the moon is full', "ACC814", "the moon is full"),
        ('Notify the manager with the message "x" only if it rains', "ACC814", "it rains"),
        (
            'Check the stock of the item "bolt". If it is available and the amount is over 5 or it rains, order it.',
            "ACC814",
            "it is available and the amount is over 5 or it rains",
        ),
        (
            'Check the stock of the item "bolt", and order the item if it is available and the moon is full',
            "ACC814",
            "it is available and the moon is full",
        ),
        ('Find all orders of the customer "M" and cancel each order that is old', "ACC814", "is old"),
        ('Find all orders of the customer "M" and cancel each order if it is old', "ACC814", "it is old"),
        ('Find all orders of the customer "M" and cancel each order that is late today', "ACC814", "is late today"),
        ('Find all orders of the customer "M" and cancel each order if the order is late today', "ACC814", "today"),
        (
            'Check the stock of the item "bolt". If it is available order it otherwise notify the manager',
            "ACC814",
            "otherwise",
        ),
        (
            'Find all orders of the customer "M". For each order, if it is late, cancel it and notify the manager with '
            'the message "x".',
            "ACC814",
            "it is late",
        ),
        ('Check the stock of the item "bolt", and order the item if it is available in Berlin', "ACC814", "in Berlin"),
    ],
)
def test_lists_and_conditions_that_nobody_gives_are_told(words: str, code: str, told: str) -> None:
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Unsure)
    assert [problem.code for problem in found.problems] == [code]
    assert told in found.problems[0].message


@pytest.mark.parametrize(
    "words",
    [
        *(
            "cancel only the orders",
            "cancel the overdue ones",
            "cancel the very late orders",
            "cancel the late and rest",
        ),
        *("cancel all orders but the old ones", "cancel the first order", "cancel the first late order"),
        *("cancel the orders with an amount of 5", "cancel none of them", "cancel at most 3 orders", "cancel the rest"),
        *("cancel every order except the best ones", "cancel two of them", "cancel the late orders over 5"),
        *("cancel half of the orders", "cancel the largest order", "cancel 3 orders", "cancel the orders over 5"),
        *(
            "cancel them, except the late ones",
            "cancel nothing but the late ones",
            "cancel the old orders",
            "cancel some orders",
            "cancel the last two",
        ),
        *("cancel an order", "cancel one", "cancel one order"),
    ],
)
def test_what_may_say_for_which_of_several_is_refused(words: str) -> None:
    asked = f'Find all orders of the customer "Miller" and {words}'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Unsure)
    assert {problem.code for problem in found.problems} == {"ACC813"}
    assert "`order.cancel`" in found.problems[0].message
    assert "`each … that is late`" in str(found.problems[0].hint)


@pytest.mark.parametrize("words", ["Find the old orders", "Find the first two orders", "Find only some orders"])
def test_what_is_said_where_the_list_is_found_restricts_too(words: str) -> None:
    asked = f'{words} of the customer "Miller" and cancel them'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Unsure)
    assert {problem.code for problem in found.problems} == {"ACC813"}


@pytest.mark.parametrize(
    "words",
    [
        'Search the web for the topic "bees", fetch each page and summarize it in a few sentences',
        'Search the web for the topic "bees", fetch each page and summarize it in at most 3 sentences',
        "Search the web for the first bees, fetch each page and summarize it",
        'Find all orders of the customer "Miller" and cancel them',
    ],
)
def test_what_restricts_something_else_is_done_for_all(words: str) -> None:
    assert any(each is not None for (each,) in parts(words, "for_each").values())


@pytest.mark.parametrize(
    "words",
    [
        *("cancel each order", "cancel all orders", "cancel every one of them", "cancel each of them", "cancel them"),
        *("cancel every order, please", "for each order cancel it", "then cancel all of them"),
    ],
)
def test_what_is_for_all_is_done_for_all(words: str) -> None:
    found = parts(f'Find all orders of the customer "Miller" and {words}', "for_each")
    assert found["cancel"] == ("${ tasks.find.output.orders }",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("then wait for approval, then order the item", "wait for"),
        ("after asking me, order the item", "after asking"),
        ("otherwise order the item", "otherwise"),
        ("order the item depending on whether it is there", "depending on"),
        ("when it is available, order the item", "when"),
        ("order the item when it is available", "when"),
        ("order the item whenever it is available", "whenever"),
        ("assuming it is available, order the item", "assuming"),
        ("as soon as it is available, order the item", "as soon as"),
        ("order the item until it is available", "until"),
        ("order the item so long as it is available", "so long as"),
        ("should it be available, order the item", "should it be"),
        ("maybe order the item", "maybe"),
        ("order the item with my approval", "with my approval"),
        ("if it is available order the item after asking me", "after asking"),
        ("order the item once I confirm", "once I"),
    ],
)
def test_a_guard_that_nothing_decides_or_waits_for_is_refused(words: str, said: str) -> None:
    asked = f'Check the stock of the item "bolt" and {words}'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Unsure)
    assert [problem.code for problem in found.problems] == ["ACC814"]
    assert f"decides, `{said}" in found.problems[0].message


STOCK = {
    next(one for one in WORK if one.capability == "stock.check"): "Check the stock of an item.",
    contract(
        "item.order",
        {"item": TEXT, "quantity": {"type": "integer", "default": 1}},
        {"order_number": TEXT},
        ("quantity",),
    ): "Order an item from the supplier.",
}


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("if the amount is below 5, order the item", {"item": "bolt"}),
        ("order the item unless the amount is at least 7", {"item": "bolt"}),
        ("order the item in a quantity of 4 if the amount is below 5", {"item": "bolt", "quantity": 4}),
    ],
)
def test_what_a_condition_compares_with_is_no_input(words: str, given: dict[str, Any]) -> None:
    asked = f'Check the stock of the item "bolt" and {words}'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(STOCK), described=_described(STOCK))))
    assert isinstance(found, Found), found
    assert found.input == given
    assert found.document is not None
    assert "amount" in found.document["tasks"]["order"]["when"]


ORDERS = {
    next(one for one in WORK if one.capability == "order.find"): "Find all orders of a customer.",
    contract(
        "order.cancel", {"number": TEXT, "amount": {"type": "integer"}, "late": TRUTH}, {"cancelled": TRUTH}
    ): "Cancel an order.",
}


@pytest.mark.parametrize(
    "words", ["for each order, if its amount is over 5, cancel it", "cancel each order whose amount is over 5"]
)
def test_what_an_item_has_is_taken_from_it(words: str) -> None:
    asked = f'Find all orders of the customer "Miller" and {words}'
    found = asyncio.run(Composed().find(Objective(asked, (), ContractTable(ORDERS), described=_described(ORDERS))))
    assert isinstance(found, Found), found
    assert found.input == {"customer": "Miller"}
    assert found.document is not None
    assert found.document["tasks"]["cancel"]["with"] == {
        "number": "${ item.number }",
        "amount": "${ item.amount }",
        "late": "${ item.late }",
    }


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ("fetch the page https://bees.example and summarize it", "https://bees.example"),
        ("fetch https://bees.example, then summarize the page", "https://bees.example"),
        ("Fetch the page https://bees.example/a?b=1.", "https://bees.example/a?b=1"),
    ],
)
def test_an_address_needs_no_quotation_marks(words: str, url: str) -> None:
    found = answer(words)
    assert isinstance(found, Found), found
    assert found.input == {"url": url}
    assert found.left_out == ()


TEXTS = {
    contract("web.fetch", {"url": TEXT}, {"title": TEXT, "text": TEXT}): "Fetch a web page.",
    contract(
        "text.summarise",
        {"text": TEXT, "sentences": {"type": "integer", "default": 2}},
        {"summary": TEXT},
        ("sentences",),
    ): "Summarise a text in some sentences.",
    contract(
        "text.translate", {"text": TEXT, "language": TEXT}, {"translation": TEXT}
    ): "Translate a text into a language.",
}


def of_texts(words: str) -> Any:
    return asyncio.run(Composed().find(Objective(words, (), ContractTable(TEXTS), described=_described(TEXTS))))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ('summarise the text "Bees dance." and translate the summary into German', "tasks.summarise.output.summary"),
        ('summarise the text "Bees dance." and translate it to German', "tasks.summarise.output.summary"),
        ('translate the text "Bees dance." into German', "input.text"),
        (
            'fetch the page "https://bees.example", summarise it and translate the summary into German',
            "tasks.summarise.output.summary",
        ),
        ('fetch the page "https://bees.example" and translate the text to German', "tasks.fetch.output.text"),
    ],
)
def test_a_literal_fills_one_input_and_what_is_named_feeds_the_other(words: str, text: str) -> None:
    found = of_texts(words)
    assert isinstance(found, Found), found
    assert found.document is not None
    assert found.document["tasks"]["translate"]["with"] == {
        "text": f"${{ {text} }}",
        "language": "${ input.language }",
    }
    assert found.input["language"] == "German"
    assert list(found.input.values()).count("German") == 1


def test_a_text_that_nothing_gives_is_asked_for() -> None:
    found = of_texts("translate it into German")
    assert isinstance(found, Incomplete)
    assert [problem.place.pointer for problem in found.problems] == ["/text"]
    assert found.wanting is not None
    assert found.wanting.input == {"language": "German"}


@pytest.mark.parametrize(
    "words",
    [
        'Do not notify the manager with the message "x"',
        'Don\u2019t notify the manager with the message "x"',
        'Never notify the manager with the message "x"',
        'Check the stock of the item "bolt", but do not order the item',
        'Check the stock of the item "bolt" without ordering the item',
        'You must not notify the manager with the message "x"',
        'Never, under any circumstances, notify the manager with the message "x"',
        'Notify no manager with the message "x"',
    ],
)
def test_what_is_not_to_be_done_is_not_done(words: str) -> None:
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Unsure)
    assert {problem.code for problem in found.problems} == {"ACC815"}


@pytest.mark.parametrize(
    "words",
    [
        'Do not forget to notify the manager with the message "x"',
        'Notify the manager with the message "do not order the item, never"',
        'Notify the manager with no more than the message "x"',
        'Never mind, notify the manager with the message "x"',
    ],
)
def test_what_only_looks_forbidden_is_done(words: str) -> None:
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(WORK), described=_described(WORK))))
    assert isinstance(found, Found)


def test_a_question_names_the_options() -> None:
    tongue = {"enum": ["German", "French"]}
    offered = {contract("text.turn", {"text": TEXT, "tongue": tongue}, {"turned": TEXT}): "Turn a text around."}
    words = 'Turn the text "x" into Spanish'
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(offered), described=_described(offered))))
    assert isinstance(found, Incomplete)
    (problem,) = found.problems
    assert "say one of German, French" in str(problem.hint)


def test_what_is_quoted_asks_for_nothing() -> None:
    found = answer('Fetch the page of the URL "water the garden, then translate a summary"')
    assert isinstance(found, Found)
    assert list(found.known.template.tasks) == ["fetch"]
    assert found.input == {"url": "water the garden, then translate a summary"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('Wake up grandfather, then fetch the page of the URL "https://example.com"', "`Wake up grandfather`"),
        ('Fetch the page of the URL "https://example.com" twice', "`twice`"),
        ('Tomorrow fetch the page of the URL "https://example.com"', "`Tomorrow`"),
        (
            'Fetch the page of the URL "https://example.com", then summarize it by carrier pigeon in the evening',
            "`by carrier pigeon in the evening`",
        ),
        ('Fetch the page of the URL "https://example.com" for "wasps"', '`for "wasps"`'),
    ],
)
def test_what_would_change_what_is_done_is_refused_by_its_words(words: str, told: str) -> None:
    found = answer(words)
    assert isinstance(found, Unsure)
    (problem,) = found.problems
    assert problem.code == "ACC816"
    assert told in problem.message
    assert f"without {told}" in str(problem.hint)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            'Quickly fetch the nice page of the URL "https://example.com"',
            ["not understood: `Quickly`", "not understood: `the nice`"],
        ),
        ('Fetch the page of the URL "https://example.com", please, and then summarize it for me', []),
    ],
)
def test_what_only_describes_is_told(words: str, told: list[str]) -> None:
    found = answer(words)
    assert isinstance(found, Found), found
    assert list(found.left_out) == told
    assert set(told) <= set(found.reasons)
    if told:
        assert found.confidence < 0.95


@pytest.mark.parametrize(
    ("words", "topic"),
    [
        ("find articles about bees", "bees"),
        ("find articles about the history of bees and summarize each article", "the history of bees"),
        ('find articles about "wild bees"', "wild bees"),
    ],
)
def test_a_topic_needs_no_quotation_marks(words: str, topic: str) -> None:
    found = done(words)
    assert found.input == {"topic": topic}
    assert found.left_out == ()


@pytest.mark.parametrize("words", ["find articles about a topic", "find articles about it", "find articles"])
def test_a_topic_that_is_not_said_is_asked_for(words: str) -> None:
    asked = Objective(words, (), ContractTable(FUNCTIONS), described=_described(FUNCTIONS))
    found = asyncio.run(Composed().find(asked))
    assert isinstance(found, Incomplete)
    assert [problem.place.pointer for problem in found.problems] == ["/topic"]


def bare(name: str, takes: dict[str, Any], gives: dict[str, Any]) -> Contract:
    """Of a function that gives a value, and not an object with members."""
    wanted = {"type": "object", "properties": takes, "required": list(takes), "additionalProperties": False}
    return compile_contract(capability=name, version="1.0.0", input_schema=wanted, output_schema=gives)


ARTICLE = {"type": "object", "properties": {"title": TEXT, "text": TEXT}, "required": ["title", "text"]}
FUNCTIONS = {
    bare("words.count", {"text": TEXT}, {"type": "integer"}): "Count the words of a text.",
    bare("text.polite", {"text": TEXT}, TRUTH): "Tell whether a text is polite.",
    bare(
        "news.find",
        {"topic": TEXT},
        {"type": "array", "items": {"$ref": "#/$defs/Article"}, "$defs": {"Article": ARTICLE}},
    ): "Find articles about a topic.",
    bare("text.summarize", {"title": TEXT, "text": TEXT}, TEXT): "Summarize an article.",
    bare("news.list", {"topic": TEXT}, {"type": "array", "items": TEXT}): "List headlines of a topic.",
    bare("text.translate", {"headline": TEXT}, TEXT): "Translate a headline.",
    bare("alarm.send", {"message": TEXT}, {"type": "null"}): "Send an alarm with a message.",
    bare("umbrella.pack", {}, {"type": "null"}): "Pack an umbrella.",
}


def done(text: str) -> Found:
    """What functions are composed to."""
    asked = Objective(text, (), ContractTable(FUNCTIONS), described=_described(FUNCTIONS))
    found = asyncio.run(Composed().find(asked))
    assert isinstance(found, Found), found
    return found


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        (
            'Count the words of the text "a b", and if there are more than 3, send an alarm with the message "x"',
            "${ tasks.count.output > 3 }",
        ),
        (
            'Tell whether the text "a" is polite. If it is not polite, send an alarm with the message "x"',
            "${ !tasks.polite.output }",
        ),
    ],
)
def test_a_bare_value_decides_a_condition(words: str, condition: str) -> None:
    found = done(words)
    assert found.document is not None
    assert found.document["tasks"]["send"]["when"] == condition
    assert found.left_out == ()


def test_the_objects_of_a_list_are_the_input_of_what_takes_such_an_object() -> None:
    found = done('Find articles about "bees" and summarize each article')
    assert found.document is not None
    task = found.document["tasks"]["summarize"]
    assert task["for_each"] == "${ tasks.find.output }"
    assert task["with"] == {"title": "${ item.title }", "text": "${ item.text }"}


def test_what_is_said_elsewhere_is_no_value_for_each_of_several() -> None:
    found = done('list the headlines about "bees" and translate each headline')
    assert found.document is not None
    assert found.input == {"topic": "bees"}
    assert found.document["tasks"]["translate"]["for_each"] == "${ tasks.list.output }"


def test_words_that_nobody_knows_make_a_plan_less_sure() -> None:
    sure = done("pack an umbrella").confidence
    assert sure == 0.99, "nothing that is only likely is certain"
    assert done("packe einen umbrella").confidence < 0.7


def test_what_else_could_have_fed_an_input_is_told() -> None:
    letters = {
        contract("letter.write", {"topic": TEXT}, {"letter": TEXT, "short_letter": TEXT}): "Write a letter.",
        contract("letter.send", {"letter": TEXT, "recipient": TEXT}, {"sent": TRUTH}): "Send a letter to a recipient.",
    }
    words = 'Write a letter about the topic "bees" and send the letter to the recipient "Ada"'
    found = asyncio.run(Composed().find(Objective(words, (), ContractTable(letters), described=_described(letters))))
    assert isinstance(found, Found), found
    (why,) = [one for one in found.reasons if one.startswith("for `send`")]
    assert "`letter` is `letter` of `write`" in why
    assert "; `short_letter` of `write` was weighed, too (" in why


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize(
    ("words", "told"),
    [("pakc the umbrela", "spelt alike: `umbrella.pack`"), ("frobnicate the gizmo", "none is near")],
)
def test_where_no_word_is_known_it_is_told_what_is_near(words: str, told: str) -> None:
    found = asyncio.run(
        Composed().find(Objective(words, (), ContractTable(FUNCTIONS), described=_described(FUNCTIONS)))
    )
    assert isinstance(found, Unsure)
    (problem,) = found.problems
    assert problem.code == "ACC810"
    assert told in str(problem.hint)
    assert asyncio.run(Composed().find(Objective(words, (), ContractTable([])))) == Unsure()


MEANT = 'Examine the stock of the item "bolt"'


def at_work(text: str) -> Any:
    return asyncio.run(Composed().find(Objective(text, (), ContractTable(WORK), described=_described(WORK))))


def test_a_plan_says_which_words_mean_nearly_the_same() -> None:
    if meanings() is None:
        pytest.skip("WordLlama is not installed: pip install 'accord-orchestrator[meaning]'")
    found = at_work(MEANT)
    assert isinstance(found, Found)
    assert found.reasons[0].endswith("; `examine` means nearly the same as `check`")
    assert found.left_out == ()
    assert not any("means" in one for one in at_work('Check the stock of the item "bolt"').reasons)


def test_what_has_only_some_of_the_words_that_another_one_has_is_not_done_beside_it() -> None:
    found = at_work('Remove the order "7"')
    assert isinstance(found, Found)
    assert [task.uses.partition("@")[0] for task in found.known.template.tasks.values()] == ["order.cancel"]


@pytest.mark.usefixtures("words_alone")
def test_without_knowing_what_words_mean_they_are_not_understood() -> None:
    found = at_work(MEANT)
    assert isinstance(found, Unsure)
    assert [(one.code, one.message.partition(" ")[0]) for one in found.problems] == [("ACC816", "`Examine`")]


@pytest.mark.parametrize("words", ["make me a sandwich", "who won the election", "book me a flight to Rome"])
def test_what_nobody_offers_is_near_nothing(words: str) -> None:
    found = at_work(words)
    assert isinstance(found, Unsure)
    assert [(one.code, str(one.hint).partition(":")[0]) for one in found.problems] == [("ACC810", "none is near")]


SPOKEN = sorted({word for words in WORK.values() for word in words.lower().rstrip(".").split()} | {'"x"', "7"})


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([*SPOKEN, "if", "unless", "otherwise", "each", "amount", "available", "then", ".", ","]),
        min_size=3,
        max_size=25,
    )
)
def test_whatever_is_composed_is_a_graph_that_holds(words: list[str]) -> None:
    asked = Objective(" ".join(words), (), ContractTable(WORK), described=_described(WORK))
    try:
        found = asyncio.run(plan(asked, (Composed(),)))
    except NotUnderstood:
        return
    assert found.report.ok


def template(name: str, steps: tuple[str, ...], phrases: tuple[str, ...]) -> KnownTemplate:
    """One that calls capabilities one after the other."""
    tasks = {
        step.replace(".", "_"): {"uses": f"{step}@^1", "needs": [steps[at - 1].replace(".", "_")] if at else []}
        for at, step in enumerate(steps)
    }
    document = {"accord": "template/1", "name": name, "version": "1.0.0", "examples": list(phrases), "tasks": tasks}
    data = canonical_form(document)
    return KnownTemplate(template_from_json(data), digest_of(data))


BARE = {
    contract("team.alpha", {}, {"x": TEXT}): "",
    contract("team.beta", {}, {"y": TEXT}): "",
    contract("team.gamma", {}, {"z": TEXT}): "",
    contract("team.delta", {}, {"w": TEXT}): "",
}
SAID = {
    "team.alpha": "paint me a picture",
    "team.beta": "hum a tune",
    "team.gamma": "note that down",
    "team.delta": "dance a while",
}
USES = [steps for length in (1, 2, 3, 4) for steps in itertools.combinations(SAID, length)]
STARTS = [f"{when} {how}" for when in ("now", "please", "today") for how in ("", "gently ", "for me ")]


def used() -> Objective:
    """Capabilities of whose words nothing is said, and what was said when many templates used them."""
    known = [template(f"use-{at}", steps, (f"use {at}",)) for at, steps in enumerate(USES)]
    said = [
        Said(f"{start}{' and then '.join(SAID[step] for step in steps)}", f"use-{at}")
        for at, steps in enumerate(USES)
        for start in STARTS
    ]
    return Objective(
        "softly hum a tune, then note that down",
        known,
        ContractTable(BARE),
        examples=tuple(said),
        described={str(each.ref): words for each, words in BARE.items()},
    )


def test_what_templates_were_used_for_teaches_which_capabilities_words_want(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(teaching, "LEAST_EXAMPLES", 150)
    asked = used()
    assert isinstance(asyncio.run(Composed().find(msgspec.structs.replace(asked, examples=()))), Unsure)
    way = Composed()
    abilities = [ability_of(str(one.ref), "", one.input.document, one.output.document) for one in BARE]
    first = way.school.taught(Lessons().of(asked), abilities)
    assert first.teacher is None
    assert first.note == "150 examples are still being learned from: words alone decide"  # no plan waits for them
    way.school.finish()
    found = asyncio.run(way.find(asked))
    assert isinstance(found, Found)
    assert found.document is not None
    assert [task["uses"] for task in found.document["tasks"].values()] == ["team.beta@^1.0.0", "team.gamma@^1.0.0"]
    assert found.reasons[-1].startswith("learned from 150 examples of 4 capabilities")


def test_a_few_templates_do_not_change_what_words_ask_for() -> None:
    phrases = [f"{start} {what}" for start in ("do", "make", "run", "have", "get") for what in ("a job", "the rest")]
    known = [
        template("all-of-it", ("web.fetch", "garden.water"), tuple(phrases)),
        template("some-of-it", ("web.fetch", "text.summarize"), tuple(f"{one} now" for one in phrases)),
        template("more-of-it", ("web.fetch", "garden.water", "text.summarize"), tuple(f"{one} so" for one in phrases)),
    ]
    asked = objective('Fetch the page of the URL "https://example.com"')
    alone, way = asyncio.run(Composed().find(asked)), Composed()
    asyncio.run(way.find(msgspec.structs.replace(asked, known=known)))
    way.school.finish()
    beside = asyncio.run(way.find(msgspec.structs.replace(asked, known=known)))
    assert isinstance(alone, Found)
    assert beside == alone


def test_an_example_has_what_a_template_calls_whatever_waits_between() -> None:
    document = {
        "accord": "template/1",
        "name": "slow",
        "version": "1.0.0",
        "examples": ["go slowly"],
        "tasks": {
            "first": {"uses": "team.alpha@^1"},
            "rest": {"sleep": "5s", "needs": ["first"]},
            "second": {"uses": "team.beta@^1", "needs": ["rest"]},
        },
    }
    data = canonical_form(document)
    known = [KnownTemplate(template_from_json(data), digest_of(data))]
    (found,) = Lessons().of(Objective("x", known, ContractTable([])))
    assert found == Example("go slowly", ("team.alpha", "team.beta"), (("team.alpha", "team.beta"),))


# -- several that would do ---------------------------------------------------------------------------------------


def tries(took_s: float, *, failures: int = 0, cost: str | None = None) -> tuple[Try, ...]:
    price = Decimal(cost) if cost is not None else None
    return tuple(Try(took_s=took_s, ok=at >= failures, cost=price) for at in range(10))


TWINS = {
    contract("text.shorten", {"text": TEXT}, {"short": TEXT}): "Shorten a text.",
    contract("words.shorten", {"text": TEXT}, {"short": TEXT}): "Shorten a text.",
    contract("garden.water", {"garden": TEXT}, {"litres": {"type": "number"}}): "Water a garden.",
}


def shortened(known: dict[str, tuple[Try, ...]], text: str = 'Shorten "a long one"') -> Found:
    described = {str(each.ref): words for each, words in TWINS.items()}
    asked = Objective(text, (), ContractTable(TWINS), described=described, tries=known)
    found = asyncio.run(Composed().find(asked))
    assert isinstance(found, Found)
    return found


def capability_of(found: Found) -> str:
    (task,) = found.known.template.tasks.values()
    return str(task.uses).partition("@")[0]


@pytest.mark.parametrize("name", ["text.shorten", "words.shorten"])
def test_of_two_that_do_the_same_the_quicker_one_is_used_and_the_plan_says_why(name: str) -> None:
    other = {"text.shorten": "words.shorten", "words.shorten": "text.shorten"}[name]
    found = shortened({name: tries(1), other: tries(3, failures=3)})
    assert capability_of(found) == name
    assert f"`{name}` was chosen over `{other}`, which fits as well: 2 s sooner, 30 % fewer failures" in found.reasons
    assert found.alternatives[0].template == f"{other}@1.0.0"
    assert found.alternatives[0].why_not == (
        f"it fits as well, and `{name}` is expected to do better: 2 s sooner, 30 % fewer failures"
    )


def test_what_is_cheap_may_be_later() -> None:
    found = shortened({"text.shorten": tries(1, cost="0.9"), "words.shorten": tries(2, cost="0.1")})
    assert capability_of(found) == "words.shorten"
    assert "fits as well: 1 s later, 0.8 cheaper" in " ".join(found.reasons)


@pytest.mark.parametrize(
    "known", [{}, {"text.shorten": tries(9)}, {"text.shorten": tries(9), "words.shorten": tries(1)[:4]}]
)
def test_little_experience_decides_nothing(known: dict[str, tuple[Try, ...]]) -> None:
    assert capability_of(shortened(known)) == capability_of(shortened({}))
    assert shortened(known).reasons == shortened({}).reasons


def test_experience_does_not_outweigh_what_is_asked_for() -> None:
    better = {"text.shorten": tries(100), "words.shorten": tries(1)}
    assert capability_of(shortened(better)) == "words.shorten"
    assert capability_of(shortened(better, 'Shorten the text "a long one"')) == "text.shorten"
    known = {name: tries(100) for name in ("text.shorten", "words.shorten")} | {"garden.water": tries(0.1)}
    assert capability_of(shortened(known)) == capability_of(shortened({}))
