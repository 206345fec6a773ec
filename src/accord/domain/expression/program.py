"""Expressions: compiling CEL, and evaluating it on no more of the scope than it reads.

CEL by Google's C++ runtime, with the extensions `strings` (version 4), `math` (2), `optional` (2), `bindings`
(`cel.bind`) and `encoders` (`base64.encode`, `base64.decode`). Not there: the `lists` and `sets` extensions,
two-variable comprehensions. The order in which a comprehension goes through the members of an object differs from
process to process; through a list it is the list's.

No evaluation holds the event loop for much longer than 100 ms: the data is bounded by `MAX_DATA_UNITS`, the work by
`accord.domain.expression.cost`, the source by `MAX_SOURCE_BYTES` and by the parser's 32 levels. An expression that is
nothing but a path skips CEL, and has no bounds.
"""

from __future__ import annotations

import difflib
import re
from functools import cache, lru_cache

import msgspec
from cel_expr_python import cel  # type: ignore[import-untyped]  # it has .pyi files but no py.typed
from cel_expr_python.ext import (  # type: ignore[import-untyped]  # as above
    ext_bindings,
    ext_encoders,
    ext_math,
    ext_optional,
    ext_strings,
)

from accord.domain.expression.cost import Growth, check_cost, growth_of, size_of
from accord.domain.expression.json_value import as_json, plain_value, refuse_optionals, weigh, with_integers
from accord.domain.expression.kinds import FUNCTIONS
from accord.domain.expression.reference import (
    VARIABLES,
    Cut,
    Reference,
    Scope,
    Step,
    cut_of,
    find,
    leaves,
    read_path,
    straight_path,
    take,
    uses,
)
from accord.domain.expression.syntax import (
    Call,
    Constant,
    Name,
    Node,
    Record,
    Select,
    UnreadableSyntaxError,
    quoted,
    read_syntax,
    walked,
)
from accord.errors import ExpressionInvalid, Place, Problem

MAX_SOURCE_BYTES = 4096
CACHED_PROGRAMS = 4096
SMALL_DATA_UNITS = 1000
"""Up to here, adding values up is too little work to be worth a bound."""

MAX_PLAIN = 300
_PLAIN_ROOTS = {"input": 1, "item": 1, "tasks": 2, "error": 2, "task": 2}
"""Variables of no type of their own, and how many steps a path from there has at least."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    "as break const continue else false for function if import in let loop package namespace null return true var "  # noqa: SIM905 - words read better
    "void while".split()
)

_OPTIONAL = frozenset({"_?._", "_[?_]", "first", "last"})
_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
_GROUPS = "base64|cel|math|optional|strings"
"""What the names of some functions begin with."""
_EXPECTING = re.compile(r" expecting \{.*")
_TYPE_NAMES = {
    "BOOL": "bool",
    "INT": "int",
    "UINT": "int",
    "DOUBLE": "double",
    "STRING": "string",
    "BYTES": "string",
    "TIMESTAMP": "string",
    "DURATION": "string",
    "NULL": "null",
    "LIST": "list",
    "MAP": "map",
}
"""CEL's types as what they become in JSON."""

_RUNTIME_CODES = (
    ("No value with name", "ACC210"),
    ("Key not found in map", "ACC211"),
    ("Applying SELECT to non-message", "ACC212"),
    ("Invalid container type", "ACC212"),
    ("expected integer type, got", "ACC212"),
    ("Index error: index=", "ACC213"),
    ("No matching overloads", "ACC214"),
    ("Iteration budget exceeded", "ACC216"),
)
_RUNTIME_HINTS = {
    "ACC211": "test it with has(), or use .? and orValue()",
    "ACC214": "convert with string(), int() or double(), or test the type",
    "ACC216": "use for_each for long lists, or let an agent do the work",
}
_FUNCTION_HINTS = {
    "substring(<start>, <end>)": "an end of size() is taken as too great: the rest of a text is substring(start)",
}
"""What helps where a function of the library has refused its arguments, by its part of the message."""


class Expression(msgspec.Struct, frozen=True):
    """A CEL expression that compiles; equal where the source is."""

    source: str
    references: frozenset[Reference]
    """All constant paths that it reads; a path stops at the first step that is an index or computed."""
    result_type: str
    """What it gives, as JSON: `bool`, `int`, `double`, `string`, `list`, `map`, `null`, or `dyn` for any."""
    guarded: frozenset[Reference] = frozenset()
    """Those of the references that may be absent: has() or an optional step (`.?`) asks for them."""
    path: tuple[Step, ...] | None = None
    """Root and steps, where it is nothing but a path: its value is then handed on as it is, of any size."""

    def evaluate(self, scope: Scope) -> object:
        """The value, as JSON.

        Raises:
            ExpressionInvalid: ACC210 to ACC218; the place is for the caller to add.
        """
        if self.path is not None:
            return read_path(scope, self.path, self.source)
        return _program(self.source).evaluate(scope)


