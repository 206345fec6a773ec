"""Who may do what: roles, the rights that each of them has, and principals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

Role = Literal["viewer", "operator", "author", "admin"]
"""Each may do all that those before it may."""

Right = Literal["look", "run", "control", "approve", "publish", "enrol", "administer", "erase"]

KEY_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
"""Names of API keys: the journal calls those who show them so. Names of tokens' bearers have an `@`: none is both."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)

RIGHTS: Final[Mapping[Right, tuple[Role, str]]] = {
    "look": (
        "viewer",
        "see runs with their events and results, templates, agents, capabilities, keys, incidents, live feeds, metrics",
    ),
    "run": ("operator", "plan an objective, start a run, fork one; teach the planner what words mean"),
    "control": (
        "operator",
        "pause, resume, cancel, retry and roll back runs; place and lift holds",
    ),
    "approve": ("operator", "send signals; decide approvals and reviews"),
    "publish": ("author", "publish templates; train versions of the planner's classifier, and choose one"),
    "enrol": ("admin", "enrol agents, and revoke their keys"),
    "administer": ("admin", "issue, list and revoke API keys; manage webhooks"),
    "erase": (
        "admin",
        "make the documents of encrypted runs unreadable; see and forget what the planner has learnt from everybody",
    ),
}
"""Every right, the least role that has it by the policies that ship with Accord, and what it allows. What is enforced
is the policy: each right is an action there.
"""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a person or a program that has shown a credential."""

    name: str
    """What the journal calls them."""
    role: Role
    organisation: str
    credential: str
    """Names the credential and holds nothing of it: an API key's id, or a token's issuer and subject."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an API key; of its secret, nothing."""

    id: str
    name: str
    role: Role
    issued_at: datetime
    issued_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody is signed in at the console, by a credential that they have shown once."""

    id: str
    principal: Principal
    key: str | None = None
    """The API key that was shown, by its id; None where it was a token of an issuer."""
    opened_at: datetime
    expires_at: datetime


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """What signs its bearer in once, as whoever has made it."""

    secret: str
    """What stands behind `#sign-in=` in its URL; it is shown this once."""
    expires_at: datetime


class IssuedApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was issued just now, with its text, which is shown this once."""

    key: ApiKey
    text: str
