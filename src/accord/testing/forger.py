"""The forger: puts messages on the bus that nobody must believe, and remembers which of them have to be on record."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from accord.codec import decode_system_event
from accord.domain.ids import Digest, LeaseToken, RunId
from accord.domain.message import Claims, Message, decode_claims, encode_claims, payload_ref
from accord.domain.signature import attach, parse_statement, signing_input
from accord.domain.system import INCIDENTS, IncidentRecorded
from accord.ports import Parcel
from accord.testing.world import World

KINDS = ("unsigned", "other_payload", "other_statement", "stranger", "lease", "run", "garbage", "expired", "kind")


class Forger:
    """Replays, alters and invents messages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._expected: dict[Digest, str] = {}
        """Digests of the payloads of forgeries, and what they were."""

    async def act(self) -> None:
        """One forgery, or one replay."""
        rng = self._world.rng
        heard = [parcel for parcel in self._world.bus.overheard if parcel.subject.startswith("partition/")]
        if not heard:
            return
        parcel = rng.choice(heard)
        if rng.random() < 0.3:
            await self._world.bus.inject(parcel)
            return
        kind = rng.choice(KINDS)
        payload = b'{"forged":"%s"}' % self._world.ids.token().encode()
        statement = await self._statement(kind, parcel.message, payload)
        if kind != "other_payload":  # it may come too late to matter
            self._expected[Digest(sha256(payload).hexdigest())] = kind
        await self._world.bus.inject(Parcel(parcel.subject, Message(statement, payload)))

    async def _statement(self, kind: str, message: Message, payload: bytes) -> bytes:
        rng, original = self._world.rng, message.statement
        if kind == "other_payload":
            return original
        if kind == "garbage":
            return rng.choice((b"", b".", b"..", b"\xff\xfe", original[: len(original) // 2], b"a" * 10_000))
        if kind == "other_statement":
            position = rng.randrange(len(original))
            other = b"B" if original[position : position + 1] == b"A" else b"A"
            return original[:position] + other + original[position + 1 :]
        claims = msgspec.structs.replace(decode_claims(parse_statement(original).claims), payload=payload_ref(payload))
        if kind == "unsigned":
            return self._unsigned(claims, original)
        return await self._signed(*self._forged(kind, claims))

    def _unsigned(self, claims: Claims, statement: bytes) -> bytes:
        """Claims that the agent never signed, under its key and with the signature of something else."""
        parsed = parse_statement(statement)
        return attach(signing_input(parsed.kid, parsed.algorithm, encode_claims(claims)), parsed.signature)

    def _forged(self, kind: str, claims: Claims) -> tuple[Claims, str]:
        """Claims, and the name of the key that signs them."""
        own = "agent." + claims.issuer.rpartition("/")[2]
        now = int(self._world.clock.now().timestamp())
        change = msgspec.structs.replace
        if kind == "stranger":
            return change(claims, issuer=type(claims.issuer)("spiffe://local/agent/mallory")), "agent.mallory"
        if kind == "lease":
            return change(claims, lease=LeaseToken("0" * 26)), own
        if kind == "run":
            return change(claims, run=RunId("run_" + "0" * 26)), own
        if kind == "expired":
            return change(claims, issued_at=now - 7200, expires_at=now - 3600), own
        return change(claims, kind="assign"), own

    async def _signed(self, claims: Claims, name: str) -> bytes:
        public = await self._world.keys.public(name)
        unsigned = signing_input(public.kid, public.algorithm, encode_claims(claims))
        (signature,) = await self._world.keys.sign(public.kid, [unsigned])
        return attach(unsigned, signature)

    async def missing(self) -> list[str]:
        """Forgeries that are not on record."""
        records = await self._world.disk.read(INCIDENTS)
        events = [decode_system_event(record) for record in records]
        seen = {one.payload.sha256 for one in events if isinstance(one, IncidentRecorded) and one.payload}
        return [f"a forgery is not on record: {kind}" for digest, kind in self._expected.items() if digest not in seen]
