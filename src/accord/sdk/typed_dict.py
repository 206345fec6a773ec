"""TypedDicts as Pydantic can read them."""

from __future__ import annotations

import sys
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict, is_typeddict


def readable(annotation: Any) -> Any:
    """The same type, with each `typing.TypedDict` in it made anew by `typing_extensions`.

    Before Python 3.12, Pydantic takes none of `typing`. One that mentions itself stays as it is, and so does one
    inside of a dataclass or of a generic TypedDict.
    """
    return annotation if sys.version_info >= (3, 12) else _readable(annotation, frozenset())


def _readable(annotation: Any, within: frozenset[type]) -> Any:
    if is_typeddict(annotation):
        return annotation if annotation in within else _typed_dict(annotation, within | {annotation})
    before = get_args(annotation)
    if not before or is_typeddict(get_origin(annotation)):
        return annotation
    after = tuple(_readable(argument, within) for argument in before)
    return annotation if after == before else _with_arguments(annotation, after)


def _with_arguments(annotation: Any, arguments: tuple[Any, ...]) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return Annotated[arguments]
    return reduce(or_, arguments) if origin in (Union, UnionType) else origin[arguments]


def _typed_dict(annotation: Any, within: frozenset[type]) -> Any:
    before = get_type_hints(annotation, include_extras=True)
    after = {name: _readable(member, within) for name, member in before.items()}
    if type(annotation).__module__ != "typing" and after == before:
        return annotation
    members = {name: _presence(member, name in annotation.__required_keys__) for name, member in after.items()}
    made = TypedDict(annotation.__name__, members)  # type: ignore[misc] # its members are known only here
    for name in ("__doc__", "__module__", "__pydantic_config__"):
        if hasattr(annotation, name):
            setattr(made, name, getattr(annotation, name))
    return made


def _presence(member: Any, required: bool) -> Any:
    """The member's type, marked where it may be absent; marks of its own come first."""
    if get_origin(member) in (Required, NotRequired):
        return member
    return member if required else NotRequired[member]