class _Program(msgspec.Struct, frozen=True):
    """A compiled expression with what is needed to run it."""

    source: str
    compiled: cel.Expression
    syntax: Node
    cut: Cut
    leaves: tuple[tuple[str, ...], ...]
    growth: Growth
    may_hold_optional: bool
    """Whether an object that it gives may have an optional for a member."""

    def evaluate(self, scope: Scope) -> object:
        data = take(scope, self.cut)
        units, has_whole = weigh(data, self.source)
        if has_whole:
            data = with_integers(data)
        if self.growth is Growth.STEEP or (self.growth is Growth.EVEN and units > SMALL_DATA_UNITS):
            sizes = {path: size_of(find(data, path)) for path in self.leaves}
            check_cost(self.syntax, sizes, self.source)
        try:
            value = self.compiled.eval(data=data)
        except RuntimeError as error:
            raise _failed(str(error), self.source) from None
        if self.may_hold_optional:
            refuse_optionals(value, self.source)
        found = plain_value(value, self.source)
        if value.type() == cel.Type.ERROR:
            raise _failed(str(found), self.source)
        return as_json(found, self.source)


def syntax_of(expression: Expression) -> Node:
    """The checked syntax tree of an expression that compiles."""
    if expression.path is None:
        return _program(expression.source).syntax
    node: Node = Name(str(expression.path[0]))
    for step in expression.path[1:]:
        node = Select(node, step) if isinstance(step, str) else Call("_[_]", (node, Constant(step)))
    return node


@lru_cache(maxsize=256)
def pattern_fault(pattern: str) -> str | None:
    """Why a text is no pattern of matches(); None where it is one."""
    try:
        compile_expression("''.matches(input.pattern)").evaluate({"input": {"pattern": pattern}})
    except ExpressionInvalid as error:
        return error.problems[0].message.rpartition(", in ")[0]
    return None


def compile_expression(source: str) -> Expression:
    """The expression that `source` is.

    Raises:
        ExpressionInvalid: all problems (ACC200 to ACC206); columns count from 1 in the line of `source`.
    """
    return _plain_path(source) or _compiled(source)


def _plain_path(source: str) -> Expression | None:
    """The expression, where it is a plain path such as `tasks.a.output.b`; just what `_compiled` gives, without CEL.

    Most expressions of a template are, and large graphs have one for every edge.
    """
    steps = source.split(".")
    root = steps[0]
    if root not in _PLAIN_ROOTS or len(source) > MAX_PLAIN or len(steps) < _PLAIN_ROOTS[root]:
        return None
    if any(_NAME.fullmatch(step) is None or step in _RESERVED for step in steps[1:]):
        return None
    reference = Reference(root, tuple(steps[1:]))
    return Expression(source, frozenset((reference,)), "dyn", frozenset(), tuple(steps))


def _compiled(source: str) -> Expression:
    program = _program(source)
    result = str(program.compiled.return_type())
    found = uses(program.syntax)
    references = frozenset(use.reference for use in found if not use.passed)
    guarded = frozenset(use.reference for use in found if use.guarded)
    ExpressionInvalid.raise_if([*_result_problems(result, source), *_reference_problems(references, source)])
    kind = _TYPE_NAMES.get(result.partition("<")[0], "dyn")
    return Expression(source, references, kind, guarded, straight_path(program.syntax))


@lru_cache(maxsize=CACHED_PROGRAMS)
def _program(source: str) -> _Program:
    size = len(source.encode(errors="surrogatepass"))
    if size > MAX_SOURCE_BYTES:
        raise ExpressionInvalid.of(
            "ACC203",
            f"the expression has {size} bytes, at most {MAX_SOURCE_BYTES} are allowed",
            hint="let an agent do the work",
        )
    try:
        compiled = _environment().compile(source)
    except RuntimeError as error:
        raise ExpressionInvalid(*_compile_problems(str(error), source)) from None
    try:
        syntax = read_syntax(compiled.serialize())
    except UnreadableSyntaxError as error:
        raise ExpressionInvalid.of("ACC203", f"cannot read the syntax tree of {quoted(source)}: {error}") from None
    cut = cut_of(use for use in uses(syntax) if not use.passed)
    may_hold = any(isinstance(node, Record) for node in walked(syntax)) and any(map(_gives_optional, walked(syntax)))
    return _Program(source, compiled, syntax, cut, leaves(cut), growth_of(syntax), may_hold)


