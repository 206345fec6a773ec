"""`accord serve` as a process: starting, stopping, being killed, and what it refuses to begin with."""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from accord.cli import main
from accord.gateway.server import FILES_MAX

TEMPLATE = """
accord: template/1
name: gated
version: 1.0.0
tasks:
  first: {uses: gate.pass@^1, with: {name: first}}
  second: {uses: gate.pass@^1, needs: [first], with: {name: second}}
output: "${ tasks.second.output }"
"""


@pytest.fixture
def place(place: Any) -> Any:
    (place.path / "gated.yaml").write_text(TEMPLATE)
    return place


get = partial(httpx.get, timeout=60)


def shown(told: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {Path(told['credentials']).read_text().strip()}"}


def test_it_starts_with_nothing_configured_and_shows_the_first_key_once(place: Any) -> None:
    process, told = place.serve()
    assert told["pid"] == process.pid
    credentials = Path(told["credentials"])
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert credentials.read_text().strip() == told["admin_key"]
    assert get(f"{told['url']}/v1/health/ready").status_code == 200
    assert get(f"{told['url']}/v1/access/keys").status_code == 401
    assert get(f"{told['url']}/v1/access/keys", headers=shown(told)).json()["keys"][0]["name"] == "first"

    made = place.call("access", "keys", "new", "reader", "--role", "viewer")  # by another process, while it serves
    reader = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert get(f"{told['url']}/metrics", headers=reader).status_code == 200
    assert get(f"{told['url']}/v1/access/keys", headers=reader).status_code == 403

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    again, told = place.serve()
    assert "admin_key" not in told
    assert get(f"{told['url']}/v1/access/keys", headers=shown(told)).status_code == 200
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)
    assert again.returncode == 0

    assert place.call("access", "keys", "revoke", "first").returncode == 0
    _, told = place.serve()  # nobody could administer it
    assert get(f"{told['url']}/v1/access/keys", headers=shown(told)).status_code == 200
    assert told["admin_key"] == Path(told["credentials"]).read_text().strip()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be read on Linux alone")
def test_it_may_hold_as_many_connections_as_the_system_lets_it(place: Any) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    process, _ = place.serve()
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (min(most, FILES_MAX), most)


def test_people_are_told_in_words_that_can_be_copied(place: Any) -> None:
    process = place.start("serve", "--port", "0")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(7)]
    text = "".join(lines)
    [url] = re.findall(r"listens on (http://127\.0\.0\.1:\d+)$", text, re.MULTILINE)
    [key] = re.findall(r"^admin key +(accord_\w+)$", text, re.MULTILINE)
    [command] = re.findall(r"^try +(curl .*)$", text, re.MULTILINE)
    assert url in command
    assert key not in command
    home = re.escape(str(place.path / "home"))  # another terminal does not know it
    assert re.search(rf"^a command +accord --server {url} runs list --home {home}$", text, re.MULTILINE)
    assert re.search(rf"^an agent +accord agent FILE.py --connect {url} --home {home}$", text, re.MULTILINE)
    assert json.loads(subprocess.run(command, shell=True, capture_output=True, check=True).stdout)  # noqa: S602 - as told


def test_told_to_stop_it_lets_end_what_is_under_way(place: Any) -> None:
    process, told = place.serve()
    (place.path / "first").touch()
    run = place.start_run()
    place.until("second.reached")
    process.send_signal(signal.SIGTERM)
    (place.path / "second").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        get(told["url"])
    shown = json.loads(place.call("runs", "show", run, "--json").stdout)
    assert (shown["state"], shown["output"]) == ("completed", "second")


def test_a_run_that_outlives_the_drain_goes_on_at_the_next_server(place: Any) -> None:
    process, _ = place.serve()
    (place.path / "first").touch()
    run = place.start_run()
    place.until("second.reached")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    (place.path / "second").touch()
    place.serve()
    watched = place.call("runs", "watch", run, "--json")
    assert watched.returncode == 0, watched.stderr


def test_killed_it_loses_nothing_and_the_next_one_goes_on(place: Any) -> None:
    process, _ = place.serve()
    (place.path / "first").touch()
    run = place.start_run()
    place.until("second.reached")
    process.kill()
    process.communicate()
    (place.path / "second").touch()
    place.serve()
    watched = place.call("runs", "watch", run, "--json")
    assert watched.returncode == 0, watched.stderr
    first = json.loads(place.call("runs", "show", run, "--task", "first", "--json").stdout)
    assert len(first["attempts"]) == 1
    assert place.call("journal", "verify", run).returncode == 0


def test_the_second_signal_leaves_at_once(place: Any) -> None:
    process = place.start("serve", "--port", "0", "--agents", "gate.py")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    place.start_run()
    place.until("first.reached")
    process.send_signal(signal.SIGTERM)
    while "Draining" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


# -- what is refused to begin with -------------------------------------------------------------------------------


class Refusing:
    """Command lines that are refused. None of them starts anything: they need no process of their own."""

    def __init__(self, place: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.path: Path = place.path
        self._capsys = capsys

    def __call__(self, code: str, *arguments: str) -> str:
        """What is said to it, under this code and no other."""
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--json", "--home", str(self.path / "home"), *arguments])
        said = self._capsys.readouterr().err
        assert ended.value.code == 2, said
        problems = json.loads(said)["problems"]
        assert [problem["code"] for problem in problems] == [code]
        assert problems[0]["hint"]
        assert not (self.path / "home" / "journal.db").exists()  # nothing was touched
        return str(problems[0]["message"])


@pytest.fixture
def refused(place: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refusing:
    monkeypatch.chdir(place.path)
    return Refusing(place, capsys)


def test_a_port_that_is_in_use(refused: Refusing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "in use" in refused("ACC960", "--port", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine(refused: Refusing, host: str) -> None:
    refused("ACC960", "--host", host, "--insecure-http")


def test_other_machines_without_tls(refused: Refusing) -> None:
    assert "in the clear" in refused("ACC961", "--host", "0.0.0.0")  # noqa: S104 - it is refused


def test_a_certificate_that_is_none_or_alone(refused: Refusing) -> None:
    refused("ACC963", "--tls-cert", "cert.pem")
    refused("ACC962", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    certificate, key = certified(refused.path)
    key.write_bytes(certificate.read_bytes())
    refused("ACC962", "--tls-cert", str(certificate), "--tls-key", str(key))


# -- other machines ----------------------------------------------------------------------------------------------


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    clear = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear))
    return folder / "cert.pem", folder / "key.pem"


def test_with_a_certificate_it_serves_others_and_makes_no_key_by_itself(place: Any) -> None:
    certificate, key = certified(place.path)
    _, told = place.serve("--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(key))  # noqa: S104 - with TLS
    assert "admin_key" not in told
    assert "credentials" not in told
    port = told["url"].rpartition(":")[2]
    trusting = ssl.create_default_context(cafile=str(certificate))
    with httpx.Client(verify=trusting, base_url=f"https://localhost:{port}", timeout=60) as http:
        assert http.get("/v1/health/ready").status_code == 200
        assert http.get("/v1/access/keys").status_code == 401
        made = place.call("access", "keys", "new", "me", "--role", "admin")
        http.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
        assert http.get("/v1/access/keys").status_code == 200
