"""Policies in Cedar: the shipped set says what the table of rights says; broken sets are refused with places."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.domain.access import RIGHTS, ROLES, Principal, Right, Role
from accord.domain.ids import AgentId
from accord.domain.policy import (
    Act,
    AgentAction,
    CapabilityFacts,
    Decision,
    HandOff,
    OrchestratorFacts,
    RunFacts,
    Subject,
    TemplateFacts,
    agent_facts,
)
from accord.errors import BadInput
from accord.policy.cedar import CedarSet, checked
from accord.policy.live import open_policy, shipped
from accord.policy.source import PolicyFile, PolicySource, read_source, source_of

RUN = RunFacts("audit", "1.0.0", "local", "ann")
WHOLE = OrchestratorFacts("local")
TEMPLATE = TemplateFacts("audit", "1.0.0")

SUBJECTS: dict[Right, list[Subject]] = {
    "look": [WHOLE, RUN],
    "run": [WHOLE, TEMPLATE],
    "control": [WHOLE, RUN],
    "approve": [WHOLE, RUN],
    "publish": [WHOLE, TEMPLATE],
    "enrol": [WHOLE],
    "administer": [WHOLE],
    "erase": [WHOLE, RUN],
}


def principal(role: Role, name: str = "ann") -> Principal:
    return Principal(name=name, role=role, organisation="local", credential="k")


def hand_off(agent: str = "spiffe://local/agent/scout", action: AgentAction = "execute", *labels: str) -> HandOff:
    facts = CapabilityFacts("text.summarize", "1.2.0")
    return HandOff(action, agent_facts(AgentId(agent), frozenset({"audited"})), facts, RUN, frozenset(labels))


def policies(*texts: str) -> CedarSet:
    return checked(PolicySource(tuple(PolicyFile(f"{number}.cedar", text) for number, text in enumerate(texts))))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("right", RIGHTS)
def test_the_shipped_set_says_what_the_table_of_rights_says(role: Role, right: Right) -> None:
    least, _ = RIGHTS[right]
    for subject in SUBJECTS[right]:
        decision = shipped().decide(Act(principal(role), right, subject))
        assert decision.allowed == (ROLES.index(role) >= ROLES.index(least)), (subject, decision)


@pytest.mark.parametrize("action", ["execute", "see"])
def test_the_shipped_set_lets_every_agent_do_what_it_offers(action: AgentAction) -> None:
    assert shipped().decide(hand_off("spiffe://partner/agent/x", action, "confidential")).allowed


def test_nothing_is_permitted_by_nothing() -> None:
    decision = policies().decide(hand_off())
    assert not decision.allowed
    assert decision.words() == "no policy permits it"


def test_a_policy_sees_all_facts() -> None:
    found = policies(
        """
        @id("all") permit (principal == Agent::"spiffe://local/agent/scout", action == Action::"execute",
                           resource == Capability::"text.summarize@1.2.0")
        when { principal.organisation == "local" && principal.name == "scout" && principal.tags.contains("audited")
            && resource.name == "text.summarize" && resource.version == "1.2.0"
            && context.run.template == "audit" && context.run.version == "1.0.0" && context.run.tenant == "ann"
            && context.run.organisation == "local" && context.labels == ["personal", "internal"] };
        """
    )
    assert found.decide(hand_off("spiffe://local/agent/scout", "execute", "internal", "personal")) == Decision(
        allowed=True, reasons=("all",)
    )
    assert not found.decide(hand_off("spiffe://local/agent/scout", "execute", "internal")).allowed
    assert not found.decide(hand_off("spiffe://local/agent/scout", "see", "internal", "personal")).allowed


def test_what_forbids_is_told() -> None:
    found = policies(
        '@id("any") permit (principal, action, resource);',
        '@id("no-partners") forbid (principal is Agent, action, resource) when { principal.organisation != "local" };',
    )
    decision = found.decide(hand_off("spiffe://partner/agent/x"))
    assert not decision.allowed
    assert decision.words() == "forbidden by no-partners"


@pytest.mark.abuse(
    "ASI03", at="template", stride="elevation of privilege", case="a policy that cannot be evaluated denies"
)
def test_what_cannot_be_evaluated_is_denied() -> None:
    found = policies(
        '@id("any") permit (principal, action, resource);',
        """@id("fails") forbid (principal, action == Action::"execute", resource)
           when { 9223372036854775807 + 1 > 0 };""",
    )
    decision = found.decide(hand_off())
    assert not decision.allowed
    assert "cannot be evaluated" in decision.words()
    assert "overflow" in decision.words()


def test_all_faults_are_told_with_their_places() -> None:
    with pytest.raises(BadInput) as refused:
        policies('@id("a") permit (principal, action, resource);\n\n// no; "policy\npermit (principal action);')
    assert [(one.code, one.place.line) for one in refused.value.problems] == [("ACC671", 4)]
    with pytest.raises(BadInput) as refused:
        policies(
            """@id("a") permit (principal, action == Action::"fly", resource);
            permit (principal, action, resource);""",
            """@id("b") permit (principal is Agent, action == Action::"see", resource)
            when { principal.colour == "red; green" };
            @id("b") permit (principal is Agent, action, resource);""",
        )
    found = [(one.code, one.place.file, one.place.line) for one in refused.value.problems]
    assert ("ACC673", "0.cedar", 2) in found
    assert found.count(("ACC673", "1.cedar", 1)) == found.count(("ACC673", "1.cedar", 3)) == 1
    assert ("ACC672", "0.cedar", 1) in found
    assert ("ACC672", "1.cedar", 1) in found


def test_a_template_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        policies('@id("a") permit (principal == ?principal, action, resource);')
    assert [one.code for one in refused.value.problems] == ["ACC674"]


def test_a_set_is_named_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "b.cedar").write_text('@id("b") permit (principal, action, resource);')
    (tmp_path / "a.cedar").write_text("// nothing\n")
    (tmp_path / "notes.txt").write_text("no policy")
    source = read_source(tmp_path)
    assert [one.name for one in source.files] == ["a.cedar", "b.cedar"]
    assert source_of(source.document).digest == source.digest
    assert read_source(tmp_path / "b.cedar").digest != source.digest


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.cedar"):
        with pytest.raises(BadInput) as refused:
            read_source(path)
        assert [one.code for one in refused.value.problems] == ["ACC670"]


def written(file: Path, text: str) -> None:
    file.write_text(text)


async def kept(source: PolicySource) -> None:
    assert source.document


async def test_a_changed_set_is_taken_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.cedar"
    written(file, '@id("any") permit (principal, action, resource);')
    policy = await open_policy(file)
    assert policy.decide(hand_off()).allowed
    assert not await policy.renew(kept)
    written(file, "permit (principal, action, resource); // nameless, so broken")
    with pytest.raises(BadInput):
        await policy.renew(kept)
    assert not await policy.renew(kept), "told once"
    assert policy.decide(hand_off()).reasons == ("any",)
    written(file, '@id("none") forbid (principal, action, resource); // longer than before, in any case')
    assert await policy.renew(kept)
    assert policy.decide(hand_off()).reasons == ("none",)
    written(file, "")
    assert await policy.renew(kept), "a set without a policy denies everything"
    assert not policy.decide(hand_off()).allowed
