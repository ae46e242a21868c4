"""TLS: with a certificate that is trusted all works, with any other nothing is sent."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inkling_device.clock import ManualClock
from inkling_device.errors import SettingsError, TryAgain
from inkling_device.oauth import OAuthClient
from inkling_device.observation import InterestEvent, Source
from inkling_device.testing import FakeServer, Glasses
from inkling_device.transport import Transport
from inkling_device.uplink import Uplink

NOW = dt.datetime.now(dt.UTC)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """PEM files of a self-signed certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = directory / f"{name}.pem", directory / f"{name}.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeServer]:
    async with FakeServer(lambda: NOW, tls=certificate(tmp_path, "server")) as server:
        yield server


async def test_pairing_and_sync_go_over_tls_with_a_trusted_certificate(tmp_path: Path, server: FakeServer) -> None:
    clock = ManualClock(NOW)
    glasses = Glasses(tmp_path / "state", server, clock, Transport(ca_file=tmp_path / "server.pem"))
    await glasses.pair()
    event = InterestEvent(672, Source.VOICE, NOW.date(), 90)
    glasses.outbox.append([event])
    await glasses.sync.drain()
    assert server.merged() == [event]
    await glasses.close()


async def test_nothing_is_said_to_a_server_whose_certificate_is_not_trusted(tmp_path: Path, server: FakeServer) -> None:
    certificate(tmp_path, "other")
    for transport in (Transport(ca_file=tmp_path / "other.pem"), Transport(), Transport(insecure=True)):
        with pytest.raises(TryAgain):
            await OAuthClient(server.web_address, transport, ManualClock(NOW)).device_authorization()
        uplink = Uplink(transport, server.grpc_target)
        with pytest.raises(TryAgain):
            await uplink.get_policy("token", 0)
        await uplink.close()
    assert server.policy_calls == 0


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_certificates_that_cannot_be_read_are_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"roots\.pem"):
        Transport(ca_file=path).ssl_context()
    with pytest.raises(SettingsError, match=r"roots\.pem"):
        Transport(ca_file=path).channel("127.0.0.1:1")
