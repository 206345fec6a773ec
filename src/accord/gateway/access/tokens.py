"""Bearer tokens of an OpenID Connect issuer: JWTs (RFC 7519), verified with its keys, whose claims give a role.

ACC655  the token gives no role here
ACC660  the token is not accepted
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from joserfc import jws, jwt
from joserfc.errors import ClaimError, DecodeError, JoseError

from accord.domain.access import ROLES, Principal, Role
from accord.errors import Forbidden, Unauthenticated
from accord.gateway.access.jwks import Jwks
from accord.ports import Clock

LEEWAY_S: Final = 60
"""How far the issuer's clock may be off."""

TYPES: Final = frozenset(("jwt", "at+jwt", "application/at+jwt"))
"""What the header may say that it is; RFC 9068 asks for the second."""

NAME_MAX_CHARACTERS: Final = 200


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens are accepted, and what they have to say."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    name_claim: str
    role_claim: str
    """A claim's name, or the way to it: `realm_access.roles`."""
    roles: Mapping[str, Role]
    """What role a value of that claim gives."""
    organisation: str


class IssuerTokens:
    """Tells the principals of an issuer's tokens."""

    def __init__(self, issuer: Issuer, jwks: Jwks, clock: Clock) -> None:
        self._issuer = issuer
        self._jwks = jwks
        self._clock = clock

    async def principal_of(self, token: str) -> Principal:
        """Whom the token is about.

        Raises:
            Unauthenticated: ACC660 it is not accepted, and why not.
            Forbidden: ACC655 it is good, and gives no role here.
            Overloaded: ACC661 the issuer's keys cannot be had.
        """
        header = _header(token)
        keys = await self._jwks.keys(header.get("kid"))
        try:
            claims = jwt.decode(token, keys, algorithms=self._issuer.algorithms).claims
            self._rules().validate(claims)
        except ClaimError as error:
            # Signed by the issuer: its bearer may know what is wrong with it.
            raise _refusal(error.description or str(error)) from None
        except (JoseError, ValueError, TypeError):
            raise _refusal("its signature or its form does not hold") from None
        return self._principal(claims)

    def end_of(self, token: str) -> datetime:
        """When a token ends that was accepted."""
        claims = msgspec.json.decode(jws.extract_compact(token.encode("ascii")).payload)
        return datetime.fromtimestamp(claims["exp"], UTC)

    def _rules(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer.issuer},
            aud={"essential": True, "value": self._issuer.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        name = claims.get(self._issuer.name_claim)
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= NAME_MAX_CHARACTERS:
            raise _refusal(f"its claim {self._issuer.name_claim} is no name")
        given = {self._issuer.roles[value] for value in self._values(claims) if value in self._issuer.roles}
        if not given:
            raise Forbidden.of(
                "ACC655",
                f"no value of the token's claim {self._issuer.role_claim} gives a role here",
                hint="known are: " + ", ".join(sorted(self._issuer.roles)) + " (the setting oidc_roles)",
            )
        return Principal(
            name=name if "@" in name else f"{name}@{urlsplit(self._issuer.issuer).hostname or self._issuer.issuer}",
            role=max(given, key=ROLES.index),
            organisation=self._issuer.organisation,
            credential=f"{self._issuer.issuer}#{claims['sub']}",
        )

    def _values(self, claims: Mapping[str, Any]) -> Iterator[str]:
        """The values of the role claim: a text, or the texts of a list."""
        path = self._issuer.role_claim
        found: Any = claims.get(path)
        if found is None:
            found = claims
            for part in path.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        for value in found if isinstance(found, list) else [found]:
            if isinstance(value, str):
                yield value


def _header(token: str) -> Mapping[str, Any]:
    """The protected header, before anything is known to be true of it."""
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (DecodeError, JoseError, ValueError):
        raise _refusal("it is no JWT, and no API key") from None
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise _refusal("its header says that it is something else")
    if not isinstance(header.get("kid", ""), str):
        raise _refusal("its header names no key")
    return header


def _refusal(reason: str) -> Unauthenticated:
    hint = "get a new token from the issuer, or show an API key"
    return Unauthenticated.of("ACC660", f"the token is not accepted: {reason}", hint=hint)
