"""What is said on the wire, scene by scene: every event and request with its real bytes, made by Accord's own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from accord.domain.agent import AgentCard, Capacity, Offer, encode_card, registry_id
from accord.domain.contract import Contract, read_contract
from accord.domain.delegation import LIFETIME, OF_AGENTS, OF_ORCHESTRATORS, delegation_claims
from accord.domain.handshake import ConnectPayload, Known, WelcomePayload, connect_claims, proven, welcome_claims
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, TaskId
from accord.domain.large import Blob
from accord.domain.log import LogLine, LogPayload
from accord.domain.merkle import batch
from accord.domain.message import Claims, Kind, Message, PayloadRef, payload_ref, statement_id
from accord.domain.payloads import (
    AckPayload,
    AskPayload,
    AssignContext,
    AssignPayload,
    CancelPayload,
    FailurePayload,
    HeartbeatPayload,
    ProgressPayload,
    RejectPayload,
    ReplyPayload,
    encode_payload,
)
from accord.domain.signature import BATCHED, attach, parse_statement, signing_input, statement_digest
from accord.domain.succession import succession_claims
from accord.domain.trace import trace_of, traceparent_of
from accord.errors import ContractViolation, Place, Problem, kind_of
from accord.gateway.problems import MEDIA_TYPE, details, status_of
from accord.gateway.session import Reply
from pages.signing import (
    AGENT_KEY,
    AGENT_SHORT_KEY,
    ORCHESTRATOR_KEY,
    ORCHESTRATOR_SHORT_KEY,
    Key,
    binary,
    shown,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUED = int(NOW.timestamp())
ORCHESTRATOR, AGENT = AgentId("spiffe://local/orchestrator/main"), AgentId("spiffe://local/agent/summarizer")
REGISTRY = registry_id("local")
INSTANCE = InstanceId(f"{AGENT}#0f1e2d3c4b5a6978")
TOKEN = f"accord-enrol.0example0example.0secret0secret0secret0secret.{ORCHESTRATOR_KEY.public.kid}"
NONCE = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
RUN, LEASE = RunId("run_0example0example0example0ex"), LeaseToken("0lease0lease0lease0lease0l")
TASK = TaskId("summary")

_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_ROWS = {"type": "array", "items": {"type": "object", "properties": {"number": {"type": "integer"}}}}
_ABOUT_ROWS = {"type": "object", "properties": {"rows": _ROWS}, "required": ["rows"]}


def contract(name: str, given: Any, output: Any) -> Contract:
    """A contract without limits."""
    return read_contract({"capability": name, "version": "1.0.0", "input": given, "output": output, "limits": {}})


SUMMARIZE = contract(
    "text.summarize",
    _TEXT,
    {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]},
)
MAKE = contract("rows.make", {"type": "object", "properties": {"count": {"type": "integer"}}}, _ROWS)
COUNT = contract("rows.count", _ABOUT_ROWS, {"type": "integer"})

JSON = "application/json"

Step = dict[str, Any]


# -- pieces -----------------------------------------------------------------------------------------------------------


def said(what: str, key: Key, event: str, message: Message, *first: object, ack: object = None) -> Step:
    """An event with a message; `first` is what stands before it."""
    arguments = [*first, message.statement.decode(), binary(message.payload)]
    whose = "agent" if key in (AGENT_KEY, AGENT_SHORT_KEY) else "server"
    return event_step(what, whose, event, arguments, ack) | {"signed": [shown(key, message)]}


def event_step(what: str, whose: str, event: str, arguments: list[Any], ack: object = None) -> Step:
    """An event; `ack` is what the other side answers, None where that says nothing."""
    answered = {} if ack is None else {"acknowledgement": ack}
    return {"what": what, "from": whose, "event": event, "arguments": arguments, **answered}


OK = msgspec.to_builtins(Reply(ok=True))


def claims(kind: Kind, name: str, data: bytes | None, **more: Any) -> Claims:
    """Claims of whichever side says this; `more` beside the usual ones."""
    ours = kind in ("welcome", "assign", "cancel", "ack", "reject")
    news = kind in ("card", "heartbeat")
    usual: dict[str, Any] = {
        "issuer": ORCHESTRATOR if ours else AGENT,
        "audience": AGENT if ours else REGISTRY if news else ORCHESTRATOR,
        "id": name,
        "issued_at": ISSUED,
        "expires_at": ISSUED + (3600 if kind == "assign" else 300),
        "kind": kind,
        "payload": None if data is None else payload_ref(data),
    }
    return Claims(**{**usual, **more})


def about(of: Contract, task: TaskId = TASK) -> dict[str, Any]:
    """The claims by which an attempt is named."""
    return {
        "run": RUN, "task": task, "attempt": 1, "lease": LEASE,
        "capability": str(of.ref), "contract": of.digest,
    }  # fmt: skip


def assignment(
    of: Contract, given: bytes, task: TaskId = TASK, key: Key = ORCHESTRATOR_KEY, trace: str | None = None
) -> Message:
    """An assignment of this input."""
    context = AssignContext(idempotency_key=f"{RUN}/{task}/0")
    payload = encode_payload(AssignPayload(msgspec.Raw(given), context))
    told = claims("assign", statement_id(RUN, task, 1, "assign"), payload, **about(of, task), trace=trace)
    return key.signed(told, payload)


def answer(to: Message, of: Contract, kind: Kind, data: bytes | None, *, key: Key = AGENT_KEY, **more: Any) -> Message:
    """What the agent answers to an assignment."""
    rests = statement_digest(parse_statement(to.statement).claims)
    name = statement_id(RUN, TASK, 1, kind)
    named = {"id": f"{name}/1" if kind in ("progress", "log", "ask") else name, **about(of), "inputs": (rests,), **more}
    return key.signed(claims(kind, name, data, **named), data or b"")


def heartbeat(number: int, leases: tuple[LeaseToken, ...], **more: bool) -> Message:
    """The `number`th heartbeat."""
    beat = HeartbeatPayload(instance=INSTANCE, running=leases, queued=0, load=len(leases) / 72, **more)
    payload = encode_payload(beat)
    return AGENT_KEY.signed(claims("heartbeat", f"019b76da-a800-7000-8000-00000000000{number}", payload), payload)


def notice(kind: Kind, content: msgspec.Struct, name: str, **more: Any) -> Message:
    """What the orchestrator tells one or all instances."""
    payload = encode_payload(content)
    return ORCHESTRATOR_KEY.signed(claims(kind, name, payload, **more), payload)


# -- scenes -----------------------------------------------------------------------------------------------------------


def _handshake(*, enrols: bool) -> tuple[Step, Step]:
    payload = encode_payload(
        ConnectPayload(
            instance=INSTANCE, key=AGENT_KEY.public.to_jwk() if enrols else None, token=TOKEN if enrols else None
        )
    )
    sent = AGENT_KEY.signed(connect_claims(AGENT, REGISTRY, NONCE, payload, NOW), payload)
    known = {AGENT_KEY.public.kid: Known(AGENT, AGENT_KEY.public)}
    connecting = proven(sent, NONCE, REGISTRY, (lambda _: None) if enrols else known.get, NOW)
    told = WelcomePayload(orchestrators=(ORCHESTRATOR_KEY.public.to_jwk(),), registry=REGISTRY, heartbeat_s=5.0)
    data = encode_payload(told)
    welcome = ORCHESTRATOR_KEY.signed(welcome_claims(ORCHESTRATOR, connecting, data, NOW), data)
    ack = {"ok": True, "statement": welcome.statement.decode(), "payload": binary(welcome.payload)}
    challenge = {"nonce": NONCE, "registry": REGISTRY}
    what = "It proves who it is, with its key and the token." if enrols else "It proves who it is; its key is known."
    proof = said(what, AGENT_KEY, "prove", sent, ack=ack)
    proof["signed"].append(shown(ORCHESTRATOR_KEY, welcome))
    return event_step("The server asks who is there.", "server", "challenge", [challenge]), proof


def enrolment() -> list[Step]:
    """The first connection of an agent."""
    return [*_handshake(enrols=True)]


def handshake() -> list[Step]:
    """A later connection, and one that is refused."""
    payload = encode_payload(ConnectPayload(instance=INSTANCE))
    late = AGENT_KEY.signed(connect_claims(AGENT, REGISTRY, "another nonce", payload, NOW), payload)
    problem = Problem("ACC770", "the handshake is not about this connection: another nonce", Place(pointer="/jti"))
    refused = msgspec.to_builtins(Reply(ok=False, problems=(problem,)))
    return [
        *_handshake(enrols=False),
        said("Another nonce was signed: it is refused, and disconnected.", AGENT_KEY, "prove", late, ack=refused),
    ]


def presence() -> list[Step]:
    """Card, credit, heartbeat and what is answered."""
    offer = Offer(
        capability=str(SUMMARIZE.ref), description="Sums a text up.", input=SUMMARIZE.document()["input"],
        output=SUMMARIZE.document()["output"], examples=({"text": "Bees dance."},),
    )  # fmt: skip
    card = AgentCard(
        agent=AGENT, instance=INSTANCE, organisation="local", keys=(AGENT_KEY.public.to_jwk(),),
        capabilities=(offer,), capacity=Capacity(concurrency=8, queue=64), batches=True,
    )  # fmt: skip
    payload = encode_card(card)
    shows = AGENT_KEY.signed(claims("card", "019b76da-a800-7000-8000-000000000001", payload), payload)
    ended = notice("ack", AckPayload((LEASE,)), "0f1e2d3c4b5a6978")
    return [
        said("It shows its card.", AGENT_KEY, "message", shows, ack=OK),
        event_step("It takes 72 assignments in this session, so far.", "agent", "credit", [72], OK),
        said("It lives, and holds a lease.", AGENT_KEY, "message", heartbeat(2, (LEASE,)), ack=OK),
        said("The lease has ended.", ORCHESTRATOR_KEY, "notice", ended, "instance", ack=None),
        said("The next heartbeat does not name it.", AGENT_KEY, "message", heartbeat(3, ()), ack=OK),
    ]


def result() -> list[Step]:
    """An assignment that ends in a result."""
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    step = encode_payload(ProgressPayload(0.5, "read"))
    output = b'{"summary":"Bees dance."}'
    ended = answer(given, SUMMARIZE, "result", output, confidence="0.8", cost="0.25")
    return [
        said("An assignment.", ORCHESTRATOR_KEY, "message", given),
        said("It has begun.", AGENT_KEY, "message", answer(given, SUMMARIZE, "accept", None), ack=OK),
        said("It is half way.", AGENT_KEY, "message", answer(given, SUMMARIZE, "progress", step), ack=OK),
        said("The result, acknowledged when the journal has it.", AGENT_KEY, "message", ended, ack=OK),
        event_step("There is room again: 72 places, and one that has been received.", "agent", "credit", [73], OK),
    ]


def calls() -> list[Step]:
    """An agent that asks others while it works."""
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    ask = encode_payload(AskPayload(capability="text.translate@^1", input={"text": "Bees dance.", "to": "fr"}))
    asked = sha256(ask).hexdigest()
    name = f"{statement_id(RUN, TASK, 1, 'reply')}/{asked}"
    made = ReplyPayload(asked=asked, output={"text": "Les abeilles dansent."}, run=f"{RUN[:-1]}h")
    ended = answer(given, SUMMARIZE, "result", b'{"summary":"Les abeilles dansent."}')
    return [
        said("An assignment.", ORCHESTRATOR_KEY, "message", given),
        said("It needs a translation.", AGENT_KEY, "message", answer(given, SUMMARIZE, "ask", ask), ack=OK),
        said("What came of it, to all instances.", ORCHESTRATOR_KEY, "notice",
             notice("reply", made, name, **about(SUMMARIZE)), "agent"),
        said("The result.", AGENT_KEY, "message", ended, ack=OK),
    ]  # fmt: skip


def logs() -> list[Step]:
    """An agent that logs while it works."""
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    moments = [datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC) for second in range(3)]
    lines = (
        LogLine(at=moments[0], level="info", message="12 characters to read", fields={"language": "en"}),
        LogLine(at=moments[1], level="warning", message="the text is short"),
    )
    told = encode_payload(LogPayload(first=1, lines=lines))
    ended = answer(given, SUMMARIZE, "result", b'{"summary":"Bees dance."}')
    return [
        said("An assignment.", ORCHESTRATOR_KEY, "message", given),
        said("Two lines.", AGENT_KEY, "log", answer(given, SUMMARIZE, "log", told)),
        said("The result.", AGENT_KEY, "message", ended, ack=OK),
    ]


def failure() -> list[Step]:
    """An assignment whose input the agent refuses."""
    given = assignment(SUMMARIZE, b'{"txt":"Bees dance."}')
    why = FailurePayload(code="input-contract", message='"text" is a required property')
    ended = answer(given, SUMMARIZE, "failure", encode_payload(why), cost="0.01")
    return [
        said("An assignment.", ORCHESTRATOR_KEY, "message", given),
        said("The input breaks the contract.", AGENT_KEY, "message", ended, ack=OK),
    ]


def refusals() -> list[Step]:
    """A result and a card that are refused, a message that is to be sent again, and one that is none."""
    violation = Problem(
        "ACC250", "7 is not of type 'string'", Place(pointer="/summary"), "the contract's output schema"
    )
    rejected = notice("reject", RejectPayload((violation,)), statement_id(RUN, TASK, 1, "reject"), **about(SUMMARIZE))
    missing = Problem("ACC715", "no card of this instance has come", hint="send the card")
    unknown = notice("reject", RejectPayload((missing,)), "0f1e2d3c4b5a6979")
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    output = b'{"summary":"Bees dance."}'
    ended = answer(given, SUMMARIZE, "result", output)
    later = Problem("ACC786", "the journal has not got the message within 30 s", hint="send the same bytes again")
    foreign = Problem("ACC778", "an agent sends no upload here, or it is about no run", Place(pointer="/knd"))
    wrong = answer(given, SUMMARIZE, "upload", None)
    return [
        said("What was wrong with a result, to all instances.", ORCHESTRATOR_KEY, "notice", rejected, "agent"),
        said("What was wrong with a heartbeat, to its instance.", ORCHESTRATOR_KEY, "notice", unknown, "instance"),
        said("Not yet: the same bytes again, after a while.", AGENT_KEY, "message", ended,
             ack=msgspec.to_builtins(Reply(ok=False, problems=(later,), again=True))),
        said("Never: what is shown over HTTP is not sent.", AGENT_KEY, "message", wrong,
             ack=msgspec.to_builtins(Reply(ok=False, problems=(foreign,)))),
    ]  # fmt: skip


def cancel() -> list[Step]:
    """An attempt that is cancelled while it runs."""
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    stop = notice(
        "cancel", CancelPayload("the run was cancelled"), statement_id(RUN, TASK, 1, "cancel"), **about(SUMMARIZE)
    )
    why = encode_payload(FailurePayload(code="cancelled", message="the attempt was cancelled", retryable=True))
    return [
        said("An assignment.", ORCHESTRATOR_KEY, "message", given),
        said("Nobody wants it any more; told to all instances.", ORCHESTRATOR_KEY, "notice", stop, "agent"),
        said("It has stopped.", AGENT_KEY, "message", answer(given, SUMMARIZE, "failure", why), ack=OK),
    ]


def drain() -> list[Step]:
    """An instance that stops, and a server that does."""
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}')
    draining, leaving = heartbeat(4, (LEASE,), draining=True), heartbeat(5, (), draining=True, leaving=True)
    return [
        said("It takes nothing more.", AGENT_KEY, "message", draining, ack=OK),
        event_step(
            "What it has not begun is for another instance.", "agent", "return",
            [given.statement.decode(), binary(given.payload)], OK,
        ) | {"signed": [shown(ORCHESTRATOR_KEY, given)]},
        said("What it had begun has ended, and it is gone.", AGENT_KEY, "message", leaving, ack=OK),
        event_step("The server stops soon: connect anew, at once.", "server", "leaving", []),
    ]  # fmt: skip


def upload() -> list[Step]:
    """A large output: permit, chunks, digest, and the result that names it; and one that breaks the contract."""
    given = assignment(MAKE, b'{"count":3}')
    chunks = [b'[{"number":0},{"num', b'ber":1},{"number":', b"2}]"]
    broken = [*chunks[:2], b'"two"}]']
    whole = b"".join(chunks)
    blob = Blob(Digest(sha256(whole).hexdigest()), len(whole))
    named = PayloadRef(blob.sha256, blob.length_bytes, "application/json")
    ended = answer(given, MAKE, "result", b"", payload=named)
    violation = Problem("ACC251", '"two" is not of type "integer"', Place(pointer="/2/number"))
    kept, refused = (201, JSON, msgspec.json.encode(blob)), (422, MEDIA_TYPE, _details(violation))
    permit, call = answer(given, MAKE, "upload", None), "PUT /v1/uploads"
    return [
        said("An assignment whose output is going to be large.", ORCHESTRATOR_KEY, "message", given),
        request("The output, in pieces.", call, permit, kept, chunks=chunks),
        said("The result names what was uploaded; its payload is empty.", AGENT_KEY, "message", ended, ack=OK),
        request("An output that breaks the contract: nothing of it is kept.", call, permit, refused, chunks=broken),
    ]


def fetch() -> list[Step]:
    """A large document in an input, and its bytes; the second time, from where the first request broke off."""
    whole = b'[{"number":0},{"number":1},{"number":2}]'
    blob = {"sha256": sha256(whole).hexdigest(), "len": len(whole)}
    given = assignment(COUNT, msgspec.json.encode({"rows": {"$blob": blob}}))
    permit, call = answer(given, COUNT, "fetch", None), f"GET /v1/uploads/{blob['sha256']}"
    return [
        said("An assignment with a reference.", ORCHESTRATOR_KEY, "message", given),
        request("Its bytes.", call, permit, (200, JSON, whole)),
        request("The rest of them.", call, permit, (200, JSON, whole[14:]), offset=14),
        said("The result.", AGENT_KEY, "message", answer(given, COUNT, "result", b"3"), ack=OK),
    ]


def request(what: str, call: str, permit: Message, answered: tuple[int, str, bytes], **sent: Any) -> Step:
    """A request, `call` being method and path, and its response; `sent` are `chunks` of a body, or an `offset`."""
    method, path = call.split(" ")
    headers = {"Accord-Statement": permit.statement.decode()}
    body = {}
    if "chunks" in sent:
        headers["Content-Type"] = "application/json"
        body["chunks"] = [binary(chunk) for chunk in sent["chunks"]]
    if "offset" in sent:
        headers["Accord-Offset"] = str(sent["offset"])
    status, kind, data = answered
    return {
        "what": what,
        "from": "agent",
        "request": {"method": method, "path": path, "headers": headers, **body},
        "response": {"status": status, "headers": {"Content-Type": kind}, "body": binary(data)},
        "signed": [shown(AGENT_KEY, permit)],
    }


def _details(problem: Problem) -> bytes:
    error = ContractViolation(problem)
    return msgspec.json.encode(details(status_of(error), (problem,), "0example0example", kind_of(error)))


def batched() -> list[Step]:
    """Three assignments that share one signature."""
    tasks = [TaskId(f"summary[{n}]") for n in range(3)]
    alone = [assignment(SUMMARIZE, b'{"text":"Bees dance."}', task) for task in tasks]
    algorithm = BATCHED[ORCHESTRATOR_KEY.public.algorithm]
    kid = ORCHESTRATOR_KEY.public.kid
    inputs = [signing_input(kid, algorithm, parse_statement(one.statement).claims) for one in alone]
    signed, proofs = batch(inputs)
    signature = ORCHESTRATOR_KEY.sign(signed)
    steps = []
    for one, own, proof in zip(alone, inputs, proofs, strict=True):
        message = Message(attach(own, signature, proof), one.payload)
        step = said("An assignment of the batch.", ORCHESTRATOR_KEY, "message", message)
        step["batch"] = {"signed": signed.hex(), "signature": signature.hex(), "proof": proof.hex()}
        steps.append(step)
    return steps


def delegation() -> list[Step]:
    """Both sides let a short-lived key sign for theirs."""
    made = [
        (ORCHESTRATOR, ORCHESTRATOR_KEY, ORCHESTRATOR_SHORT_KEY, OF_ORCHESTRATORS, "0f1e2d3c4b5a6980"),
        (AGENT, AGENT_KEY, AGENT_SHORT_KEY, OF_AGENTS, "019b76da-a800-7000-8000-000000000006"),
    ]
    told, said_by_agent = (
        key.signed(delegation_claims(who, REGISTRY, short.public, kinds, name, NOW, LIFETIME))
        for who, key, short, kinds, name in made
    )
    kids = tuple(short.public.kid for _, _, short, _, _ in made)
    beat = encode_payload(HeartbeatPayload(instance=INSTANCE, running=(), queued=0, load=0, trusts=kids[:1]))
    trusts = AGENT_KEY.signed(claims("heartbeat", "019b76da-a800-7000-8000-000000000007", beat), beat)
    known = encode_payload(AckPayload((), kids[1:]))
    ack = ORCHESTRATOR_KEY.signed(claims("ack", "0f1e2d3c4b5a6981", known), known)
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}', key=ORCHESTRATOR_SHORT_KEY)
    ended = answer(given, SUMMARIZE, "result", b'{"summary":"Bees dance."}', key=AGENT_SHORT_KEY)
    return [
        said("This key signs for the orchestrator's.", ORCHESTRATOR_KEY, "notice", told, "instance"),
        said("The instance knows it now.", AGENT_KEY, "message", trusts, ack=OK),
        said("This key signs for the agent's.", AGENT_KEY, "message", said_by_agent, ack=OK),
        said("It is in the journal, and may sign from now on.", ORCHESTRATOR_KEY, "notice", ack, "agent"),
        said("An assignment under a delegated key.", ORCHESTRATOR_SHORT_KEY, "message", given),
        said("A result under a delegated key.", AGENT_SHORT_KEY, "message", ended, ack=OK),
    ]


def trace() -> list[Step]:
    """An assignment of a run that is traced, and the result."""
    span = traceparent_of(str(trace_of(RUN, 1.0)), LEASE)
    given = assignment(SUMMARIZE, b'{"text":"Bees dance."}', trace=span)
    ended = answer(given, SUMMARIZE, "result", b'{"summary":"Bees dance."}', trace=span)
    return [
        said("An assignment; its attempt is a span of the run's trace.", ORCHESTRATOR_KEY, "message", given),
        said("The result, in the same trace.", AGENT_KEY, "message", ended, ack=OK),
    ]


def succession() -> list[Step]:
    """Another key takes the place of the orchestrator's."""
    told = ORCHESTRATOR_KEY.signed(succession_claims("local", ORCHESTRATOR_SHORT_KEY.public, NOW))
    return [said("This key takes the place of the one that has signed.", ORCHESTRATOR_KEY, "notice", told, "instance")]


