"""Agents: whether those that were named can be loaded, and settings that are about agents whom nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from accord.app import open_node
from accord.cli.doctor.finding import Finding, made
from accord.cli.hosting import contracts_of, hosted_agents
from accord.cli.output import counted
from accord.engine.registry import unknown_limits
from accord.settings import Settings


def agents(settings: Settings, targets: Sequence[str], *, asks_journal: bool) -> Iterator[Finding]:
    """All findings about them; settings are compared with what the journal knows, too, where it can be asked."""
    found = list(made(_agents, targets))
    yield from found
    if all(finding.grade == "ok" for finding in found):
        capabilities, known = asyncio.run(_recorded(settings)) if asks_journal else ([], [])
        yield from made(_limits, settings, targets, capabilities)
        yield from made(_system_agents, settings, targets, known)


async def _recorded(settings: Settings) -> tuple[list[str], list[str]]:
    """The capabilities and the agents that the journal knows."""
    async with open_node(settings) as node:
        return node.parts.registry.names(), [card.agent for card in node.parts.registry.agents()]


def _agents(targets: Sequence[str]) -> Finding:
    named = hosted_agents(targets)
    return Finding("agents", "ok", f"{counted(len(named), 'agent')} can be loaded{_of(targets)}")


def _of(targets: Sequence[str]) -> str:
    return f", those of {', '.join(targets)} included" if targets else ""


def _limits(settings: Settings, targets: Sequence[str], recorded: Sequence[str]) -> Finding:
    """Whether each limit is one of a capability that somebody offers, or has offered."""
    if not settings.capability_limits:
        return Finding("limits", "ok", "none are set")
    offered = {contract.capability for contract in contracts_of(hosted_agents(targets))}
    unknown = list(unknown_limits(settings.capability_limits, {*offered, *recorded}))
    if unknown:
        hint = "; ".join(one.hint for one in unknown if one.hint)
        return Finding("limits", "warn", "; ".join(f"{one.code} {one.message}" for one in unknown), hint)
    return Finding("limits", "ok", ", ".join(f"{name}: {most}" for name, most in settings.capability_limits.items()))


def _system_agents(settings: Settings, targets: Sequence[str], recorded: Sequence[str]) -> Finding:
    """Whether each agent that may use Accord's own names is one that somebody knows."""
    if not settings.system_agents:
        return Finding("system agents", "ok", "those that are built in")
    known = {*recorded, *(agent.id for agent in hosted_agents(targets))}
    unknown = [agent for agent in settings.system_agents if agent not in known]
    if unknown:
        told = f"nobody knows {', '.join(unknown)}: the setting does nothing for them"
        return Finding("system agents", "warn", told, "is the name right? accord agents list shows who was here")
    return Finding("system agents", "ok", ", ".join(settings.system_agents))
