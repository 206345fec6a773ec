"""Agents found in Python code: `module:attribute`, or `path/to/file.py[:attribute]`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from accord.errors import BadInput
from accord.sdk.agent import Agent


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
    try:
        return importlib.import_module(name)
    except BadInput:
        raise
    except Exception as error:  # whatever the module's own code raises
        raise _not_imported(name, error) from error


def _file(path: Path) -> ModuleType:
    """The file as a module of its own; its neighbours can be imported, as when Python runs it."""
    if not path.is_file():
        raise BadInput.of("ACC745", f"there is no file {path}")
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
        spec.loader.exec_module(module)
    except BadInput:
        del sys.modules[name]
        raise
    except Exception as error:  # whatever the file's own code raises
        del sys.modules[name]
        raise _not_imported(str(path), error) from error
    return module


def _not_imported(what: str, error: Exception) -> BadInput:
    return BadInput.of("ACC745", f"{what} cannot be imported: {type(error).__name__}: {error}")
