"""`accord keys`: the keys of this home and of its agents, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.text import Text

from accord.app import OWN_KEY
from accord.cli.errors import DONE, FAILED, usage
from accord.cli.finding import read_lifetime, read_moment
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, counted, moment
from accord.cli.session import at_home, carry_out, opened, who
from accord.cli.tables import KEY_BEGINNING, Column, beginning_of_key, without_year
from accord.custody import Custody
from accord.domain.agent import agent_of_key, key_name
from accord.domain.duration import parse_duration
from accord.domain.ids import KeyId
from accord.domain.impact import Affected, Impact, together
from accord.domain.signature import Algorithm, PublicKey
from accord.domain.system import HoldPlaced
from accord.engine.node import Node, Rotated
from accord.engine.rewrapping import Rewrapping
from accord.errors import BadInput, NotFound
from accord.keys.opening import open_keys
from accord.ports import StoredKey
from accord.service import KnownKey, Service
from accord.views.agents import key_document
from accord.views.plain import plain_value

COLUMNS = (
    "name",
    Column("algorithm", spare=1),
    "state",
    Column("since", short=without_year, spare=2),
    Column("expires", short=without_year, spare=3),
    Column("key id", short=beginning_of_key),
)

SHOWN = 3
"""So many tasks of a run are named that a key has signed the results of."""

STYLES = {
    "valid": "green",
    "retiring": "yellow",
    "retired": "quiet",
    "expired": "red",
    "revoked": "red",
    "unused": "quiet",
}


class Kind(msgspec.Struct, frozen=True):
    """How a new key signs, and for how long."""

    algorithm: Algorithm
    expires: str | None = None


class Listed(msgspec.Struct, frozen=True):
    """A key of this home, of an agent, or both."""

    public: PublicKey
    stored: StoredKey | None = None
    known: KnownKey | None = None
    named: bool = True
    """Whether commands that are carried out where it is listed take its name for this key."""

    @property
    def name(self) -> str:
        """What it is called in its key store, wherever that is."""
        if self.stored is not None:
            return self.stored.name
        return key_name(self.known.agent) if self.known is not None else ""

    @property
    def state(self) -> str:
        """What has become of it. A key that no agent has signed with yet is unused; the orchestrator's own is valid
        for as long as it is here.
        """
        if self.known is not None:
            return self.known.state(datetime.now(UTC))
        return "unused" if self.stored is not None and self.stored.name.startswith("agent.") else "valid"

    @property
    def since(self) -> datetime | None:
        """Since when it is so, or until when where it is retiring."""
        if self.known is not None:
            if self.state == "expired":
                return self.known.expires_at
            return self.known.revoked_at or self.known.retires_at or self.known.valid_from
        return self.stored.created_at if self.stored is not None else None


def list_keys(shared: Shared) -> None:
    """Carry out `accord keys list`."""

    async def work(screen: Screen) -> int:
        listed: list[Listed] = []
        if shared.server() is not None or shared.settings().custody.may_hold_keys:
            async with opened(shared) as service:
                listed = await _listed(service)
        if screen.as_json:
            screen.document([_document(one) for one in listed])
        elif listed:
            screen.table(COLUMNS, [_row(one) for one in listed])
        else:
            screen.note("There are no keys yet; the first run makes some, or: accord keys new NAME")
        return DONE

    carry_out(shared, work)


async def _stored(service: Service) -> list[StoredKey]:
    """The keys of this home; those of a server's home are its own business."""
    return await service.parts.ports.keys.stored() if isinstance(service, Node) else []


async def _listed(service: Service) -> list[Listed]:
    """The keys of this home by name, then those of agents that are not here any more, or never were."""
    stored = await _stored(service)
    here = [Listed(one.public, one, await service.key(one.public.kid)) for one in stored]
    kids = {one.public.kid for one in stored}
    elsewhere = [key for key in await service.keys() if key.public.kid not in kids]
    newest = {} if isinstance(service, Node) else {key.agent: key.public.kid for key in elsewhere}
    return [*here, *(Listed(key.public, None, key, newest.get(key.agent) == key.public.kid) for key in elsewhere)]


def _row(one: Listed) -> tuple[str | Text, ...]:
    name = one.name if one.named else f"({one.name})"
    since = one.since
    told = "" if since is None else moment(since)
    if one.state == "retiring":
        told = f"until {told}"
    state, kid = Text(one.state, STYLES[one.state]), Text(one.public.kid, "quiet")
    return name, one.public.algorithm, state, told, _expiry(one.known), kid


