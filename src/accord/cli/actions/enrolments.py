"""`accord agents enrol`, `enrolments` and `withdraw`: tokens with which agents join."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from accord.cli.errors import usage
from accord.cli.finding import read_lifetime
from accord.cli.options import Shared
from accord.cli.output import Screen, agent_name, moment
from accord.cli.session import answered, who
from accord.cli.tables import Column, without_year
from accord.domain.duration import parse_duration
from accord.domain.enrolment import EnrolmentToken, IssuedEnrolmentToken
from accord.service import Invitation, Service


class Invited(msgspec.Struct, frozen=True):
    """Who may join, offering what."""

    name: str
    offers: tuple[str, ...]
    organisation: str | None
    valid: str
    expires: str | None = None
    """How long the key that is enrolled may sign."""

    def invitation(self) -> Invitation:
        """What the service is asked for. Raises BadInput."""
        valid_for = parse_duration(self.valid)
        if valid_for is None:
            raise usage("ACC911", f"--valid {self.valid}: this is no duration", "for example 30m, 24h, 7d")
        expires = read_lifetime(self.expires)
        return Invitation(
            name=self.name,
            organisation=self.organisation,
            offers=self.offers,
            valid_s=valid_for.total_seconds(),
            key_valid_s=expires.total_seconds() if expires is not None else None,
        )


def enrol(shared: Shared, invited: Invited) -> None:
    """Carry out `accord agents enrol`."""

    async def issue(service: Service) -> IssuedEnrolmentToken:
        return await service.issue_enrolment_token(invited.invitation(), by=who())

    def show(issued: IssuedEnrolmentToken, screen: Screen) -> None:
        screen.line(issued.text)
        screen.note(f"Shown this once; good for one agent, until {moment(issued.token.expires_at)}. There:")
        screen.note(f"  accord agent {invited.name}.py --connect URL --token {issued.text}", "hint")

    answered(shared, issue, show)


def enrolments(shared: Shared) -> None:
    """Carry out `accord agents enrolments`."""
    answered(shared, lambda service: service.enrolment_tokens(), _show_tokens)


def withdraw(shared: Shared, token: str) -> None:
    """Carry out `accord agents withdraw`."""

    def show(withdrawn: EnrolmentToken, screen: Screen) -> None:
        screen.line(f"{withdrawn.id} lets nobody join any more.")

    answered(shared, lambda service: service.withdraw_enrolment_token(token, by=who()), show)


def _show_tokens(tokens: Sequence[EnrolmentToken], screen: Screen) -> None:
    if not tokens:
        screen.note("There are no tokens yet; make one with: accord agents enrol NAME")
        return
    now = datetime.now(UTC)
    issued, by = Column("issued", short=without_year, spare=1), Column("by", spare=2)
    screen.table(("token", "agent", "may offer", issued, by, "state"), [_row(one, now) for one in tokens])


def _row(token: EnrolmentToken, now: datetime) -> tuple[str, ...]:
    offers = ", ".join(token.offers) or "anything"
    return token.id, agent_name(token.agent), offers, moment(token.issued_at), token.issued_by, _state(token, now)


def _state(token: EnrolmentToken, now: datetime) -> str:
    if token.used_at is not None:
        return f"used {moment(token.used_at)}"
    if token.revoked_at is not None:
        return f"withdrawn {moment(token.revoked_at)}"
    return f"{'usable until' if token.usable(now) else 'expired'} {moment(token.expires_at)}"
