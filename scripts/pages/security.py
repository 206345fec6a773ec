"""The page of security: which threat is met by what, and which tests show it. Made of the marks `abuse` of the tests,
so that no control stands on it without a test.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pages.markdown import GENERATED, table

BOUNDARIES: Final = {
    "gate": "Agents to the orchestrator: messages, cards, heartbeats, uploads",
    "agent": "The orchestrator to agents: assignments, cancellations, inputs",
    "signer": "Agent code to the process that holds its key",
    "gateway": "People and programs to the HTTP API",
    "peers": "Between the processes of an orchestrator, the bus and the store",
    "store": "The journal, the blobs and the keys, at rest",
    "template": "Authors of templates, expressions and policies",
    "supply": "What Accord itself is made of",
}
"""Where something comes from somebody who is not believed, by the names that marks use."""

STRIDE: Final = (
    "spoofing",
    "tampering",
    "repudiation",
    "information disclosure",
    "denial of service",
    "elevation of privilege",
)

CONTROLS: Final[Mapping[tuple[str, str], str]] = {
    ("gate", "spoofing"): (
        "Every message is a statement, signed with a key that was enrolled for this agent and is valid now; for one "
        "recipient; in time; about one attempt under one lease. What is said again has no effect."
    ),
    ("gate", "tampering"): (
        "One spelling of a statement, two algorithms that are bound to their keys, claims without unknown or doubled "
        "members; the payload is the one whose digest is signed, and keeps the contract that was agreed."
    ),
    ("gate", "repudiation"): (
        "The statement under which a result was accepted is in the journal as it came. What is refused is an incident, "
        "with its evidence, and says what is proven of it."
    ),
    ("gate", "information disclosure"): (
        "An agent is given the input of its own attempt. Large documents are fetched on a signed statement about it. "
        "Alerts quote nothing."
    ),
    ("gate", "denial of service"): (
        "Statements, claims, payloads, depth and the rate of uploads are bounded, before anything is parsed. Incidents "
        "are counted beyond a rate. Who fails again and again is taken out; who attacks is quarantined."
    ),
    ("gate", "elevation of privilege"): (
        "An agent answers only for its own attempt, under its lease, for a contract that it offers, where the policy "
        "permits it. Names under `accord.` are for agents that the operator has named. Payloads are data: nothing of "
        "them is evaluated."
    ),
    ("agent", "spoofing"): (
        "Agents do what an orchestrator that they were told to trust has signed for them, once, and nothing else."
    ),
    ("agent", "tampering"): "An input is checked against the contract, by the agent as well, before it is used.",
    ("agent", "information disclosure"): (
        "An agent gets what its labels and the policy let it see, and no more; a program no environment of its host."
    ),
    ("agent", "denial of service"): "Attempts have leases and deadlines; what is cancelled is killed with all of it.",
    ("signer", "spoofing"): (
        "The kernel says which user asks, and an assignment counts only where a trusted orchestrator has signed it."
    ),
    ("signer", "tampering"): "A request is strict JSON in a frame of bounded length, or is refused.",
    ("signer", "denial of service"): "Who begins a frame has to end it soon.",
    ("signer", "elevation of privilege"): (
        "What is signed are claims in their one spelling, by this agent, about an assignment that it holds now."
    ),
    ("gateway", "spoofing"): (
        "Every operation takes a credential before it looks at anything else: an API key, or a token that the identity "
        "provider has signed. Pages of other origins are let in only where they are named; the console's cookie counts "
        "for nothing with what they send."
    ),
    ("gateway", "tampering"): "Bodies take nothing but their members, and every answer is as the document says.",
    ("gateway", "repudiation"): "What somebody has had done is in the journal under their name and role.",
    ("gateway", "information disclosure"): "Secrets are kept as digests, and logged nowhere.",
    ("gateway", "denial of service"): (
        "Rates by address, bounds of size and time for heads, bodies, uploads and proofs; tenants take turns."
    ),
    ("gateway", "elevation of privilege"): "A role has the rights of its rank, and no role speaks for an agent.",
    ("peers", "spoofing"): "Processes of an orchestrator believe what its own key has signed, and no agent's.",
    ("peers", "tampering"): "Notices are statements like any other, with the claims of their kind and no more.",
    (
        "peers",
        "information disclosure",
    ): "TLS on every way; nothing leaves the machine without it where it is required.",
    ("peers", "elevation of privilege"): "Users of NATS and Redis read and write their own subjects and no others.",
    (
        "store",
        "tampering",
    ): "Events are chained by their hashes, blobs are named by theirs: a change is found and named.",
    ("store", "repudiation"): (
        "Ends of streams are leaves of a Merkle log with signed checkpoints: who has kept one sees that history was "
        "rewritten or cut off, and an export is examined with nothing but a key."
    ),
    ("store", "spoofing"): "A process with another key than those at work on the store is refused.",
    ("store", "information disclosure"): (
        "Private keys are encrypted, in files that only their owner can read; so are payloads, where it is wanted, "
        "under a key per run."
    ),
    ("template", "tampering"): "Expressions are what the author wrote. Text from an input or an output is never one.",
    (
        "template",
        "information disclosure",
    ): "The verifier tells of every way on which labelled data leaks, before the run.",
    ("template", "denial of service"): "Templates and expressions are bounded in size, depth and work.",
    ("template", "elevation of privilege"): "Policies deny by default, and where they cannot be evaluated.",
    ("supply", "tampering"): (
        "Every package that is needed, directly or not, is pinned, and listed with its licence in a bill of materials."
    ),
    ("supply", "elevation of privilege"): (
        "`scripts/test` asks the service of OSV for known vulnerabilities of all pins, and says so where it could not."
    ),
}
"""What meets a threat, by boundary and by the letter of STRIDE. Each needs a test, and each test one of these."""

RISKS: Final = {
    "ASI01": (
        "Agent Goal Hijack",
        "What an agent is to do comes from the template, in a signed assignment. What another agent has said arrives "
        "as data, in a place that the author has named. Accord does not look into the words: an agent that obeys its "
        "data is hijacked all the same, and what bounds it then are contract, lease, labels and the policy.",
    ),
    "ASI02": (
        "Tool Misuse and Exploitation",
        "An agent does only what it offers, under a versioned contract, where the policy permits it, once per lease.",
    ),
    "ASI03": (
        "Identity and Privilege Abuse",
        "Identity is a key and nothing else. Keys are enrolled, overlap, are revoked at once, and sign for one agent.",
    ),
    "ASI04": (
        "Agentic Supply Chain Vulnerabilities",
        "Cards are signed, a version stands for one contract for ever, reserved names are for named agents. What "
        "Accord itself is made of is pinned, listed in a bill of materials, and audited (CONTRIBUTING.md).",
    ),
    "ASI05": (
        "Unexpected Code Execution",
        "No payload is evaluated, unpickled or imported. Expressions are CEL with a budget, templates are data.",
    ),
    "ASI06": (
        "Memory and Context Poisoning",
        "Context is made anew for every attempt, from accepted results alone, each with its statement and contract.",
    ),
    "ASI07": (
        "Insecure Inter-Agent Communication",
        "There is no unsigned mode. The bus is believed nothing: every check is on what was signed.",
    ),
    "ASI08": (
        "Cascading Failures",
        "Everything is bounded: sizes, depth, attempts, budgets, queues. A fault is told whose it is, and stays there.",
    ),
    "ASI09": (
        "Human-Agent Trust Exploitation",
        "People are shown what is decided, by whom it was made, and how sure that one is; what they decide is kept.",
    ),
    "ASI10": (
        "Rogue Agents",
        "An enrolled agent that attacks is authentic: it harms nothing but its own attempts, what it does is on "
        "record, and when it is too much the agent is quarantined.",
    ),
}
"""The OWASP Top 10 for Agentic Applications, and what Accord says to each."""

_WORDS: Final = """# Security: threats, controls and the tests that show them

