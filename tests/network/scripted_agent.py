"""An agent that breaks one rule of the protocol on purpose: `scripted_agent.py URL TOKEN FAULT`.

With the fault `none` it keeps all of them. It does nothing well but keep the protocol: an input `{"text": …}` comes
back, `slow` after `SLOW_S`, `large` as a list that is uploaded.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import signal
import sys
import time
from typing import Any

from accord.domain.ids import AgentId
from accord.domain.message import Claims, PayloadRef, decode_claims, encode_claims, payload_ref
from accord.domain.signature import Parsed, PublicKey, attach, parse_statement, signing_input, statement_digest, verify
from accord.errors import AccordError
from accord.keys.private import PrivateKey
from accord.loading.http import httpx
from accord.loading.sockets import socketio

AGENT = AgentId("spiffe://local/agent/scripted")
INSTANCE = f"{AGENT}#one"
INPUT: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
OUTPUT: dict[str, Any] = {"anyOf": [INPUT, {"type": "array"}]}
CONCURRENCY, QUEUE = 4, 4
SLOW_S = 3.0
OF_STATEMENTS = ("spelling", "header", "signature", "claims", "addressed", "arguments")

Sent = tuple[Any, ...]


def uuid7() -> str:
    value = (time.time_ns() // 1_000_000 & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    text = f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Task:
    """An assignment that is here."""

    def __init__(self, claims: Claims, rests: bytes) -> None:
        self.claims = claims
        self.rests = rests
        self.stop = asyncio.Event()


class Scripted:
    def __init__(self, url: str, token: str, fault: str) -> None:
        self.url, self.token, self.fault = url, token, fault
        self.key = PrivateKey.generate("ES256")
        self.trusted = {token.rpartition(".")[2]}
        self.registry = self.orchestrator = AgentId("")
        self.socket = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.1)
        self.answered: dict[str, Sent] = {}
        self.unsent: dict[str, Sent] = {}
        self.cancelled: set[str] = set()
        self.held: dict[str, Task] = {}
        self.received = self.sessions = self.assignments = 0
        self.heartbeat_s = 0.05
        self.joined = False
        self.over = asyncio.Event()

    # -- statements --------------------------------------------------------------------------------------------------

    def signed(self, kind: Any, audience: AgentId, name: str, value: Any, **more: Any) -> Sent:
        payload, now = b"" if value is None else json.dumps(value).encode(), int(time.time())
        if self.fault == "documents" and kind == "result" and payload:
            payload = payload[:-1] + b"," + payload[1:]  # every member twice
        signed = payload + b" " if self.fault == "payload" and kind == "result" else payload
        usual: dict[str, Any] = {"payload": None if value is None else payload_ref(signed)}
        claims = Claims(
            issuer=AGENT, audience=audience, id=name, issued_at=now, expires_at=now + 300, kind=kind,
            **usual | more,
        )  # fmt: skip
        own = signing_input(self.key.public.kid, "ES256", encode_claims(claims))
        return attach(own, self.key.sign([own])[0]).decode(), payload

    def spoilt(self, sent: Sent) -> Sent:
        """The message with a fault of its statement."""
        statement, payload = sent
        header, claims, signature = statement.split(".")
        if self.fault == "spelling":
            return f"{statement}=", payload
        if self.fault == "signature":
            return f"{header}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}", payload
        if self.fault == "arguments":
            return statement, payload, "more"
        if self.fault not in ("header", "claims"):
            return sent
        part = json.loads(unpadded(header if self.fault == "header" else claims)) | {"more": "of it"}
        text = base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        own = (f"{text}.{claims}" if self.fault == "header" else f"{header}.{text}").encode()
        return attach(own, self.key.sign([own])[0]).decode(), payload

    # -- the connection ----------------------------------------------------------------------------------------------

    async def challenged(self, told: dict[str, str]) -> None:
        self.joined, self.registry, self.received = False, AgentId(told["registry"]), 0
        nonce = "another" if self.fault == "connect" else told["nonce"]
        token = "another" if self.fault == "enrolment" else self.token
        who = {"instance": INSTANCE, "key": self.key.public.to_jwk(), "token": token}
        proof = self.signed("connect", self.registry, nonce, who)
        answer = await self.socket.call("prove", proof, "/agents")
        if not answer["ok"] or not self.believes(answer["statement"].encode(), answer["payload"], proof, nonce):
            self.over.set()
            return
        self.sessions += 1
        self.joined = True
        if self.sessions == 1 or self.fault != "card-again":
            await self.tell("card", self.card())
        if self.sessions == 1 or self.fault != "credit-session":
            await self.allow(first=True)
        if self.fault != "resent":
            for message in self.unsent.copy().values():
                await self.socket.emit("message", message, "/agents")

    def believes(self, welcome: bytes, payload: bytes, proof: Sent, nonce: str) -> bool:
        told = json.loads(payload)
        self.theirs = PublicKey.from_jwk(told["orchestrators"][0])
        self.heartbeat_s = told["heartbeat_s"]
        parsed = parse_statement(welcome)
        claims = decode_claims(parsed.claims)
        self.orchestrator = claims.issuer
        connect = statement_digest(parse_statement(proof[0].encode()).claims)
        about = claims.id == nonce and claims.inputs == (connect,)
        return (parsed.kid in self.trusted or self.fault == "welcome-key") and (about or self.fault == "welcome-about")

    def card(self) -> dict[str, Any]:
        offer = {"capability": "text.echo@1.0.0", "input": INPUT, "output": OUTPUT, "examples": [{"text": "a b"}]}
        return {
            "agent": AGENT, "instance": f"{AGENT}#two" if self.fault == "card" else INSTANCE, "organisation": "local",
            "keys": [self.key.public.to_jwk()], "capabilities": [offer], "batches": True,
            "capacity": {"concurrency": CONCURRENCY, "queue": QUEUE},
        }  # fmt: skip

    async def tell(self, kind: str, value: dict[str, Any]) -> None:
        name = "beat" if self.fault == "ids" and kind == "heartbeat" else uuid7()
        message = self.signed(kind, self.registry, name, value)
        if self.over.is_set():  # nothing may be lost that is sent just before the connection ends
            await self.socket.call("message", message, "/agents")
        else:
            await self.socket.emit("message", message, "/agents")

    async def allow(self, *, first: bool = False) -> None:
        if self.fault == "credit-again" and not first:
            return
        held = 0 if self.fault == "credit-held" else len(self.held)
        total: Any = self.received - held + CONCURRENCY + QUEUE
        if self.fault == "credit-bound":
            total += 1000
        await self.socket.emit("credit", "many" if self.fault == "credit" else total, "/agents")

    async def beat(self, **more: bool) -> None:
        if self.fault == "heartbeat" or not self.joined or not self.socket.namespaces:
            return
        running = [] if self.fault == "held-leases" else [str(one.claims.lease) for one in self.held.values()]
        load = min(1.0, len(self.held) / (CONCURRENCY + QUEUE))
        await self.tell("heartbeat", {"instance": INSTANCE, "running": running, "queued": 0, "load": load, **more})

    async def left(self) -> None:
        if self.fault != "server-leaves":
            self.background(self.anew())

    async def anew(self) -> None:
        self.joined = False
        await self.socket.disconnect()
        await self.socket.connect(self.url, namespaces=["/agents"], transports=["websocket"])

    # -- assignments -------------------------------------------------------------------------------------------------

    async def assigned(self, statement: str, payload: bytes) -> dict[str, bool]:
        self.received += 1
        self.assignments += 1
        self.background(self.work(statement, payload, self.assignments))
        if self.fault == "receipt" and self.assignments == 1:
            await asyncio.Event().wait()
        return {"ok": True}

    def verifies(self, parsed: Parsed) -> bool:
        try:
            verify(parsed, self.theirs)
        except AccordError:
            return parsed.kid != self.theirs.kid  # then it is another rule that is broken
        return True

    def refuses(self, statement: str, payload: bytes, claims: Claims) -> bool:
        parsed = parse_statement(statement.encode())
        wrong = {
            "bad-proof" if parsed.batched else "bad-signature": not self.verifies(parsed),
            "batches": parsed.batched and self.fault == "batches",
            "bad-key": parsed.kid not in self.trusted,
            "bad-audience": claims.audience != AGENT,
            "bad-expiry": claims.expires_at < time.time(),
            "bad-future": claims.issued_at > time.time() + 60,
            "bad-payload": claims.payload != payload_ref(payload),
        }
        return any(found for name, found in wrong.items() if name != self.fault or name == "batches")

    async def work(self, statement: str, payload: bytes, number: int) -> None:
        parsed = parse_statement(statement.encode())
        claims, known = decode_claims(parsed.claims), self.answered.get(statement)
        twice = self.fault == "redelivery" and known is not None
        if known is None or twice:
            if statement in self.held and self.fault != "redelivery-running":
                return None
            if self.refuses(statement, payload, claims):
                return await self.allow()
            task = Task(claims, parsed.claims)
            self.held[statement] = task
            given = {"text": "done once more"} if twice else json.loads(payload)["input"]
            known = await self.done(task, given, number)
            self.held.pop(statement, None)
            self.answered[statement] = known
        self.unsent[statement] = known
        await self.emit_answer(statement, known)
        if self.fault == "one-answer" and number == 4:
            extra = {"code": "late", "message": "on second thoughts"}
            await self.socket.emit("message", self.answer(Task(claims, parsed.claims), "failure", extra), "/agents")
        await self.allow()
        return None

    async def emit_answer(self, statement: str, known: Sent) -> None:
        def acknowledged(told: dict[str, Any] | None = None, *_: object) -> None:
            self.unsent.pop(statement, None)
            if told and told.get("again") and self.fault != "again":
                self.background(self.emit_answer(statement, known))

        await self.socket.emit("message", known, "/agents", callback=acknowledged)

    async def done(self, task: Task, given: Any, number: int) -> Sent:
        """The task, done: its answer."""
        if task.claims.task in self.cancelled and self.fault != "cancel-early":
            return self.failed(task, "cancelled")
        if not (isinstance(given, dict) and isinstance(given.get("text"), str)):
            if self.fault == "input-contract":
                return self.answer(task, "result", {"text": ""})
            return self.failed(task, "input-contract")
        if self.fault == "result" and number == 1:
            return self.failed(task, "unwilling")
        await self.steps(task)
        text = given["text"]
        if text == "slow" and await self.waited(task):
            return self.failed(task, "cancelled")
        if text == "large":
            return await self.uploaded(task, [{"number": number} for number in range(10_000)])
        if self.fault == "redelivery-running" and text == "slow":
            text += f" {number}"
        if "lines" in given:
            text += " ".join(await self.fetched(task, given["lines"]))
        return self.answer(task, "result", {"text": 7 if self.fault == "answer-contract" else text})

    async def steps(self, task: Task) -> None:
        accept = {} if self.fault == "accept" else None
        await self.socket.emit("message", self.answer(task, "accept", accept), "/agents")
        number = 7 if self.fault == "progress" else 1
        to = {"audience": self.registry} if self.fault == "addressed" else {}
        step = self.answer(task, "progress", {"fraction": 0.5}, f"progress/{number}", **to)
        await self.socket.emit("message", self.spoilt(step), "/agents")

    async def waited(self, task: Task) -> bool:
        """Whether a slow task was stopped."""
        try:
            await asyncio.wait_for(task.stop.wait(), SLOW_S)
        except TimeoutError:
            return False
        return True

    async def uploaded(self, task: Task, rows: list[Any]) -> Sent:
        data = json.dumps(rows).encode()
        kind = "fetch" if self.fault == "upload" else "upload"
        headers = {"Accord-Statement": self.answer(task, kind, None)[0]}
        async with httpx.AsyncClient(timeout=60) as http:
            (await http.put(f"{self.url}/v1/uploads", content=data, headers=headers)).raise_for_status()
        ref = PayloadRef(hashlib.sha256(data).hexdigest(), len(data), "application/json")  # type: ignore[arg-type]
        statement, _ = self.answer(task, "result", None, payload=ref)
        return statement, data if self.fault == "uploaded" else b""

    async def fetched(self, task: Task, lines: Any) -> list[str]:
        if not isinstance(lines, dict):
            return [str(line) for line in lines]
        if self.fault == "fetch":
            return []
        headers = {"Accord-Statement": self.answer(task, "fetch", None)[0]}
        async with httpx.AsyncClient(timeout=60) as http:
            found = await http.get(f"{self.url}/v1/uploads/{lines['$blob']['sha256']}", headers=headers)
        return [str(line) for line in found.raise_for_status().json()]

    def failed(self, task: Task, code: str) -> Sent:
        told = {"code": code, "message": "", "retryable": code == "cancelled"}
        if self.fault == "failure" and code == "cancelled":
            del told["message"]
        return self.answer(task, "failure", told)

    def answer(self, task: Task, kind: Any, value: Any, name: str | None = None, **more: Any) -> Sent:
        claims = task.claims
        about: dict[str, Any] = {
            "run": claims.run, "task": claims.task, "attempt": claims.attempt, "lease": claims.lease,
            "capability": claims.capability, "contract": claims.contract, "inputs": (statement_digest(task.rests),),
        }  # fmt: skip
        if self.fault == "answer-claims" and kind == "result":
            about["lease"] = "another"
        own = f"{claims.run}/{claims.task}/{claims.attempt}/{name or kind}"
        return self.signed(kind, more.pop("audience", claims.issuer), own, value, **about | more)

    # -- notices -----------------------------------------------------------------------------------------------------

    async def noticed(self, scope: str, statement: str, payload: bytes) -> dict[str, bool]:
        claims = decode_claims(parse_statement(statement.encode()).claims)
        if claims.kind == "cancel":
            first = not self.cancelled
            self.cancelled.add(str(claims.task))
            self.stop(
                {one.claims.lease for one in self.held.values() if one.claims.task == claims.task}, "cancel-running"
            )
            if first and self.fault == "notice-receipt":
                await asyncio.Event().wait()
        if claims.kind == "ack":
            self.stop(set(json.loads(payload)["ended"]), "ended-lease")
        return {"ok": True}

    def stop(self, leases: set[Any], fault: str) -> None:
        for one in self.held.values():
            if one.claims.lease in leases and self.fault != fault:
                one.stop.set()

    # -- from the beginning to the end -------------------------------------------------------------------------------

    def background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)

    async def run(self) -> None:
        events = {
            "challenge": self.challenged, "message": self.assigned, "notice": self.noticed, "leaving": self.left,
        }  # fmt: skip
        for event, handler in events.items():
            self.socket.on(event, handler, namespace="/agents")
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.over.set)
        await self.socket.connect(self.url, namespaces=["/agents"], transports=["websocket"])
        while not self.over.is_set():
            await self.beat()
            try:
                await asyncio.wait_for(self.over.wait(), self.heartbeat_s)
            except TimeoutError:
                continue
        await self.drain()
        await self.socket.disconnect()

    async def drain(self) -> None:
        if not self.sessions:
            return
        await self.beat(draining=True)
        if self.fault == "drain-credit":
            await self.socket.call("credit", self.received + 1, "/agents")
        allow, self.allow = self.allow, nothing  # type: ignore[method-assign]
        del allow
        if self.fault != "drain-answers":
            await asyncio.gather(*running)
        for message in self.unsent.copy().values():
            if self.joined and self.fault != "drain-answers":
                await self.socket.call("message", message, "/agents")
        if self.fault != "drain-leaving":
            await self.beat(draining=True, leaving=True)


async def nothing(**_: object) -> None:
    """Nothing more is taken."""


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


running: set[asyncio.Task[None]] = set()

if __name__ == "__main__":
    asyncio.run(Scripted(*sys.argv[1:]).run())
