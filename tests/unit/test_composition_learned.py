"""Composition that has learned from examples: choice and links of a small catalogue of typed tools."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.sets import intents, requests, workflows
from bench.sets.files import Arguments, read
from bench.sets.requests_file import Tool, ability_of, read_set

from accord.errors import BadInput
from accord.planner.composition.composer import Composer, Composition
from accord.planner.composition.examples import Example, components
from accord.planner.composition.index import Index
from accord.planner.composition.linking import same_kind
from accord.planner.composition.teaching import Lesson, Teacher

TOOLS = (
    Tool(name="alpha", takes=("text",), gives=("image",)),
    Tool(name="beta", takes=("image",), gives=("audio",)),
    Tool(name="gamma", takes=("audio",), gives=("text",)),
    Tool(name="delta", takes=("text",), gives=("text",)),
)
SAID = {"alpha": "paint me something", "beta": "hum it", "gamma": "note that down", "delta": "shorten the words"}
CHAINS = [("alpha",), ("alpha", "beta"), ("beta", "gamma"), ("alpha", "beta", "gamma"), ("gamma", "delta"), ("delta",)]
MANY = [chain for length in (1, 2, 3, 4) for chain in itertools.combinations(SAID, length)]
"""Each of the four is in eight of them."""


def examples(number: int, chains: Sequence[tuple[str, ...]] = MANY) -> list[Example]:
    chosen = random.Random(7)  # noqa: S311  # nothing is secret here
    return [
        Example(" and then ".join(SAID[name] for name in chain), chain, tuple(itertools.pairwise(chain)))
        for chain in (chosen.choice(chains) for _ in range(number))
    ]


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    pytest.importorskip("sklearn")
    from accord.planner.composition.learned import Learned  # noqa: PLC0415  # it comes with an extra

    learned = Learned(Lesson(tuple(examples(60, CHAINS)), tuple(map(ability_of, TOOLS))))
    assert learned.is_better
    return learned


def composed(teacher: Teacher | None, objective: str, tools: Sequence[Tool] = TOOLS) -> tuple[list[str], Composition]:
    found = Composer(Index(map(ability_of, tools)), same_kind, teacher).compose(objective)
    return [one.ability.name for one in found.chosen], found


def test_what_examples_teach_is_chosen_and_linked(teacher: Teacher) -> None:
    assert composed(None, "hum it, then note that down")[0] == []
    names, found = composed(teacher, "hum it, then note that down")
    assert names == ["beta", "gamma"]
    assert [(one.edge.source, one.edge.output.name, one.edge.input.name) for one in found.links] == [
        (0, "audio", "audio")
    ]
    assert found.orders == ()


def test_what_hands_nothing_over_comes_after_what_it_came_after_in_examples(teacher: Teacher) -> None:
    bare = (*TOOLS[:1], Tool(name="beta"), *TOOLS[2:])
    names, found = composed(teacher, "paint me something, then hum it", bare)
    assert names == ["alpha", "beta"]
    assert found.links == ()
    assert [(one.source, one.target) for one in found.orders] == [(0, 1)]


def test_what_no_example_speaks_of_is_chosen_by_its_words_beside_what_is_taught(teacher: Teacher) -> None:
    other = Tool(name="water_garden", description="Water the garden.", takes=("text",))
    assert composed(teacher, "hum it, then water the garden", (*TOOLS, other))[0] == ["beta", "water_garden"]
    assert composed(teacher, "hum it, then note that down", (*TOOLS, other))[0] == ["beta", "gamma"]


def test_too_little_teaches_nothing() -> None:
    abilities = tuple(map(ability_of, TOOLS))
    assert Lesson.of(examples(500), abilities) is not None
    assert Lesson.of(examples(499), abilities) is None
    assert Lesson.of([Example("paint me something", ("alpha",))] * 500, abilities) is None
    assert Lesson.of(examples(500), abilities[3:]) is None


def test_however_often_the_same_few_templates_are_meant_that_teaches_nothing_of_their_capabilities() -> None:
    assert Lesson.of(examples(2000, CHAINS), tuple(map(ability_of, TOOLS))) is None


def test_what_is_no_better_where_other_combinations_are_asked_for_is_not_used() -> None:
    pytest.importorskip("sklearn")
    from accord.planner.composition.learned import Learned  # noqa: PLC0415  # it comes with an extra

    tools = [Tool(name=name) for name in ("paint", "sweep", "cook", "iron", "polish", "mow", "dust", "bake")]
    pairs = list(itertools.combinations([tool.name for tool in tools], 2))
    asked = tuple(
        Example(f"{one} it {start}, case number{at}", (one, other))
        for at, (one, other) in enumerate(pairs)
        for start in ("now", "soon", "here", "there", "well")
    )
    learned = Learned(Lesson(asked, tuple(map(ability_of, tools))))
    assert not learned.is_better


def test_names_that_links_join_are_components() -> None:
    assert components(["a", "b", "c"], [("a", "c")]) == [{"a", "c"}, {"b"}]


def write(path: Path, lines: list[object]) -> Path:
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    return path


def test_a_set_of_requests_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools = [
        {
            "name": "weather_of",
            "parameters": [{"name": "city", "type": "str"}],
            "results": [{"name": "weather", "type": "str", "description": "the weather of the city"}],
        },
        {
            "name": "mail_weather",
            "parameters": [{"name": "weather", "type": "str", "description": "the weather of the city"}],
        },
    ]
    line = {
        "id": "1",
        "request": 'Get the weather of "Paris" and mail the weather.',
        "tools": tools,
        "steps": ["weather_of", "mail_weather"],
        "calls": [{"tool": "weather_of"}, {"tool": "mail_weather"}],
        "links": [{"from": "weather_of", "output": "weather", "to": "mail_weather", "input": "weather"}],
    }
    requests.run(Arguments(write(tmp_path / "set.jsonl", [line]), out=tmp_path / "out.jsonl"))
    assert msgspec.json.decode(capsys.readouterr().out)["parameter_edge"]["exact"] == 1
    told = msgspec.json.decode((tmp_path / "out.jsonl").read_bytes().splitlines()[0])
    assert told["links"] == line["links"]
    assert told["calls"][0]["inputs"] == {"city": "Paris"}


@pytest.mark.parametrize(
    "tools",
    [
        [{"name": "Image Captioner", "takes": ["image"], "gives": ["text"]}, {"name": "Speaker", "takes": ["text"]}],
        [
            {"name": "caption_image", "parameters": [{"name": "image"}], "results": [{"name": "words"}]},
            {"name": "speak"},
        ],
        [{"name": "caption"}, {"name": "speak", "description": "Speaks."}],
    ],
)
def test_tools_of_which_little_is_known_are_measured_too(
    tools: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"catalogue": tools},
        {"id": "1", "request": 'Caption the image "a.png", then speak.', "calls": [{"tool": tools[0]["name"]}]},
        {"id": "2", "request": 'Xyzzy "a.png"'},
    ]
    requests.run(Arguments(write(tmp_path / "set.jsonl", lines), out=tmp_path / "out.jsonl"))
    assert msgspec.json.decode(capsys.readouterr().out)["node"]["recall"] == 1
    told = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [one["id"] for one in told] == ["1", "2"]
    assert told[1]["links"] == []


def test_all_that_is_wrong_with_a_set_is_told(tmp_path: Path) -> None:
    lines = [
        {"catalogue": [{"name": "one"}]},
        {"id": "1", "request": "do it", "calls": [{"tool": "two"}]},
        {"id": "2", "request": "do it", "calls": [{"tool": "one"}], "links": [{"from": "one", "to": "three"}]},
        {"id": "", "request": "do it"},
    ]
    with pytest.raises(BadInput) as told:
        read_set(write(tmp_path / "set.jsonl", lines))
    assert [problem.code for problem in told.value.problems] == ["ACC911"] * 3
    assert "`two` is none of its tools" in str(told.value)


def test_a_set_of_workflows_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {
        "id": "w",
        "tasks": [{"id": "a", "outputs": ["x"]}, {"id": "b", "inputs": ["x"]}],
        "edges": [["a", "b"]],
    }
    workflows.run(Arguments(write(tmp_path / "set.jsonl", [line]), out=tmp_path / "out.jsonl"))
    assert msgspec.json.decode(capsys.readouterr().out)["edge"]["exact"] == 1
    assert msgspec.json.decode((tmp_path / "out.jsonl").read_bytes())["edges"] == [["a", "b"]]


def test_a_set_that_is_not_there_is_told_like_every_problem(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ACC911") as refused:
        read(tmp_path / "none.jsonl", dict[str, str])
    assert "cannot be read" in refused.value.problems[0].message


def test_examples_without_words_are_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "intents.jsonl"
    file.write_text('{"text": "", "intent": "a"}\n{"text": " ", "intent": "b"}\n')
    with pytest.raises(BadInput, match="examples that have words are of 0 labels"):
        intents.run(Arguments(file, file))


def test_an_empty_request_is_predicted_as_no_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "set.jsonl", tmp_path / "out.jsonl"
    catalogue = '{"catalogue": [{"name": "find_recipe"}]}\n'
    file.write_text(catalogue + '{"id": "1", "request": ""}\n{"id": "2", "request": "find a recipe"}\n')
    requests.run(Arguments(file, out=out))
    assert json.loads(capsys.readouterr().out)["requests"] == 2
    assert [bool(json.loads(line)["calls"]) for line in out.read_text().splitlines()] == [False, True]
    file.write_text(catalogue + '{"id": "1"}\n')
    with pytest.raises(BadInput, match="a line has an `id` and a `request`"):
        read_set(file)