SCENES: dict[str, tuple[str, Callable[[], list[Step]]]] = {
    "enrolment": ("The first connection: challenge, proof with key and token, welcome", enrolment),
    "handshake": ("A later connection, and one that is refused", handshake),
    "presence": ("Card, credit, heartbeat, and the answer to it", presence),
    "result": ("Assignment, accept, progress, result", result),
    "logs": ("An agent that logs while it works", logs),
    "calls": ("An agent that asks others while it works, and what came of it", calls),
    "failure": ("An input that is refused", failure),
    "refusals": ("Messages that are rejected, refused, or to be sent again", refusals),
    "cancel": ("A cancel, and the failure that answers it", cancel),
    "drain": ("An instance that stops, and a server that stops", drain),
    "upload": ("A large output: permit, pieces, digest, result; and one that is refused", upload),
    "fetch": ("A large input: reference, bytes, the rest of them", fetch),
    "batch": ("Three assignments under one signature", batched),
    "delegation": ("Keys that sign for others: delegations, and what is signed under them", delegation),
    "trace": ("An attempt that is traced", trace),
    "succession": ("The orchestrator's key gets a successor", succession),
}
"""Each scene by the name of its file."""


def scene_files() -> dict[str, str]:
    """The text of each file with examples, by its name."""
    keys = {
        "orchestrator": ORCHESTRATOR_KEY.jwk(),
        "agent": AGENT_KEY.jwk(),
        "orchestrator_short": ORCHESTRATOR_SHORT_KEY.jwk(),
        "agent_short": AGENT_SHORT_KEY.jwk(),
        "contracts": [{**one.document(), "digest": one.digest} for one in (SUMMARIZE, MAKE, COUNT)],
        "token": TOKEN,
        "now": ISSUED,
    }
    files: dict[str, Any] = {"keys": keys}
    for name, (title, make) in SCENES.items():
        files[name] = {"title": title, "steps": make()}
    return {f"{name}.json": json.dumps(content, indent=2) + "\n" for name, content in files.items()}
