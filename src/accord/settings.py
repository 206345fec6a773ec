"""Settings: one validated value; defaults < file < environment < flags. Nothing else reads the environment,
but for what OpenTelemetry's exporters read themselves.

The file is `settings.toml` in the home. The environment has `ACCORD_` and the name in capitals: `ACCORD_KEEP_DAYS=30`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

from accord.addresses import BusAddress, bus_address
from accord.custody import Custody, KeysAddress, keys_address
from accord.domain.access import Role
from accord.domain.capability import MAX_NAME_LENGTH, NAME_PATTERN
from accord.domain.ids import AGENT_ID_PATTERN, AgentId
from accord.domain.schema import Schema, compile_schema
from accord.errors import BadInput, Place, PlaceOf, Problem
from accord.postgres.address import StoreAddress, store_address
from accord.telemetry.exports import Exports, exports_of, is_open_way, is_way, without_password
from accord.tls import TlsFiles, is_encrypted_or_here, wanted

PREFIX = "ACCORD_"
_TEXTS = frozenset(
    (
        "delegate_keys",
        "organisation",
        "passphrase_file",
        "keys",
        "keys_secret_file",
        "host",
        "server",
        "server_ca",
        "server_cert",
        "server_key",
        "tls_cert",
        "tls_key",
        "tls_clients",
        "store",
        "store_password_file",
        "bus",
        "bus_password_file",
        "policies",
        "otlp_endpoint",
        "log_format",
        "log_level",
        "oidc_issuer",
        "oidc_audience",
        "oidc_jwks",
        "oidc_name_claim",
        "oidc_role_claim",
        "suggestion_endpoint",
        "suggestion_model",
        "suggestion_key_file",
        "suggestion_ca",
    )
)

_FILES = (
    "passphrase_file",
    "keys_secret_file",
    "store_password_file",
    "bus_password_file",
    "server_ca",
    "server_cert",
    "server_key",
    "tls_cert",
    "tls_key",
    "tls_clients",
    "policies",
    "suggestion_key_file",
    "suggestion_ca",
)

ELSEWHERE = ("ACCORD_HOME", "ACCORD_API_KEY", "ACCORD_VECTORS")
"""Variables that no file can set: where the home is, the key for servers, and where tests find vectors."""


SignedBy = Literal["ES256", "ES384", "ES512", "Ed25519", "Ed448", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
"""Signatures of tokens: those with a public key. A shared secret would have to be kept by everybody who verifies."""


class _Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file or the environment may set."""

    organisation: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")] = "local"
    """The organisation that agents and orchestrator belong to."""
    passphrase_file: str | None = None
    """Holds the passphrase of the key files; one inside of the home is made where none is named."""
    keys: str | None = None
    """What holds the keys, in place of files in the home: `pkcs11:token=accord?module-path=/usr/lib/libtoken.so`,
    `awskms:///?region=eu-central-1`, `vault://vault.example.org:8200/transit`."""
    keys_secret_file: str | None = None
    """Holds what opens that key store: the PIN of a PKCS#11 token, Vault's token. AWS has places of its own for it."""
    store: str | None = None
    """Where journal and blobs are, in place of files in the home: `postgresql://accord@db.example.org/accord`."""
    store_password_file: str | None = None
    """Holds the password of the store's user, where its URL has none."""
    bus: str | None = None
    """What carries messages between several processes and machines, in place of this process's memory:
    `nats://accord@bus.example.org`, `redis://accord@bus.example.org`."""
    bus_password_file: str | None = None
    """Holds what proves the bus's user, where its URL has no password: a password; for NATS, an nkey's seed or a
    credentials file as well."""
    encrypt_payloads: bool = False
    """Whether inputs, outputs and contexts of runs that begin are encrypted, each run's under a key of its own that
    `accord runs erase` destroys."""
    take_uncertified: bool = False
    """Whether runs without a certificate go on: those that a version before 26 November 2026 has begun have none, and
    otherwise somebody has taken it away. For an upgrade from such a version, until they have ended."""
    keep_days: Annotated[float, Meta(gt=0, le=36_500)] = 90.0
    """How long ended runs are kept."""
    keep_incident_days: Annotated[float, Meta(gt=0, le=36_500)] = 365.0
    """How long incidents are kept."""
    max_incidents: Annotated[int, Meta(ge=1)] = 10_000
    """Incidents that are kept; of more, the oldest ones go."""
    quarantine_after: Annotated[int, Meta(ge=0)] = 20
    """So many incidents that are an agent's doing beyond doubt, and it is quarantined; 0: it never is by itself."""
    quarantine_within_s: Annotated[float, Meta(gt=0, le=86_400)] = 600.0
    """Within which time they count."""
    max_runs: Annotated[int, Meta(ge=1)] = 20_000
    """Runs that may be under way in one process before new ones are refused; one tenant has nine tenths at most."""
    max_waiting: Annotated[int, Meta(ge=1)] = 100_000
    """Tasks that may wait for agents in one process before new runs are refused; one tenant has nine tenths at most."""
    tenant_weights: dict[str, Annotated[float, Meta(ge=0.01, le=100)]] = {}
    """Weights of tenants, who start runs: turns and room are in proportion to them: `{ ci = 0.5 }`; else it is 1."""
    capability_limits: dict[
        Annotated[str, Meta(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)], Annotated[int, Meta(ge=1)]
    ] = {}
    """How many attempts of a capability may be under way at once, by its name."""
    learn_from: tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...] = ()
    """From whose use the planner learns, by the names of tenants, who start runs; `["*"]`: everybody's. It keeps the
    words of those who run a template that they name for them, encrypted, until `accord planner forget`."""
    learn_after: Annotated[int, Meta(ge=1)] = 20
    """So many new examples, and servers train a new version of the classifier."""
    system_agents: tuple[Annotated[str, Meta(pattern=AGENT_ID_PATTERN)], ...] = ()
    """Ids of agents that may offer capabilities under `accord.`, such as `accord.diagnose`, beside those built in."""
    policies: str | None = None
    """A file in Cedar, or a folder of `*.cedar` files: who may do what, in place of the set that ships with Accord."""
    agent_tags: dict[Annotated[str, Meta(pattern=AGENT_ID_PATTERN)], tuple[str, ...]] = {}
    """What policies may know of agents, by id: `{ "spiffe://partner/agent/scout" = ["audited"] }`."""
    host: str = "127.0.0.1"
    """Where `accord serve` listens."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8421
    """The port that `accord serve` listens on; 0 is any that is free."""
    tls_cert: str | None = None
    """The certificate that `accord serve` shows, PEM, with those that issued it; a new one is taken when it changes."""
    tls_key: str | None = None
    """The certificate's key, PEM, without a passphrase."""
    tls_clients: str | None = None
    """Certificates, PEM: of clients, only those are let in whose certificate one of these has issued."""
    require_tls: bool = False
    """Whether nothing is done without TLS that leaves this machine: not to the store, the bus or a server, nor here."""
    cors_origins: tuple[Annotated[str, Meta(pattern=r"^https?://[^/*]+$")], ...] = ()
    """Origins of web pages whose scripts may ask the server: `["https://console.example.org"]`."""
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 16 << 20
    """How long the body of a request may be."""
    request_within_s: Annotated[float, Meta(gt=0)] = 30.0
    """How long a request may take until its answer begins."""
    handshake_within_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """How long a connection has to say what it is for: the head of a request, a namespace, an agent's proof."""
    upload_within_s: Annotated[float, Meta(gt=0, le=86_400)] = 600.0
    """How long an upload of an agent may take for each 64 KiB; one that trickles is broken off."""
    guests_per_address: Annotated[int, Meta(ge=1)] = 1024
    """Connections of one address that may not have said it yet; proxies that are trusted may have more."""
    requests_per_second: Annotated[float, Meta(gt=0)] = 100.0
    """How many requests one principal may make; all principals at one address together ten times as many."""
    request_burst: Annotated[int, Meta(ge=1)] = 1000
    """How many requests one principal may make at once; at one address ten times as many."""
    open_metrics: bool = False
    """Whether `/metrics` answers callers on this machine without a credential."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies in front of the server, which are believed whom they ask for: `["10.0.0.5"]`."""
    console: bool = True
    """Whether `accord serve` serves the console at `/`."""
    console_session_s: Annotated[float, Meta(ge=60, le=2_592_000)] = 43_200.0
    """How long somebody stays signed in at the console, at most."""
    webhook_networks: tuple[str, ...] = ()
    """Of addresses that are not public, those that webhooks may have: `["10.0.0.0/8"]`."""
    oidc_issuer: str | None = None
    """The `iss` of tokens that are accepted beside API keys: an OpenID Connect provider's URL."""
    oidc_audience: str | None = None
    """The `aud` that such a token has to have."""
    oidc_jwks: str | None = None
    """Where the issuer's keys are: a JWKS file, or its https URL."""
    oidc_algorithms: Annotated[tuple[SignedBy, ...], Meta(min_length=1)] = ("ES256", "Ed25519", "PS256", "RS256")
    """How such a token may be signed."""
    oidc_name_claim: str = "sub"
    """The claim that the journal calls the bearer by; one without `@` gets the issuer's host behind it."""
    oidc_role_claim: str = "roles"
    """The claim that holds roles, or the way to it: `realm_access.roles`."""
    oidc_roles: dict[str, Role] = {}
    """The role that a value of that claim gives: `{"accord-operators": "operator"}`."""
    server: str | None = None
    """The server that commands ask in place of this home, such as `https://accord.example.org`."""
    server_within_s: Annotated[float, Meta(ge=0, le=3600)] = 2.0
    """How long a command tries again where nobody listens at the server's address: it may be starting."""
    server_ca: str | None = None
    """Certificates, PEM, of which one has to have issued the server's, in place of the system's; for agents, too."""
    server_cert: str | None = None
    """The certificate that commands and agents show a server, PEM, where it wants one."""
    server_key: str | None = None
    """The key of `server_cert`, PEM, without a passphrase."""
    insecure_http: bool = False
    """Whether commands send their key to servers on other machines without TLS, and a language model is asked so."""
    agent_returns_within_s: Annotated[float, Meta(gt=0, le=3600)] = 8.0
    """How long an agent whose connection was closed has to connect again, until its tasks are given to others."""
    suggestion_endpoint: str | None = None
    """The OpenAI-compatible endpoint of a language model, up to and with `/v1`: `https://models.example.org/v1`. It
    suggests graphs for objectives that nothing else understands."""
    suggestion_model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """The model, as the endpoint calls it."""
    suggestion_consent: bool = False
    """Whether the words of objectives, and names, descriptions and schemas of the capabilities nearest to them, may be
    sent there; without it there are no suggestions."""
    suggestion_key_file: str | None = None
    """Holds the endpoint's API key, where it wants one."""
    suggestion_ca: str | None = None
    """Certificates, PEM, of which one has to have issued the endpoint's, in place of the system's."""
    suggestion_within_s: Annotated[float, Meta(gt=0, le=600)] = 20.0
    """How long a suggestion may take, all rounds together; less than `request_within_s`."""
    suggestion_rounds: Annotated[int, Meta(ge=1, le=10)] = 3
    """How many suggestions there may be for one objective: the first, and those after what was wrong was told."""
    suggestion_max_tokens: Annotated[int, Meta(ge=100, le=100_000)] = 4000
    """How many tokens the model may write in one answer."""
    suggestion_capabilities: Annotated[int, Meta(ge=1, le=100)] = 20
    """How many capabilities it is shown at most."""
    suggestion_confirmed: bool = True
    """Whether a suggested graph runs only after somebody has looked at it."""
    otlp_endpoint: str | None = None
    """Where spans, metrics and logs are sent by OTLP over HTTP, such as `http://127.0.0.1:4318`, each to its path below
    it: `/v1/traces` and so on. The variables that OpenTelemetry has for everybody (`OTEL_…`) hold as well."""
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] | None = None
    """The share of runs that is traced, of those that nobody asks for from within a trace; in place of
    `OTEL_TRACES_SAMPLER`, else all are."""
    log_format: Literal["text", "json"] = "text"
    """How servers and agents write their logs on standard error: in words, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    """From which level on they do; else in JSON from warnings on, and in words as `--verbose` says."""
    drain_within_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    """How long requests may go on when the server is told to stop."""
    delegate_keys: Literal["never", "auto", "always"] = "auto"
    """Whether the key lets short-lived keys in memory sign for it: `never`, `always`, or where its store is slow."""
    delegated_key_s: Annotated[float, Meta(ge=600, le=3600)] = 600.0
    """How long such a key may sign at most, an agent's too."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are, who we are, and how much may go on at once."""

    home: Path
    """Journal, blobs, keys and reports of the embedded default."""
    organisation: str = "local"
    passphrase_file: Path | None = None
    keys: KeysAddress | None = None
    """The key store; None where keys are files in the home."""
    keys_secret_file: Path | None = None
    store: StoreAddress | None = None
    """The database with journal and blobs; None where they are files in the home."""
    store_password_file: Path | None = None
    bus: BusAddress | None = None
    """What carries messages; None where it is this process's memory."""
    bus_password_file: Path | None = None
    take_uncertified: bool = False
    encrypt_payloads: bool = False
    keep_days: float = 90.0
    keep_incident_days: float = 365.0
    max_incidents: int = 10_000
    quarantine_after: int = 20
    quarantine_within_s: float = 600.0
    max_runs: int = 20_000
    max_waiting: int = 100_000
    tenant_weights: Mapping[str, float] = {}
    capability_limits: Mapping[str, int] = {}
    learn_from: tuple[str, ...] = ()
    learn_after: int = 20
    system_agents: tuple[AgentId, ...] = ()
    policies: Path | None = None
    """Where the policies are; None where they are those that ship with Accord."""
    agent_tags: Mapping[AgentId, tuple[str, ...]] = {}
    host: str = "127.0.0.1"
    port: int = 8421
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_clients: Path | None = None
    require_tls: bool = False
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 16 << 20
    request_within_s: float = 30.0
    handshake_within_s: float = 30.0
    upload_within_s: float = 600.0
    guests_per_address: int = 1024
    requests_per_second: float = 100.0
    request_burst: int = 1000
    open_metrics: bool = False
    trusted_proxies: tuple[str, ...] = ()
    console: bool = True
    console_session_s: float = 43_200.0
    webhook_networks: tuple[str, ...] = ()
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_jwks: str | None = None
    oidc_algorithms: tuple[str, ...] = ("ES256", "Ed25519", "PS256", "RS256")
    oidc_name_claim: str = "sub"
    oidc_role_claim: str = "roles"
    oidc_roles: Mapping[str, Role] = {}
    server: str | None = None
    server_within_s: float = 2.0
    server_ca: Path | None = None
    server_cert: Path | None = None
    server_key: Path | None = None
    insecure_http: bool = False
    agent_returns_within_s: float = 8.0
    suggestion_endpoint: str | None = None
    suggestion_model: str | None = None
    suggestion_consent: bool = False
    suggestion_key_file: Path | None = None
    suggestion_ca: Path | None = None
    suggestion_within_s: float = 20.0
    suggestion_rounds: int = 3
    suggestion_max_tokens: int = 4000
    suggestion_capabilities: int = 20
    suggestion_confirmed: bool = True
    exports: Exports | None = None
    """What is sent to a collector; None where nothing is."""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    drain_within_s: float = 10.0
    delegate_keys: Literal["never", "auto", "always"] = "auto"
    delegated_key_s: float = 600.0
    api_key: str | None = None
    """The key that is shown to servers, from the environment alone."""

    @property
    def tls(self) -> TlsFiles:
        """What connections to a server believe and show."""
        return TlsFiles(self.server_ca, self.server_cert, self.server_key)

    @property
    def credentials(self) -> Path:
        """The file with the API key for the server of this home."""
        return self.home / "credentials"

    @property
    def journal(self) -> Path:
        """The SQLite database."""
        return self.home / "journal.db"

    @property
    def exhibit(self) -> Path:
        """What makes the home an exhibit: what it was imported from."""
        return self.home / "exhibit.json"

    @property
    def blobs(self) -> Path:
        """The blob store."""
        return self.home / "blobs"

    @property
    def key_files(self) -> Path:
        """The key files, where no key store is named."""
        return self.home / "keys"

    @property
    def passphrase(self) -> Path:
        """The file with the passphrase of the key files."""
        return self.passphrase_file or self.home / "passphrase"

    @property
    def custody(self) -> Custody:
        """Where the keys are, and what opens that."""
        return Custody(
            files=self.key_files,
            passphrase=self.passphrase,
            makes_passphrase=self.passphrase_file is None,
            address=self.keys,
            secret=self.keys_secret_file,
        )


