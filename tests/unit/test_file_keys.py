"""What the file key store refuses, and what it leaves on the disk."""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from accord.errors import KeyUnusable
from accord.keys import FileKeyStore, load_passphrase
from accord.keys.private import FAULTS

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
async def folder(tmp_path):
    """A store with the one key `agent`, closed."""
    async with FileKeyStore.open(tmp_path / "keys", PASSPHRASE) as keys:
        await keys.create("agent")
    return tmp_path / "keys"


@asynccontextmanager
async def opened(folder, passphrase=PASSPHRASE):
    async with FileKeyStore.open(folder, passphrase) as keys:
        yield keys


async def refusals(folder, passphrase=PASSPHRASE):
    with pytest.raises(KeyUnusable) as error:
        async with opened(folder, passphrase):
            pass
    return error.value.problems


async def codes(folder, passphrase=PASSPHRASE):
    return [problem.code for problem in await refusals(folder, passphrase)]


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


async def test_keys_outlive_the_store(folder):
    async with opened(folder) as keys:
        public = await keys.public("agent")
        (before,) = await keys.stored()
        signature = await keys.sign(public.kid, [b"x"])
    async with opened(folder) as keys:
        assert await keys.stored() == [before]
        assert await keys.sign(public.kid, [b"x"]) == signature


@pytest.mark.abuse("ASI03", at="store", stride="information disclosure", case="private keys are encrypted at rest")
async def test_files_are_private_encrypted_and_alone(folder):
    assert mode(folder) == 0o700
    assert [path.name for path in folder.iterdir()] == ["agent.pem"]
    assert mode(folder / "agent.pem") == 0o600
    assert (folder / "agent.pem").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")


async def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        async with opened(tmp_path / "deep" / "keys") as keys:
            await keys.create("agent")
        load_passphrase(tmp_path / "secret", tmp_path / "other")
    finally:
        os.umask(before)
    paths = [tmp_path / "deep" / "keys", tmp_path / "deep" / "keys" / "agent.pem", tmp_path / "secret"]
    assert [mode(path) for path in paths] == [0o700, 0o600, 0o600]


async def test_a_key_that_another_process_made_is_found(folder):
    async with opened(folder) as mine, opened(folder) as other:
        public = await other.create("later", "Ed25519")
        assert len(await mine.sign(public.kid, [b"x"])) == 1
        assert await mine.public("later") == public
        await other.create("latest")
        assert [key.name for key in await mine.stored()] == ["agent", "later", "latest"]
        with pytest.raises(KeyUnusable, match="ACC611"):
            await mine.create("latest")


async def test_a_broken_new_key_does_not_stop_the_others(folder, tmp_path):
    async with opened(folder) as keys:
        public = await keys.public("agent")
        (folder / "broken.pem").touch(0o600)
        assert len(await keys.sign(public.kid, [b"x"])) == 1
        with pytest.raises(KeyUnusable, match="ACC617"):
            await keys.public("broken")
        with pytest.raises(KeyUnusable, match="ACC617"):
            await keys.stored()
        async with opened(tmp_path / "other") as other:
            later = await other.create("later")
        (tmp_path / "other" / "later.pem").rename(folder / "later.pem")
        assert await keys.public("later") == later


async def test_a_closed_store_does_nothing(folder):
    async with opened(folder) as keys:
        public = await keys.public("agent")
    for attempt in (keys.stored(), keys.public("agent"), keys.sign(public.kid, [b"x"]), keys.create("later")):
        with pytest.raises(KeyUnusable, match="ACC622"):
            await attempt


async def test_a_crash_while_writing_leaves_nothing_that_counts(folder, monkeypatch):
    async with opened(folder) as keys:
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(KeyUnusable, match=r"ACC616.*No space left"):
            await keys.create("later")
        monkeypatch.undo()
        assert [path.name for path in folder.iterdir()] == ["agent.pem"]
        (folder / ".later.pem.0123.tmp").write_bytes(b"half")
        await keys.create("later")
    async with opened(folder) as keys:
        assert [key.name for key in await keys.stored()] == ["agent", "later"]


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
@pytest.mark.abuse("ASI03", at="store", stride="information disclosure", case="key files that others can read")
async def test_looser_files_are_refused(folder, loose):
    path = folder / "agent.pem"
    path.chmod(loose)
    (problem,) = await refusals(folder)
    assert (problem.code, problem.place.file, problem.hint) == ("ACC613", str(path), f"chmod 600 {path}")
    assert f"mode {loose:04o}" in problem.message


