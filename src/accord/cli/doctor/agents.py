"""Agents: whether those that were named can be loaded, and settings that are about agents whom nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from accord.app import open_node
from accord.cli.doctor.finding import Finding, failures, made
from accord.cli.hosting import contracts_of, hosted_agents
from accord.cli.output import agent_name, counted, moment
from accord.domain.agent import key_name
from accord.domain.ids import AgentId
from accord.engine.registry import unknown_limits
from accord.errors import AccordError
from accord.service import KnownKey
from accord.settings import Settings


def agents(settings: Settings, targets: Sequence[str], *, asks_journal: bool) -> Iterator[Finding]:
    """All findings about them; settings are compared with what the journal knows, too, where it can be asked."""
    found = list(made(_agents, targets))
    yield from found
    if all(finding.grade == "ok" for finding in found):
        recorded = Recorded()
        try:
            if asks_journal:
                recorded = asyncio.run(_recorded(settings))
        except AccordError as error:
            yield from failures("journal", error.problems)
        yield from made(_limits, settings, targets, recorded.capabilities)
        yield from made(_system_agents, settings, targets, recorded.agents)
        yield from made(_expiry, recorded.keys)
        yield from made(_revoked, targets, recorded.keys)


class Recorded(msgspec.Struct, frozen=True):
    """The capabilities, the agents and the keys that the journal knows."""

    capabilities: Sequence[str] = ()
    agents: Sequence[str] = ()
    keys: Sequence[KnownKey] = ()


async def _recorded(settings: Settings) -> Recorded:
    async with open_node(settings) as node:
        registry = node.parts.registry
        return Recorded(registry.names(), [card.agent for card in registry.agents()], list(registry.all_keys()))


def _expiry(keys: Sequence[KnownKey]) -> Iterator[Finding]:
    """Which agents soon have no key any more, or have none, because the last one expires."""
    now = datetime.now(UTC)
    lasting: dict[AgentId, list[KnownKey]] = {}
    for key in keys:
        if key.revoked_at is None and key.retires_at is None and key.delegation is None:
            lasting.setdefault(key.agent, []).append(key)
    ending = {agent: mine for agent, mine in lasting.items() if all(key.expires_soon(now) for key in mine)}
    for agent, mine in ending.items():
        last = max(end for key in mine if (end := key.expires_at) is not None)
        told = f"the last key of {agent_name(agent)} {'has expired' if last <= now else 'expires'}: {moment(last)}"
        hint = f"accord keys rotate {key_name(agent)}, or where it is not in this home: accord agents enrol"
        yield Finding("expiry of keys", "warn", told, hint)
    if not ending and any(key.expires_at is not None for mine in lasting.values() for key in mine):
        yield Finding("expiry of keys", "ok", "no agent's last key expires soon")


def _revoked(targets: Sequence[str], keys: Sequence[KnownKey]) -> Iterator[Finding]:
    """Which agents of this process are left out, because no key of theirs holds after one was revoked."""
    now = datetime.now(UTC)
    for agent in hosted_agents(targets):
        mine = [key for key in keys if key.agent == agent.id and key.delegation is None]
        if any(key.revoked_at is not None for key in mine) and not any(key.usable(now) for key in mine):
            told = f"the key of {agent.name} is revoked: the agent is left out"
            yield Finding("revoked keys", "warn", told, f"accord keys rotate {key_name(agent.id)}")


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