def _gives_optional(node: Node) -> bool:
    return isinstance(node, Call) and (node.function in _OPTIONAL or node.function.startswith("optional."))


@cache
def _environment() -> cel.Env:
    dyn, record = cel.Type.DYN, cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    types = {"tasks": record, "run": record, "error": record, "task": record, "index": cel.Type.INT}
    return cel.NewEnv(
        variables={name: types.get(name, dyn) for name in VARIABLES},
        extensions=[
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
            ext_encoders.ExtEncoders(),
        ],
    )


def _compile_problems(text: str, source: str) -> list[Problem]:
    found = [(int(line), int(column), message) for line, column, message in _ERROR.findall(text)]
    if not found:
        message = text.removesuffix("]").rpartition(" [")[0] or text
        code = "ACC203" if "recursion" in text else "ACC200"
        return [Problem(code, f"{message}, in {quoted(source)}")]
    return [_compile_problem(*each, source) for each in found]


def _compile_problem(line: int, column: int, message: str, source: str) -> Problem:
    place = Place(line=line if line > 1 else None, column=column) if column > 0 else Place()
    if "recursion" in message:
        return Problem("ACC203", f"nested too deeply, in {quoted(source)}", place, "split it up over several tasks")
    if undeclared := _UNDECLARED.match(message):
        name = undeclared.group(1)
        if column > 0:
            place = Place(line=place.line, column=_start(name, source, line, column))
        return Problem("ACC201", f"there is no `{name}`, in {quoted(source)}", place, _name_hint(name, source))
    if overload := _OVERLOAD.match(message):
        function, types = overload.groups()
        said = f"`{function.strip('_')}` cannot be used on ({types}), in {quoted(source)}"
        return Problem("ACC202", said, place, _RUNTIME_HINTS["ACC214"])
    short = _EXPECTING.sub("", message.removeprefix("Syntax error: ")).replace("'<EOF>'", "end")
    return Problem("ACC200", f"{short}, in {quoted(source)}", place, "see the CEL language definition")


def _start(name: str, source: str, line: int, column: int) -> int:
    """Where a name with dots begins; CEL gives the column of its last dot."""
    start = column - max(0, name.rfind("."))
    return start if source.splitlines()[line - 1].startswith(name, start - 1) else column


def _name_hint(name: str, source: str) -> str:
    if re.search(rf"[\w]-{re.escape(name.partition('.')[0])}\b", source):
        return 'names with a dash are written tasks["like-this"]'
    if called := re.search(rf"(?:\b({_GROUPS})\.)?\b{re.escape(name)}\s*\(", source):
        return _function_hint(f"{called[1]}.{name}" if called[1] else name)
    if grouped := re.fullmatch(_GROUPS, name) and re.search(rf"\b{name}\.\w+", source):
        return _function_hint(grouped[0])
    close = difflib.get_close_matches(name.partition(".")[0], VARIABLES, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(VARIABLES)}"


def _function_hint(name: str) -> str:
    close = difflib.get_close_matches(name, FUNCTIONS, n=1)
    return f"did you mean {close[0]}()?" if close else f"functions are {', '.join(FUNCTIONS)}"


def _result_problems(result: str, source: str) -> list[Problem]:
    if "optional_type" in result:
        hint = "end it with .orValue(...)"
        return [Problem("ACC206", f"{quoted(source)} gives an optional, which is no JSON", hint=hint)]
    if "TYPE<" in result.replace("optional_type<", "") or result in ("TYPE", "ERROR"):
        return [Problem("ACC206", f"{quoted(source)} gives a CEL type, which is no JSON", hint="compare it with ==")]
    return []


def _reference_problems(references: frozenset[Reference], source: str) -> list[Problem]:
    if Reference("tasks") not in references:
        return []
    message = f"{quoted(source)} refers to all tasks at once"
    return [Problem("ACC205", message, hint="name the task: tasks.NAME.output")]


def _failed(text: str, source: str) -> ExpressionInvalid:
    message = text.removesuffix(" [INTERNAL]").removesuffix(" [INVALID_ARGUMENT]")
    code = next((code for part, code in _RUNTIME_CODES if part in message), "ACC215")
    short = re.sub(r"^[A-Z_]+: ", "", message)
    function = next((hint for part, hint in _FUNCTION_HINTS.items() if part in message), None)
    return ExpressionInvalid.of(code, f"{short}, in {quoted(source)}", hint=function or _RUNTIME_HINTS.get(code))