def _expiry(known: KnownKey | None) -> Text:
    """When it ends by itself; marked where that is soon, and it has no successor yet."""
    now = datetime.now(UTC)
    if known is None or known.expires_at is None or not known.usable(now):
        return Text("")
    soon = known.expires_soon(now) and known.retires_at is None
    return Text(f"{moment(known.expires_at)}{' !' if soon else ''}", "yellow" if soon else "")


def _document(one: Listed) -> dict[str, Any]:
    known = plain_value(key_document(one.known)) if one.known is not None else {}
    return {
        "name": one.stored.name if one.stored is not None else None,
        "created_at": one.stored.created_at if one.stored is not None else None,
        "state": one.state,
        **known,
        "key": one.public.kid,
        "jwk": one.public.to_jwk(),
    }


def new_key(shared: Shared, name: str, algorithm: Algorithm, expires: str | None = None) -> None:
    """Carry out `accord keys new`."""
    lifetime = read_lifetime(expires)

    async def work(screen: Screen) -> int:
        shared.here("keys new")
        settings = shared.settings()
        custody = settings.custody
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = None
        if lifetime is None:
            async with open_keys(custody) as keys:
                public = await keys.create(name, algorithm)
        else:
            async with at_home(shared) as node:
                public = await node.new_key(name, lifetime, by=who(), algorithm=algorithm)
                known = await node.key(public.kid)
        expires_at = known.expires_at if known is not None else None
        if screen.as_json:
            screen.document({"name": name, "jwk": public.to_jwk(), "expires_at": expires_at})
        else:
            screen.line(f"{name}  {public.algorithm}  {public.kid}")
            kept = f"{custody.files / name}.pem, encrypted" if custody.address is None else str(custody)
            screen.note(f"The private half is in {kept}; it never leaves it.")
            if expires_at is not None:
                screen.note(f"It expires {moment(expires_at)}.")
            if not _is_used(name, settings.organisation):
                used = f"agent.{settings.organisation}.NAME is the key of an agent, {OWN_KEY} the orchestrator's"
                screen.note(f"Nothing of Accord's signs with a key of this name: {used}.", "yellow")
        return DONE

    carry_out(shared, work)


def _is_used(name: str, organisation: str) -> bool:
    """Whether the orchestrator, or an agent of the organisation, signs with a key of this name."""
    if name == OWN_KEY:
        return True
    try:
        agent_of_key(name, organisation)
    except BadInput:
        return False
    return True


def rotate_key(shared: Shared, name: str, overlap: str, kind: Kind) -> None:
    """Carry out `accord keys rotate`."""
    length, lifetime = parse_duration(overlap), read_lifetime(kind.expires)
    if length is None:
        raise usage("ACC911", f"--overlap {overlap}: this is no time", "for example 30m, 2h, 7d")

    async def work(screen: Screen) -> int:
        shared.here("keys rotate")
        async with at_home(shared) as node:
            rotated = await node.rotate_key(name, length, by=who(), algorithm=kind.algorithm, lifetime=lifetime)
        if screen.as_json:
            jwk = rotated.new.to_jwk()
            screen.document(
                {
                    "name": name,
                    "key": rotated.new.kid,
                    "jwk": jwk,
                    "old": rotated.old,
                    "until": rotated.until,
                    "expires_at": rotated.expires_at,
                }
            )
        else:
            screen.line(f"{name}  {rotated.new.algorithm}  {rotated.new.kid}")
            for line in _rotated_words(rotated, shared.settings().custody):
                screen.note(line)
        return DONE

    carry_out(shared, work)


def _rotated_words(rotated: Rotated, custody: Custody) -> Iterator[str]:
    if rotated.until is not None:
        yield f"The old key, {rotated.old}, is accepted until {moment(rotated.until)}."
        yield "What runs now signs with it: start that again before then."
    if rotated.expires_at is not None:
        yield f"The new one expires {moment(rotated.expires_at)}."
    if custody.address is None:
        yield f"Its private half is now replaced/{rotated.old}.pem beside the new one; what starts anew never reads it."
    else:
        yield f"It stays in {custody}; nothing that starts anew signs with it."


def rewrap_keys(shared: Shared, *, new_key: bool) -> None:
    """Carry out `accord keys rewrap`."""

    async def work(screen: Screen) -> int:
        shared.here("keys rewrap")
        so_far = Rewrapping(0)
        async with at_home(shared) as node:
            with screen.err.status("") as status:
                try:
                    async for so_far in node.rewrap(new_key=new_key):
                        status.update(f"{so_far.done} of {counted(so_far.total, 'data key')}")
                except BaseException:
                    if so_far.total:
                        screen.note(_broken_off(so_far), "yellow")
                    raise
        if screen.as_json:
            screen.document({"new_key": new_key, **plain_value(so_far)})
        else:
            for line in _rewrapped_words(so_far):
                screen.line(line)
            for problem in so_far.problems:
                screen.note(str(problem), "red")
        return FAILED if so_far.failed else DONE

    carry_out(shared, work)


