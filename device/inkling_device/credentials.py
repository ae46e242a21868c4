"""What the glasses hold of the account they are logged in to, in one file of mode 0600."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inkling_device.private_files import make_private_directory, remove_private, write_private

log = logging.getLogger(__name__)

FILE_NAME = "credentials.json"
POLICY_KEY_BYTES = 32
"""Size of an Ed25519 public key (RFC 8032)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One pairing."""

    server: str
    """Web address of the server that gave the tokens."""
    pairing: str
    """The pairing's id."""
    grpc_target: str
    """HOST:PORT to sync with."""
    policy_key: bytes = field(repr=False)
    """32 bytes that verify the policy, pinned when the glasses were paired."""
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires: dt.datetime
    """When the access token ends, in UTC."""


class CredentialStore:
    """Keeps the credentials on disk. A change that another process made holds at the next look."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._stamp: tuple[int, int] | None = None
        self._current: Credentials | None = None

    @property
    def current(self) -> Credentials | None:
        """The credentials, or None where nobody is logged in or the file cannot be read."""
        stamp = self._file_stamp()
        if stamp != self._stamp:
            self._current = None if stamp is None else self._read()
            self._stamp = stamp
        return self._current

    def save(self, credentials: Credentials) -> None:
        """Replaces the credentials, durably and as a whole. Raises `StateError`; the old ones stay then."""
        make_private_directory(self._path.parent)
        write_private(self._path, _to_json(credentials))

    def delete(self) -> None:
        """Logs out. Raises `StateError`."""
        remove_private(self._path)

    def _file_stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> Credentials | None:
        try:
            return _from_json(self._path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
            # The error's text may quote a token: its type is enough.
            log.error("%s cannot be read (%s): run `inkling-device pair` anew", self._path, type(error).__name__)
            return None


def _to_json(credentials: Credentials) -> bytes:
    return json.dumps(
        {
            "server": credentials.server,
            "pairing": credentials.pairing,
            "grpc_target": credentials.grpc_target,
            "policy_key": base64.b64encode(credentials.policy_key).decode("ascii"),
            "access_token": credentials.access_token,
            "refresh_token": credentials.refresh_token,
            "expires": credentials.expires.isoformat(),
        },
        indent=1,
    ).encode()


def _from_json(content: bytes) -> Credentials:
    values: dict[str, Any] = json.loads(content)
    expires = dt.datetime.fromisoformat(values["expires"])
    key = base64.b64decode(values["policy_key"], validate=True)
    texts = {name: values[name] for name in ("server", "pairing", "grpc_target", "access_token", "refresh_token")}
    if expires.tzinfo is None or len(key) != POLICY_KEY_BYTES or not all(isinstance(t, str) for t in texts.values()):
        raise ValueError("not credentials")
    return Credentials(policy_key=key, expires=expires, **texts)
