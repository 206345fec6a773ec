"""`accord agents enrol`, `enrolments` and `withdraw`: tokens with which agents join."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from accord.cli.errors import DONE, usage
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, moment
from accord.cli.session import carry_out, opened, who
from accord.domain.duration import parse_duration
from accord.domain.enrolment import EnrolmentToken
from accord.service import Invitation


class Invited(msgspec.Struct, frozen=True):
    """Who may join, offering what."""

    name: str
    offers: tuple[str, ...]
    organisation: str | None
    valid: str

    @property
    def valid_for(self) -> timedelta:
        """How long the token may wait to be used. Raises BadInput."""
        found = parse_duration(self.valid)
        if found is None:
            raise usage("ACC911", f"--valid {self.valid}: this is no duration", "for example 30m, 24h, 7d")
        return found


def enrol(shared: Shared, invited: Invited) -> None:
    """Carry out `accord agents enrol`."""

    async def work(screen: Screen) -> int:
        wanted = Invitation(
            name=invited.name,
            organisation=invited.organisation,
            offers=invited.offers,
            valid_s=invited.valid_for.total_seconds(),
        )
        async with opened(shared) as service:
            issued = await service.issue_enrolment_token(wanted, by=who())
        if screen.as_json:
            screen.document(issued)
        else:
            screen.line(issued.text)
            screen.note(f"Shown this once; good for one agent, until {moment(issued.token.expires_at)}. There:")
            screen.note(f"  accord agent {invited.name}.py --connect URL --token {issued.text}", "hint")
        return DONE

    carry_out(shared, work)


def enrolments(shared: Shared) -> None:
    """Carry out `accord agents enrolments`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            tokens, now = await service.enrolment_tokens(), datetime.now(UTC)
        if screen.as_json:
            screen.document(tokens)
        elif tokens:
            screen.table(("token", "agent", "may offer", "issued", "by", "state"), [_row(one, now) for one in tokens])
        else:
            screen.note("There are no tokens yet; make one with: accord agents enrol NAME")
        return DONE

    carry_out(shared, work)


def withdraw(shared: Shared, token: str) -> None:
    """Carry out `accord agents withdraw`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            withdrawn = await service.withdraw_enrolment_token(token, by=who())
        if screen.as_json:
            screen.document(withdrawn)
        else:
            screen.line(f"{withdrawn.id} lets nobody join any more.")
        return DONE

    carry_out(shared, work)


def _row(token: EnrolmentToken, now: datetime) -> tuple[str, ...]:
    offers = ", ".join(token.offers) or "anything"
    return token.id, agent_name(token.agent), offers, moment(token.issued_at), token.issued_by, _state(token, now)


def _state(token: EnrolmentToken, now: datetime) -> str:
    if token.used_at is not None:
        return f"used {moment(token.used_at)}"
    if token.revoked_at is not None:
        return f"withdrawn {moment(token.revoked_at)}"
    return f"{'usable until' if token.usable(now) else 'expired'} {moment(token.expires_at)}"
