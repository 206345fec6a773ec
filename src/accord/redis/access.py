"""A folder with the users of a Redis server: a password for each, and the file with what they may do."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from accord.domain.ids import AgentId
from accord.errors import BadInput
from accord.redis.users import NOBODY, RedisUser, agent_user, orchestrator_user

ACL: Final = "users.acl"
ORCHESTRATOR: Final = "orchestrator"
PASSWORD: Final = ".password"  # noqa: S105 - how files end


class Users(msgspec.Struct, frozen=True):
    """The users of a namespace, as they are in a folder."""

    folder: Path
    namespace: str

    def add(self, agents: Iterable[AgentId]) -> list[Path]:
        """Make a password for the orchestrators, and for each of these agents that has none; write the rules of all
        users. Returns the files of the passwords that were made.

        Raises BadInput where the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            wanted = (self._file(ORCHESTRATOR), *map(self.file_of, agents))
            made = [file for file in wanted if not file.exists()]
            for file in made:
                _write(file, f"{secrets.token_urlsafe(32)}\n")
            _write(self.folder / ACL, "\n".join((NOBODY, *self._lines(), "")))
        except OSError as error:
            raise BadInput.of("ACC748", f"the folder {self.folder} cannot be used: {error}") from error
        return made

    def agents(self) -> list[AgentId]:
        """The agents that have a password in the folder. Raises OSError."""
        words = (file.name.removesuffix(PASSWORD).partition("~") for file in sorted(self.folder.glob(f"*~*{PASSWORD}")))
        return [AgentId(f"spiffe://{organisation}/agent/{name}") for organisation, _, name in words]

    def file_of(self, agent: AgentId) -> Path:
        """The file with an agent's password."""
        organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
        return self._file(f"{organisation}~{name}")

    def _lines(self) -> Iterable[str]:
        yield self._line(orchestrator_user(self.namespace), self._file(ORCHESTRATOR))
        for agent in self.agents():
            yield self._line(agent_user(self.namespace, agent), self.file_of(agent))

    def _line(self, user: RedisUser, file: Path) -> str:
        return user.line(file.read_text().strip())

    def _file(self, word: str) -> Path:
        return self.folder / f"{word}{PASSWORD}"


def _write(path: Path, text: str) -> None:
    """Write a file for its owner alone, or nothing of it."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
