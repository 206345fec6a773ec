"""The library: versions of templates that never change, and the graphs that runs are pinned to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from accord.errors import NotFound, Refused
from accord.testing.stage import Stage, node_on

SLEEP = {"rest": {"sleep": "1s"}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def test_the_same_text_again_changes_nothing(stage: Stage) -> None:
    digest = await stage.publish(SLEEP)
    before = stage.parts.template_stream.sequence
    assert await stage.publish(SLEEP) == digest
    assert stage.parts.template_stream.sequence == before


async def test_another_text_under_the_same_version_is_refused(stage: Stage) -> None:
    await stage.publish(SLEEP)
    with pytest.raises(Refused, match="ACC760"):
        await stage.publish({"rest": {"sleep": "2s"}})
    assert len(stage.parts.library.published()) == 1


async def test_the_newest_version_of_a_range(stage: Stage) -> None:
    for version in ("1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"):
        await stage.publish(SLEEP, version=version)
    find = stage.parts.library.find
    assert find("play").version == "1.10.0"
    assert find("play@~1.9").version == "1.9.0"
    assert find("play@2.0.0-rc.1").version == "2.0.0-rc.1"
    assert [one.version for one in stage.parts.library.published()] == ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"]


@pytest.mark.parametrize("reference", ["other", "play@^3", "play@9.9.9"])
async def test_what_is_not_published_is_said_to_be_missing(stage: Stage, reference: str) -> None:
    await stage.publish(SLEEP)
    with pytest.raises(NotFound, match="published are: play"):
        stage.parts.library.find(reference)


async def test_graphs_are_compiled_once_and_are_those_of_their_digest(stage: Stage) -> None:
    digest = await stage.publish(SLEEP)
    graph = await stage.parts.library.graph(digest)
    assert graph.digest == digest
    assert await stage.parts.library.graph(digest) is graph


async def test_a_node_that_starts_later_knows_all_versions(stage: Stage) -> None:
    digest = await stage.publish(SLEEP)
    async with await node_on(stage.ports) as second:
        assert second.parts.library.find("play").digest == digest
        await stage.publish(SLEEP, version="1.1.0")
        await second.parts.refresh()
        assert second.parts.library.find("play").version == "1.1.0"


NARROW = {"const": 1}
HARDER = {"type": "object", "required": ["word"]}


async def test_a_version_that_is_too_low_for_what_has_changed_is_refused(stage: Stage) -> None:
    longer = SLEEP | {"more": {"sleep": "1s"}}
    await stage.publish(SLEEP, version="1.2.0", output=1)
    before = stage.parts.template_stream.sequence
    refusals: list[tuple[str, dict[str, Any], str]] = [("1.2.1", {}, "1.3.0"), ("1.3.0", {"input": HARDER}, "2.0.0")]
    for version, more, deserved in refusals:
        with pytest.raises(Refused, match=rf"ACC267 play@{version} .*1\.2\.0: it deserves {deserved} ") as refused:
            await stage.publish(longer, version=version, output=1, **more)
        assert "--version-as-written" in str(refused.value.problems[0].hint)
    assert stage.parts.template_stream.sequence == before
    await stage.publish(longer, version="1.3.0", output=1)


async def test_a_version_follows_the_highest_one_below_it(stage: Stage) -> None:
    for version, input_ in (("1.0.0", True), ("2.0.0", HARDER)):
        await stage.publish(SLEEP, version=version, input=input_)
    await stage.publish({"rest": {"sleep": "2s"}}, version="1.0.1")
    await stage.publish({"rest": {"sleep": "2s"}}, version="0.9.0", input=NARROW)
    for version in ("2.0.1", "1.0.2"):
        with pytest.raises(Refused, match="ACC267"):
            await stage.publish(SLEEP, version=version, input=NARROW)


async def test_drafts_say_nothing_of_what_has_changed(stage: Stage) -> None:
    await stage.publish(SLEEP)
    await stage.publish({"other": {"sleep": "1s"}}, version="1.0.1-draft", input=NARROW)
    await stage.publish({"rest": {"sleep": "2s"}}, version="1.0.1")


async def test_a_version_is_taken_as_written_where_somebody_says_so(stage: Stage) -> None:
    await stage.publish(SLEEP)
    digest = await stage.publish(SLEEP, version="1.0.1", input=NARROW, as_written=True)
    assert await stage.publish(SLEEP, version="1.0.1", input=NARROW) == digest, "it is published: again is no error"
