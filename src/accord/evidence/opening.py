"""Opening a bundle: its container, its manifest, who has signed that, and whether everything in it is what it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import BinaryIO, TypeVar

import msgspec

from accord.domain.ids import KeyId
from accord.domain.message import Claims, decode_claims
from accord.domain.signature import PublicKey, parse_statement, verify
from accord.domain.succession import Link, followed, heirs
from accord.errors import AccordError, BadInput, KeyUnusable, MessageRefused, Place, Problem
from accord.evidence.container import Container, Entry
from accord.evidence.manifest import KEYS, MANIFEST, STATEMENT, SUCCESSIONS, Content, Manifest, Roots, manifest_claims

T = TypeVar("T")


class Opened:
    """A bundle whose manifest could be read, with all that is wrong so far."""

    def __init__(self, container: Container, manifest: Manifest, believed: dict[KeyId, PublicKey]) -> None:
        self._container = container
        self._entries: dict[str, Entry] = {}
        self._contents = {content.name: content for content in manifest.contents}
        self.manifest = manifest
        self.believed = believed
        self.before: dict[KeyId, PublicKey] = {}
        """The keys that those believed have come after."""
        """The orchestrator's keys: those that are trusted."""
        self.signed_by: KeyId | None = None
        self.damaged: set[str] = set()
        """Entries that are not those that the manifest names: nobody looks into them."""
        self.authentic = False
        """Whether a trusted key has signed the manifest. If not, nobody looks into what it names."""
        self.cut_off = False
        """Whether the end is missing, and with it the keys of agents: then nobody looks into the rest either."""
        self.problems: list[Problem] = []

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name, damaged or not."""
        return name in self._entries

    def names(self) -> list[str]:
        """The names of all entries, in order."""
        return list(self._entries)

    def data(self, name: str) -> bytes | None:
        """The content of an entry; None where it is not there, or damaged."""
        entry = self._entries.get(name) if name not in self.damaged else None
        return self._container.read(entry) if entry is not None else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of an entry in pieces; none where it is not there, or damaged."""
        entry = self._entries.get(name) if name not in self.damaged else None
        return self._container.chunks(entry) if entry is not None else iter(())

    def content(self, name: str) -> Content | None:
        """Digest and length of an entry, which were checked; None where it is not there, or damaged."""
        return self._contents.get(name) if self.has(name) and name not in self.damaged else None

    def value(self, name: str, kind: type[T]) -> T | None:
        """The value in an entry; None where it is not there, or (which is told) none of this kind."""
        data = self.data(name)
        try:
            return None if data is None else msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.wrong("ACC841", f"it cannot be read: {error}", name)
            return None

    def wrong(self, code: str, text: str, name: str | None = None, pointer: str | None = None) -> None:
        """Take down that something does not hold."""
        self.problems.append(Problem(code, text, Place(file=name, pointer=pointer)))

    def refused(self, error: AccordError, name: str, pointer: str | None = None) -> None:
        """Take down an error, with the entry that it is about."""
        for problem in error.problems:
            self.wrong_as(problem, name, pointer)

    def wrong_as(self, problem: Problem, name: str, pointer: str | None = None) -> None:
        """Take down a problem, with the entry that it is about."""
        place = Place(file=name, pointer=pointer if pointer is not None else problem.place.pointer)
        self.problems.append(msgspec.structs.replace(problem, place=place))

    def signature(
        self, statement: str | bytes, name: str, pointer: str | None = None, *, ever: bool = False
    ) -> Claims | None:
        """The claims of a statement by the orchestrator; None, which is told, where no trusted key has signed it. With
        `ever`, one of the keys before may have: whoever has signed the bundle vouches for them.
        """
        try:
            parsed = parse_statement(statement.encode() if isinstance(statement, str) else statement)
            key = self.believed.get(parsed.kid) or (self.before.get(parsed.kid) if ever else None)
            if key is None and KEYS in self.damaged:
                raise MessageRefused.of("ACC843", f"it is signed with {parsed.kid}, and {KEYS} is damaged or missing")
            if key is None:
                raise MessageRefused.of(
                    "ACC843",
                    f"it is signed with {parsed.kid}, which is not trusted",
                    hint="name the orchestrator's key with --trust, if it is that one",
                )
            verify(parsed, key)
            claims = decode_claims(parsed.claims)
        except AccordError as error:
            self.refused(error, name, pointer)
            return None
        self.signed_by = self.signed_by or key.kid
        return claims

    # -- contents ------------------------------------------------------------------------------------------------

    def check_contents(self) -> None:
        """Take down every entry that is not the one that the manifest names at its place."""
        found = self._container.entries[2:]
        wanted = self._contents
        for name, times in Counter(content.name for content in self.manifest.contents).items():
            if times > 1:
                self.wrong("ACC842", "the manifest names it more than once", name)
        for entry in found:
            if entry.name not in wanted:
                self.wrong("ACC842", "the manifest names no such entry", entry.name)
            elif entry.name in self._entries:
                self.wrong("ACC842", "it is there twice", entry.name)
            else:
                self._entries[entry.name] = entry
                self._check_content(entry, wanted[entry.name])
        self._check_missing([name for name in wanted if name not in self._entries])
        order = [name for name in wanted if name in self._entries]
        if order != list(self._entries):
            moved = next(name for name, right in zip(self._entries, order, strict=True) if name != right)
            self.wrong("ACC842", "it is at another place than the manifest says", moved)

    def _check_missing(self, names: list[str]) -> None:
        """Take down what is not there: a whole end as one."""
        self.damaged.update(names)
        self.cut_off = self._container.ends_early
        if self.cut_off and names:
            count = len(self.manifest.contents)
            text = f"the file is cut off: {len(names)} of its {count} entries are missing, from this one on"
            self.wrong("ACC842", text, names[0])
        else:
            for name in sorted(names):
                self.wrong("ACC842", "the manifest names it, and it is not there", name)

    def _check_content(self, entry: Entry, content: Content) -> None:
        if entry.length_bytes != content.length_bytes or self._container.digest(entry) != content.sha256:
            span = f"bytes {entry.offset} to {entry.offset + entry.length_bytes} of the file"
            self.damaged.add(entry.name)
            self.wrong("ACC841", f"{span} are not those that the manifest names", entry.name)


