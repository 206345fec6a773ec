"""Figures about Python code by its syntax tree: functions, McCabe's complexity, docstrings, annotations.

Cyclomatic complexity (McCabe 1976) of a function is 1 plus one for each `if`, `elif`, loop, `except`, conditional
expression, further operand of `and`/`or`, `for` and `if` of a comprehension, and `case` that is not the wildcard.
A nested function counts for itself; a lambda belongs to the function that it is written in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_ONE_MORE = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp)


@dataclass
class FunctionFacts:
    """One function or method; `line` is its `def`, `lines` its length from there, decorators left out."""

    qualname: str
    line: int
    lines: int
    complexity: int
    slots: int
    """Parameters (without `self` and `cls`) and the return value: what could be annotated."""
    annotated: int
    documented: bool
    public: bool
    overload: bool


@dataclass
class ModuleFacts:
    """What one module's syntax tree says."""

    functions: list[FunctionFacts] = field(default_factory=list)
    classes: int = 0
    documentable: int = 0
    documented: int = 0
    public_names: int = 0
    """Public functions and classes at the top level."""


@dataclass(frozen=True)
class _Scope:
    qualname: str
    kind: str
    public: bool
    function: FunctionFacts | None


def module_facts(tree: ast.Module, *, public: bool = True) -> ModuleFacts:
    """The figures of one module; `public` says whether its name can be imported by others (no underscore)."""
    facts = ModuleFacts()
    _document(facts, tree, counted=public)
    pending: list[tuple[ast.AST, _Scope]] = [(tree, _Scope("", "module", public, None))]
    while pending:
        node, scope = pending.pop()
        if isinstance(node, FunctionNode):
            pending.extend(_enter_function(facts, node, scope))
        elif isinstance(node, ast.ClassDef):
            pending.extend(_enter_class(facts, node, scope))
        else:
            if scope.function:
                scope.function.complexity += decisions(node)
            pending.extend((child, scope) for child in ast.iter_child_nodes(node))
    facts.functions.sort(key=lambda one: (one.line, one.qualname))
    return facts


def decisions(node: ast.AST) -> int:
    """By how much `node` itself, without its children, raises the complexity of its function."""
    if isinstance(node, _ONE_MORE):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        wildcard = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None
        return 0 if wildcard and node.guard is None else 1
    return 0


def _enter_function(facts: ModuleFacts, node: FunctionNode, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
    public = scope.public and scope.kind != "function" and not node.name.startswith("_")
    method = scope.kind == "class" and not _decorated(node, "staticmethod")
    slots, annotated = _annotations(node.args, node.returns, method=method)
    function = FunctionFacts(
        qualname=f"{scope.qualname}{node.name}",
        line=node.lineno,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        complexity=1,
        slots=slots,
        annotated=annotated,
        documented=_has_docstring(node),
        public=public,
        overload=_decorated(node, "overload"),
    )
    facts.functions.append(function)
    facts.public_names += public and scope.kind == "module"
    _document(facts, node, counted=public and not function.overload and not _is_accessor(node))
    inner = _Scope(f"{function.qualname}.", "function", public, function)
    body = set(map(id, node.body))
    for child in ast.iter_child_nodes(node):  # defaults, decorators and annotations are run by the scope around
        yield child, inner if id(child) in body else scope


def _enter_class(facts: ModuleFacts, node: ast.ClassDef, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
    public = scope.public and scope.kind != "function" and not node.name.startswith("_")
    facts.classes += 1
    facts.public_names += public and scope.kind == "module"
    _document(facts, node, counted=public)
    inner = _Scope(f"{scope.qualname}{node.name}.", "class", public, scope.function)
    for child in ast.iter_child_nodes(node):
        yield child, inner


def _document(facts: ModuleFacts, node: ast.Module | ast.ClassDef | FunctionNode, *, counted: bool) -> None:
    if counted and node.body:
        facts.documentable += 1
        facts.documented += _has_docstring(node)


def _has_docstring(node: ast.Module | ast.ClassDef | FunctionNode) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _annotations(arguments: ast.arguments, returns: ast.expr | None, *, method: bool) -> tuple[int, int]:
    positional = [*arguments.posonlyargs, *arguments.args][1 if method else 0 :]
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one]
    every = [*positional, *arguments.kwonlyargs, *stars]
    return len(every) + 1, sum(one.annotation is not None for one in every) + (returns is not None)


def _decorated(node: FunctionNode, name: str) -> bool:
    return any(
        (isinstance(one, ast.Name) and one.id == name) or (isinstance(one, ast.Attribute) and one.attr == name)
        for one in node.decorator_list
    )


def _is_accessor(node: FunctionNode) -> bool:
    return _decorated(node, "setter") or _decorated(node, "deleter")