def default_home() -> Path:
    """The home where none is named."""
    return platformdirs.user_data_path("accord")


def read_settings(
    environment: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    store: StoreAddress | None = None,
    bus: BusAddress | None = None,
) -> Settings:
    """The settings of this process. `home`, `store` and `bus` are flags, which beat the environment.

    Raises:
        BadInput: ACC901 something is set that nobody knows, ACC902 a value that cannot be, ACC903 an unreadable file,
            ACC861 a way without TLS where `require_tls` is on; all problems at once.
    """
    given = os.environ if environment is None else environment
    where = home or (Path(given["ACCORD_HOME"]) if given.get("ACCORD_HOME") else default_home())
    from_file, problems = _read_file(where / "settings.toml")
    from_environment, more = _read_environment(given)
    BadInput.raise_if([*problems, *more, *_incomplete({**from_file, **from_environment})])
    chosen = msgspec.convert({**from_file, **from_environment}, _Given)
    values = msgspec.structs.asdict(chosen)
    values.update({name: Path(values[name]) if values[name] else None for name in _FILES})
    values["keys"] = keys_address(chosen.keys) if chosen.keys else None
    values["store"] = store or (store_address(chosen.store) if chosen.store else None)
    values["bus"] = bus or (bus_address(chosen.bus) if chosen.bus else None)
    values["exports"], unusable = exports_of(values.pop("otlp_endpoint"), values.pop("trace_ratio"), given)
    BadInput.raise_if(unusable)
    settings = Settings(home=where, api_key=given.get("ACCORD_API_KEY"), **values)
    BadInput.raise_if((*_unfit_suggestions(settings), *(_plain_ways(settings) if settings.require_tls else ())))
    return settings


