"""Logging in and out: RFC 8628 to the letter, tokens on disk before they are used, nothing left behind."""

from __future__ import annotations

import asyncio
import datetime as dt
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from inkling_device.clock import ManualClock
from inkling_device.credentials import FILE_NAME, CredentialStore
from inkling_device.errors import (
    AlreadyPairedError,
    CallRefused,
    NotPaired,
    PairingDeniedError,
    PairingEnded,
    PairingError,
    PairingExpiredError,
    SlowDown,
    StateError,
    TryAgain,
)
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Outbox
from inkling_device.pairing import pair, spoken, unpair
from inkling_device.policy import Refusal
from inkling_device.speaker import speak
from inkling_device.testing import GRACE, FakeServer, Glasses
from inkling_device.tokens import Tokens
from inkling_device.transport import Transport

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
PLAIN = Transport(insecure=True)
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def server(clock: ManualClock) -> AsyncIterator[FakeServer]:
    async with FakeServer(clock.now) as server:
        yield server


class Pairing:
    """A login under way."""

    def __init__(self, server: FakeServer, directory: Path, clock: ManualClock) -> None:
        self.server = server
        self.clock = clock
        self.store = CredentialStore(directory)
        self.oauth = OAuthClient(server.web_address, PLAIN, clock)
        self.shown: list[DeviceCode] = []

    async def show(self, code: DeviceCode) -> None:
        self.shown.append(code)

    def start(self) -> asyncio.Task[object]:
        return asyncio.create_task(pair(self.oauth, self.store, self.clock, self.show))

    async def poll(self) -> float:
        """Lets the device ask once more; gives how long it waited before."""
        interval = await self.clock.until_asleep()
        polls = self.server.polls
        self.clock.advance(interval)
        async with asyncio.timeout(20):
            while self.server.polls == polls:  # noqa: ASYNC110  (the server tells nobody)
                await asyncio.sleep(0.01)
        return interval


@pytest.fixture
def login(server: FakeServer, tmp_path: Path, clock: ManualClock) -> Pairing:
    return Pairing(server, tmp_path / "state", clock)


async def test_the_code_is_shown_and_the_credentials_kept_for_the_owner_alone(
    login: Pairing, server: FakeServer, tmp_path: Path
) -> None:
    task = login.start()
    await login.poll()
    assert login.shown[0].user_code == "WDJB-0001"
    assert login.shown[0].verification_uri.endswith("/pair")
    server.approved.add("WDJB-0001")
    await login.poll()
    await task
    held = CredentialStore(tmp_path / "state").current
    assert held is not None
    assert held.grpc_target == server.grpc_target
    assert held.policy_key == server.policy_key.public_key().public_bytes_raw()
    assert held.pairing in server.pairings
    assert stat.S_IMODE((tmp_path / "state" / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_polls_come_at_the_interval_and_five_seconds_slower_after_each_slow_down(
    login: Pairing, server: FakeServer
) -> None:
    server.poll_errors = ["authorization_pending", "slow_down", "authorization_pending", "slow_down"]
    task = login.start()
    assert [await login.poll() for _ in range(4)] == [5, 5, 10, 10]
    server.approved.add("WDJB-0001")
    assert await login.poll() == 15
    await task


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("access_denied", PairingDeniedError),
        ("expired_token", PairingExpiredError),
        ("invalid_grant", PairingError),
        ("server_error", PairingError),
    ],
)
async def test_a_login_that_fails_leaves_the_glasses_logged_out(
    login: Pairing, server: FakeServer, code: str, kind: type[PairingError]
) -> None:
    server.poll_errors = [code]
    task = login.start()
    await login.poll()
    with pytest.raises(kind):
        await task
    assert login.store.current is None


async def test_a_code_that_nobody_enters_expires_also_when_the_server_does_not_say_so(
    login: Pairing, server: FakeServer
) -> None:
    server.code_life = 30
    task = login.start()
    assert [await login.poll() for _ in range(5)] == [5] * 5
    with pytest.raises(PairingExpiredError, match="run `inkling-device pair`"):
        await task


async def test_the_network_may_fail_while_the_wearer_looks_for_the_page(login: Pairing, server: FakeServer) -> None:
    """RFC 8628 section 3.5: poll at half the pace after a failure."""
    server.web_failures = [(502, None)]
    server.approved.add("WDJB-0001")
    task = login.start()
    login.clock.advance(await login.clock.until_asleep())
    assert await login.poll() == 10
    await task
    assert login.store.current is not None


async def test_a_busy_server_says_how_long_to_wait(login: Pairing, server: FakeServer) -> None:
    server.web_failures = [(429, "20")]
    server.approved.add("WDJB-0001")
    task = login.start()
    login.clock.advance(await login.clock.until_asleep())
    assert await login.poll() == 20
    await task


