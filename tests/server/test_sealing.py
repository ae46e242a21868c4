"""Keys and what they seal."""

from __future__ import annotations

from pathlib import Path

import pytest

from inkling_server.errors import ProfileUnreadable, StartError
from inkling_server.sealing import MasterKey, Sealer, profile_context

KEY = bytes(range(32))


def test_opens_what_it_sealed_and_nothing_else() -> None:
    """Another key, another context, a changed or shortened ciphertext: none opens."""
    sealed = Sealer(KEY).seal(b"content", b"context")
    assert Sealer(KEY).open(sealed, b"context") == b"content"
    changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for key, content, context in (
        (bytes(32), sealed, b"context"),
        (KEY, sealed, b"other"),
        (KEY, changed, b"context"),
        (KEY, sealed[:20], b"context"),
        (KEY, b"", b"context"),
    ):
        with pytest.raises(ProfileUnreadable):
            Sealer(key).open(content, context)


def test_no_nonce_comes_twice() -> None:
    """A nonce used twice would give the content away; a thousand sealings have a thousand."""
    sealer = Sealer(KEY)
    assert len({sealer.seal(b"", b"")[:12] for _ in range(1000)}) == 1000


def test_account_keys_open_for_their_account_only(tmp_path: Path) -> None:
    """A wrapped key put under another account's name does not open."""
    master = MasterKey.create(tmp_path / "master.key")
    key = master.new_account_key("ada")
    sealed = key.sealer.seal(b"profile", profile_context("ada", 1))
    again = MasterKey.load(tmp_path / "master.key").account_key("ada", key.wrapped)
    assert again.sealer.open(sealed, profile_context("ada", 1)) == b"profile"
    with pytest.raises(ProfileUnreadable):
        again.sealer.open(sealed, profile_context("ada", 2))
    with pytest.raises(ProfileUnreadable):
        master.account_key("ben", key.wrapped)


def test_master_key_file_is_secret_and_never_overwritten(tmp_path: Path) -> None:
    """It is made 0600, refused when others may read it or it has the wrong size, and not made twice."""
    path = tmp_path / "master.key"
    MasterKey.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    with pytest.raises(FileExistsError):
        MasterKey.create(path)
    assert path.read_bytes() == content
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(StartError, match=f"chmod 600 {path}"):
            MasterKey.load(path)
    path.chmod(0o600)
    path.write_bytes(content[:16])
    with pytest.raises(StartError, match="16 bytes instead of 32"):
        MasterKey.load(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["master.key"]


def test_a_master_key_proves_itself(tmp_path: Path) -> None:
    """A proof tells its key from every other."""
    first, second = MasterKey.create(tmp_path / "a"), MasterKey.create(tmp_path / "b")
    assert first.proves(first.proof())
    assert not second.proves(first.proof())
    assert not first.proves(b"")


def test_keys_are_not_shown() -> None:
    """A key's `repr` tells nothing of it."""
    key = MasterKey(KEY).new_account_key("ada")
    assert repr(key) == "AccountKey()"
