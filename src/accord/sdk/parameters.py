"""A function's signature read as a contract: its parameters are the input, its return type is the output."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import SimpleNamespace, UnionType
from typing import Any, Final, NotRequired, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from accord.errors import BadInput, Problem
from accord.sdk.context import Context
from accord.sdk.making import MadeShape
from accord.sdk.outcome import Result
from accord.sdk.schema import DeclaredShape, Direction, JsonSchema, Shape, is_model, mentions_struct, shape_of
from accord.sdk.stream import made_items
from accord.sdk.typed_dict import readable

MISSING: Final[Any] = inspect.Parameter.empty
_UNREADABLE: Final[Any] = object()


class Declared(msgspec.Struct, frozen=True):
    """The schemas that a capability declares instead of deriving them from types."""

    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """How a function takes a document and gives one."""

    input: Shape
    output: Shape
    whole: str | None
    """The parameter that takes the whole document; None where each parameter is a member of it."""
    context: str | None
    """The parameter that takes the context."""


class _Member(msgspec.Struct, frozen=True):
    name: str
    annotation: Any
    default: Any


def signature_of(function: Callable[..., Any], declared: Declared) -> Signature:
    """The signature of a function. Raises BadInput with all that is wrong: ACC722 to ACC725."""
    reading = _Reading(function)
    members, context = reading.members()
    if declared.input is None:
        shape, whole = reading.derived_input(members)
    else:
        shape, whole = reading.whole_input(declared.input, members)
    output = reading.output() if declared.output is None else DeclaredShape(declared.output)
    if reading.problems or shape is None or output is None:
        raise BadInput(*reading.problems)
    return Signature(input=shape, output=output, whole=whole, context=context)


class _Reading:
    """One pass over a signature that gathers all problems."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self._globals = getattr(inspect.unwrap(function), "__globals__", {})
        self.problems: list[Problem] = []

    def members(self) -> tuple[list[_Member], str | None]:
        """The parameters that are input, and the name of the one that takes the context."""
        found: list[_Member] = []
        context: str | None = None
        for parameter in inspect.signature(self._function).parameters.values():
            annotation = self._annotation(parameter.name, parameter.annotation)
            if annotation is Context:
                context = parameter.name
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.append(_Member(parameter.name, annotation, parameter.default))
            else:
                hint = "give every member of the input a parameter that can be passed by its name"
                self._refuse("ACC723", f"parameter {parameter} cannot be a member of the input", hint)
        return found, context

    def whole_input(self, schema: Mapping[str, Any], members: list[_Member]) -> tuple[Shape | None, str | None]:
        """The declared input, as the members that the parameters name, or whole in the only one."""
        if members and {member.name for member in members} <= schema.get("properties", {}).keys():
            return self._declared_members(schema, members), None
        if len(members) == 1:
            return DeclaredShape(schema), members[0].name
        hint = "name the parameters like the members, or take the whole document in one beside the context"
        self._refuse("ACC723", f"the declared input has no place in {len(members)} parameters", hint)
        return None, None

    def _declared_members(self, schema: Mapping[str, Any], members: list[_Member]) -> Shape:
        """The declared input whose members are the parameters; what may come must fit the call."""
        taken = {member.name for member in members}
        needed = {member.name for member in members if member.default is MISSING}
        for name in sorted(schema["properties"].keys() - taken):
            self._refuse("ACC723", f"the declared input's {name} has no parameter", f"add a parameter {name}")
        for name in sorted(needed - set(schema.get("required", ()))):
            self._refuse("ACC723", f"the declared input may lack {name}", "require it, or give it a default")
        if schema.get("additionalProperties") is not False:
            hint = "add `additionalProperties: false`"
            self._refuse("ACC723", "the declared input may have members without a parameter", hint)
        return DeclaredShape(schema)

    def derived_input(self, members: list[_Member]) -> tuple[Shape | None, str | None]:
        """The input that the parameters' types say."""
        for member in members:
            if member.annotation is MISSING:
                hint = f"write `{member.name}: <type>`, or declare the schema with `input=`"
                self._refuse("ACC724", f"parameter {member.name} has no type", hint)
        known = [member for member in members if member.annotation not in (MISSING, _UNREADABLE)]
        if len(members) == len(known) == 1 and is_model(known[0].annotation) and known[0].default is MISSING:
            name = known[0].name
            return self._shape(f"parameter {name}", known[0].annotation), name
        return self._by_name(known), None

    def output(self) -> Shape | None:
        """The output that the return type says; `Result[T]` stands for `T`."""
        annotation = self._annotation("return", inspect.signature(self._function).return_annotation)
        if annotation is MISSING:
            hint = "write `-> <type>`, or declare the schema with `output=`"
            self._refuse("ACC724", "the return type is missing", hint)
        if inspect.isgeneratorfunction(self._function):
            hint = "return one value, or a list; an async generator makes an array item by item"
            self._refuse("ACC725", "a generator gives no single result", hint)
            return None
        if inspect.isasyncgenfunction(self._function):
            return self._made(annotation)
        if annotation in (MISSING, _UNREADABLE):
            return None
        return self._shape("the return type", _without_result(annotation), "output")

    def _made(self, annotation: Any) -> Shape | None:
        """What an async generator makes: an array of its items; `Result[T]` stands for `T` here, too."""
        if annotation in (MISSING, _UNREADABLE):
            return None
        item = _without_result(made_items(annotation))
        if item is None:
            self._refuse("ACC725", "an async generator makes items of a type", "write `-> AsyncIterator[<type>]`")
            return None
        listed: Any = list[item]  # type: ignore[valid-type]  # it is known at run time
        whole, each = self._shape("the items", listed, "output"), self._shape("the items", item, "output")
        return None if whole is None or each is None else MadeShape(whole.schema, each)

    def _by_name(self, members: list[_Member]) -> Shape | None:
        types = {}
        for member in members:
            self._shape(f"parameter {member.name}", member.annotation)
            given = member.default is MISSING
            types[member.name] = member.annotation if given else NotRequired[member.annotation]
        if self.problems:
            return None
        document = _typed_dict(types)
        shape = shape_of(document, "input")
        shape.schema.pop("title", None)
        self._state_defaults(shape.schema, members)
        return shape

    def _state_defaults(self, schema: JsonSchema, members: list[_Member]) -> None:
        for member in members:
            if member.default is MISSING:
                continue
            try:
                _state_default(schema["properties"][member.name], member.annotation, member.default)
            except ValueError:
                hint = "make the default a value of the parameter's type"
                self._refuse("ACC726", f"the default of {member.name} is not of its type", hint)

    def _shape(self, what: str, annotation: Any, direction: Direction = "input") -> Shape | None:
        try:
            return shape_of(annotation, direction)
        except BadInput as error:
            for problem in error.problems:
                self._refuse(problem.code, f"{what}: {problem.message}", problem.hint)
            return None

    def _annotation(self, name: str, annotation: Any) -> Any:
        """The annotation as a type."""
        if annotation is MISSING:
            return MISSING
        holder = SimpleNamespace(__annotations__={name: annotation})
        try:
            return get_type_hints(holder, globalns=self._globals, include_extras=True)[name]
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            hint = "name types of the module itself: none under TYPE_CHECKING, none made inside of a function"
            self._refuse("ACC724", f"the type of {name} cannot be read: {error}", hint)
            return _UNREADABLE

    def _refuse(self, code: str, message: str, hint: str | None) -> None:
        self.problems.append(Problem(code, f"{self._name}: {message}", hint=hint))


def _typed_dict(types: dict[str, Any]) -> Any:
    document = TypedDict("document", types)  # type: ignore[misc] # its members are known only here
    return with_config(ConfigDict(extra="forbid"))(document)


def _without_result(annotation: Any) -> Any:
    """The type of the values themselves: `Result[T]`, alone or in a union, becomes `T`."""
    origin = get_origin(annotation)
    if origin is Result:
        return get_args(annotation)[0]
    if origin in (Union, UnionType):
        return reduce(or_, (_without_result(part) for part in get_args(annotation)))
    return annotation


def _state_default(schema: JsonSchema, annotation: Any, default: Any) -> None:
    """Write the default into the schema. Raises where it is not of the type."""
    if mentions_struct(annotation):
        schema["default"] = msgspec.to_builtins(msgspec.convert(msgspec.to_builtins(default), annotation))
    else:
        adapter: TypeAdapter[Any] = TypeAdapter(readable(annotation))
        schema["default"] = adapter.dump_python(adapter.validate_python(default), mode="json")