async def test_a_server_that_cannot_be_reached_is_a_clear_error(login: Pairing) -> None:
    login.oauth = OAuthClient(NOWHERE, PLAIN, login.clock)
    with pytest.raises(PairingError, match="cannot be reached"):
        await login.start()


async def test_what_is_paired_must_be_unpaired_first(login: Pairing, server: FakeServer) -> None:
    server.approved.add("WDJB-0001")
    task = login.start()
    await login.poll()
    await task
    with pytest.raises(AlreadyPairedError, match="unpair"):
        await login.start()


async def test_tokens_never_travel_in_the_open_unless_settings_say_so(server: FakeServer, clock: ManualClock) -> None:
    with pytest.raises(CallRefused, match="not https"):
        await OAuthClient(server.web_address, Transport(), clock).device_authorization()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy_key", "AAAA"),
        ("policy_key", "not base64 at all"),
        ("policy_key", None),
        ("access_token", ""),
        ("access_token", "line\nbreak"),
        ("refresh_token", 7),
        ("expires_in", "soon"),
        ("expires_in", -1),
        ("token_type", "mac"),
        ("grpc_target", None),
        ("pairing", None),
    ],
)
async def test_an_answer_that_is_not_of_the_contract_is_refused_and_not_stored(
    login: Pairing, server: FakeServer, name: str, value: object
) -> None:
    server.token_changes = {name: value}
    server.approved.add("WDJB-0001")
    task = login.start()
    await login.poll()
    with pytest.raises(PairingError, match=name):
        await task
    assert login.store.current is None


async def test_a_redirect_is_not_followed(clock: ManualClock) -> None:
    """It would carry tokens to an address that nobody has named."""
    reached: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    application = web.Application()
    application.router.add_post("/{path:.*}", redirect)
    async with TestServer(application) as elsewhere:
        with pytest.raises(CallRefused):
            await OAuthClient(str(elsewhere.make_url("")), PLAIN, clock).device_authorization()
    assert reached == ["/oauth/device_authorization"]


async def test_an_address_that_is_no_inkling_server_is_said_so(login: Pairing, server: FakeServer) -> None:
    login.oauth = OAuthClient(f"{server.web_address}/elsewhere", PLAIN, login.clock)
    with pytest.raises(PairingError, match="check `server`"):
        await login.start()


def test_the_code_is_spoken_letter_by_letter() -> None:
    code = DeviceCode("secret", "WDJB-MJHT", "https://inkling.example/pair", None, 600, 5)
    assert "inkling.example/pair" in spoken(code)
    assert "W, D, J, B, M, J, H, T" in spoken(code)
    assert "secret" not in spoken(code) + repr(code)


