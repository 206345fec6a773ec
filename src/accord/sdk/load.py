"""Agents found in Python code: `module:attribute`, or `path/to/file.py[:attribute]`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec

from accord.errors import BadInput, Place, Problem
from accord.sdk.agent import Agent

_OURS: Final = ("<", str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent))
_PACKAGES: Final = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
"""Beginnings of the names of files that an agent's author has not written."""


def load_agents(target: str) -> list[Agent]:
    """The agents of a module or file: the attribute (an agent, or several), without one all that it defines.

    The code is executed. Raises BadInput: ACC745 it cannot be imported, ACC746 there are no agents.
    """
    where, _, attribute = target.partition(":")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    if not attribute:
        found = list({id(value): value for value in vars(module).values() if isinstance(value, Agent)}.values())
    else:
        found = _agents_in(_attribute(module, attribute, target))
    if not found:
        raise BadInput.of("ACC746", f"{target} has no agents", hint="name an Agent, or a list of them")
    return found


def _agents_in(value: Any) -> list[Agent]:
    if isinstance(value, Agent):
        return [value]
    several = isinstance(value, list | tuple) and all(isinstance(each, Agent) for each in value)
    return list(value) if several else []


def _attribute(module: ModuleType, path: str, target: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            raise BadInput.of("ACC746", f"{target} does not exist: there is no {name}")
    return found


def _module(name: str) -> ModuleType:
    with _importing(name):
        return importlib.import_module(name)


def _file(path: Path) -> ModuleType:
    """The file as a module of its own; its neighbours can be imported, as when Python runs it."""
    if not path.is_file():
        raise BadInput.of("ACC745", f"there is no file {path}", hint="give a module, a Python file, or a YAML file")
    name = f"accord_agents_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput.of("ACC745", f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module  # types are looked up there while the code runs
    try:
        with _importing(str(path)):
            spec.loader.exec_module(module)
    except BadInput:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importing(what: str) -> Iterator[None]:
    """Whatever the imported code raises is told with the line of that code. Raises BadInput."""
    try:
        yield
    except BadInput as error:
        raise BadInput(*(_in_code(problem, error) for problem in error.problems)) from error
    except (Exception, SystemExit) as error:
        said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        raise BadInput.of(
            "ACC745", f"{what} cannot be imported: {said}", place=_place(error), hint=_hint(error)
        ) from error


def _in_code(problem: Problem, error: BadInput) -> Problem:
    """The problem with the line of the declaration that it is about."""
    where = _place(error)
    return msgspec.structs.replace(problem, place=msgspec.structs.replace(where, pointer=problem.place.pointer))


def _place(error: BaseException) -> Place:
    """Where the error was raised: the innermost line of the author's own, or else of a package."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return Place(_shown(error.filename), error.lineno, error.offset)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    if not frames:
        return Place()
    own = [frame for frame in frames if not frame.filename.startswith(_PACKAGES)]
    last = (own or frames)[-1]
    return Place(_shown(last.filename), last.lineno, None if last.colno is None else last.colno + 1)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _hint(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError):
        return "install it where Accord is, or give the path of the file"
    return "end no process when a module is imported" if isinstance(error, SystemExit) else None
