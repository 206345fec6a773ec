"""Python source as syntax trees, made and walked without surprises."""

from __future__ import annotations

import ast
import threading
import warnings

_ALONE = threading.Lock()
"""Warnings are filtered for the whole process; and before Python 3.11.8, trees that are made in several threads at once
disturb each other (python/cpython#106905).
"""

_LEAVES = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)


def parse(source: str) -> ast.Module:
    """The syntax tree of `source`. Raises SyntaxError, whatever is wrong with it."""
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the analysed code are not ours to warn about
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error) or type(error).__name__) from None


def parse_or_none(source: str) -> ast.Module | None:
    """The syntax tree of `source`, or None where it has none."""
    try:
        return parse(source)
    except SyntaxError:
        return None


def nodes(tree: ast.AST) -> list[ast.AST]:
    """`tree` and all nodes below it, breadth first; operators and contexts, which have no place, are left out."""
    found = [tree]
    for node in found:  # grows while it is read
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                found.extend(one for one in value if isinstance(one, ast.AST) and not isinstance(one, _LEAVES))
            elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
                found.append(value)
    return found
