"""Schemas of what bindings give: their items, and the best that may come where little is known."""

from __future__ import annotations

from accord.domain.expression import Binding, Computed, Entries, Items, Literal, Text, Types, schema_of_binding
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import schema_at, types_of
from accord.domain.schema_union import item_of, object_of, tuple_of, union

NULL: JsonSchema = {"type": "null"}


def spelt_out(schema: JsonSchema) -> JsonSchema:
    """The same schema with constant objects and lists written member by member, so that paths lead into them."""
    if not isinstance(schema, dict):
        return schema
    constant = schema.get("const")
    if isinstance(constant, dict):
        members = {name: spelt_out({"const": value}) for name, value in constant.items()}
        return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    if isinstance(constant, list):
        items = [spelt_out({"const": value}) for value in constant]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    properties, first = schema.get("properties"), schema.get("prefixItems")
    if isinstance(properties, dict):
        return {**schema, "properties": {name: spelt_out(each) for name, each in properties.items()}}
    return {**schema, "prefixItems": [spelt_out(each) for each in first]} if isinstance(first, list) else schema


def items_of(binding: Binding, types: Types) -> JsonSchema | None:
    """What the items of a list have that a binding gives; None where that is unknown."""
    match binding:
        case Literal(list() as values):
            return {"enum": values} if values else False
        case Items(parts):
            return union(schema_of_binding(part, types) for part in parts)
    schema = schema_of_binding(binding, types)
    return None if schema is None else item_of(schema)


def at_best(binding: Binding, types: Types, wanted: JsonSchema, path: tuple[str | int, ...] = ()) -> JsonSchema:
    """The schema of what a binding gives if all that is only roughly known of it is as it is wanted.

    The type that CEL states of an expression says less than the expression does: what that type allows beyond what is
    wanted may never come. Contracts, in contrast, are taken at their word.
    """
    match binding:
        case Entries(members):
            return object_of({name: at_best(each, types, wanted, (*path, name)) for name, each in members})
        case Items(items):
            return tuple_of([at_best(each, types, wanted, (*path, index)) for index, each in enumerate(items)])
    given = schema_of_binding(binding, types)
    is_rough = isinstance(binding, Text) or (isinstance(binding, Computed) and binding.expression.path is None)
    if given is not None and given is not True and not is_rough:
        return given
    there = schema_at(wanted, path)
    if given is None or there is None:
        return True if there is None else there
    return given if types_of(given).isdisjoint(types_of(there)) else there