def _unfit_suggestions(settings: Settings) -> Iterator[Problem]:
    """What keeps a language model from being asked as the settings say."""
    url = settings.suggestion_endpoint
    if url is None:
        return
    if not is_way(url) or without_password(url) != url:
        hint = "an http or https URL up to and with /v1, without a key"
        yield Problem("ACC158", "suggestion_endpoint is no URL of an endpoint", hint=hint)
    elif not is_encrypted_or_here(url) and not settings.insecure_http:
        hint = "use its https URL; or set insecure_http where everybody on the way is trusted"
        yield Problem("ACC158", f"what is sent to {url} could be read on the way", hint=hint)
    elif settings.require_tls and not is_encrypted_or_here(url):
        yield wanted(f"the language model {url}", "use its https URL")
    if settings.suggestion_within_s >= settings.request_within_s:
        message = f"suggestion_within_s is {settings.suggestion_within_s:g}, and a request ends after "
        hint = "let a suggestion take less time, or raise request_within_s"
        yield Problem("ACC158", f"{message}{settings.request_within_s:g} s", hint=hint)


def _plain_ways(settings: Settings) -> Iterator[Problem]:
    """Ways to other machines that are not encrypted, or lead to nobody knows whom."""
    store, bus, server = settings.store, settings.bus, settings.server
    if store is not None and not (store.local or store.verifies):
        yield wanted(f"the store {store}", "add ?sslmode=verify-full to its URL, and sslrootcert=FILE")
    if bus is not None and not (bus.local or bus.encrypted):
        yield wanted(f"the bus {bus}", "write tls:// or rediss://")
    if server is not None and not is_encrypted_or_here(server):
        yield wanted(f"the server {server}", "use its https URL")
    for url in settings.exports.endpoints.values() if settings.exports is not None else ():
        if is_open_way(url):
            yield wanted(f"the collector {without_password(url)}", "use its https URL")