Nobody is believed by position: not an agent, not the bus, not another orchestrator, not the database. This page says
what may be done to Accord, what meets it, and
which tests show that it does. [Trust](explanation/trust.md) says how it is meant, [SECURITY.md](../SECURITY.md) how
to report a hole in it.

It is made of the marks of the tests (`@pytest.mark.abuse`): a control without a test cannot stand here, and a test
whose control nobody has put in words does not pass either
([decision 52](decisions/0052-abuse-cases-are-marked-tests.md)). What codes mean is in
[error codes](reference/errors.md#messages-and-the-gate)."""

_ATTACKERS: Final = """## Who attacks, and what they have

- **An agent** that is enrolled, with its key: it signs whatever it wants, as often as it wants.
- **The bus**, or who reads and writes it: sees, repeats, reorders, delays, drops and changes every message. Has no
  key.
- **A neighbour**: another organisation's agent or orchestrator, with keys of its own.
- **A caller** of the HTTP API: without a credential, or with one that may less.
- **The database's owner**: reads and writes all that is stored, holds no key.
- **An author** of a template or policy: decides which agent gets which data. That is what templates are for; what is
  bounded is the work they make.

Not held off: who has the files and the passphrase of the user that runs Accord; who signs with an agent's key lies as
that agent; what a result *means* is no signature's business."""


class Case(NamedTuple):
    """One mark of one test."""

    risks: tuple[str, ...]
    at: str
    stride: str
    case: str
    codes: tuple[str, ...]
    file: str
    test: str


def security_page(root: Path) -> str:
    """The page, as Markdown. Raises SystemExit where marks and words do not fit."""
    cases = sorted(_cases(root), key=lambda one: (one.at, one.stride, one.case, one.file))
    problems = list(_problems(cases))
    if problems:
        raise SystemExit("\n".join(problems))
    parts = [_WORDS, GENERATED, _ATTACKERS, _stride(cases), _risks(cases), _tests(cases)]
    return "\n\n".join(parts) + "\n"


# -- the marks -------------------------------------------------------------------------------------------------------


def _cases(root: Path) -> Iterator[Case]:
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "mark.abuse(" in text:
            yield from _marked(ast.parse(text), path.relative_to(root).as_posix())


def _marked(tree: ast.Module, file: str) -> Iterator[Case]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            calls = [one for one in node.decorator_list if isinstance(one, ast.Call)]
            for call in calls:
                if ast.unparse(call.func) == "pytest.mark.abuse":
                    yield _case(call, file, node.name)


def _case(call: ast.Call, file: str, test: str) -> Case:
    risks = tuple(ast.literal_eval(one) for one in call.args)
    said = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    try:
        return Case(risks, said.pop("at"), said.pop("stride"), said.pop("case"), said.pop("codes", ()), file, test)
    except KeyError as missing:
        raise SystemExit(f"{file}: the mark of {test} does not say {missing}") from None


def _problems(cases: Sequence[Case]) -> Iterator[str]:
    for one in cases:
        where = f"{one.file}: the mark of {one.test}:"
        yield from (f"{where} there is no {risk}" for risk in one.risks if risk not in RISKS)
        if not one.risks:
            yield f"{where} it names no risk"
        if (one.at, one.stride) not in CONTROLS:
            yield f"{where} CONTROLS has no words for {one.at}, {one.stride}"
    shown = {(one.at, one.stride) for one in cases}
    yield from (f"no test is marked for the control of {' and '.join(key)}" for key in CONTROLS if key not in shown)
    risks = {risk for one in cases for risk in one.risks}
    yield from (f"no test is marked for {risk}" for risk in RISKS if risk not in risks)


# -- the page --------------------------------------------------------------------------------------------------------


def _stride(cases: Sequence[Case]) -> str:
    lines = ["## Threats, by boundary (STRIDE)"]
    for at, title in BOUNDARIES.items():
        rows = [
            (stride, CONTROLS[at, stride], _named([one for one in cases if (one.at, one.stride) == (at, stride)]))
            for stride in STRIDE
            if (at, stride) in CONTROLS
        ]
        lines += [f"### {title}", table(("threat", "what meets it", "shown for"), rows)]
    return "\n\n".join(lines)


def _risks(cases: Sequence[Case]) -> str:
    lines = ["## OWASP Top 10 for Agentic Applications"]
    for risk, (title, words) in RISKS.items():
        found = [one for one in cases if risk in one.risks]
        lines += [f"### {risk} {title}", words, f"Shown for {_named(found)}."]
    return "\n\n".join(lines)


def _named(cases: Sequence[Case]) -> str:
    """The cases by their names, each with the codes of its refusal."""
    codes: dict[str, set[str]] = defaultdict(set)
    for one in cases:
        codes[one.case].update(one.codes)
    return "; ".join(f"{name} ({', '.join(sorted(of))})" if of else name for name, of in codes.items())


def _tests(cases: Sequence[Case]) -> str:
    """Which test shows which case."""
    shown: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in cases:
        shown[one.file][one.test].append(one.case)
    rows = [
        (f"[{file.removeprefix('tests/')}](../{file})", f"`{test}`", "; ".join(dict.fromkeys(names)))
        for file, of in sorted(shown.items())
        for test, names in of.items()
    ]
    words = "`scripts/test` runs them all; one alone: `scripts/test tests/security/test_abuse.py -k name`."
    return f"## The tests\n\n{words}\n\n" + table(("file", "test", "case"), rows)
