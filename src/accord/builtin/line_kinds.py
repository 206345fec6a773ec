"""What each line of a Python file is: code, comment, docstring or blank."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from accord.builtin.syntax import nodes


@dataclass(frozen=True)
class LineKinds:
    """Numbers of physical lines. A line with code and a comment is code; a blank line of a docstring is docstring."""

    code: int = 0
    comment: int = 0
    docstring: int = 0
    blank: int = 0

    @property
    def total(self) -> int:
        return self.code + self.comment + self.docstring + self.blank

    def __add__(self, other: LineKinds) -> LineKinds:
        return LineKinds(
            self.code + other.code,
            self.comment + other.comment,
            self.docstring + other.docstring,
            self.blank + other.blank,
        )


def physical_lines(source: str) -> list[str]:
    """The lines of `source`, without an empty last one after the final line end."""
    lines = source.split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def python_lines(source: str, tree: ast.Module) -> LineKinds:
    """The kinds of `source`'s lines.

    The tree gives the strings that span lines; only where one holds a line that looks like a comment does the
    (forty times slower) tokenizer decide.
    """
    lines = physical_lines(source)
    every = nodes(tree)
    docstrings = set(_docstring_lines(every))
    inside = set(_inside_strings(every)) - docstrings
    hashes = {number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")} - docstrings
    comments = hashes if hashes.isdisjoint(inside) else _comment_lines(source) & hashes
    blank = {number for number, line in enumerate(lines, 1) if not line.strip()} - docstrings - inside
    other = len(lines) - len(docstrings) - len(comments) - len(blank)
    return LineKinds(code=other, comment=len(comments), docstring=len(docstrings), blank=len(blank))


def plain_lines(source: str, comment_marks: tuple[str, ...] = ("#",)) -> LineKinds:
    """The kinds of the lines of any text, where a comment is a line that starts with one of `comment_marks`."""
    lines = [line.strip() for line in physical_lines(source)]
    blank = sum(not line for line in lines)
    comment = sum(bool(line) and line.startswith(comment_marks) for line in lines) if comment_marks else 0
    return LineKinds(code=len(lines) - blank - comment, comment=comment, blank=blank)


def _docstring_lines(every: Iterable[ast.AST]) -> Iterator[int]:
    for node in every:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            alone = first.lineno > (node.lineno if hasattr(node, "lineno") else 0)
            if alone and isinstance(first, ast.Expr) and _is_text(first.value, str):
                yield from range(first.lineno, (first.end_lineno or first.lineno) + 1)


def _inside_strings(every: Iterable[ast.AST]) -> Iterator[int]:
    for node in every:
        if isinstance(node, ast.JoinedStr) or _is_text(node, (str, bytes)):
            yield from range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)


def _is_text(node: ast.AST, kinds: type | tuple[type, ...]) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, kinds)


def _comment_lines(source: str) -> set[int]:
    try:
        return {
            token.start[0]
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return set()