def _incomplete(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Settings of an issuer, or of a language model, that mean nothing without the others."""
    named = [name for name in given if name.startswith("oidc_")]
    for missing in ("oidc_issuer", "oidc_audience", "oidc_jwks", "oidc_roles"):
        if named and not given.get(missing):
            hint = "an issuer takes oidc_issuer, oidc_audience, oidc_jwks and oidc_roles"
            yield Problem("ACC905", f"{named[0]} is set, and {missing} is not", hint=hint)
    suggesting = [name for name in given if name.startswith("suggestion_")]
    for missing in ("suggestion_endpoint", "suggestion_model", "suggestion_consent"):
        if suggesting and given.get(missing) is None:
            hint = "a language model takes suggestion_endpoint, suggestion_model and suggestion_consent = true"
            yield Problem("ACC905", f"{suggesting[0]} is set, and {missing} is not", hint=hint)


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    schema = msgspec.json.schema(_Given)
    return dict(schema["$defs"]["_Given"])


@cache
def _schema() -> Schema:
    return compile_schema(settings_schema())


def _read_file(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    text = ""
    try:
        text = path.read_bytes().decode()
        values = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        return {}, [Problem("ACC903", f"the settings cannot be read: {error.strerror}", Place(file=str(path)))]
    except UnicodeDecodeError:
        return {}, [Problem("ACC903", "the settings are not UTF-8", Place(file=str(path)), "save the file as UTF-8")]
    except tomllib.TOMLDecodeError as error:
        return {}, [Problem("ACC903", f"this is not TOML: {error}", _place_of_error(str(error), path, text))]
    return values, _problems(values, _Written(str(path), text).place)


def _place_of_error(said: str, path: Path, text: str) -> Place:
    if "at end of document" in said:
        return Place(str(path), text.rstrip().count("\n") + 1)
    found = re.search(r"\(at line (\d+), column (\d+)\)", said)
    return Place(str(path), int(found[1]), int(found[2])) if found else Place(str(path))


class _Written(msgspec.Struct, frozen=True):
    """A file of settings, to find in it the lines of its keys."""

    file: str
    text: str

    def place(self, pointer: str, /, *, key: bool = False) -> Place:
        """The line of the setting that a JSON pointer leads into; TOML tells of no more."""
        del key
        name = pointer.split("/")[1] if pointer else ""
        found = re.search(rf"""^[ \t]*\[?[ \t]*["']?{re.escape(name)}["']?[ \t]*[\].=]""", self.text, re.MULTILINE)
        line = self.text.count("\n", 0, found.start()) + 1 if found and name else None
        return Place(self.file, line, pointer=pointer or None)


def _in_environment(pointer: str, /, *, key: bool = False) -> Place:
    """The variable, and what inside of its value."""
    del key
    name, _, inside = pointer[1:].partition("/")
    return Place(f"{PREFIX}{name.upper()}", pointer=f"/{inside}" if inside else None)


def _read_environment(given: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    names = [name for name in given if name.startswith(PREFIX) and name not in ELSEWHERE]
    values = {key: _parsed(key, given[name]) for name in names for key in [name.removeprefix(PREFIX).lower()]}
    return values, _problems(values, _in_environment)


def _parsed(name: str, text: str) -> Any:
    """Numbers and JSON as what they are, where the setting is no text."""
    if name in _TEXTS:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _problems(values: dict[str, Any], place_of: PlaceOf) -> list[Problem]:
    known = _Given.__struct_fields__
    found = []
    for name in values:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "known are: " + ", ".join(known)
            found.append(Problem("ACC901", f"the setting {name} is unknown", place_of(f"/{name}"), hint))
    rest = {name: value for name, value in values.items() if name in known}
    found += _schema().violations(rest, "ACC902", place_of)
    for name, read in _ADDRESSES.items():
        if isinstance(rest.get(name), str):
            found += _of_address(read, rest[name], place_of(f"/{name}"))
    return found


_ADDRESSES: dict[str, Callable[..., object]] = {"store": store_address, "bus": bus_address, "keys": keys_address}


def _of_address(read: Callable[..., object], url: str, place: Place) -> tuple[Problem, ...]:
    """What is wrong with a URL. The schema does not say it: what it says would show a password."""
    try:
        read(url, place=place)
    except BadInput as error:
        return error.problems
    return ()
