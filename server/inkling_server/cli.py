"""The command line of operators: `inkling-server`."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import grpc
import uvloop
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from inkling_server import logs, settings
from inkling_server.accounts import Accounts
from inkling_server.days import utc_now
from inkling_server.errors import InklingError, StartError
from inkling_server.files import make_directory, replace_file
from inkling_server.policy import Policy, read_rules
from inkling_server.policy_book import PUBLIC_KEY, SIGNED_POLICY, PolicyBook, make_key
from inkling_server.settings import Settings
from inkling_server.stores import open_store
from inkling_server.stores.sqlite import location
from inkling_server.stores.sqlite_file import back_up

Command = Callable[[argparse.Namespace, Settings], int]

_HEALTH_SECONDS = 3.0
"""How long the server may take to answer a health check."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 1 where the operator has to put something right."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        chosen = settings.read(os.environ, vars(options))
        return command(options, chosen)
    except (InklingError, OSError) as error:
        print(f"inkling-server: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inkling-server", description="Inkling's sync server, and what operates it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "serve", _serve, "run the server", ())
    _add(commands, "health", _health, "ask a running server whether it serves", ("grpc_address", "tls_certificate"))
    _add_accounts(_group(commands, "account", "wearers' accounts"))
    _add_readers(_group(commands, "reader", "ranking and ads systems that may read profiles"))
    _add_policy(_group(commands, "policy", "what accounts, regions and days allow"))
    backup = _add(commands, "backup", _backup, "copy databases and policy of a running server", ("data_dir", "store"))
    backup.add_argument("directory", type=Path, help="where the copies go; must not hold any yet")
    return parser


def _add_accounts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = _add(commands, "add", _account_add, "add an account; the password is asked for, or read from a pipe")
    add.add_argument("email")
    add.add_argument("--region", required=True, help="home region, an ISO 3166-1 alpha-2 code such as US")
    add.add_argument("--birth-year", required=True, type=int)
    _add(commands, "list", _account_list, "list accounts: id, home region, birth year, email")
    erase = _add(commands, "erase", _account_erase, "erase an account and its profile", ("data_dir", "store"))
    erase.add_argument("account", help="its id, as `account list` prints it")


def _add_readers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add(commands, "add", _reader_add, "add a reader and print its key, once").add_argument("name")
    _add(commands, "list", _reader_list, "list readers")
    _add(commands, "remove", _reader_remove, "end a reader's access").add_argument("name")


def _add_policy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add(commands, "keygen", _policy_keygen, "make the key pair that signs the policy")
    sign = _add(commands, "sign", _policy_sign, "sign a policy; a running server takes it up within a minute")
    sign.add_argument("rules", type=Path, nargs="?", help="TOML file; without it the rules in force are signed anew")
    _add(commands, "show", _policy_show, "print the policy in force as JSON")


def _group(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, sentence: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    parser = commands.add_parser(name, help=sentence, description=sentence)
    return parser.add_subparsers(required=True, metavar="COMMAND")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
    sentence: str,
    flags: Sequence[str] = ("data_dir",),
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=sentence, description=sentence)
    settings.add_flags(parser, *flags)
    parser.set_defaults(command=command)
    return parser


def _serve(options: argparse.Namespace, chosen: Settings) -> int:
    from inkling_server.app import serve

    logs.set_up(chosen.log_level)
    uvloop.run(serve(chosen))
    return 0


def _health(options: argparse.Namespace, chosen: Settings) -> int:
    with _channel(chosen) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its type stubs know no calls
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
        except grpc.RpcError as error:
            raise StartError(f"{chosen.grpc_address} does not answer: {error.code().name}") from None
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    print(name.lower())
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


def _channel(chosen: Settings) -> grpc.Channel:
    """A channel to the server on this machine, trusting its own certificate and no other."""
    host, port = settings.split_address(chosen.grpc_address)
    target = f"localhost:{port}" if host in {"0.0.0.0", "::"} else chosen.grpc_address  # noqa: S104  (compared only)
    if chosen.tls_certificate is None:
        return grpc.insecure_channel(target)
    chain = chosen.tls_certificate.read_bytes()
    names = x509.load_pem_x509_certificate(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    known = names.value.get_values_for_type(x509.DNSName)
    options = [("grpc.ssl_target_name_override", known[0])] if known else []
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(chain), options)


def _account_add(options: argparse.Namespace, chosen: Settings) -> int:
    async def add() -> str:
        async with await _accounts(chosen) as accounts:
            account = await accounts.create(options.email, password, options.region, options.birth_year)
            return account.id

    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    print(asyncio.run(add()))
    return 0


def _account_list(options: argparse.Namespace, chosen: Settings) -> int:
    async def show() -> None:
        async with await _accounts(chosen) as accounts:
            for account in await accounts.list():
                print(account.id, account.home_region, account.birth_year, account.email, sep="\t")

    asyncio.run(show())
    return 0


def _account_erase(options: argparse.Namespace, chosen: Settings) -> int:
    async def erase() -> bool:
        async with await _accounts(chosen) as accounts, open_store(chosen.store_url) as store:
            if await accounts.get(options.account) is None:
                return False
            # The profile first: an account without a profile can be erased again, a profile without an account never.
            await store.delete(options.account)
            await accounts.erase(options.account)
            return True

    if not asyncio.run(erase()):
        raise StartError(f"there is no account {options.account}: `inkling-server account list` prints the ids")
    return 0


def _reader_add(options: argparse.Namespace, chosen: Settings) -> int:
    async def add() -> str:
        async with await _accounts(chosen) as accounts:
            return await accounts.add_reader(options.name)

    print(asyncio.run(add()))
    return 0


def _reader_list(options: argparse.Namespace, chosen: Settings) -> int:
    async def show() -> None:
        async with await _accounts(chosen) as accounts:
            for reader in await accounts.list_readers():
                print(reader.name, reader.created.isoformat(), sep="\t")

    asyncio.run(show())
    return 0


def _reader_remove(options: argparse.Namespace, chosen: Settings) -> int:
    async def remove() -> bool:
        async with await _accounts(chosen) as accounts:
            return await accounts.remove_reader(options.name)

    if not asyncio.run(remove()):
        raise StartError(f"there is no reader {options.name!r}: `inkling-server reader list` prints the names")
    return 0


def _policy_keygen(options: argparse.Namespace, chosen: Settings) -> int:
    make_directory(chosen.data_dir)
    make_key(chosen.data_dir)
    print(chosen.data_dir / "policy.key")
    return 0


def _policy_sign(options: argparse.Namespace, chosen: Settings) -> int:
    make_directory(chosen.data_dir)
    now = utc_now()
    rules = read_rules(options.rules) if options.rules else None
    book = PolicyBook.open(chosen.data_dir, now)
    book.issue(replace(rules or book.policy, version=book.policy.version), now)
    print(f"version {book.policy.version}, valid until {book.policy.expires.isoformat()}")
    return 0


def _policy_show(options: argparse.Namespace, chosen: Settings) -> int:
    # Not `open`, which may sign: whoever only looks may be root, and the server could not read what root has written.
    policy = PolicyBook.look(chosen.data_dir)
    print(json.dumps({field.name: _plain(getattr(policy, field.name)) for field in fields(Policy)}, indent=2))
    return 0


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return value if isinstance(value, int) else str(value)


def _backup(options: argparse.Namespace, chosen: Settings) -> int:
    scheme, _, address = chosen.store_url.partition("://")
    if scheme != "sqlite":
        raise StartError(f"{chosen.store_url} is not in files: only a sqlite store can be backed up")
    profiles, key = location(address)
    make_directory(options.directory)
    # Accounts last: every profile in the copies then has its account, and one made meanwhile has an empty profile.
    for database in (profiles, chosen.accounts_path):
        back_up(database, options.directory / database.name)
    # Not secret, and not to be lost: paired glasses take no policy of another key, nor one of a lower version.
    for name in (SIGNED_POLICY, PUBLIC_KEY):
        if (chosen.data_dir / name).exists():
            replace_file(options.directory / name, (chosen.data_dir / name).read_bytes())
    print(f"copied to {options.directory}; keep a copy of {key} and of policy.key apart from it")
    return 0


async def _accounts(chosen: Settings) -> Accounts:
    make_directory(chosen.data_dir)
    return await Accounts.open(chosen.accounts_path)


if __name__ == "__main__":
    sys.exit(main())