@pytest.mark.parametrize("loose", [0o750, 0o705, 0o711, 0o777])
async def test_a_looser_directory_is_refused(folder, loose):
    folder.chmod(loose)
    (problem,) = await refusals(folder)
    assert (problem.code, problem.hint) == ("ACC613", f"chmod 700 {folder}")


async def test_a_directory_made_looser_later_is_refused(folder):
    async with opened(folder) as keys:
        folder.chmod(0o755)
        with pytest.raises(KeyUnusable, match="ACC613"):
            await keys.create("later")


async def test_all_that_is_wrong_is_said_at_once(folder):
    (folder / "agent.pem").chmod(0o644)
    (folder / "empty.pem").touch(0o600)
    (folder / "Name.pem").touch(0o600)
    assert await codes(folder) == ["ACC610", "ACC613", "ACC617"]


async def test_foreign_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: (folder / "agent.pem").stat().st_uid + 1)
    assert await codes(folder) == ["ACC614"]


async def test_symbolic_links_are_refused(folder, tmp_path):
    (folder / "agent.pem").rename(tmp_path / "elsewhere.pem")
    (folder / "agent.pem").symlink_to(tmp_path / "elsewhere.pem")
    assert await codes(folder) == ["ACC615"]
    (tmp_path / "link").symlink_to(folder)
    assert await codes(tmp_path / "link") == ["ACC615"]


async def test_what_is_no_plain_file_or_directory_is_refused(folder, tmp_path):
    (folder / "agent.pem").unlink()
    (folder / "agent.pem").mkdir(0o700)
    os.mkfifo(folder / "pipe.pem", 0o600)
    assert await codes(folder) == ["ACC615", "ACC615"]
    (tmp_path / "file").touch(0o600)
    (problem,) = await refusals(tmp_path / "file")
    assert problem.code in ("ACC615", "ACC616")
    assert await codes(tmp_path / "file" / "keys") == ["ACC615"]


@pytest.mark.parametrize("passphrase", [b"wrong", PASSPHRASE + b"\n", PASSPHRASE[:-1]])
async def test_a_wrong_passphrase_is_refused(folder, passphrase):
    assert await codes(folder, passphrase) == ["ACC619"]


async def test_a_wrong_passphrase_is_told_once(folder):
    async with opened(folder) as keys:
        await keys.create("other")
    (problem,) = await refusals(folder, b"wrong")
    assert (problem.code, problem.place.file) == ("ACC619", str(folder))
    (folder / "agent.pem").write_bytes(b"")
    assert await codes(folder, b"wrong") == ["ACC617", "ACC619"]


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
async def test_files_sign_without_chance(folder, algorithm):
    async with opened(folder) as keys:
        public = await keys.create("other", algorithm)
        once = await keys.sign(public.kid, [b"a", b"b"] * 20)
        assert once[:2] * 20 == once
        assert await keys.sign(public.kid, [b"b"]) == [once[1]]


async def test_an_empty_passphrase_is_refused(tmp_path):
    assert await codes(tmp_path / "keys", b"") == ["ACC621"]
    assert not (tmp_path / "keys").exists()


async def test_no_truncated_file_is_taken(folder):
    path = folder / "agent.pem"
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last line end does not matter
        path.write_bytes(whole[:length])
        assert await codes(folder) == ["ACC617"]


async def test_damaged_files_are_refused(folder):
    path = folder / "agent.pem"
    whole = path.read_bytes()
    for position in range(40, len(whole) - 40, 7):
        path.write_bytes(whole[:position] + b"!" + whole[position + 1 :])
        assert await codes(folder) in (["ACC617"], ["ACC619"])
    path.write_bytes(b"x" * 20_000)
    assert await codes(folder) == ["ACC617"]


def pem(key, encryption=None):
    encryption = encryption or BestAvailableEncryption(PASSPHRASE)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption()), "ACC618"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "ACC620"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "ACC620"),
        (pem(ed448.Ed448PrivateKey.generate()), "ACC620"),
        (pem(rsa.generate_private_key(65537, 2048)), "ACC620"),
        (b"hello", "ACC617"),
        (b"", "ACC617"),
    ],
    ids=["plain", "P-384", "secp256k1", "Ed448", "RSA", "text", "empty"],
)
async def test_other_keys_are_refused(folder, content, code):
    (folder / "agent.pem").write_bytes(content)
    (problem,) = await refusals(folder)
    assert (problem.code, bool(problem.hint)) == (code, True)


