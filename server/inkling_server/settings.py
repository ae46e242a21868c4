"""What an operator can set: `grpc_address` is the flag `--grpc-address` and the variable `INKLING_GRPC_ADDRESS`."""

# ruff: noqa: RUF009  (_setting makes a dataclass field, as dataclasses.field does)

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from inkling_server.errors import StartError


def _setting(default: Any, sentence: str) -> Any:
    """A field with the sentence that documents it, which is the flag's help as well."""
    return field(default=default, metadata={"help": sentence})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of `inkling-server serve`; a flag wins over the environment, the environment over the default."""

    data_dir: Path = _setting(Path("inkling-data"), "Directory of databases and keys, made 0700 where it is missing.")
    store: str = _setting("", "URL of the profile store; by default sqlite, profiles.db in the data directory.")
    grpc_address: str = _setting("127.0.0.1:50051", "HOST:PORT for glasses and readers; port 0 takes a free one.")
    web_address: str = _setting("127.0.0.1:8080", "HOST:PORT for pages and pairing; port 0 takes a free one.")
    grpc_target: str = _setting("", "HOST:PORT that glasses are told to sync with; by default the gRPC address.")
    public_url: str = _setting("", "Address under which wearers reach the pages; by default the web address.")
    trusted_proxies: str = _setting("", "Addresses or networks, by commas, whose X-Forwarded headers are believed.")
    allow_plain_http: bool = _setting(False, "Whether pages go to other machines without https: true or false.")
    tls_certificate: Path | None = _setting(None, "PEM certificate chain of both ports; without it no TLS.")
    tls_key: Path | None = _setting(None, "PEM file with the private key of the certificate.")
    ports_file: Path | None = _setting(None, "File into which the ports in use are written as JSON, for tools.")
    pushes_per_second: float = _setting(20.0, "Batches a second that one pairing may push for long.")
    push_burst: int = _setting(200, "Batches that one pairing may push at once after a rest.")
    busy_pushes: int = _setting(512, "Pushes under way from which on devices are asked to pause.")
    maximum_pushes: int = _setting(4096, "Pushes under way from which on more are refused with SLOW_DOWN.")
    provider_name: str = _setting("Inkling", "Name of the data provider in OpenRTB segments.")
    log_level: str = _setting("INFO", "Least level that is logged: DEBUG, INFO, WARNING or ERROR.")

    @property
    def store_url(self) -> str:
        """The profile store's URL, given or by default."""
        return self.store or f"sqlite://{self.data_dir.absolute() / 'profiles.db'}"

    @property
    def accounts_path(self) -> Path:
        """The accounts' database."""
        return self.data_dir / "accounts.db"


def add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    """Adds flags for the settings of these names, or for all."""
    for setting in fields(Settings):
        if not names or setting.name in names:
            parser.add_argument(
                f"--{setting.name.replace('_', '-')}",
                metavar=setting.name.rpartition("_")[2].upper(),
                default=None,
                help=f"{setting.metadata['help']} [{_environment_name(setting)}]",
            )


def read(environment: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Settings:
    """Settings from the environment and parsed flags. Raises `StartError` for a value that makes no sense."""
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        text = (flags or {}).get(setting.name)
        if text is None:
            text = environment.get(_environment_name(setting))
        if text is not None:
            values[setting.name] = _parsed(setting, str(text))
    return _checked(Settings(**values))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, brackets of an IPv6 host removed. Raises `StartError`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise StartError(f"{address!r} is not an address: write HOST:PORT, such as 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _environment_name(setting: Field[Any]) -> str:
    return f"INKLING_{setting.name.upper()}"


def _parsed(setting: Field[Any], text: str) -> object:
    try:
        match setting.default:
            case bool():
                return {"true": True, "false": False}[text.lower()]
            case int() | float() | str():
                return type(setting.default)(text)
            case _:
                return Path(text)
    except (KeyError, ValueError):
        raise StartError(
            f"{_environment_name(setting)} cannot be {text!r}; it is written like {setting.default!r}"
        ) from None


def _checked(settings: Settings) -> Settings:
    split_address(settings.grpc_address)
    split_address(settings.web_address)
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise StartError("TLS needs both tls_certificate and tls_key")
    for name in ("pushes_per_second", "push_burst", "busy_pushes", "maximum_pushes"):
        if getattr(settings, name) <= 0:
            raise StartError(f"{name} must be greater than 0")
    if settings.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise StartError(f"log_level cannot be {settings.log_level!r}: DEBUG, INFO, WARNING or ERROR")
    return settings
