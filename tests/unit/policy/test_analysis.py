"""What is proven of policy sets: Z3 and Cedar agree on every request, and every example is one that Cedar confirms."""

from __future__ import annotations

import msgspec
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.access import ROLES, Principal
from accord.domain.ids import AgentId
from accord.domain.policy import (
    Act,
    CapabilityFacts,
    HandOff,
    OrchestratorFacts,
    Request,
    RunFacts,
    TemplateFacts,
    agent_facts,
)
from accord.errors import BadInput
from accord.formulas import literal
from accord.policy.analysis.questions import Questions
from accord.policy.analysis.requests import Unknowns, kinds
from accord.policy.analysis.translation import Translation, vocabulary_of
from accord.policy.cedar import CedarSet, checked
from accord.policy.source import PolicyFile, PolicySource, shipped_source

QUESTIONS = Questions()
allows_more, ever, useless = QUESTIONS.allows_more, QUESTIONS.ever, QUESTIONS.useless
SHIPPED = checked(shipped_source())
NOT_DECLASSIFY = '@id("none-declassifies") forbid (principal, action == Action::"declassify", resource);'
ANY = '@id("any") permit (principal, action, resource);'


def policies(*texts: str) -> CedarSet:
    return checked(PolicySource(tuple(PolicyFile(f"{number}.cedar", text) for number, text in enumerate(texts))))


# -- Z3 and Cedar say the same ------------------------------------------------------------------------------------

WORDS = ["a", "b", "local", "partner", "confidential", "", "é\\u{41}*", "viewer"]
texts = st.sampled_from(WORDS)
sets = st.frozensets(texts, max_size=3)
quoted = texts.map(lambda text: '"' + text.replace("\\", "\\\\") + '"')
listed = st.lists(quoted, min_size=1, max_size=3).map(lambda some: f"[{', '.join(some)}]")

OF_AGENTS = ("principal.organisation", "principal.name", "resource.name", "context.run.template", "context.run.tenant")
OF_PRINCIPALS = ("principal.organisation", "principal.name", "principal.role", "resource.template", "resource.tenant")


def atoms(fields: tuple[str, ...], field_sets: tuple[str, ...], entities: tuple[str, ...]) -> st.SearchStrategy[str]:
    field, field_set = st.sampled_from(fields), st.sampled_from(field_sets)
    either_set = st.one_of(field_set, listed)
    return st.one_of(
        st.builds("{} == {}".format, field, quoted),
        st.builds("{} != {}".format, field, field),
        st.builds("{} like {}".format, field, st.sampled_from(['"a*"', '"*"', '"lo*l"', '"\\*"'])),
        st.builds("{}.contains({})".format, either_set, st.one_of(quoted, field)),
        st.builds("{}.containsAll({})".format, field_set, either_set),
        st.builds("{}.containsAny({})".format, field_set, either_set),
        st.builds("{} == {}".format, field_set, either_set),
        st.builds("{}.isEmpty()".format, field_set),
        st.sampled_from(
            [
                "principal is Agent",
                "principal has quarantined && principal.quarantined",
                "resource has tenant",
                "1 < 2",
                'action == Action::"execute"',
                *entities,
            ]
        ),
    )


def conditions(atom: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        atom.map(lambda one: f"({one})"),
        lambda inner: st.one_of(
            st.builds("({} && {})".format, inner, inner),
            st.builds("({} || {})".format, inner, inner),
            st.builds("!{}".format, inner),
            st.builds("(if {} then {} else {})".format, inner, inner, inner),
        ),
        max_leaves=5,
    )