async def test_the_speaker_command_gets_the_text_on_its_standard_input(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    assert await speak(["sh", "-c", f"cat > {heard}"], "W, D, J")
    assert heard.read_text() == "W, D, J\n"


@pytest.mark.parametrize("command", [["/no/such/program"], ["false"]])
async def test_a_speaker_that_fails_is_no_failure_of_the_login(command: list[str]) -> None:
    assert not await speak(command, "text")


@pytest.fixture
async def glasses(tmp_path: Path, server: FakeServer, clock: ManualClock) -> AsyncIterator[Glasses]:
    glasses = Glasses(tmp_path / "glasses", server, clock)
    await glasses.pair()
    yield glasses
    await glasses.close()


def tokens_of(glasses: Glasses) -> Tokens:
    return Tokens(glasses.credentials, glasses.oauth, glasses.clock)


async def test_a_new_token_is_on_disk_before_it_is_used(tmp_path: Path, glasses: Glasses, server: FakeServer) -> None:
    held = glasses.credentials.current
    assert held is not None
    token = await tokens_of(glasses).refresh(held.access_token)
    on_disk = CredentialStore(tmp_path / "glasses").current
    assert on_disk is not None
    assert on_disk.access_token == token
    assert on_disk.refresh_token != held.refresh_token


async def test_a_token_that_cannot_be_stored_is_not_used_and_the_old_one_still_works(
    tmp_path: Path, glasses: Glasses
) -> None:
    """The server takes the refresh token before the last once more while its successor was never used."""
    held = glasses.credentials.current
    assert held is not None
    (tmp_path / "glasses" / f".{FILE_NAME}.part").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        await tokens_of(glasses).refresh(held.access_token)
    assert glasses.credentials.current == held
    (tmp_path / "glasses" / f".{FILE_NAME}.part").rmdir()
    await tokens_of(glasses).refresh(held.access_token)
    assert glasses.credentials.current != held
    await glasses.sync.drain()


async def test_a_lost_answer_is_asked_for_once_more(glasses: Glasses, server: FakeServer) -> None:
    server.lost_token_answers = 1
    server.expire_tokens()
    await glasses.sync.drain()
    assert not any(pairing.ended for pairing in server.pairings.values())


async def test_a_refresh_token_used_twice_ends_the_pairing(glasses: Glasses, server: FakeServer) -> None:
    """Somebody copied it: the glasses find themselves logged out, and wiped."""
    held = glasses.credentials.current
    assert held is not None
    await glasses.oauth.refresh(held.refresh_token)
    glasses.clock.advance(GRACE.total_seconds() + 1)
    glasses.outbox.append([InterestEvent(672, Source.VOICE, NOON.date(), 90)])
    server.expire_tokens()
    with pytest.raises(PairingEnded):
        await glasses.sync.drain()
    assert glasses.ledger.entries() == []
    assert glasses.credentials.current is None


async def test_two_who_need_a_token_at_once_refresh_once(glasses: Glasses) -> None:
    held = glasses.credentials.current
    assert held is not None
    tokens = tokens_of(glasses)
    first, second = await asyncio.gather(tokens.refresh(held.access_token), tokens.refresh(held.access_token))
    assert first == second


async def test_a_refresh_never_replaces_the_key_that_was_pinned(glasses: Glasses, server: FakeServer) -> None:
    held = glasses.credentials.current
    assert held is not None
    server.token_changes = {"policy_key": "A" * 43 + "=", "pairing": "another"}
    await tokens_of(glasses).refresh(held.access_token)
    renewed = glasses.credentials.current
    assert renewed is not None
    assert (renewed.policy_key, renewed.pairing) == (held.policy_key, held.pairing)


async def test_a_server_that_fails_while_refreshing_is_tried_again_later(glasses: Glasses, server: FakeServer) -> None:
    server.expire_tokens()
    server.web_failures = [(500, None), (500, None)]
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    server.web_failures = [(503, "30")]
    with pytest.raises(SlowDown) as caught:
        await glasses.sync.drain()
    assert caught.value.seconds == 30
    assert glasses.credentials.current is not None


async def test_without_credentials_there_is_no_token(tmp_path: Path, server: FakeServer, clock: ManualClock) -> None:
    store = CredentialStore(tmp_path)
    with pytest.raises(NotPaired, match="inkling-device pair"):
        await Tokens(store, OAuthClient(server.web_address, PLAIN, clock), clock).access_token()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"expires": "yesterday"}', b"\xff\xfe", b'{"expires": 5, "policy_key": 5}']
)
def test_credentials_that_cannot_be_read_count_as_logged_out(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert CredentialStore(tmp_path).current is None
    assert "run `inkling-device pair` anew" in caplog.text


async def test_unpairing_wipes_everything_and_tells_the_server(
    tmp_path: Path, glasses: Glasses, server: FakeServer
) -> None:
    await glasses.sync.drain()
    glasses.outbox.append([InterestEvent(672, Source.VOICE, NOON.date(), 90)])
    told = await unpair(glasses.oauth, store=glasses.credentials, policy=glasses.policy, outbox=glasses.outbox)
    assert told
    assert all(pairing.ended for pairing in server.pairings.values())
    assert_nothing_left(tmp_path / "glasses", glasses)


async def test_unpairing_wipes_everything_whatever_the_network_does(tmp_path: Path, glasses: Glasses) -> None:
    glasses.outbox.append([InterestEvent(672, Source.VOICE, NOON.date(), 90)])
    nowhere = OAuthClient(NOWHERE, PLAIN, glasses.clock)
    told = await unpair(nowhere, store=glasses.credentials, policy=glasses.policy, outbox=glasses.outbox)
    assert not told
    assert_nothing_left(tmp_path / "glasses", glasses)


def assert_nothing_left(directory: Path, glasses: Glasses) -> None:
    assert glasses.policy.refusal() is Refusal.LOGGED_OUT
    assert glasses.ledger.entries() == []
    assert {path.name for path in directory.iterdir()} <= {
        "lock",
        "outbox.sqlite",
        "outbox.sqlite-wal",
        "outbox.sqlite-shm",
    }


class UnwipeableOutbox(Outbox):
    def wipe(self) -> None:
        raise StateError("the disk does not let it")


async def test_the_credentials_go_last_so_that_a_wipe_cut_short_is_done_again(glasses: Glasses) -> None:
    stubborn = UnwipeableOutbox(glasses.database, glasses.clock, maximum_bytes=1 << 20, maximum_days=90)
    with pytest.raises(StateError):
        await unpair(glasses.oauth, store=glasses.credentials, policy=glasses.policy, outbox=stubborn)
    assert glasses.credentials.current is not None
