"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, NoReturn, TypeAlias

import msgspec
import typer

from accord.addresses import BusAddress, bus_address
from accord.cli.completion import complete_run, complete_task, complete_template
from accord.errors import BadInput
from accord.postgres.address import StoreAddress, store_address
from accord.settings import Settings, default_home, read_settings

SHARED_PANEL = "Everywhere"

Home: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Where journal, keys, blobs and reports are; ACCORD_HOME where it is left out.",
        rich_help_panel=SHARED_PANEL,
        show_default=False,
    ),
]
Store: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The PostgreSQL database with journal and blobs, without a password; ACCORD_STORE where it is left out, "
        "else they are files in the home.",
        rich_help_panel=SHARED_PANEL,
        show_default=False,
    ),
]
Bus: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--bus",
        metavar="URL",
        help="What carries messages between several processes, without a password; ACCORD_BUS where it is left out, "
        "else it is this process's memory.",
        rich_help_panel=SHARED_PANEL,
        show_default=False,
    ),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=SHARED_PANEL, show_default=False)
]
Verbose: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Print warnings of the engine, and tracebacks: of agents here that raise, and of a fault.",
        rich_help_panel=SHARED_PANEL,
        show_default=False,
    ),
]
AgentsFrom: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--agents",
        metavar="MODULE|FILE",
        help="Agents beside the built-in ones: a module, a Python file, or a YAML file. Repeatable.",
        show_default=False,
    ),
]
RunName: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id, its beginning or its end (4 characters or more), or `last`.",
        show_default=False,
        autocompletion=complete_run,
    ),
]


def task_option(told: str, name: str = "--task") -> Any:
    """An option for one of the run's tasks."""
    return typer.Option(name, metavar="TASK", help=told, show_default=False, autocompletion=complete_task)


TaskName: TypeAlias = Annotated[str | None, task_option("A task, or an item of it: `measure[3]`.")]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A member of the input; `a.b=1` for a member of a member. Repeatable.",
        show_default=False,
    ),
]
Input: TypeAlias = Annotated[
    str | None,
    typer.Option("--input", metavar="FILE|JSON|-", help="The input: a file, JSON, or - for stdin.", show_default=False),
]
NoWait: TypeAlias = Annotated[
    bool, typer.Option("--no-wait", help="Do not carry the run on here; another process may.", show_default=False)
]
Wait: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--wait", help="Wait for agents that join later, where nobody here can do a task.", show_default=False
    ),
]
TemplateName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="NAME",
        help="A template's name, or name@version.",
        show_default=False,
        autocompletion=complete_template,
    ),
]


Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask this server, in place of the home here; ACCORD_SERVER where it is left out. Its key is in "
        "ACCORD_API_KEY, or for a server of this home where `accord serve` has put it.",
        show_default=False,
    ),
]

Ca: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="Certificates, PEM, of which one has to have issued the server's; ACCORD_SERVER_CA where it is left out, "
        "else those of the system.",
        show_default=False,
    ),
]

named_ca: ContextVar[Path | None] = ContextVar("named_ca", default=None)
"""What `--ca` in front of the command says."""

named_server: ContextVar[str | None] = ContextVar("named_server", default=None)
"""What `--server` in front of the command says, for `Shared` of the command behind it."""


class Shared(msgspec.Struct, frozen=True):
    """What every command is told."""

    home: Path | None = None
    as_json: bool = False
    verbose: bool = False
    agents: tuple[str, ...] = ()
    waits: bool = False
    """Whether a task that nobody here can do is waited with, in place of being refused."""
    named_server: str | None = msgspec.field(default_factory=named_server.get)
    """What `--server` says."""
    store: str | None = None
    """What `--store` says."""
    bus: str | None = None
    """What `--bus` says."""

    def settings(self) -> Settings:
        """The settings that hold for this command. Raises BadInput."""
        settings = read_settings(home=self.home, store=self._named_store(), bus=self._named_bus())
        ca = named_ca.get()
        return settings if ca is None else msgspec.structs.replace(settings, server_ca=ca)

    def _named_store(self) -> StoreAddress | None:
        """The store that `--store` names. Raises BadInput ACC585 where it holds a password."""
        named = store_address(self.store) if self.store else None
        if named is not None and named.has_password:
            _refuse_password("ACCORD_STORE, settings.toml, ~/.pgpass, or a file that store_password_file names")
        return named

    def _named_bus(self) -> BusAddress | None:
        """The bus that `--bus` names. Raises BadInput ACC585 where it holds a password."""
        named = bus_address(self.bus) if self.bus else None
        if named is not None and named.has_password:
            _refuse_password("ACCORD_BUS, settings.toml, or a file that bus_password_file names")
        return named

    def server(self) -> str | None:
        """The URL of the server that is asked; None where this home is. Raises BadInput."""
        return self.named_server or self.settings().server

    def here(self, command: str) -> None:
        """Raise BadInput ACC919 where a server was named for a command that is about this machine alone."""
        if self.named_server is not None:
            hint = "leave --server out"
            raise BadInput.of("ACC919", f"accord {command} is about this machine: no server is asked", hint=hint)

    def command(self, words: str) -> str:
        """A later command about the same: `runs resume RUN` with the options that it needs as well."""
        server = f" --server {quote(self.named_server)}" if self.named_server else ""
        return f"accord{_ca_again()}{server} {words}{self.again}"

    def elsewhere(self, words: str) -> str:
        """A command about the same for another terminal, in which neither this one's environment nor its folder holds.
        Raises BadInput.
        """
        settings, server = self.settings(), self.server()
        there = f" --server {quote(server)}" if server else ""
        return f"accord{_ca_again()}{there} {words}{home_option(settings)}"

    @property
    def again(self) -> str:
        """The options that a later command about the same run needs as well."""
        home = f" --home {quote(str(self.home))}" if self.home else ""
        agents = "".join(f" --agents {quote(target)}" for target in self.agents)
        return home + agents + (" --wait" if self.waits else "")


def home_option(settings: Settings) -> str:
    """The option that names this home, wherever it is given; nothing where it is the one that holds without."""
    home = settings.home.absolute()
    return "" if home == default_home() else f" --home {quote(str(home))}"


def _ca_again() -> str:
    ca = named_ca.get()
    return f" --ca {quote(str(ca))}" if ca else ""


def _refuse_password(places: str) -> NoReturn:
    hint = f"put it into {places}"
    raise BadInput.of("ACC585", "everybody on this machine can read a password of a command line", hint=hint)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "agents": (AgentsFrom, None),
    "waits": (Wait, False),
    "home": (Home, None),
    "store": (Store, None),
    "bus": (Bus, None),
    "as_json": (Json, False),
    "verbose": (Verbose, False),
}
"""The members of `Shared` as options, each with what holds where it is left out."""


def shares(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command's first parameter, `shared`, from these options and `--json` and `--verbose`, which come behind
    its own ones.
    """
    wanted = [name for name in _OPTIONS if name in (*names, "as_json", "verbose")]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in ((name, _OPTIONS[name]) for name in wanted)
    ]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter.replace(kind=Parameter.KEYWORD_ONLY)
            for parameter in list(signature(command, eval_str=True).parameters.values())[1:]
        ]

        @wraps(command)
        def called(**given: Any) -> None:
            told = {name: given.pop(name) for name in wanted}
            told["agents"] = tuple(told.get("agents") or ())
            command(Shared(**told), **given)

        parameters = sorted([*own, *options], key=lambda one: one.default is not Parameter.empty)
        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what `inspect` and Typer look at
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated
