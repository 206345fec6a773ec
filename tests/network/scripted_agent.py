"""An agent that breaks one rule of the protocol on purpose: `scripted_agent.py URL TOKEN FAULT`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from typing import Any

import socketio

from accord.domain.ids import AgentId
from accord.domain.message import Claims, decode_claims, encode_claims, payload_ref
from accord.domain.signature import PublicKey, attach, is_signature, parse_statement, signing_input, statement_digest
from accord.keys.private import PrivateKey

AGENT = AgentId("spiffe://local/agent/scripted")
INSTANCE = f"{AGENT}#one"
SCHEMA: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


class Scripted:
    def __init__(self, url: str, token: str, fault: str) -> None:
        self.url, self.token, self.fault = url, token, fault
        self.key = PrivateKey.generate("ES256")
        self.trusted = {token.rpartition(".")[2]}
        self.registry = self.orchestrator = AgentId("")
        self.socket = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.1)
        self.answered: dict[str, tuple[str, bytes]] = {}
        self.unsent: dict[str, tuple[str, bytes]] = {}
        self.cancelled: set[str] = set()
        self.received = 0
        self.joined = False
        self.over = asyncio.Event()

    def signed(self, kind: Any, audience: AgentId, name: str, value: Any, **more: Any) -> tuple[str, bytes]:
        payload, now = json.dumps(value).encode(), int(time.time())
        ref = (
            payload_ref(payload + b" ") if self.fault == "answer-payload" and kind == "result" else payload_ref(payload)
        )
        claims = Claims(
            issuer=AGENT, audience=audience, id=name, issued_at=now, expires_at=now + 300, kind=kind,
            payload=ref, **more
        )  # fmt: skip
        own = signing_input(self.key.public.kid, "ES256", encode_claims(claims))
        return attach(own, self.key.sign([own])[0]).decode(), payload

    async def challenged(self, told: dict[str, str]) -> None:
        self.joined, self.registry = False, AgentId(told["registry"])
        nonce = "another" if self.fault == "connect" else told["nonce"]
        token = "another" if self.fault == "enrolment" else self.token
        who = {"instance": INSTANCE, "key": self.key.public.to_jwk(), "token": token}
        answer = await self.socket.call("prove", self.signed("connect", self.registry, nonce, who), "/agents")
        if not answer["ok"] or not self.believes(answer["statement"].encode(), answer["payload"]):
            self.over.set()
            return
        offer = {"capability": "text.echo@1.0.0", "input": SCHEMA, "output": SCHEMA}
        self.joined = True
        card = {
            "agent": AGENT, "instance": f"{AGENT}#two" if self.fault == "card" else INSTANCE, "organisation": "local",
            "keys": [self.key.public.to_jwk()], "capabilities": [offer], "capacity": {"concurrency": 4, "queue": 4},
        }  # fmt: skip
        await self.tell("card", card)
        await self.allow()
        if self.fault != "resent":
            for message in self.unsent.copy().values():
                await self.socket.emit("message", message, "/agents")

    def believes(self, welcome: bytes, payload: bytes) -> bool:
        self.theirs = PublicKey.from_jwk(json.loads(payload)["orchestrators"][0])
        parsed = parse_statement(welcome)
        self.orchestrator = decode_claims(parsed.claims).issuer
        return parsed.kid in self.trusted or self.fault == "welcome-key"

    async def tell(self, kind: str, value: dict[str, Any]) -> None:
        message = self.signed(kind, self.registry, f"{kind}-{time.time_ns()}", value)
        if self.over.is_set():  # nothing may be lost that is sent just before the connection ends
            await self.socket.call("message", message, "/agents")
        else:
            await self.socket.emit("message", message, "/agents")

    async def allow(self) -> None:
        await self.socket.emit("credit", "many" if self.fault == "credit" else self.received + 8, "/agents")

    async def beat(self, **more: bool) -> None:
        if self.fault == "heartbeat" or not self.joined or not self.socket.namespaces:
            return
        await self.tell("heartbeat", {"instance": INSTANCE, "running": [], "queued": 0, "load": 0, **more})

    async def assigned(self, statement: str, payload: bytes) -> dict[str, bool]:
        self.received += 1
        task = asyncio.create_task(self.work(statement, payload))
        running.add(task)
        task.add_done_callback(running.discard)
        return {"ok": True}

    def refuses(self, statement: str, payload: bytes, claims: Claims) -> bool:
        parsed = parse_statement(statement.encode())
        wrong = {
            "bad-signature": parsed.kid == self.theirs.kid
            and not is_signature(self.theirs, parsed.signature, parsed.signed),
            "bad-key": parsed.kid not in self.trusted,
            "bad-audience": claims.audience != AGENT,
            "bad-expiry": claims.expires_at < time.time(),
            "bad-payload": claims.payload != payload_ref(payload),
        }
        return any(found for name, found in wrong.items() if name != self.fault)

    async def work(self, statement: str, payload: bytes) -> None:
        parsed = parse_statement(statement.encode())
        claims, known = decode_claims(parsed.claims), self.answered.get(statement)
        if known is None or self.fault == "redelivery":
            if self.refuses(statement, payload, claims):
                return
            value = json.loads(payload)["input"]
            if statement in self.answered:
                value = {"text": "done once more"}
            known = self.answer(claims, parsed.claims, value)
            self.answered[statement] = known
        self.unsent[statement] = known
        await self.socket.emit("message", known, "/agents", callback=lambda *_: self.unsent.pop(statement, None))
        await self.allow()

    def answer(self, claims: Claims, rests: bytes, value: Any) -> tuple[str, bytes]:
        about: dict[str, Any] = {
            "run": claims.run, "task": claims.task, "attempt": claims.attempt, "lease": claims.lease,
            "capability": claims.capability, "contract": claims.contract, "inputs": (statement_digest(rests),),
        }  # fmt: skip
        fits = isinstance(value, dict) and isinstance(value.get("text"), str)
        kind, output = "result", {"text": value["text"]} if fits else {"text": ""}
        if claims.task in self.cancelled and self.fault != "cancel-early":
            kind, output = "failure", {"code": "cancelled", "message": "", "retryable": True}
        elif not fits and self.fault != "input-contract":
            kind, output = "failure", {"code": "input-contract", "message": "no text", "retryable": False}
        elif self.fault == "answer-contract":
            output = {"text": 7}
        if self.fault == "answer-claims":
            about["lease"] = "another"
        name = f"{claims.run}/{claims.task}/{claims.attempt}/{kind}"
        return self.signed(kind, claims.issuer, name, output, **about)

    async def noticed(self, scope: str, statement: str, payload: bytes) -> dict[str, bool]:
        claims = decode_claims(parse_statement(statement.encode()).claims)
        if claims.kind == "cancel":
            self.cancelled.add(claims.task)
        return {"ok": True}

    async def run(self) -> None:
        for event, handler in (("challenge", self.challenged), ("message", self.assigned), ("notice", self.noticed)):
            self.socket.on(event, handler, namespace="/agents")
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.over.set)
        await self.socket.connect(self.url, namespaces=["/agents"], transports=["websocket"])
        while not self.over.is_set():
            await self.beat()
            try:
                await asyncio.wait_for(self.over.wait(), 0.5)
            except TimeoutError:
                continue
        await asyncio.gather(*running)
        await self.beat(draining=True)
        if self.fault != "drain-leaving":
            await self.beat(draining=True, leaving=True)
        await self.socket.disconnect()


running: set[asyncio.Task[None]] = set()

if __name__ == "__main__":
    asyncio.run(Scripted(*sys.argv[1:]).run())
