"""Which language a file is in, by its name, and how that language marks a comment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Language:
    """A language: `comments` are the beginnings of a comment line; `code` is False for data and prose."""

    name: str
    comments: tuple[str, ...] = ()
    code: bool = True


_C = ("//", "/*", "*")
_HASH = ("#",)
_BY_SUFFIX = {
    **dict.fromkeys((".py", ".pyi"), Language("Python", _HASH)),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), Language("JavaScript", _C)),
    **dict.fromkeys((".ts", ".tsx", ".mts"), Language("TypeScript", _C)),
    **dict.fromkeys((".c", ".h"), Language("C", _C)),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hpp", ".hh"), Language("C++", _C)),
    **dict.fromkeys((".sh", ".bash", ".zsh"), Language("Shell", _HASH)),
    **dict.fromkeys((".yaml", ".yml"), Language("YAML", _HASH, code=False)),
    **dict.fromkeys((".html", ".htm"), Language("HTML", ("<!--",))),
    **dict.fromkeys((".css", ".scss", ".less"), Language("CSS", _C)),
    **dict.fromkeys((".md", ".rst", ".txt", ".adoc"), Language("Prose", code=False)),
    **dict.fromkeys((".ini", ".cfg", ".conf", ".properties"), Language("INI", ("#", ";"), code=False)),
    **dict.fromkeys((".kt", ".kts"), Language("Kotlin", _C)),
    **dict.fromkeys((".ex", ".exs"), Language("Elixir", _HASH)),
    ".go": Language("Go", _C),
    ".rs": Language("Rust", _C),
    ".java": Language("Java", _C),
    ".cs": Language("C#", _C),
    ".swift": Language("Swift", _C),
    ".scala": Language("Scala", _C),
    ".dart": Language("Dart", _C),
    ".php": Language("PHP", ("//", "/*", "*", "#")),
    ".rb": Language("Ruby", _HASH),
    ".pl": Language("Perl", _HASH),
    ".r": Language("R", _HASH),
    ".jl": Language("Julia", _HASH),
    ".lua": Language("Lua", ("--",)),
    ".hs": Language("Haskell", ("--",)),
    ".sql": Language("SQL", ("--", "/*")),
    ".tf": Language("Terraform", ("#", "//")),
    ".proto": Language("Protocol Buffers", _C),
    ".vue": Language("Vue", ("<!--", "//")),
    ".svelte": Language("Svelte", ("<!--", "//")),
    ".toml": Language("TOML", _HASH, code=False),
    ".json": Language("JSON", code=False),
    ".xml": Language("XML", ("<!--",), code=False),
    ".svg": Language("SVG", ("<!--",), code=False),
    ".csv": Language("CSV", code=False),
}
_BY_NAME = {
    "Dockerfile": Language("Dockerfile", _HASH),
    "Makefile": Language("Make", _HASH),
    "Jenkinsfile": Language("Groovy", _C),
    "LICENSE": Language("Prose", code=False),
    "README": Language("Prose", code=False),
}
OTHER = Language("Other", code=False)


def language_of(path: str) -> Language:
    """The language of the file at `path`; `OTHER` where its name does not tell."""
    parts = PurePosixPath(path)
    return _BY_NAME.get(parts.name) or _BY_SUFFIX.get(parts.suffix.lower()) or OTHER