AGENT = 'Agent::"spiffe://local/agent/a"'
agent_rules = st.builds(
    '{} (principal is Agent, action in [Action::"execute", Action::"see"], resource) {} {{ {} }};'.format,
    st.sampled_from(["permit", "permit", "forbid"]),
    st.sampled_from(["when", "unless"]),
    conditions(
        atoms(
            OF_AGENTS,
            ("principal.tags", "context.labels"),
            (f"principal == {AGENT}", f"[{AGENT}].contains(principal)", 'resource == Capability::"a@1"'),
        )
    ),
)
principal_rules = st.builds(
    '{} (principal is Principal, action == Action::"control", resource is Run) {} {{ {} }};'.format,
    st.sampled_from(["permit", "permit", "forbid"]),
    st.sampled_from(["when", "unless"]),
    conditions(
        atoms(
            OF_PRINCIPALS,
            ("resource.labels",),
            ('principal in Role::"author"', 'principal in [Role::"operator"]', 'resource == Run::"a@1"'),
        )
    ),
)
rule_sets = st.lists(st.one_of(agent_rules, principal_rules), min_size=1, max_size=3)

names = texts.filter(lambda text: "@" not in text)
runs = st.builds(RunFacts, names, st.sampled_from(["1", "2"]), texts, texts)
hand_offs = st.builds(
    HandOff,
    st.just("execute"),
    st.builds(
        lambda organisation, name, tags, quarantined: agent_facts(
            AgentId(f"spiffe://{organisation}/agent/{name}"), tags, quarantined=quarantined
        ),
        texts, texts, sets, st.booleans(),
    ),
    st.builds(CapabilityFacts, names, st.sampled_from(["1", "2"])),
    runs,
    sets,
)  # fmt: skip
people = st.builds(Principal, name=texts, role=st.sampled_from(ROLES), organisation=texts, credential=st.just(""))
acts = st.builds(Act, people, st.just("control"), runs, sets)
requests: st.SearchStrategy[Request] = st.one_of(hand_offs, acts)


def named(rules: list[str]) -> CedarSet | None:
    """The set; None where its types do not fit: what is always true or false may not say anything."""
    try:
        return policies(*(f'@id("{number}") {rule}' for number, rule in enumerate(rules)))
    except BadInput:
        return None


def is_allowed(found: CedarSet, request: Request) -> bool:
    """What the formula says of the request."""
    known, sets = facts_of(request)
    resource = "Capability" if isinstance(request, HandOff) else "Run"
    action = request.action if isinstance(request, HandOff) else request.right
    kind = next(one for one in kinds() if (one.action, one.resource) == (action, resource))
    vocabulary = vocabulary_of(found.rules)
    elements = vocabulary.literals.union(*sets.values())
    unknowns = Unknowns(kind, msgspec.structs.replace(vocabulary, literals=elements))
    solver = z3.Solver()
    solver.add(*unknowns.conditions, Translation(unknowns).allows(found.rules))
    solver.add(*(unknowns._texts[name] == literal(value) for name, value in known.items()))
    if isinstance(request, HandOff):
        solver.add(unknowns._quarantined == request.agent.quarantined)
    for name, value in unknowns._sets.items():
        for text, member in zip(unknowns.universe.texts, value.members, strict=True):
            solver.add(member == z3.Or(False, *(text == literal(one) for one in sets[name])))
    return bool(solver.check() == z3.sat)


def facts_of(request: Request) -> tuple[dict[str, str], dict[str, frozenset[str]]]:
    if isinstance(request, HandOff):
        texts = {
            "principal.organisation": request.agent.organisation,
            "principal.name": request.agent.name,
            "resource.name": request.capability.name,
            "resource.version": request.capability.version,
            **{f"run.{name}": value for name, value in msgspec.structs.asdict(request.run).items()},
        }
        return texts, {"principal.tags": request.agent.tags, "labels": request.labels}
    who = request.principal
    texts = {"principal.name": who.name, "principal.role": who.role, "principal.organisation": who.organisation}
    texts |= {f"resource.{name}": value for name, value in msgspec.structs.asdict(request.to).items()}
    return texts, {"resource.labels": request.labels}


@settings(max_examples=60, deadline=None)
@given(rule_sets, requests)
def test_the_formula_says_of_a_request_what_cedar_says(rules: list[str], request: Request) -> None:
    found = named(rules)
    if found is not None:
        assert is_allowed(found, request) == found.decide(request).allowed