def _broken_off(so_far: Rewrapping) -> str:
    return f"{so_far.done} of {counted(so_far.total, 'data key')} are done; go on with: accord keys rewrap"


def _rewrapped_words(so_far: Rewrapping) -> Iterator[str]:
    yield f"{counted(so_far.rewrapped, 'data key')} of {so_far.total} wrapped anew"
    if so_far.failed:
        yield f"{so_far.failed} cannot be unwrapped, and stay as they are: keep the wrapping keys before"
    elif so_far.total:
        yield "No data key needs a wrapping key before the present one"


def revoke_key(shared: Shared, reference: str, reason: str, at: str | None) -> None:
    """Carry out `accord keys revoke`."""
    since = read_moment(at, "--at") if at is not None else None

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            found = await _found(service, reference)
            name, kid = found.name, found.kid
            older = await _older(service, kid) if found.by_name else []
            _refuse_wrong_one(reference, kid, await service.key(kid), older)
            also = [key.public.kid for key in older if key.usable(datetime.now(UTC))]
            known, *rest = [
                await service.revoke_key(each, by=who(), reason=reason, since=since) for each in (kid, *also)
            ]
        if screen.as_json:
            documents = [plain_value(key_document(key)) for key in rest]
            screen.document({"name": name, **plain_value(key_document(known)), "older": documents})
            return DONE
        screen.line(f"{kid} of {agent_name(known.agent)} is revoked: nothing is accepted under it any more")
        for key in rest:
            screen.line(f"{key.public.kid}, which it has replaced and which was still accepted, is revoked as well")
        if name is not None:
            screen.note(f"  → accord keys rotate {name}", "hint")
        if since is not None:
            screen.note("What was accepted under it since then is in doubt: accord journal verify RUN says where.")
        return DONE

    carry_out(shared, work)


class Measures(msgspec.Struct, frozen=True):
    """Since when a key is looked at, and what is done."""

    since: str | None
    quarantine: bool
    release: bool
    reason: str


def show_impact(shared: Shared, reference: str, measures: Measures) -> None:
    """Carry out `accord keys impact`."""
    if measures.quarantine and measures.release:
        raise usage("ACC913", "--quarantine and --release are the opposite of each other", "give one of them")
    since = read_moment(measures.since, "--since") if measures.since is not None else None

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            found = await _found(service, reference)
            older = await _older(service, found.kid) if found.by_name else []
            kids = [found.kid, *(key.public.kid for key in reversed(older))]
            before = await _hold(service, found.kid) if measures.quarantine or measures.release else None
            if measures.quarantine:
                reason = measures.reason or f"{_counted(kids)} compromised"
                impact = together([await service.contain(kid, by=who(), reason=reason, since=since) for kid in kids])
            else:
                impact = together([await service.impact(kid, since=since) for kid in kids])
            marked = bool(impact.doubted)
            if measures.release:
                impact = await _released(service, impact, measures.reason)
        if screen.as_json:
            screen.document({**plain_value(impact), "older": [key.public.kid for key in older]})
        else:
            _show_impact(screen, impact, measures, reference if found.by_name else found.kid)
            for line in _taken(impact, measures, before, marked):
                screen.note(line)
            _show_older(screen, older)
        return DONE

    carry_out(shared, work)


async def _hold(service: Service, kid: KeyId) -> HoldPlaced | None:
    """The hold of the key's agent."""
    known = await service.key(kid)
    mine = ("agent", known.agent if known is not None else "")
    return next((hold for hold in await service.holds() if (hold.scope, hold.subject) == mine), None)


async def _released(service: Service, impact: Impact, note: str) -> Impact:
    """The same after the agent was let go and all marks were taken away."""
    for run in impact.doubted:
        await service.clear(run, by=who(), note=note)
    if any((hold.scope, hold.subject) == ("agent", impact.agent) for hold in await service.holds()):
        await service.lift("agent", impact.agent, by=who())
    return msgspec.structs.replace(impact, doubted=())


def _counted(kids: Sequence[KeyId]) -> str:
    return f"the key {kids[0]} is" if len(kids) == 1 else f"the key {kids[0]}, or one before it, is"