async def test_nothing_secret_is_shown(folder):
    async with opened(folder) as keys:
        public = await keys.public("agent")
        held = keys._by_kid[public.kid]
        assert repr(held) == f"PrivateKey({public.kid})"
        assert PASSPHRASE.decode() not in repr(keys)


# -- the passphrase ------------------------------------------------------------------------------


def test_a_passphrase_is_made_once(tmp_path):
    path = tmp_path / "state" / "passphrase"
    first = load_passphrase(path, path.parent / "keys")
    assert len(first) >= 43
    assert load_passphrase(path, path.parent / "keys") == first
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert load_passphrase(tmp_path / "other", tmp_path / "keys") != first
    assert [entry.name for entry in path.parent.iterdir()] == ["passphrase"]


def test_all_who_start_together_get_the_same_passphrase(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        passphrases = set(threads.map(lambda _: load_passphrase(tmp_path / "passphrase", tmp_path / "keys"), range(32)))
    assert len(passphrases) == 1


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [(b"secret", b"secret"), (b"secret\n", b"secret"), (b"secret\r\n", b"secret"), (b" a b \n\n", b" a b \n")],
)
def test_one_line_end_does_not_belong_to_the_passphrase(tmp_path, content, passphrase):
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_bytes(content)
    assert load_passphrase(path, path.parent / "keys") == passphrase


async def test_a_passphrase_that_is_gone_is_not_made_anew_while_there_are_keys(tmp_path):
    keys, path = tmp_path / "keys", tmp_path / "passphrase"
    async with opened(keys, load_passphrase(path, keys)) as store:
        await store.create("agent")
    path.unlink()
    with pytest.raises(KeyUnusable, match="ACC623"):
        load_passphrase(path, keys)
    assert not path.exists()


def test_a_passphrase_file_that_somebody_has_named_is_not_made(tmp_path):
    with pytest.raises(KeyUnusable, match="ACC624"):
        load_passphrase(tmp_path / "named", tmp_path / "keys", makes=False)
    assert not (tmp_path / "named").exists()


@pytest.mark.parametrize(
    ("content", "loose", "code"), [(b"secret", 0o644, "ACC613"), (b"", 0o600, "ACC621"), (b"\n", 0o600, "ACC621")]
)
def test_unsafe_passphrase_files_are_refused(tmp_path, content, loose, code):
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(loose)
    with pytest.raises(KeyUnusable, match=code):
        load_passphrase(path, path.parent / "keys")


def test_a_linked_passphrase_is_refused(tmp_path):
    (tmp_path / "passphrase").symlink_to(tmp_path / "absent")
    with pytest.raises(KeyUnusable, match="ACC615"):
        load_passphrase(tmp_path / "passphrase", tmp_path / "keys")


def test_every_fault_has_one_meaning():
    assert len({rule for rule, _ in FAULTS.values()}) == len(FAULTS)


async def test_signing_in_threads_gives_every_caller_its_own(folder):
    async with opened(folder) as keys:
        public = await keys.public("agent")
        batches = [[bytes([number, item]) for item in range(20)] for number in range(8)]
        signed = await asyncio.gather(*(keys.sign(public.kid, batch) for batch in batches))
        assert signed == [await keys.sign(public.kid, batch) for batch in batches]
        assert len({signature for batch in signed for signature in batch}) == 160


async def test_of_two_processes_that_replace_a_key_none_loses_the_others(folder):
    async with opened(folder) as one, opened(folder) as other:
        old = await one.public("agent")
        new = await one.replace("agent")
        assert (await other.public("agent")).kid == old.kid
        with pytest.raises(KeyUnusable, match="ACC663"):
            await other.replace("agent")
    async with opened(folder) as later:
        assert (await later.public("agent"), await later.replaced()) == (new, [old.kid])


async def test_a_passphrase_that_opens_nothing_is_told_once(folder):
    async with opened(folder) as keys:
        for name in ("b", "c"):
            await keys.create(name)
    assert await codes(folder, b"another") == ["ACC619"]
    (folder / "empty.pem").touch(0o600)
    assert await codes(folder, b"another") == ["ACC619", "ACC617"]
