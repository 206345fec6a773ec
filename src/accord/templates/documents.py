"""Documents as people write them: YAML 1.2 or JSON, read strictly, each part with its place."""

from __future__ import annotations

from pathlib import Path

from accord.errors import Place, TemplateInvalid
from accord.templates.json_nodes import parse_json
from accord.templates.nodes import Document, refuse
from accord.templates.yaml_nodes import parse_yaml

MAX_YAML_BYTES = 1024 * 1024
MAX_JSON_BYTES = 64 * 1024 * 1024


def read_document(source: Path | str, *, file: str | None = None) -> Document:
    """The document in a file (a `Path`), or in a text (a `str`; `file` names it in problems).

    Raises:
        TemplateInvalid: it cannot be read, is too large or too deep, or breaks the syntax.
    """
    document = scan_document(source, file=file)
    TemplateInvalid.raise_if(document.problems)
    return document


def scan_document(source: Path | str, *, file: str | None = None) -> Document:
    """The document as far as it can be read: it carries the problems that do not keep the rest from being read.

    Text that starts with `{` or `[` and files that end in `.json` are JSON, all else is YAML 1.2.

    Raises:
        TemplateInvalid: it cannot be read, is too large or too deep, or breaks the syntax.
    """
    from_file = isinstance(source, Path)
    name = file or printable(str(source)) if from_file else file
    text = _text_of(source, str(name)) if isinstance(source, Path) else source
    if (from_file and str(source).endswith(".json")) or text.lstrip().startswith(("{", "[")):
        _check_size(text, MAX_JSON_BYTES, name)
        return parse_json(text, name)
    _check_size(text, MAX_YAML_BYTES, name)
    return parse_yaml(text, name)


def printable(name: str) -> str:
    """The name of a file as text, whatever its encoding is."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_file(path: Path) -> bool:
    """Whether there is such a file; a text that cannot be the name of one is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _text_of(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise refuse("ACC100", f"the file is larger than {MAX_JSON_BYTES} bytes", Place(name))
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise refuse("ACC100", f"cannot be read: {error.strerror or error}", Place(name)) from error
    except UnicodeDecodeError as error:
        raise not_utf8(error, name) from error


def not_utf8(error: UnicodeDecodeError, name: str) -> TemplateInvalid:
    """The refusal of what cannot be decoded, with the place of the byte."""
    before = error.object[: error.start]
    place = Place(name, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
    return refuse("ACC100", "is not UTF-8", place, "save the file as UTF-8")


def _check_size(text: str, limit_bytes: int, name: str | None) -> None:
    if len(text) > limit_bytes or len(text.encode("utf-8", "surrogatepass")) > limit_bytes:
        hint = "larger templates are accepted as JSON" if limit_bytes == MAX_YAML_BYTES else None
        raise refuse("ACC100", f"is larger than {limit_bytes} bytes", Place(name), hint)
