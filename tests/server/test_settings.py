"""Settings from flags and environment."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path

import pytest

from inkling_server import settings
from inkling_server.errors import StartError
from inkling_server.settings import Settings


def test_defaults_are_private_to_the_machine() -> None:
    """Without settings the server listens on loopback only."""
    chosen = settings.read({})
    assert chosen == Settings()
    assert chosen.grpc_address.startswith("127.0.0.1:")
    assert chosen.web_address.startswith("127.0.0.1:")


def test_a_flag_wins_over_the_environment() -> None:
    """Flag, environment, default, in this order, each in its type."""
    environment = {"INKLING_PUSH_BURST": "7", "INKLING_DATA_DIR": "/srv/a", "INKLING_ALLOW_PLAIN_HTTP": "true"}
    chosen = settings.read(environment, {"data_dir": "/srv/b", "pushes_per_second": None})
    assert (chosen.push_burst, chosen.data_dir, chosen.allow_plain_http) == (7, Path("/srv/b"), True)
    assert chosen.pushes_per_second == Settings().pushes_per_second
    assert chosen.store_url == "sqlite:///srv/b/profiles.db"
    assert chosen.accounts_path == Path("/srv/b/accounts.db")


def test_every_setting_has_a_flag_with_a_sentence() -> None:
    """The help shows each setting, its sentence and its environment variable."""
    parser = argparse.ArgumentParser()
    settings.add_flags(parser)
    text = " ".join(parser.format_help().split())
    for setting in fields(Settings):
        assert f"--{setting.name.replace('_', '-')}" in text
        assert setting.metadata["help"].endswith(".")
        assert f"[INKLING_{setting.name.upper()}]" in text


@pytest.mark.parametrize("file", ["README.md", "server/compose.yaml"])
def test_what_operators_are_told_to_set_are_settings(file: str) -> None:
    """Every variable named there is one, and those of a proxy in front and of a certificate are among them."""
    text = (Path(__file__).parents[2] / file).read_text(encoding="utf-8")
    named = set(re.findall(r"\bINKLING_(?!DEVICE_)[A-Z_]+", text))
    assert named <= {f"INKLING_{setting.name.upper()}" for setting in fields(Settings)}
    assert named >= {"INKLING_TRUSTED_PROXIES", "INKLING_TLS_CERTIFICATE", "INKLING_TLS_KEY"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRPC_ADDRESS", "50051"),
        ("GRPC_ADDRESS", "host:"),
        ("WEB_ADDRESS", "host:99999"),
        ("WEB_ADDRESS", ":80"),
        ("PUSH_BURST", "many"),
        ("PUSH_BURST", "0"),
        ("PUSHES_PER_SECOND", "-1"),
        ("ALLOW_PLAIN_HTTP", "maybe"),
        ("LOG_LEVEL", "chatty"),
        ("TLS_KEY", "key.pem"),
    ],
)
def test_values_that_make_no_sense_are_refused(name: str, value: str) -> None:
    """The message names the setting or shows the value."""
    with pytest.raises(StartError, match=f"(?i){name}|{value}"):
        settings.read({f"INKLING_{name}": value})


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("localhost:50051", ("localhost", 50051))],
)
def test_addresses_are_split(address: str, expected: tuple[str, int]) -> None:
    """Host names, IPv4, and IPv6 in brackets."""
    assert settings.split_address(address) == expected
