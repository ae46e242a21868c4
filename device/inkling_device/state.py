"""What the agent keeps on disk, opened and closed together, with the client that brings it to the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inkling_device.clock import Clock
from inkling_device.credentials import CredentialStore
from inkling_device.database import StateDatabase
from inkling_device.ledger import Ledger
from inkling_device.oauth import OAuthClient
from inkling_device.outbox import Outbox
from inkling_device.policy import PolicyHolder
from inkling_device.settings import Settings
from inkling_device.sync import Sent, SyncClient
from inkling_device.tokens import Tokens
from inkling_device.transport import Transport


@dataclass(frozen=True, slots=True)
class State:
    """One state directory. While it is open no other process can open it."""

    clock: Clock
    database: StateDatabase
    credentials: CredentialStore
    policy: PolicyHolder
    ledger: Ledger
    outbox: Outbox
    tokens: Tokens
    sync: SyncClient

    @classmethod
    def open(cls, settings: Settings, clock: Clock, *, on_sent: Callable[[Sent], None] = lambda sent: None) -> State:
        """Raises `StateBusyError` if another agent holds the directory, `StateError`, `SettingsError`."""
        database = StateDatabase.open(settings.state_dir, clock)
        credentials = CredentialStore(settings.state_dir)
        policy = PolicyHolder(settings.state_dir, credentials, clock)
        outbox = Outbox(database, clock, maximum_bytes=settings.outbox_bytes, maximum_days=settings.outbox_days)
        transport = Transport(settings.tls_ca_file, settings.insecure)
        tokens = Tokens(credentials, OAuthClient(settings.server, transport, clock), clock)
        return cls(
            clock,
            database,
            credentials,
            policy,
            Ledger(database, clock),
            outbox,
            tokens,
            SyncClient(
                outbox=outbox,
                policy=policy,
                credentials=credentials,
                tokens=tokens,
                transport=transport,
                clock=clock,
                gather_seconds=settings.gather_seconds,
                on_sent=on_sent,
            ),
        )

    def close(self) -> None:
        """Lets other processes open the directory."""
        self.database.close()
