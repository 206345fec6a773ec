"""`accord access`: the API keys of this home's servers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from accord.cli.errors import usage
from accord.cli.options import Shared
from accord.cli.output import Screen, moment
from accord.cli.session import answered, who
from accord.cli.tables import Column, without_year
from accord.domain.access import ApiKey, IssuedApiKey, Role
from accord.domain.duration import parse_duration, parse_moment
from accord.service import Service


def new_key(shared: Shared, name: str, role: Role, expires: str | None) -> None:
    """Carry out `accord access keys new`."""

    async def issue(service: Service) -> IssuedApiKey:
        return await service.issue_api_key(name, role, by=who(), expires_at=_end(expires))

    def show(issued: IssuedApiKey, screen: Screen) -> None:
        screen.line(issued.text)
        screen.note(f"Shown this once. Whoever shows it may do what {role}s may; revoke it with:")
        screen.note(f"accord access keys revoke {issued.key.name}")

    answered(shared, issue, show)


def list_keys(shared: Shared) -> None:
    """Carry out `accord access keys list`."""
    answered(shared, lambda service: service.api_keys(), _show_keys)


def revoke_key(shared: Shared, name: str) -> None:
    """Carry out `accord access keys revoke`."""

    def show(key: ApiKey, screen: Screen) -> None:
        screen.line(f"{key.name} ({key.id}) opens nothing any more.")

    answered(shared, lambda service: service.revoke_api_key(name, by=who()), show)


def _show_keys(keys: Sequence[ApiKey], screen: Screen) -> None:
    if not keys:
        screen.note("There are no API keys yet; accord serve makes a first one, or: accord access keys new NAME")
        return
    now = datetime.now(UTC)
    issued, by = Column("issued", short=without_year, spare=1), Column("by", spare=2)
    screen.table(("name", "role", issued, by, "state", "id"), [_row(key, now) for key in keys])


def _row(key: ApiKey, now: datetime) -> tuple[str | Text, ...]:
    return key.name, key.role, moment(key.issued_at), key.issued_by, _state(key, now), Text(key.id, "quiet")


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {moment(key.revoked_at)}"
    if key.expires_at is None:
        return "usable"
    return f"{'usable until' if key.usable(now) else 'expired'} {moment(key.expires_at)}"


def _end(text: str | None) -> datetime | None:
    """When `--expires` says that the key ends."""
    if text is None:
        return None
    after = parse_duration(text)
    end = datetime.now(UTC) + after if after is not None else parse_moment(text)
    if end is None:
        raise usage("ACC911", f"--expires {text} is neither a duration nor a time", "90d, or 2027-01-31T00:00:00Z")
    return end
