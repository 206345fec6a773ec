"""Documents as YAML that people read, edit and keep."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def yaml_text(document: dict[str, Any]) -> str:
    """The document as YAML, its members in their order; it is read as the same document."""
    yaml = YAML()
    yaml.width = 120
    yaml.allow_unicode = True
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()
