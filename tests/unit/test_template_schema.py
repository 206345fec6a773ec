"""The published schema and reference page of templates."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import jsonschema_rs
import pytest

import accord.builtin
from accord.domain.template import template_from_json
from accord.errors import TemplateInvalid
from accord.templates.documents import read_document
from accord.templates.reading import read_source
from accord.templates.reference import template_reference
from accord.templates.schema import accord_template_schema

BUILTIN = sorted((Path(accord.builtin.__file__).parent / "templates").glob("*.yaml"))
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "templates.md"


def test_the_schema_is_one_and_accepts_the_built_in_templates() -> None:
    schema = accord_template_schema()
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
    for path in BUILTIN:
        assert validator.is_valid(read_document(path).value)


def test_the_schema_refuses_null_as_a_way_to_leave_a_key_out() -> None:
    validator = jsonschema_rs.Draft202012Validator(accord_template_schema(), offline=True)
    whole = {"accord": "template/1", "name": "x", "version": "1.0.0", "tasks": {"a": {"uses": "x.y", "timeout": None}}}
    assert not validator.is_valid(whole)
    del whole["tasks"]["a"]["timeout"]  # type: ignore[index]  # a mapping, as is written above
    assert validator.is_valid(whole)


def test_every_key_is_described() -> None:
    schema = accord_template_schema()
    for name, definition in [("Template", schema), *schema["$defs"].items()]:
        for key, part in definition["properties"].items():
            assert part.get("description"), f"{name}.{key}"


def test_the_page_is_that_of_the_language() -> None:
    assert PAGE.read_text(encoding="utf-8") == template_reference(), "run scripts/generate_docs.py"


@pytest.mark.parametrize("path", BUILTIN, ids=lambda path: path.stem)
def test_a_journalled_template_is_the_one_that_was_read(path: Path) -> None:
    source = read_source(path)
    assert template_from_json(source.data) == source.template
    assert sha256(source.data).hexdigest() == source.digest


def test_journalled_bytes_that_are_no_template_are_refused() -> None:
    with pytest.raises(TemplateInvalid, match="ACC105 no template of this version"):
        template_from_json(b'{"accord": "template/1", "name": "x", "version": "1.0.0"}')


def test_places_lead_to_keys_and_values() -> None:
    document = read_document("a:\n  - b: 1\n    c: x\n", file="d.yaml")
    assert str(document.place("/a/0/c")) == "d.yaml:3:8 /a/0/c"
    assert str(document.place("/a/0/c", key=True)) == "d.yaml:3:5 /a/0/c"
    assert str(document.place("/a/7/c")) == "d.yaml:2:3 /a/7/c"
    json = read_document('{"a": [{"b": 1,\n "c": "x"}]}', file="d.json")
    assert str(json.place("/a/0/c")) == "d.json:2:7 /a/0/c"
