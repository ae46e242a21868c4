"""The policy in force, kept in the data directory, renewed where the server may sign.

Three files: `policy.signed` is what devices get; `policy.key` signs it (32 bytes, 0600) and may be kept elsewhere, in
which case somebody has to sign in time; `policy.pub` (32 bytes) verifies it.
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import DecodeError

from inkling.policy.v1 import policy_pb2
from inkling_server.errors import PolicyInvalid, StartError
from inkling_server.files import read_secret, replace_file, write_secret
from inkling_server.policy import VALIDITY, Policy, renewed, sign, verify

_log = logging.getLogger(__name__)

SIGNED_POLICY = "policy.signed"
"""The file that devices get, in the data directory."""
PUBLIC_KEY = "policy.pub"
"""The file with the key that verifies it."""


class PolicyBook:
    """Holds the signed policy of a server.

    `open` makes what is missing: a key pair where there is none at all, and the default policy where none was signed.
    """

    def __init__(self, directory: Path, private: Ed25519PrivateKey | None, public: Ed25519PublicKey) -> None:
        self._file = directory / SIGNED_POLICY
        self._private = private
        self._public = public
        self._policy = Policy()
        self._signed = policy_pb2.SignedPolicy()
        self._stamp = 0

    @classmethod
    def open(cls, directory: Path, now: dt.datetime) -> PolicyBook:
        """The book of a data directory. Raises `StartError` where its files do not go together."""
        private = _private_key(directory)
        book = cls(directory, private, _public_key(directory, private))
        if not book._file.exists():
            if private is None:
                raise StartError(
                    f"{book._file} is missing, and without {directory / 'policy.key'} the server cannot sign one: "
                    "put either in place"
                )
            book.issue(Policy(version=0), now)
        book.refresh(now)
        return book

    @classmethod
    def look(cls, directory: Path) -> Policy:
        """The policy in the book of a data directory as it stands: nothing is made, renewed or written.

        Raises `StartError` where there is none, `PolicyInvalid` where it is not one of this directory.
        """
        for path in (directory / SIGNED_POLICY, directory / PUBLIC_KEY):
            if not path.exists():
                raise StartError(f"{path} is missing: `serve` and `policy sign` make it")
        policy, _ = cls(directory, None, _public_key(directory, None))._read()
        return policy

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    @property
    def signed(self) -> policy_pb2.SignedPolicy:
        """The policy in force as devices get it."""
        return self._signed

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify the policy (Ed25519, RFC 8032)."""
        return self._public.public_bytes_raw()

    def refresh(self, now: dt.datetime) -> None:
        """Takes up a policy that was signed meanwhile, and renews one that is through half of its validity.

        Raises `PolicyInvalid` where the file is not a policy of this server.
        """
        stamp = self._file.stat().st_mtime_ns
        if stamp != self._stamp:
            self._policy, self._signed = self._read()
            self._stamp = stamp
        if now > self._policy.expires - VALIDITY / 2:
            if self._private is not None:
                self.issue(self._policy, now)
            elif now > self._policy.expires:
                _log.error("policy expired: devices record nothing until `inkling-server policy sign` makes one")

    def issue(self, rules: Policy, now: dt.datetime) -> None:
        """Signs `rules` under the version after `rules.version`, and puts it in force."""
        if self._private is None:
            raise StartError("signing needs policy.key, which is not in the data directory")
        policy = renewed(rules, now)
        signed = sign(policy, self._private)
        replace_file(self._file, signed.SerializeToString())
        self._policy, self._signed, self._stamp = policy, signed, self._file.stat().st_mtime_ns
        _log.info("policy signed version=%d expires=%s", policy.version, policy.expires.isoformat())

    def _read(self) -> tuple[Policy, policy_pb2.SignedPolicy]:
        try:
            signed = policy_pb2.SignedPolicy.FromString(self._file.read_bytes())
        except DecodeError:
            raise PolicyInvalid(f"{self._file} is not a signed policy: run `inkling-server policy sign`") from None
        return verify(signed, self._public), signed


def make_key(directory: Path) -> Ed25519PrivateKey:
    """Makes the key pair of a data directory. Raises `StartError` where there is one: devices hold its public half."""
    path = directory / "policy.key"
    if path.exists() or (directory / PUBLIC_KEY).exists():
        raise StartError(f"{directory} has a policy key already, and paired glasses trust no other")
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes_raw())
    replace_file(directory / PUBLIC_KEY, key.public_key().public_bytes_raw())
    return key


def _private_key(directory: Path) -> Ed25519PrivateKey | None:
    path = directory / "policy.key"
    if path.exists():
        return Ed25519PrivateKey.from_private_bytes(read_secret(path, 32))
    if (directory / PUBLIC_KEY).exists():
        return None
    return make_key(directory)


def _public_key(directory: Path, private: Ed25519PrivateKey | None) -> Ed25519PublicKey:
    path = directory / PUBLIC_KEY
    if not path.exists():
        assert private is not None
        replace_file(path, private.public_key().public_bytes_raw())
    content = path.read_bytes()
    if private is not None and content != private.public_key().public_bytes_raw():
        raise StartError(f"{path} is not the public half of policy.key: put back the file that belongs to it")
    try:
        return Ed25519PublicKey.from_public_bytes(content)
    except ValueError:
        raise StartError(f"{path} must hold 32 bytes, as `inkling-server policy keygen` writes it") from None
