"""Accounts: who is let in, what is kept, and that what is erased is gone."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import Parameters, PasswordHasher, Type, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from inkling_server.accounts import AccountRefused, Accounts, ReaderRefused
from inkling_server.auth import Authenticator, Holder, Identity, Kind
from inkling_server.errors import PairingEnded, SlowDown, StartError, TokenInvalid, UnknownAccount
from inkling_server.pairings import ACCESS_SECONDS, Tokens
from inkling_server.passwords import PasswordRefused, Passwords
from inkling_server.regions import regions
from inkling_server.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS

PASSWORD = "seven quiet herons"
CHEAP = Parameters(type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)
"""Argon2 in no time, for tests that are not about its cost."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 3, 5, 12, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "accounts.db"


@pytest.fixture
async def accounts(path: Path, clock: Clock) -> AsyncIterator[Accounts]:
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as opened:
        yield opened


async def paired(accounts: Accounts, account: str, name: str = "Everyday") -> Tokens:
    grant = await accounts.pairings.begin()
    assert await accounts.pairings.approve(grant.user_code, account, name)
    return await accounts.pairings.redeem(grant.device_code)


def all_bytes(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.iterdir()))


async def test_an_account_is_found_by_its_address_in_any_case(accounts: Accounts) -> None:
    """The address is kept as it was written, and compared without case and space around it."""
    made = await accounts.create("  Robin@Example.org ", PASSWORD, "us", 1988)
    assert made.email == "Robin@Example.org"
    assert made.home_region == "US"
    assert await accounts.find("robin@EXAMPLE.org") == made
    assert await accounts.find("robin@example.com") is None
    assert await accounts.get(made.id) == made


async def test_accounts_are_listed_oldest_first(accounts: Accounts, clock: Clock) -> None:
    """The list is in the order in which accounts were made."""
    first = await accounts.create("b@example.org", PASSWORD, "US", 1988)
    clock.wait(1)
    second = await accounts.create("a@example.org", PASSWORD, "US", 1988)
    assert await accounts.list() == [first, second]


async def test_an_address_has_one_account(accounts: Accounts) -> None:
    """A second account for an address is refused, whatever its case, and the first one stays."""
    first = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    with pytest.raises(AccountRefused) as refused:
        await accounts.create("ROBIN@example.org", PASSWORD, "CA", 1990)
    assert refused.value.field == "email"
    assert await accounts.list() == [first]


