"""`accord diff`: what is different between two versions, and which number the new one deserves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET
from rich.text import Text

from accord.cli.errors import DONE, FAILED
from accord.cli.hosting import agents_of, contracts_of, hosted_agents
from accord.cli.options import Shared
from accord.cli.output import Screen, clean, shortened
from accord.cli.session import carry_out, opened
from accord.domain.capability import CapabilityRange, Version
from accord.domain.contract import Contract
from accord.domain.difference import Difference
from accord.errors import BadInput, NotFound
from accord.service import Service
from accord.templates.documents import is_file, read_document
from accord.verifier.evolution import Evolution
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue, Entry, all_entries, read_entry
from accord.views.contracts import ContractDiff, contract_diff
from accord.views.templates import TemplateDiff, template_diff

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_PARTIES: Final = {"callers": "whoever starts it", "readers": "whoever reads it", "runs": "runs in flight"}
_AGENTS: Final = ("agent/",)
"""How the language of agent files begins."""

Found = TemplateDiff | tuple[ContractDiff, ...]


def diff(shared: Shared, before: str, after: str) -> None:
    """Carry out `accord diff`: the exit code is 1 where a version is too low for what has changed."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            found = await _compared(service, contracts_of(hosted_agents(shared.agents)), before, after)
        several = found if isinstance(found, tuple) else (found,)
        if screen.as_json:
            screen.document(found)
        else:
            for one in several:
                _show(one, screen)
        return DONE if all(one.evolution.enough for one in several) else FAILED

    carry_out(shared, work)


async def _compared(service: Service, hosted: Sequence[Contract], before: str, after: str) -> Found:
    catalogue, contracts = await all_entries(service), [*hosted, *await service.contracts()]
    sides = [_contracts(one, catalogue, contracts) for one in (before, after)]
    if sides[0] is None and sides[1] is None:
        old, new = (_entry(one, catalogue) for one in (before, after))
        return template_diff(old, new, ContractTable(contracts), catalogue)
    if sides[0] is None or sides[1] is None:
        hint = "give two templates, or two capabilities or agent files"
        raise BadInput.of("ACC265", f"{before} and {after} are of two kinds", hint=hint)
    return tuple(_pairs(sides[0], sides[1]))


def _pairs(before: Sequence[Contract], after: Sequence[Contract]) -> list[ContractDiff]:
    """The capabilities that both sides have, the newest version of each. Raises NotFound where they share none."""
    old, new = ({one.capability: one for one in sorted(side, key=_version)} for side in (before, after))
    shared = [name for name in old if name in new]
    if not shared:
        raise NotFound.of("ACC266", "the two have no capability in common", hint="accord agents show lists them")
    return [contract_diff(old[name], new[name]) for name in shared]


def _version(contract: Contract) -> Version:
    return contract.version


def _contracts(reference: str, catalogue: Catalogue, known: Sequence[Contract]) -> list[Contract] | None:
    """The contracts that a reference names; None where it names a template."""
    path = Path(reference)
    if reference.endswith(".py"):
        return contracts_of(agents_of(reference))
    if is_file(path):
        kind = str(read_document(path).value.get("accord", ""))
        return contracts_of(agents_of(reference)) if kind.startswith(_AGENTS) else None
    name = reference.partition("@")[0]
    if name in set(catalogue.names()) or not any(one.capability == name for one in known):
        return None
    wanted = CapabilityRange.parse(reference)
    found = [one for one in known if one.capability == wanted.name and wanted.versions.matches(one.version)]
    if not found:
        raise NotFound.of("ACC266", f"no version of {name} is in {reference}", hint="accord agents list")
    return [max(found, key=lambda one: one.version)]


def _entry(reference: str, catalogue: Catalogue) -> Entry:
    path = Path(reference)
    return read_entry(path) if is_file(path) else catalogue.find(reference)


def _show(found: TemplateDiff | ContractDiff, screen: Screen) -> None:
    sides = (found.before, found.after)
    old, new = (one if isinstance(one, str) else one.template for one in sides)
    screen.line(Text.assemble((old, "head"), "  →  ", (new, "head")))
    if isinstance(found, TemplateDiff):
        tasks = found.tasks
        named = (("added", tasks.added), ("removed", tasks.removed), ("changed", tasks.changed))
        screen.facts([(f"tasks {kind}", ", ".join(names)) for kind, names in named if names])
    if not found.changes:
        screen.note("Nothing is different.")
        return
    _show_effects(found.evolution, screen)
    screen.heading("Places")
    screen.table(("", "where", "before", "after"), [_row(one) for one in found.changes])


def _show_effects(found: Evolution, screen: Screen) -> None:
    marks = {True: ("✔ safe", "good"), False: ("✗ not safe", "bad"), None: ("? not proven", "yellow")}
    rows = []
    for one in found.effects:
        example = "" if one.example is UNSET else f", such as {_value(one.example)}"
        rows.append((_PARTIES[one.party], Text(*marks[one.safe]), clean(f"{one.why}{example}")))
    screen.heading("What it means")
    screen.table(("to", "", "why"), rows)
    verdict = "as it has" if found.enough else f"it has {found.has}: too low"
    screen.line(f"deserves {found.deserves} ({found.step}); {verdict}")


def _row(one: Difference) -> tuple[str, str, str, str]:
    return _SIGNS[one.kind], one.pointer or "/", _value(one.before), _value(one.after)


def _value(value: object) -> str:
    return "" if value is UNSET else shortened(clean(msgspec.json.encode(value).decode()), 60)