def opened(file: BinaryIO, trusted: Collection[KeyId] | None) -> Opened:
    """The bundle in a file. `trusted` are the keys to believe; None: whichever the bundle says.

    Raises BadInput (ACC856) with all that was found, where it has no manifest that can be read.
    """
    container = Container(file)
    container.find(2)
    statement, manifest_entry = _first(container, STATEMENT, 0), _first(container, MANIFEST, 1)
    data = container.read(manifest_entry) if manifest_entry is not None else b""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"there is no manifest that can be read: {error}"
        raise BadInput(*container.problems, Problem("ACC856", text, Place(file=MANIFEST))) from error
    expected = [(STATEMENT, 0), (MANIFEST, len(data))]
    container.finish([*expected, *((one.name, one.length_bytes) for one in manifest.contents)])
    bundle = Opened(container, manifest, {})
    bundle.problems += container.problems
    bundle.check_contents()
    bundle.believed |= _believed(bundle, trusted)
    _check_statement(bundle, container.read(statement) if statement is not None else b"", data)
    return bundle


def _first(container: Container, name: str, number: int) -> Entry | None:
    """One of the two first entries; None where it is another one."""
    if len(container.entries) > number and container.entries[number].name == name:
        return container.entries[number]
    container.problems.append(Problem("ACC842", f"entry {number + 1} has to be this one", Place(file=name)))
    return None


def _believed(bundle: Opened, trusted: Collection[KeyId] | None) -> dict[KeyId, PublicKey]:
    roots = bundle.value(KEYS, Roots)
    found: dict[KeyId, PublicKey] = {}
    for index, jwk in enumerate(roots.keys if roots is not None else ()):
        try:
            key = PublicKey.from_jwk(jwk)
        except KeyUnusable as error:
            bundle.refused(error, KEYS, f"/keys/{index}")
        else:
            if trusted is None or key.kid in trusted:
                found[key.kid] = key
    links = bundle.value(SUCCESSIONS, tuple[Link, ...]) or ()
    try:
        after = heirs(links, found if trusted is None else trusted, bundle.manifest.signed_by)
        chain = followed(links, bundle.manifest.signed_by) if after else ()
        bundle.before = {key.kid: key for key in chain if key.kid not in after}
        return found | after
    except MessageRefused as error:
        bundle.refused(error, SUCCESSIONS)
        return found


def _check_statement(bundle: Opened, statement: bytes, data: bytes) -> None:
    claims = bundle.signature(statement, STATEMENT)
    if claims is not None and claims != manifest_claims(bundle.manifest, data):
        bundle.wrong("ACC843", "the statement is not about this manifest", STATEMENT)
    bundle.authentic = claims == manifest_claims(bundle.manifest, data)
    if msgspec.json.encode(bundle.manifest) != data:
        bundle.wrong("ACC841", "the manifest is not written as it has to be", MANIFEST)
