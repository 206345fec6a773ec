"""A language model that says what it was told to: an HTTP server with the chat completions of OpenAI."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LanguageModel:
    """What it answers, in order: a graph, `{"unable": why}`, a text, or a status."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        """The bodies of requests."""
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.silent = threading.Event()
        """Set when an answer that never comes may end."""

    def reply(self, number: int) -> tuple[int, bytes]:
        """Status and body of an answer; the last one is given again and again."""
        answer = self.answers[min(number, len(self.answers) - 1)]
        if answer is None:
            self.silent.wait(30)
            return 500, b"{}"
        if isinstance(answer, int):
            return answer, b'{"error": {"message": "the key secret-key is wrong"}}'
        if isinstance(answer, bytes):
            return 200, answer
        message: dict[str, Any] = {"role": "assistant", "content": answer if isinstance(answer, str) else None}
        if isinstance(answer, dict):
            name, given = ("unable", {"why": answer["unable"]}) if "unable" in answer else ("graph", answer)
            function = {"name": name, "arguments": json.dumps(given)}
            message["tool_calls"] = [{"id": f"call-{number}", "type": "function", "function": function}]
        return 200, json.dumps(
            {
                "id": f"answer-{number}",
                "object": "chat.completion",
                "created": 1,
                "model": "parrot-1",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        ).encode()

    def told(self, number: int) -> str:
        """What it was told of its suggestion before this request."""
        return str(json.loads(self.asked[number]["messages"][-1]["content"])["error"])

    @contextmanager
    def serving(self) -> Iterator[LanguageModel]:
        """Listening on this machine. What asks is imported before: that takes seconds on a busy machine."""
        import accord.planner.suggestion.model  # noqa: F401, PLC0415 - as above

        with self.heard():
            yield self

    @contextmanager
    def heard(self) -> Iterator[LanguageModel]:
        """Listening on this machine, to another process."""
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = len(model.asked)
                model.asked.append(body)
                model.headers.append(dict(self.headers))
                self._send(*model.reply(number))

            def do_GET(self) -> None:
                model.headers.append(dict(self.headers))
                wrong = isinstance(model.answers[0], int)
                listed = {"object": "list", "data": [{"id": "parrot", "object": "model"}]}
                self._send(*(model.reply(0) if wrong else (200, json.dumps(listed).encode())))

            def _send(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                self.silent.set()
                server.shutdown()
                thread.join()


def task(name: str, capability: str, *inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task of a suggested graph."""
    return {"name": name, "capability": capability, "why": f"because of {name}", "inputs": list(inputs), **more}


def said(member: str, value: Any, words: str = "") -> dict[str, Any]:
    return {"member": member, "kind": "said", "value": value, "words": words}


def of_task(member: str, task: str, output: str = "") -> dict[str, Any]:
    return {"member": member, "kind": "task", "task": task, "output": output}


def graph(*tasks: dict[str, Any], confidence: float = 0.9) -> dict[str, Any]:
    return {"tasks": list(tasks), "why": "it does what is asked for", "confidence": confidence}
