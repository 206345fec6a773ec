"""`accord policy ...`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import policy as action
else:
    action = later("accord.cli.actions.policy")

app = typer.Typer(
    name="policy", help="Policies in Cedar: who may do what, checked, tested, explained, proven.", no_args_is_help=True
)

Policies: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="POLICIES",
        help="A file, or a folder of `*.cedar` files; the setting `policies` where it is left out, else the set that "
        "ships with Accord.",
        show_default=False,
    ),
]
PoliciesOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policies", metavar="POLICIES", help="As above, in place of the setting.", show_default=False),
]


class Action(StrEnum):
    """What a request is about."""

    EXECUTE = "execute"
    SEE = "see"
    DECLASSIFY = "declassify"
    LOOK = "look"
    RUN = "run"
    CONTROL = "control"
    APPROVE = "approve"
    PUBLISH = "publish"
    ENROL = "enrol"
    ADMINISTER = "administer"
    ERASE = "erase"


class Role(StrEnum):
    """What a principal is."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    ADMIN = "admin"


@app.command()
@shares("home")
def check(
    shared: Shared,
    policies: Policies = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="POLICIES",
            help="Prove that the set allows nothing that this one does not, or show a request.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check policies against the schema, all faults at once, and find those without effect.

    The exit code is 2 where there are faults, and 1 where the set allows more than that of --against, or nobody knows.
    What is proven takes the extra `proofs`.

    **Examples**

    - `accord policy check policies/`
    - `accord policy check policies/ --against old-policies/`
    """
    raise typer.Exit(action.check(shared, policies, against))


@app.command()
@shares("home")
def prove(
    shared: Shared,
    policies: Policies = None,
    never: Annotated[
        list[str] | None,
        typer.Option(
            "--never",
            metavar="REQUESTS",
            help="Requests that must never be allowed: a Cedar policy without its effect. Repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Prove that no request of a kind is ever allowed, or show one that is, which Cedar confirms.

    The exit code is 1 where one is, or nobody knows.

    **Example**

    - `accord policy prove --never '(principal is Agent, action == Action::"execute", resource) when {
      principal.organisation == "b" && context.labels.contains("confidential") }'`
    """
    raise typer.Exit(action.prove(shared, policies, never or []))


@app.command("test")
@shares("home")
def try_(
    shared: Shared,
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="A YAML or JSON file with cases.", show_default=False)],
    policies: PoliciesOption = None,
) -> None:
    """Test policies by cases: requests, each with the decision that is expected.

    The exit code is 1 where a case is decided otherwise.

    **Example**

    - `accord policy test cases.yaml --policies policies/`
    """
    raise typer.Exit(action.try_(shared, cases, policies))


@app.command()
@shares("home")
def explain(  # noqa: PLR0913 - each is an option
    shared: Shared,
    asked: Annotated[Action, typer.Option("--action", help="What is asked.", show_default=False)],
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="ID", help="The agent, for execute and see.", show_default=False)
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag of it. Repeatable.", show_default=False)
    ] = None,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="It is in quarantine.", show_default=False)
    ] = False,
    capability: Annotated[
        str | None,
        typer.Option("--capability", metavar="NAME@VERSION", help="Of which capability.", show_default=False),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option("--principal", metavar="NAME", help="Who asks, for the other actions.", show_default=False),
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="Their role.")] = Role.VIEWER,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="NAME@VERSION", help="The run's, or which one.", show_default=False),
    ] = None,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="NAME", help="Who started the run.", show_default=False)
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="LABEL",
            help="A label of the data; without a level they are internal. Repeatable.",
            show_default=False,
        ),
    ] = None,
    policies: PoliciesOption = None,
) -> None:
    """Explain one decision: which policies decide it, and which single fact would turn it.

    The exit code is 1 where the request is denied.

    **Examples**

    - `accord policy explain --action execute --agent spiffe://local/agent/scout --capability text.summarize@1.0.0
      --template audit@1.0.0 --label confidential`
    - `accord policy explain --action run --principal ann --role viewer --template audit@1.0.0`
    """
    words = {"agent": agent, "capability": capability, "principal": principal, "template": template}
    given = {name: value for name, value in words.items() if value is not None}
    lists = {"tags": tuple(tag or ()), "labels": tuple(label or ())}
    wanted = {"action": asked.value, "role": role.value, "tenant": tenant, "quarantined": quarantined, **given, **lists}
    raise typer.Exit(action.explain(shared, wanted, policies))


@app.command()
@shares("home")
def show(
    shared: Shared,
    policies: Policies = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="The schema that policies are checked against.", show_default=False)
    ] = False,
) -> None:
    """Print the policies that are in force, or the schema.

    **Examples**

    - `accord policy show > mine.cedar`
    - `accord policy show --schema`
    """
    raise typer.Exit(action.show(shared, policies, schema=schema))
