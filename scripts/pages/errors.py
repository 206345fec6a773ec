"""The page of error codes, found in the sources: where a code stands beside its message."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pages.markdown import table

CODE = re.compile(r"ACC\d{3}")
_IN_DOCSTRING = re.compile(r"(ACC\d{3}) {2}(\S.*?)(?= {2,}ACC\d{3}|$)", re.MULTILINE)
_LEFT_OUT, _BUT = "testing", "rehearsal"
"""Its codes stand in tests of others, they are raised nowhere; those of rehearsals are told to people."""

ELSEWHERE = {
    "ACC240": "a JSON Schema is not one of draft 2020-12",
    "ACC241": "a reference in a schema leads out of it, or nowhere",
    "ACC242": "a document or schema is too large, too deep, or has no canonical JSON form",
    "ACC243": "a keyword of a schema is misspelt",
    "ACC244": "a schema names an unknown format",
    "ACC248": "a `default` is refused by its own schema",
    "ACC250": "a value breaks the input schema",
    "ACC251": "a value breaks the output schema",
    "ACC260": "a version accepts less than an earlier one of the same major version",
    "ACC261": "a version may give what an earlier one of the same major version could not",
    "ACC263": "a version is known with other content",
    "ACC858": "no value can be the input, or answer a signal or an approval",
    "ACC669": "the orchestrator's key was replaced, and the one before has not vouched for the new one",
    "ACC411": "a compensation failed",
    "ACC665": "only keys of the organisation's own agents can be made to expire",
    "ACC329": "a large output is not proven to be what the next task's contract takes at that place",
    "ACC796": "an agent brings or fetches a document for an attempt that has ended",
    "ACC777": "an agent sent a message of another one",
    "ACC778": "an agent sent a message of a kind that it may not send, or about no run",
    "ACC779": "an agent gives something back that is no assignment of its own",
    "ACC792": "nothing says that the agent may join, nor which orchestrator is to be believed",
    "ACC420": "the agent says that it has failed: its own code and message",
    "ACC421": "the confidence of a result is below what the contract or the task asks for",
    "ACC422": "an attempt ran out of time, or its agent is gone",
    "ACC427": "a result cost more than its contract allows, or does not say what it cost",
    "ACC435": "the payload of a signal breaks its schema",
    "ACC446": "a letter cannot be read",
    "ACC450": "the input of a run breaks the template's input schema",
    "ACC654": "the policy does not let the principal do this",
    "ACC672": "a policy breaks the schema of policies",
    "ACC677": "a file of policy cases is not of its form",
    "ACC679": "a policy has no effect",
    "ACC716": "an agent that was started here sent no card that was accepted",
    "ACC731": "a card does not have the shape of one",
    "ACC628": "the file with what opens the key store cannot be read",
    "ACC902": "a setting has a value that cannot be",
}
"""Codes whose message is put together from what is found, in words."""

SECTIONS = {
    "ACC1": ("Templates", "What is wrong with a template file. All of it is told at once, with line and column."),
    "ACC2": ("Contracts and expressions", "Schemas, values that break them, capabilities, and CEL expressions."),
    "ACC3": ("Messages and the gate", "Why a message was refused. From an agent, it is kept as an incident."),
    "ACC4": ("Runs and control", "What a run cannot do now, and why a task or a run has failed."),
    "ACC5": ("Journal and blobs", "What a store refuses, cannot do, or has found damaged."),
    "ACC6": ("Keys and access", "Why a key cannot be used, or a file is not read; and who may not do what."),
    "ACC7": ("Agents, registry and bus", "What is wrong with an agent, its declaration, its card, or its place."),
    "ACC8": ("Planner and verifier", "Why there is no plan, and what has been proven or refuted of a graph."),
    "ACC9": ("Settings, environment and server", "What is wrong around Accord, and what its server refuses."),
}


def error_page(sources: Path) -> str:
    """The page, as Markdown."""
    found = meanings(sources)
    parts = [
        "# Error codes\n\nThis page is generated from the sources; do not edit it. A code keeps its meaning for ever. "
        "Every error names the place and, where there is one, the way out. On the command line, what is wrong with "
        "your input ends with exit code 2, a run that failed with 1. `…` stands for what differs from case to case.\n"
    ]
    for prefix, (title, words) in SECTIONS.items():
        rows = [(f"`{code}`", "<br>".join(texts)) for code, texts in sorted(found.items()) if code.startswith(prefix)]
        if rows:
            parts.append(f"## {title}\n\n{words}\n\n{table(('code', 'meaning'), rows)}\n")
    return "\n".join(parts)


@cache
def meanings(sources: Path) -> dict[str, list[str]]:
    """What each code means: by a table of its module where there is one, else by the messages it is raised with."""
    found: dict[str, list[str]] = {code: [text] for code, text in ELSEWHERE.items()}
    texts = [path.read_text("utf-8") for path in _modules(sources)]
    modules = [[*ast.walk(ast.parse(text))] for text in texts if CODE.search(text)]
    for source in (_in_docstring, _in_tables, _in_calls):
        fresh: dict[str, list[str]] = defaultdict(list)
        for nodes in modules:
            for code, text in source(nodes):
                fresh[code].append(text)
        found = {code: list(dict.fromkeys(texts)) for code, texts in fresh.items()} | found
    return found


def _modules(sources: Path) -> list[Path]:
    told = ((path, path.relative_to(sources).parts) for path in sorted(sources.rglob("*.py")))
    return [path for path, parts in told if _LEFT_OUT not in parts or _BUT in parts]


def _in_docstring(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    module = nodes[0]
    assert isinstance(module, ast.Module)  # noqa: S101 - where the walk begins
    for code, text in _IN_DOCSTRING.findall(ast.get_docstring(module) or ""):
        yield code, text.strip()


def _in_tables(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """Dictionaries with codes for keys and texts for values."""
    for node in nodes:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                code, text = _text(key), _text(value.elts[0] if isinstance(value, ast.Tuple) else value)
                if CODE.fullmatch(code) and text:
                    yield code, text


def _in_calls(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """Calls, and pairs, in which a text follows a code."""
    for node in nodes:
        parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        for first, second in itertools.pairwise(parts):
            code, text = _text(first), _text(second)
            if CODE.fullmatch(code) and len(text.replace("…", "").strip()) > 1 and not text.startswith("/"):
                yield code, text


def _text(node: ast.expr | None) -> str:
    """A literal text; `…` where a formatted one has a value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_text(node.left) or "…") + (_text(node.right) or "…")
    return ""


def unexplained(sources: Path) -> list[str]:
    """Codes of the sources that no table and no message explains."""
    used = {code for path in _modules(sources) for code in CODE.findall(path.read_text("utf-8"))}
    return sorted(used - meanings(sources).keys())