async def test_an_address_has_one_account_even_if_asked_for_twice_at_once(accounts: Accounts) -> None:
    """Two sign-ups at the same moment: one wins, the other is told."""
    outcomes = await asyncio.gather(
        *(accounts.create("robin@example.org", PASSWORD, "US", 1988) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Account", "AccountRefused"]
    assert len(await accounts.list()) == 1


@pytest.mark.parametrize(
    ("email", "home_region", "birth_year", "field"),
    [
        ("robin", "US", 1988, "email"),
        ("@example.org", "US", 1988, "email"),
        ("robin@", "US", 1988, "email"),
        ("a@b@c", "US", 1988, "email"),
        ("ro bin@example.org", "US", 1988, "email"),
        ("ro\u202ebin@example.org", "US", 1988, "email"),
        ("robin\x00@example.org", "US", 1988, "email"),
        ("r" * 250 + "@example.org", "US", 1988, "email"),
        ("robin@example.org", "", 1988, "home_region"),
        ("robin@example.org", "XX", 1988, "home_region"),
        ("robin@example.org", "EU", 1988, "home_region"),
        ("robin@example.org", "US", 1899, "birth_year"),
        ("robin@example.org", "US", 2027, "birth_year"),
        ("robin@example.org", "US", 0, "birth_year"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(
    accounts: Accounts, email: str, home_region: str, birth_year: int, field: str
) -> None:
    """Each refusal names the field that is wrong, and no account is made."""
    with pytest.raises(AccountRefused) as refused:
        await accounts.create(email, PASSWORD, home_region, birth_year)
    assert refused.value.field == field
    assert await accounts.list() == []


@pytest.mark.parametrize(("birth_year", "email"), [(1900, "o'neill+x@sub.example.org"), (2026, "ü@exämple.org")])
async def test_the_edges_of_what_makes_sense_are_taken(accounts: Accounts, birth_year: int, email: str) -> None:
    """The oldest and the youngest wearer, and addresses with unusual letters."""
    assert (await accounts.create(email, PASSWORD, "AX", birth_year)).birth_year == birth_year


@pytest.mark.parametrize(
    "password",
    ["", "short", "ninechars", "1234567890", "Password123", "QWERTYUIOP", "aaaaaaaaaaaa", "abababababab", "x" * 257,
     "robinhood1@example.org", "robinhood1"],
)  # fmt: skip
async def test_weak_passwords_are_refused(accounts: Accounts, password: str) -> None:
    """Too short, too long, among the commonest, two characters over and over, or the address itself."""
    with pytest.raises(PasswordRefused):
        await accounts.create("robinhood1@example.org", password, "US", 1988)


@pytest.mark.parametrize(
    "password", ["tencharsok", "x" * 250 + "yz2345", "пароль-из-слов", "password1234567xyz", "a b c d e f"]
)
async def test_passwords_next_to_the_limits_are_taken(accounts: Accounts, password: str) -> None:
    """Ten characters and 256, any script, and what only resembles a common one."""
    await accounts.create("robin@example.org", password, "US", 1988)
    assert await accounts.verify("robin@example.org", password) is not None
    assert await accounts.verify("robin@example.org", password + "x") is None


async def test_a_password_may_be_typed_on_another_keyboard(accounts: Accounts) -> None:
    """The same characters in composed and decomposed form are the same password."""
    await accounts.create("robin@example.org", "caf\u00e9 and bread", "US", 1988)
    assert await accounts.verify("robin@example.org", "cafe\u0301 and bread") is not None


async def test_only_the_right_password_is_verified(accounts: Accounts) -> None:
    """Another password, another's password, and an address without an account all give None."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    await accounts.create("kim@example.org", "nine loud geese", "US", 1988)
    assert await accounts.verify("Robin@example.org", PASSWORD) == robin
    assert await accounts.verify("robin@example.org", "nine loud geese") is None
    assert await accounts.verify("robin@example.org", "") is None
    assert await accounts.verify("nobody@example.org", PASSWORD) is None


@pytest.fixture
def hashes_checked(monkeypatch: pytest.MonkeyPatch) -> list[Parameters]:
    """The parameters of every hash that a password is checked against."""
    checked: list[Parameters] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, hash: str, password: str) -> bool:  # noqa: A002  (the real one's name)
        checked.append(extract_parameters(hash))
        return verify(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    return checked


async def test_an_unknown_address_costs_as_much_as_a_wrong_password(
    accounts: Accounts, hashes_checked: list[Parameters]
) -> None:
    """In both cases one hash with the same parameters is computed, so time does not tell which addresses exist."""
    await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    await accounts.verify("robin@example.org", "wrong password")
    await accounts.verify("nobody@example.org", "wrong password")
    known, unknown = hashes_checked
    assert known == unknown == CHEAP


async def test_passwords_are_kept_as_rfc_9106_recommends(path: Path) -> None:
    """Argon2id, 64 MiB, 3 passes, 4 lanes; the password itself is nowhere in the file."""
    async with await Accounts.open(path) as accounts:
        await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    (kept,) = sqlite3.connect(path).execute("SELECT password FROM accounts").fetchone()
    assert extract_parameters(kept) == RFC_9106_LOW_MEMORY
    assert PASSWORD.encode() not in all_bytes(path.parent)


async def test_a_password_hashed_under_older_parameters_is_hashed_anew_at_log_in(path: Path) -> None:
    """After stronger parameters are set, the next log-in brings the kept hash up to them."""
    async with await Accounts.open(path, passwords=Passwords(CHEAP)) as accounts:
        await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    stronger = Parameters(
        type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=16, parallelism=1
    )
    async with await Accounts.open(path, passwords=Passwords(stronger)) as accounts:
        assert await accounts.verify("robin@example.org", PASSWORD) is not None
        assert await accounts.verify("robin@example.org", PASSWORD) is not None
    (kept,) = sqlite3.connect(path).execute("SELECT password FROM accounts").fetchone()
    assert extract_parameters(kept) == stronger


async def test_too_many_passwords_at_once_are_turned_away(path: Path) -> None:
    """Beyond the bound the caller is told to come back, and those before it are served."""
    passwords = Passwords(CHEAP, workers=1, maximum_waiting=2)
    async with await Accounts.open(path, passwords=passwords) as accounts:
        outcomes = await asyncio.gather(
            *(accounts.verify(f"{number}@example.org", PASSWORD) for number in range(4)), return_exceptions=True
        )
        assert [isinstance(outcome, SlowDown) for outcome in outcomes] == [False, False, True, True]
        assert await accounts.verify("nobody@example.org", PASSWORD) is None


async def test_a_new_password_replaces_the_old(accounts: Accounts) -> None:
    """The old one is no longer good, a weak one is refused, and an account that is gone has none."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    with pytest.raises(PasswordRefused):
        await accounts.set_password(robin.id, "password123")
    await accounts.set_password(robin.id, "nine loud geese")
    assert await accounts.verify("robin@example.org", PASSWORD) is None
    assert await accounts.verify("robin@example.org", "nine loud geese") == robin
    with pytest.raises(UnknownAccount):
        await accounts.set_password("none", "nine loud geese")


async def test_a_session_is_over_when_unused_or_old(accounts: Accounts, clock: Clock) -> None:
    """Use keeps a session alive until the absolute limit; without use the idle limit ends it."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    idle, used = await accounts.sessions.start(robin.id), await accounts.sessions.start(robin.id)
    step = IDLE_SECONDS - 1
    for _ in range(ABSOLUTE_SECONDS // step):
        clock.wait(step)
        assert await accounts.sessions.account(used) == robin.id
    assert await accounts.sessions.account(idle) is None
    clock.wait(ABSOLUTE_SECONDS % step + 1)
    assert await accounts.sessions.account(used) is None


async def test_ending_sessions(accounts: Accounts) -> None:
    """One session can be ended, or all others; those of other accounts are not touched."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    kim = await accounts.create("kim@example.org", PASSWORD, "US", 1988)
    first, second, third = [await accounts.sessions.start(robin.id) for _ in range(3)]
    others = await accounts.sessions.start(kim.id)
    await accounts.sessions.end(first)
    assert await accounts.sessions.account(first) is None
    await accounts.sessions.end_others(robin.id, second)
    assert await accounts.sessions.account(second) == robin.id
    assert await accounts.sessions.account(third) is None
    assert await accounts.sessions.account(others) == kim.id


async def test_a_session_of_an_account_that_was_erased_meanwhile_is_refused(accounts: Accounts) -> None:
    """It raises, and what others write at the same moment is kept."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    outcomes = await asyncio.gather(
        accounts.sessions.start("gone"), accounts.sessions.start(robin.id), return_exceptions=True
    )
    assert isinstance(outcomes[0], UnknownAccount)
    assert isinstance(outcomes[1], str)
    assert await accounts.sessions.account(outcomes[1]) == robin.id


async def test_a_device_token_tells_account_pairing_and_what_the_policy_needs(accounts: Accounts) -> None:
    """The identity of glasses is that of their pairing and of their wearer."""
    authenticator: Authenticator = accounts
    robin = await accounts.create("robin@example.org", PASSWORD, "CA", 1988)
    tokens = await paired(accounts, robin.id)
    identity = await authenticator.identify(tokens.access_token)
    assert identity == Identity(Kind.DEVICE, robin.id, tokens.pairing, "CA", 1988)
    assert await authenticator.holder(robin.id) == Holder("CA", 1988)
    with pytest.raises(UnknownAccount):
        await authenticator.holder("none")


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "\udcff", "' OR 1=1 --"])
async def test_a_forged_token_is_refused(accounts: Accounts, token: str) -> None:
    """Whatever it is made of."""
    with pytest.raises(TokenInvalid):
        await accounts.identify(token)


async def test_a_refresh_token_is_no_access_token(accounts: Accounts) -> None:
    """Neither whole nor in part."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    tokens = await paired(accounts, robin.id)
    for token in (tokens.refresh_token, *tokens.refresh_token.split(".")):
        with pytest.raises(TokenInvalid):
            await accounts.identify(token)


async def test_an_access_token_expires_even_from_memory(accounts: Accounts, clock: Clock) -> None:
    """A moment before it is good, at its time it is not."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    tokens = await paired(accounts, robin.id)
    clock.wait(ACCESS_SECONDS - 0.5)
    await accounts.identify(tokens.access_token)
    clock.wait(0.5)
    with pytest.raises(TokenInvalid):
        await accounts.identify(tokens.access_token)


async def test_changes_hold_at_the_next_call(accounts: Accounts) -> None:
    """With the identity in memory: moving home, ending the pairing, and erasing the account are seen at once."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    tokens, others = await paired(accounts, robin.id), await paired(accounts, robin.id)
    await accounts.identify(tokens.access_token)
    await accounts.set_home_region(robin.id, "FR")
    assert (await accounts.identify(tokens.access_token)).home_region == "FR"
    assert await accounts.pairings.end(robin.id, tokens.pairing)
    with pytest.raises(PairingEnded):
        await accounts.identify(tokens.access_token)
    await accounts.identify(others.access_token)
    await accounts.erase(robin.id)
    with pytest.raises(TokenInvalid):
        await accounts.identify(others.access_token)


async def test_a_change_holds_though_its_caller_has_gone(accounts: Accounts) -> None:
    """A request that is cancelled after it was sent still ends the pairing, and what is in memory is forgotten."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    tokens = await paired(accounts, robin.id)
    await accounts.identify(tokens.access_token)
    ending = asyncio.ensure_future(accounts.pairings.end(robin.id, tokens.pairing))
    await asyncio.sleep(0)
    ending.cancel()
    await accounts.sessions.end("writes are made one after the other, so this one comes after")
    with pytest.raises(PairingEnded):
        await accounts.identify(tokens.access_token)


async def test_a_change_by_another_process_holds_within_seconds(accounts: Accounts, path: Path, clock: Clock) -> None:
    """What the operator's command line erases is refused two seconds later at the latest."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    tokens = await paired(accounts, robin.id)
    await accounts.identify(tokens.access_token)
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as elsewhere:
        await elsewhere.erase(robin.id)
    clock.wait(2)
    with pytest.raises(TokenInvalid):
        await accounts.identify(tokens.access_token)


async def test_readers_have_keys(accounts: Accounts) -> None:
    """A key reads as a reader until it is removed; a name is given once."""
    key = await accounts.add_reader(" ranking ")
    assert await accounts.identify(key) == Identity(Kind.READER)
    assert [reader.name for reader in await accounts.list_readers()] == ["ranking"]
    for name in ("ranking", "", "  ", "a\nb"):
        with pytest.raises(ReaderRefused):
            await accounts.add_reader(name)
    assert await accounts.remove_reader("ranking")
    assert not await accounts.remove_reader("ranking")
    with pytest.raises(TokenInvalid):
        await accounts.identify(key)


async def test_all_is_there_after_a_restart(path: Path, clock: Clock) -> None:
    """Accounts, sessions, pairings and readers outlive the process."""
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as accounts:
        robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
        session, tokens = await accounts.sessions.start(robin.id), await paired(accounts, robin.id)
        key = await accounts.add_reader("ranking")
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as accounts:
        assert await accounts.verify("robin@example.org", PASSWORD) == robin
        assert await accounts.sessions.account(session) == robin.id
        assert (await accounts.identify(tokens.access_token)).pairing == tokens.pairing
        assert (await accounts.identify(key)).kind is Kind.READER


async def test_erasing_leaves_nothing(accounts: Accounts, path: Path) -> None:
    """While the server goes on, no file holds the address, the id, or the name of the glasses any more."""
    robin = await accounts.create("robin.unmistakable@example.org", PASSWORD, "US", 1988)
    kim = await accounts.create("kim@example.org", PASSWORD, "US", 1988)
    session, tokens = await accounts.sessions.start(robin.id), await paired(accounts, robin.id, "Purple goggles")
    waiting = await accounts.pairings.begin()
    await accounts.pairings.approve(waiting.user_code, robin.id, "Purple goggles")
    traces = [b"unmistakable", robin.id.encode(), b"Purple goggles", tokens.pairing.encode()]
    before = all_bytes(path.parent)
    assert all(trace in before for trace in traces)

    await accounts.erase(robin.id)

    after = all_bytes(path.parent)
    assert [trace for trace in traces if trace in after] == []
    assert b"kim@example.org" in after
    assert await accounts.find("robin.unmistakable@example.org") is None
    assert await accounts.sessions.account(session) is None
    assert accounts.pairings.list(robin.id) == []
    assert await accounts.list() == [kim]
    await accounts.erase(robin.id)


async def test_no_secret_is_in_the_file(accounts: Accounts, path: Path) -> None:
    """Of session, access, refresh and device tokens and reader keys only hashes are kept."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    session, tokens = await accounts.sessions.start(robin.id), await paired(accounts, robin.id)
    grant, key = await accounts.pairings.begin(), await accounts.add_reader("ranking")
    content = all_bytes(path.parent)
    secrets = [session, tokens.access_token, *tokens.refresh_token.split("."), grant.device_code, key, PASSWORD]
    assert [secret for secret in secrets if secret.encode() in content] == []


async def test_repr_tells_no_address_and_no_token(accounts: Accounts) -> None:
    """What may land in a log or a crash report names neither the person nor a secret."""
    robin = await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    grant, tokens = await accounts.pairings.begin(), await paired(accounts, robin.id)
    text = f"{robin!r} {grant!r} {tokens!r}"
    secrets = [robin.email, grant.user_code, grant.device_code, tokens.access_token, tokens.refresh_token]
    assert [secret for secret in secrets if secret in text] == []


async def test_the_file_is_its_owners_alone(accounts: Accounts, path: Path) -> None:
    """Nobody else on the machine can read the database or its log."""
    await accounts.create("robin@example.org", PASSWORD, "US", 1988)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_a_file_that_cannot_be_used_is_refused_with_advice(tmp_path: Path) -> None:
    """No database, one of a later release, and a directory that cannot be made."""
    torn = tmp_path / "torn.db"
    torn.write_bytes(b"no database at all" * 100)
    with pytest.raises(StartError, match="restore it from a backup"):
        await Accounts.open(torn)
    later = tmp_path / "later.db"
    connection = sqlite3.connect(later)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StartError, match="later release"):
        await Accounts.open(later)
    with pytest.raises(StartError, match="cannot be made"):
        await Accounts.open(torn / "below" / "accounts.db")


def test_regions_are_those_of_iso_3166_1() -> None:
    """249 codes of two capital letters, each with a name of its own, in the order of names."""
    listed = regions()
    assert len(listed) == len(set(listed.values())) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in listed)
    assert {"US", "GB", "KR", "DE", "AX", "ZW"} <= listed.keys()
    assert listed["CW"] == "Curaçao"
