"""`accord new`: files to start from, which work as they are."""

from __future__ import annotations

import re
from pathlib import Path

from accord.cli.errors import usage
from accord.cli.options import Shared
from accord.cli.output import Screen

_TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*")
_AGENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")

TEMPLATE = """\
# A workflow of Accord. Check it:   accord verify {file}
#                       Look at it: accord plan {file} --set directory=.
#                       Run it:     accord run {file} --set directory=.
accord: template/1
name: {name}
version: 1.0.0          # a published version never changes: raise it with every change
description: >-
  Lists the source files of a directory and says which group of them is read first.

# Objectives in words that mean this workflow; {{directory}} is taken from the words.
examples:
  - {phrase} {{directory}}

# What a run is given: a JSON Schema. Anything else is refused before the run starts.
input:
  type: object
  properties:
    directory:
      type: string
      format: directory-path
      minLength: 1
      maxLength: 4096
      description: The directory to look at.
  required: [directory]
  additionalProperties: false

tasks:
  # A task uses a capability; whichever agent offers it does the work.
  inventory:
    description: List the source files, in groups of about the same size.
    uses: source.inventory@^1
    with:
      directory: "${{ input.directory }}"
      most_files: 200
    timeout: 1m
    retry: {{attempts: 2}}

  # What mentions another task's output comes after it. This one is done once for each group.
  inspections:
    description: Read every group for errors, complexity and risky calls.
    uses: source.inspect@^1
    for_each: "${{ tasks.inventory.output.groups }}"
    parallel: 4
    with:
      root: "${{ tasks.inventory.output.root }}"
      paths: "${{ item }}"
    timeout: 5m

# More that a task can do: `when`, `needs`, `approval`, `signal`, `sleep`, `workflow`, `fallback`, `redundancy`,
# `confidence`, `compensate`. The schema for your editor: accord templates schema
output:
  root: "${{ tasks.inventory.output.root }}"
  groups: "${{ size(tasks.inventory.output.groups) }}"
  inspected: "${{ size(tasks.inspections.output) }}"
"""

AGENT = '''\
"""An agent of Accord.

Check it:        accord verify {file}
See what it is:  accord agents show {name} --agents {file}
Have it work:    accord run TEMPLATE --agents {file}
with a task in the template that says `uses: {name}.greet@^1`.
"""

from dataclasses import dataclass

from accord.sdk import Agent, Context, Result

agent = Agent("{name}", description="Greets people.", concurrency=4)


@dataclass
class Greeting:
    """What the capability gives: the contract's output schema is made from this type."""

    text: str
    letters: int


# The contract's input schema is made from the parameters. Raise the version whenever types change.
@agent.capability("{name}.greet@1.0.0", description="A greeting for somebody.", examples=[{{"name": "Ada"}}])
async def greet(name: str, context: Context) -> Result[Greeting]:
    # context.idempotency_key stays the same when this work is delivered again; context.cancelled tells when to stop.
    await context.progress(0.5, f"greeting {{name}}")
    text = f"Good day, {{name}}."
    # A plain `return Greeting(...)` will do as well; a Result says how sure you are, from 0 to 1.
    return Result(Greeting(text, len(text)), confidence=0.9)
'''


def new_template(shared: Shared, name: str, path: Path | None) -> None:
    """Carry out `accord new template`."""
    shared.here("new")
    if not _TEMPLATE_NAME.fullmatch(name):
        raise usage("ACC910", f"`{name}` is no name of a template", "small letters and digits with - or . between them")
    file = path or Path(f"{name}.yaml")
    phrase = f"look through {name.replace('-', ' ').replace('.', ' ')} in"
    _write(file, TEMPLATE.format(name=name, file=file, phrase=phrase), shared)


def new_agent(shared: Shared, name: str, path: Path | None) -> None:
    """Carry out `accord new agent`."""
    shared.here("new")
    if not _AGENT_NAME.fullmatch(name):
        raise usage("ACC910", f"`{name}` is no name for an agent here", "small letters, digits and _, a letter first")
    file = path or Path(f"{name}.py")
    _write(file, AGENT.format(name=name, file=file), shared)


def _write(file: Path, text: str, shared: Shared) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        hint = "give another name, or --file"
        raise usage("ACC912", f"{file} is there already; it was left as it is", hint) from None
    except OSError as error:
        raise usage("ACC914", f"{file} cannot be written: {error.strerror}") from error
    screen = Screen(as_json=shared.as_json)
    if screen.as_json:
        screen.document({"file": str(file)})
    else:
        screen.line(f"wrote {file}")
        screen.note(f"  → accord verify {file}", "hint")
