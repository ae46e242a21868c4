"""How the agent reaches the server: TLS with the system's roots or a file's; plaintext only where settings say so."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from inkling_device.errors import SettingsError

_CHANNEL_OPTIONS = (
    # The agent's own back-off rules.
    ("grpc.enable_retries", 0),
    # One connection for each pairing, also where one process emulates many glasses.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Transport:
    """How far the other end is to be trusted."""

    ca_file: Path | None = None
    """PEM file with the certificates to trust instead of the system's."""
    insecure: bool = False
    """Plaintext instead of TLS."""

    def channel(self, target: str) -> grpc.aio.Channel:
        """A gRPC channel to HOST:PORT. Raises `SettingsError` where the certificates cannot be read."""
        if self.insecure:
            return grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._roots())
        return grpc.aio.secure_channel(target, credentials, options=_CHANNEL_OPTIONS)

    def ssl_context(self) -> ssl.SSLContext:
        """The same for HTTPS. Raises `SettingsError`."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"tls_ca_file {self.ca_file} cannot be used: {error.strerror or error}") from error

    def _roots(self) -> bytes | None:
        """PEM certificates; None for those that come with gRPC, where the system has none in one file."""
        self.ssl_context()  # gRPC would take a file that holds no certificate without a word
        system = ssl.get_default_verify_paths().cafile
        path = self.ca_file or (Path(system) if system else None)
        try:
            return path.read_bytes() if path else None
        except OSError as error:
            raise SettingsError(f"the certificates in {path} cannot be read: {error.strerror}") from error
