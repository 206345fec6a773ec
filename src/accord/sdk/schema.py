"""Shapes: a JSON Schema and the way between documents and Python values, derived from a type or declared.

Types are read by Pydantic (models, dataclasses, TypedDict, and all it knows), or by msgspec where a
`msgspec.Struct` is among them. Schemas are JSON Schema 2020-12, and objects are closed: a member that nobody
reads is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

import msgspec
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, to_jsonable_python
from typing_extensions import is_typeddict

from accord.errors import BadInput, Place, Problem
from accord.sdk.outcome import Failure
from accord.sdk.payloads import AttemptPayloads
from accord.sdk.typed_dict import readable

JsonSchema = dict[str, Any]
Direction = Literal["input", "output"]


class Shape(Protocol):
    """One side of a capability's contract."""

    @property
    def schema(self) -> JsonSchema:
        """JSON Schema 2020-12 of the document."""
        ...

    def load(self, data: bytes, payloads: AttemptPayloads | None = None) -> Any:
        """The value of a document that keeps the schema; its streams are read by `payloads`.

        Raises Failure `input-contract` where the type asks for more than its schema can say.
        """
        ...

    def dump(self, value: Any) -> bytes:
        """The document of a value, whether it keeps the schema or not. Raises Failure `output-not-json`."""
        ...


def shape_of(annotation: Any, direction: Direction) -> Shape:
    """The shape of a type. Raises BadInput ACC722 where it has no JSON Schema."""
    try:
        if mentions_struct(annotation):
            return StructShape(annotation, direction)
        return PydanticShape(annotation, direction)
    except (PydanticUserError, PydanticInvalidForJsonSchema, TypeError, ValueError, NameError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput.of("ACC722", f"{_name(annotation)} has no JSON Schema: {reason}", hint=_HINT) from None


_HINT = "use JSON types, a Pydantic model, dataclass, TypedDict or msgspec.Struct, or declare the schema"


def is_model(annotation: Any) -> bool:
    """Whether a value of this type is a JSON object with declared members."""
    bare = get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    if is_typeddict(bare) or is_typeddict(get_origin(bare)) or is_dataclass(bare):
        return True
    found = get_origin(bare) or bare
    return isinstance(found, type) and (issubclass(found, BaseModel | msgspec.Struct) or is_dataclass(found))


def mentions_struct(annotation: Any) -> bool:
    """Whether a msgspec.Struct is the type or one of its arguments."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return True
    if is_typeddict(annotation):
        return any(mentions_struct(member) for member in get_type_hints(annotation).values())
    return any(mentions_struct(argument) for argument in get_args(annotation))


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


# -- by Pydantic ---------------------------------------------------------------------------------------


class _ClosedSchema(GenerateJsonSchema):
    """What Pydantic says; but objects are closed, outputs have their defaults, no title repeats a name."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _closed(super().model_schema(schema))

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _closed(super().typed_dict_schema(schema))

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    if "$ref" not in schema and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


class PydanticShape:
    """The shape of a type that Pydantic reads."""

    __slots__ = ("_adapter", "schema")

    def __init__(self, annotation: Any, direction: Direction) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(readable(annotation))
        mode: Literal["validation", "serialization"] = "validation" if direction == "input" else "serialization"
        self.schema: JsonSchema = self._adapter.json_schema(schema_generator=_ClosedSchema, mode=mode)

    def load(self, data: bytes, payloads: AttemptPayloads | None = None) -> Any:
        try:
            return self._adapter.validate_json(data, context=payloads)
        except ValidationError as error:
            raise _refused(error) from None

    def dump(self, value: Any) -> bytes:
        try:
            data = self._adapter.dump_json(value, warnings=False)
            if _may_hide_nan(data):
                # Mode "json" would hide NaN as well.
                _refuse_nan(self._adapter.dump_python(value, warnings=False))
        except (ValueError, TypeError, RecursionError) as error:
            raise not_json(error) from None
        return data


def _refused(error: ValidationError) -> Failure:
    problems = tuple(
        Problem("ACC210", found["msg"], Place(pointer=_pointer(found["loc"])))
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return input_refused(problems)


def _pointer(path: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def input_refused(problems: tuple[Problem, ...]) -> Failure:
    """The failure of an attempt whose input the agent cannot take."""
    words = "; ".join(str(problem) for problem in problems)
    details = {"violations": [msgspec.to_builtins(problem) for problem in problems]}
    return Failure("input-contract", f"the input is refused: {words}", details=details)


def not_json(error: Exception) -> Failure:
    """The failure of an attempt whose output cannot be written as JSON."""
    return Failure("output-not-json", f"the output cannot be written as JSON: {error}", retryable=True)


def _may_hide_nan(data: bytes) -> bool:
    """Encoders write NaN and the infinities as null, unless a model's configuration says otherwise."""
    return b"null" in data or b"NaN" in data or b"Infinity" in data


def _refuse_nan(value: object) -> None:
    """Raises ValueError where a number in the value is NaN or infinite."""
    json.dumps(value, allow_nan=False, skipkeys=True, default=lambda _: None)


# -- by msgspec ----------------------------------------------------------------------------------------


class StructShape:
    """The shape of a type that msgspec reads."""

    __slots__ = ("_decoder", "schema")

    def __init__(self, annotation: Any, direction: Direction) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(annotation)
        schema = msgspec.json.schema(annotation)
        definitions = {name: _closed(entry) for name, entry in schema.pop("$defs", {}).items()}
        if set(schema) == {"$ref"} and schema["$ref"].count("/") == 2:
            name = schema["$ref"].rpartition("/")[2]
            schema = definitions[name] if _mentions(definitions, name) else definitions.pop(name)
        self.schema: JsonSchema = {**schema, "$defs": definitions} if definitions else schema

    def load(self, data: bytes, payloads: AttemptPayloads | None = None) -> Any:
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise input_refused((Problem("ACC210", str(error)),)) from None

    def dump(self, value: Any) -> bytes:
        return _dump_any(value, _by_msgspec)


def _mentions(definitions: Mapping[str, object], name: str) -> bool:
    return f'"#/$defs/{name}"'.encode() in orjson.dumps(definitions)


def _dump_any(value: Any, encode: Callable[[Any], bytes]) -> bytes:
    try:
        data = encode(value)
        if _may_hide_nan(data):
            _refuse_nan(to_jsonable_python(value, fallback=_plain, inf_nan_mode="constants"))
    except (ValueError, TypeError, RecursionError) as error:
        raise not_json(error) from None
    return data


def _by_msgspec(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain)


# -- declared ------------------------------------------------------------------------------------------


class DeclaredShape:
    """The shape that a JSON Schema declares: values are what JSON gives."""

    __slots__ = ("schema",)

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema: JsonSchema = dict(schema)

    def load(self, data: bytes, payloads: AttemptPayloads | None = None) -> Any:
        return orjson.loads(data)

    def dump(self, value: Any) -> bytes:
        return _dump_any(value, _by_orjson)


def _by_orjson(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """JSON types for what an encoder does not know."""
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return to_jsonable_python(value)
