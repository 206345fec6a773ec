"""The page of roles and rights."""

from __future__ import annotations

from accord.domain.access import RIGHTS, ROLES
from pages.markdown import GENERATED, table

_HEAD = f"""\
# Roles and rights

{GENERATED}

Whoever asks a server shows a credential, and a credential has one role. Each role may do all that those before it may:
{" · ".join(f"**{role}**" for role in ROLES)}.
What takes a role that the credential does not have is refused with ACC654, which names the role that it takes.
"""


def access_page() -> str:
    """The page, as Markdown."""
    rows = [(f"`{right}`", least, words) for right, (least, words) in RIGHTS.items()]
    return f"{_HEAD}\n{table(('right', 'from this role on', 'what it allows'), rows)}\n"
