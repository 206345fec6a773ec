"""Signals of risk in source code: rules over the syntax tree of Python, and over the text of any language."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from accord.builtin.products import Severity
from accord.builtin.syntax import nodes


@dataclass(frozen=True, order=True)
class Signal:
    """One place where a rule applies; `message` never repeats what looks like a secret."""

    line: int
    rule: str
    message: str


RULES: dict[str, tuple[Severity, str]] = {
    "hard-coded-secret": ("high", "a literal that looks like a key, token or password"),
    "dynamic-code": ("high", "`eval`, `exec` or `compile` runs text as code"),
    "shell-command": ("high", "a command line is given to a shell"),
    "unsafe-loading": ("high", "pickle, marshal, shelve or unsafe YAML can run code from data"),
    "tls-not-verified": ("high", "certificate verification is switched off"),
    "bare-except": ("medium", "`except:` also catches SystemExit and KeyboardInterrupt"),
    "swallowed-error": ("medium", "`except Exception: pass` hides every error"),
    "mutable-default": ("medium", "a default that all calls share"),
    "predictable-temporary-file": ("medium", "`tempfile.mktemp` can be raced"),
    "weak-hash": ("low", "MD5 or SHA-1 without `usedforsecurity=False`"),
    "assert-outside-tests": ("low", "`assert` disappears under `python -O`"),
    "open-task": ("low", "a comment that says something is left to do"),
}
"""Every rule with its severity and what it finds."""

_SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "commands.getoutput",
}
_LOADERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "jsonpickle"}
_SAFE_YAML = {"SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"}
_MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "collections.defaultdict", "collections.OrderedDict"}


def python_signals(tree: ast.Module, *, test: bool = False) -> list[Signal]:
    """The signals in one module, by line. In test code, and where pytest is imported, `assert` is what it should be."""
    every = nodes(tree)
    names = _imported_names(every)
    test = test or any(name.partition(".")[0] == "pytest" for name in names.values())
    found: list[Signal] = []
    for node in every:
        if isinstance(node, ast.Call):
            found.extend(_call_signals(node, _dotted(node.func, names)))
        elif isinstance(node, ast.ExceptHandler):
            found.extend(_except_signals(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found.extend(_default_signals(node, names))
        elif isinstance(node, ast.Assert) and not test:
            found.append(Signal(node.lineno, "assert-outside-tests", "`assert` is used as a check"))
    return sorted(found)


def text_signals(text: str) -> list[Signal]:
    """The signals that need no grammar: open tasks in comments, and literals that look like secrets."""
    found = list(_private_keys(text))
    for number, line in _lines_worth_reading(text):
        task = _OPEN_TASK.search(line)
        if task:
            found.append(Signal(number, "open-task", f"{task[1]} in a comment"))
        secret = _secret_in(line)
        if secret:
            found.append(Signal(number, "hard-coded-secret", f"looks like {secret} (not repeated here)"))
    return sorted(found)


def _private_keys(text: str) -> Iterator[Signal]:
    """PEM blocks with a body; the marker alone is what code that reads or writes keys contains."""
    for match in _PRIVATE_KEY.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Signal(line, "hard-coded-secret", "looks like a private key (not repeated here)")


def _lines_worth_reading(text: str) -> Iterator[tuple[int, str]]:
    """The lines on which a text rule could apply: one fast search over the text spares the slow ones per line."""
    number, counted_to = 1, 0
    last = 0
    for match in _HINT.finditer(text):
        number += text.count("\n", counted_to, match.start())
        counted_to = match.start()
        if number == last:
            continue
        last = number
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start())
        line = text[start : end if end >= 0 else len(text)]
        if len(line) <= _LONGEST_LINE:
            yield number, line


def _imported_names(every: Iterable[ast.AST]) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in every:
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0]: _bound(alias) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _bound(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.split(".")[0]


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The full name that is called: `run` after `from subprocess import run` is `subprocess.run`; else ""."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (parts and node.id not in names):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _call_signals(node: ast.Call, called: str) -> Iterator[Signal]:
    for rule, check in _CALL_RULES:
        message = check(node, called)
        if message:
            yield Signal(node.lineno, rule, message)


def _dynamic_code(node: ast.Call, called: str) -> str | None:
    fixed = bool(node.args) and isinstance(node.args[0], ast.Constant)
    known = called in {"eval", "exec", "builtins.eval", "builtins.exec"} or (called == "compile" and node.args)
    return f"`{called}()` on text that is made at run time" if known and not fixed else None


def _shell_command(node: ast.Call, called: str) -> str | None:
    if called in _SHELLS:
        return f"`{called}()` goes through a shell"
    shell = called.startswith(("subprocess.", "asyncio.create_subprocess_shell")) and (
        called.endswith("_shell") or _is_constant(_keyword(node, "shell"), True)
    )
    return f"`{called}()` with `shell=True`" if shell else None


def _unsafe_loading(node: ast.Call, called: str) -> str | None:
    module, _, function = called.rpartition(".")
    if module in _LOADERS and function in {"load", "loads", "Unpickler", "decode"}:
        return f"`{called}()` can run code from its data"
    if called == "shelve.open":
        return "`shelve.open()` unpickles what it reads"
    if called in {"yaml.unsafe_load", "yaml.full_load", "yaml.load", "yaml.load_all"} and not _safe_yaml(node):
        return f"`{called}()` without a safe loader"
    return None


def _safe_yaml(node: ast.Call) -> bool:
    loader = _keyword(node, "Loader") or (node.args[1] if len(node.args) > 1 else None)
    return loader is not None and ast.unparse(loader).split(".")[-1] in _SAFE_YAML


def _tls(node: ast.Call, called: str) -> str | None:
    if called == "ssl._create_unverified_context":
        return "`ssl._create_unverified_context()`"
    web = called.partition(".")[0] in {"requests", "httpx", "urllib3", "aiohttp"}
    return f"`{called}()` with `verify=False`" if web and _is_constant(_keyword(node, "verify"), False) else None


def _weak_hash(node: ast.Call, called: str) -> str | None:
    weak = called in {"hashlib.md5", "hashlib.sha1"}
    excused = _is_constant(_keyword(node, "usedforsecurity"), False)
    return f"`{called}()`" if weak and not excused else None


def _temporary(_: ast.Call, called: str) -> str | None:
    return "`tempfile.mktemp()`" if called == "tempfile.mktemp" else None


_CALL_RULES: tuple[tuple[str, Callable[[ast.Call, str], str | None]], ...] = (
    ("dynamic-code", _dynamic_code),
    ("shell-command", _shell_command),
    ("unsafe-loading", _unsafe_loading),
    ("tls-not-verified", _tls),
    ("weak-hash", _weak_hash),
    ("predictable-temporary-file", _temporary),
)


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in node.keywords if one.arg == name), None)


def _is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _except_signals(node: ast.ExceptHandler) -> Iterator[Signal]:
    silent = all(isinstance(one, ast.Pass) for one in node.body)
    if node.type is None:
        raised = any(isinstance(one, ast.Raise) and one.exc is None for one in node.body)
        if not raised:
            yield Signal(node.lineno, "bare-except", "`except:` without raising again")
    elif silent and ast.unparse(node.type) in {"Exception", "BaseException"}:
        yield Signal(node.lineno, "swallowed-error", f"`except {ast.unparse(node.type)}: pass`")


def _default_signals(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, names: dict[str, str]
) -> Iterator[Signal]:
    for default in (*node.args.defaults, *node.args.kw_defaults):
        literal = isinstance(default, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)
        made = isinstance(default, ast.Call) and _dotted(default.func, names) in _MUTABLE_CALLS
        if default is not None and (literal or made):
            yield Signal(default.lineno, "mutable-default", f"default `{ast.unparse(default)[:40]}`")


_LONGEST_LINE = 5_000
_HINT = re.compile(
    r"TODO|FIXME|XXX|HACK|AKIA|gh[pousr]_|xox[abprs]-|AIza|sk-"
    r"|(?:[Pp][Aa][Ss][Ss][Ww]|[Ss][Ee][Cc][Rr][Ee][Tt]|[Kk][Ee][Yy]|[Tt][Oo][Kk][Ee][Nn])"
)
_OPEN_TASK = re.compile(r"(?:#|//|/\*|<!--|^\s*\*|^\s*--|^\s*;|^\s*%).*?\b(TODO|FIXME|XXX|HACK)\b")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\\n|[\s\"'+()])*[A-Za-z0-9+/=]{32,}")
_KNOWN_SECRETS = (
    ("an AWS access key id", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("an sk- API key", re.compile(r"\bsk-(?:[a-z]+-)?[A-Za-z0-9]{32,}\b")),
)
_SECRET_ASSIGNED = re.compile(
    r"""(?ix) [\w.-]* (password|passwd|secret|api_?key|access_?key|auth_?token|private_?key)
        (?:_(?:key|token|value))? ["']? \s* (?::\s*\w+\s*=|=|:|=>) \s* ["'] ([^"'\s]{12,128}) ["']"""
)
_PLACEHOLDER = re.compile(r"(?i)example|change|replace|your|dummy|test|fake|xxx|\.\.\.|\$\{|\{\{|<|%s|\{\w*\}|env")
_LEAST_BITS_PER_CHARACTER = 3.0


def _secret_in(line: str) -> str | None:
    for name, pattern in _KNOWN_SECRETS:
        if pattern.search(line):
            return name
    assigned = _SECRET_ASSIGNED.search(line)
    if assigned and _is_random(assigned[2]) and not _PLACEHOLDER.search(assigned[2]):
        return f"a literal {assigned[1].lower()}"
    return None


def _is_random(value: str) -> bool:
    """Whether the value mixes letters and digits, with the entropy of a random string rather than of a word."""
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    mixed = any(one.isdigit() for one in value) and any(one.isalpha() for one in value)
    return mixed and bits >= _LEAST_BITS_PER_CHARACTER