@settings(max_examples=12, deadline=None)
@given(rule_sets, rule_sets, st.lists(requests, min_size=10, max_size=10))
def test_what_is_never_allowed_is_not_allowed(rules: list[str], others: list[str], some: list[Request]) -> None:
    new, old = named(rules), named(others)
    if new is None or old is None:
        return
    answer = allows_more(new, old)
    assert answer.verdict != "unknown", answer.unknown
    if answer.verdict == "never":
        assert not any(new.decide(one).allowed and not old.decide(one).allowed for one in some)
    else:
        assert answer.example is not None
        assert new.decide(answer.example).allowed
        assert not old.decide(answer.example).allowed


# -- questions ----------------------------------------------------------------------------------------------------

LOCAL_ONLY = """
@id("labelled") permit (principal is Agent, action, resource)
when { principal.organisation == "local" || !context.labels.contains("confidential") };
"""
B_AND_CONFIDENTIAL = """(principal is Agent, action == Action::"execute", resource)
when { principal.organisation == "b" && context.labels.contains("confidential") }"""


def test_a_set_allows_what_it_allows() -> None:
    assert allows_more(SHIPPED, SHIPPED).verdict == "never"
    assert allows_more(SHIPPED, policies(ANY)).verdict == "never"
    more = allows_more(policies(ANY), SHIPPED)
    assert isinstance(more.example, HandOff)
    assert more.example.action == "declassify", "nobody may by the set that ships"
    assert not SHIPPED.decide(more.example).allowed
    more = allows_more(policies(NOT_DECLASSIFY, ANY), SHIPPED)
    assert isinstance(more.example, Act)
    assert not SHIPPED.decide(more.example).allowed


def test_whether_an_agent_of_b_ever_reaches_what_is_confidential() -> None:
    answer = ever(SHIPPED, B_AND_CONFIDENTIAL)
    assert isinstance(answer.example, HandOff)
    assert answer.example.agent.organisation == "b"
    assert "confidential" in answer.example.labels
    assert ever(policies(LOCAL_ONLY), B_AND_CONFIDENTIAL).verdict == "never"


def test_the_widening_is_shown() -> None:
    wider = policies(LOCAL_ONLY.replace('"local"', '"local" || principal.tags.contains("audited")'))
    example = allows_more(wider, policies(LOCAL_ONLY)).example
    assert isinstance(example, HandOff)
    assert "audited" in example.agent.tags
    assert "confidential" in example.labels
    assert allows_more(policies(LOCAL_ONLY), wider).verdict == "never"


def test_what_is_not_translated_is_unknown() -> None:
    odd = policies('@id("odd") permit (principal is Agent, action, resource) when { ip("10.0.0.1").isIpv4() };')
    answer = allows_more(odd, policies())
    assert answer.verdict == "unknown"
    assert "isIpv4" in answer.unknown[0]


def test_a_wrong_question_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        ever(SHIPPED, "(principal is Agent, action, resource) when { principal.colour == 3 }")
    assert refused.value.problems[0].code == "ACC672"


def test_dead_and_shadowed_policies_are_found() -> None:
    found = policies(
        ANY,
        '@id("less") permit (principal is Agent, action == Action::"see", resource);',
        """@id("dead") permit (principal is Agent, action == Action::"see", resource)
           when { context.labels.contains("a") && context.labels == ["b"] };""",
        '@id("never-b") forbid (principal is Agent, action, resource) when { principal.organisation == "b" };',
        """@id("never-b-again") forbid (principal is Agent, action == Action::"see", resource)
           when { principal.organisation == "b" && principal.name == "x" };""",
    )
    assert {(one.rule, one.why) for one in useless(found)} == {
        ("less", "shadowed"),
        ("dead", "dead"),
        ("never-b-again", "shadowed"),
    }
    assert list(useless(SHIPPED)) == []


def test_subjects_of_all_kinds_are_told() -> None:
    for subject, facts in (("Template", TemplateFacts), ("Orchestrator", OrchestratorFacts)):
        only = policies(f'@id("x") permit (principal, action == Action::"run", resource is {subject});')
        answer = allows_more(only, policies())
        assert isinstance(answer.example, Act)
        assert isinstance(answer.example.to, facts)