def _show_impact(screen: Screen, impact: Impact, measures: Measures, reference: str) -> None:
    agent = agent_name(impact.agent)
    if impact.runs:
        columns = ("run", "signed", "rests on it", "report", "state")
        screen.table(columns, [_impact_row(one, impact) for one in impact.runs])
    else:
        screen.note(f"Nothing rests on it: {reference} of {agent}.")
    if not (measures.quarantine or measures.release or impact.doubted) and impact.runs:
        since = f" --since {measures.since}" if measures.since is not None else ""
        screen.note(f"  → accord keys impact {reference}{since} --quarantine", "hint")


def _taken(impact: Impact, measures: Measures, before: HoldPlaced | None, marked: bool) -> Iterator[str]:
    """What was done, given the hold of the agent before, and whether runs were in doubt."""
    agent = agent_name(impact.agent)
    if measures.quarantine:
        yield f"{agent} gets nothing more, and what is not over is paused. Take it back with --release."
        if before is not None and before.quarantine:
            yield f"It was quarantined already, by {before.by}: {before.reason}. That reason stays."
    elif measures.release and (before is not None or marked):
        yield f"{agent} is let go. What is paused goes on with: accord runs resume RUN"
    elif measures.release:
        yield f"{agent} was not held, and nothing that rests on the key is in doubt: there was nothing to let go of."


def _show_older(screen: Screen, older: Sequence[KnownKey]) -> None:
    if older:
        screen.note(f"This is about the newest key and {counted(len(older), 'older one')}. One alone:")
    for key in older:
        screen.note(f"  → accord keys impact {key.public.kid}  ({key.state(datetime.now(UTC))})", "hint")


def _impact_row(one: Affected, impact: Impact) -> tuple[str | Text, ...]:
    report = Text("yes", "yellow") if one.report else Text("no", "quiet")
    state = Text("in doubt", "yellow") if one.run in impact.doubted else Text("", "quiet")
    signed = ", ".join(one.signed[:SHOWN]) + (f" and {len(one.signed) - SHOWN} more" if len(one.signed) > SHOWN else "")
    return one.run, signed, ", ".join(one.tasks), report, state


class _Found(msgspec.Struct, frozen=True):
    """The key that somebody means."""

    kid: KeyId
    name: str | None
    """What it is called in this home; None where it is not here."""
    by_name: bool
    """Whether it is the newest of those that were meant, by their name."""


async def _found(service: Service, reference: str) -> _Found:
    """The key of this name, here or of an agent that is elsewhere, or of this id. Raises NotFound, BadInput."""
    stored = await _stored(service)
    one = next((key for key in stored if reference in (key.name, key.public.kid)), None)
    theirs = [key.public.kid for key in await service.keys() if key_name(key.agent) == reference]
    if one is not None:
        kid = one.public.kid
    else:
        kid = theirs[-1] if theirs else await _whole(service, reference)
        one = next((key for key in stored if kid == key.public.kid), None)
    if await service.key(kid) is None:
        if one is None:
            raise NotFound.of("ACC713", f"no key {reference} is known", hint="accord keys list shows names and ids")
        text = f"no agent has ever signed with {one.name}: nothing rests on it, and there is nothing to revoke"
        raise NotFound.of("ACC713", text, hint=f"a new one takes its place with: accord keys rotate {one.name}")
    name = one.name if one is not None else None
    return _Found(kid, name, bool(theirs) or reference == name)


async def _older(service: Service, kid: KeyId) -> list[KnownKey]:
    """The other keys that the key's agent ever had, the oldest first; those that they delegated to go with them."""
    known = await service.key(kid)
    keys = await service.keys(known.agent) if known is not None else []
    return [key for key in keys if key.public.kid != kid and key.delegation is None]


def _refuse_wrong_one(name: str, kid: KeyId, known: KnownKey | None, older: Sequence[KnownKey]) -> None:
    """Raise BadInput where the name may mean a key that was revoked before, and not its good successor."""
    revoked = [key.public.kid for key in older if key.revoked_at is not None]
    if revoked and known is not None and known.revoked_at is None:
        text = f"{name} is {kid} now, which is good; revoked before: {', '.join(revoked)}"
        raise BadInput.of("ACC915", text, hint="say which one is meant by its id: accord keys revoke KID")


async def _whole(service: Service, reference: str) -> KeyId:
    """The id of the only key that begins like this; what was given where there is none. Raises BadInput."""
    if len(reference) < KEY_BEGINNING:
        return KeyId(reference)
    like = [one.public.kid for one in await _listed(service) if one.public.kid.startswith(reference)]
    if len(like) > 1:
        raise BadInput.of("ACC915", f"{len(like)} keys begin like {reference}", hint="give more of the id")
    return like[0] if like else KeyId(reference)
