"""Pairing: the way of a device grant (RFC 8628), rotation of refresh tokens, and how a pairing ends."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

import pytest
from argon2 import Parameters, Type

from inkling_server import pairings
from inkling_server.accounts import Accounts
from inkling_server.errors import PairingEnded
from inkling_server.pairings import (
    GRANT_SECONDS,
    POLL_SECONDS,
    REFRESH_IDLE_SECONDS,
    REPEAT_SECONDS,
    Ending,
    GrantError,
    Tokens,
)
from inkling_server.passwords import Passwords
from inkling_server.tokens import new_user_code, shown_user_code, user_code_from

CHEAP = Parameters(type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)


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
async def accounts(tmp_path: Path, clock: Clock) -> AsyncIterator[Accounts]:
    async with await Accounts.open(tmp_path / "accounts.db", clock=clock, passwords=Passwords(CHEAP)) as opened:
        yield opened


@pytest.fixture
async def robin(accounts: Accounts) -> str:
    return (await accounts.create("robin@example.org", "seven quiet herons", "US", 1988)).id


async def refusal(attempt: Coroutine[object, object, object]) -> str:
    """The error code that an attempt is refused with."""
    with pytest.raises(GrantError) as refused:
        await attempt
    return refused.value.code


async def paired(accounts: Accounts, account: str) -> Tokens:
    grant = await accounts.pairings.begin()
    assert await accounts.pairings.approve(grant.user_code, account, "Everyday")
    return await accounts.pairings.redeem(grant.device_code)


async def assert_ended(accounts: Accounts, account: str, tokens: Tokens, ending: Ending) -> None:
    """No token of the pairing is good any more, and the wearer can see why."""
    with pytest.raises(PairingEnded):
        await accounts.identify(tokens.access_token)
    assert await refusal(accounts.pairings.refresh(tokens.refresh_token)) == "invalid_grant"
    (found,) = [pairing for pairing in accounts.pairings.list(account) if pairing.id == tokens.pairing]
    assert found.ending == ending


async def test_glasses_wait_until_their_wearer_answers(accounts: Accounts, robin: str, clock: Clock) -> None:
    """Pending at first; after the approval there are tokens, for this account."""
    grant = await accounts.pairings.begin()
    assert accounts.pairings.is_pending(grant.user_code)
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "authorization_pending"
    assert await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert not accounts.pairings.is_pending(grant.user_code)
    tokens = await accounts.pairings.redeem(grant.device_code)
    assert (await accounts.identify(tokens.access_token)).account == robin
    assert [(pairing.id, pairing.name) for pairing in accounts.pairings.list(robin)] == [(tokens.pairing, "Everyday")]


async def test_glasses_that_ask_too_often_are_slowed_down_more_each_time(accounts: Accounts, clock: Clock) -> None:
    """The interval grows by five seconds with every question that comes too early (RFC 8628 section 3.5)."""
    grant = await accounts.pairings.begin()

    async def ask_after(seconds: float) -> str:
        clock.wait(seconds)
        return await refusal(accounts.pairings.redeem(grant.device_code))

    assert await ask_after(0) == "authorization_pending"
    assert await ask_after(POLL_SECONDS) == "authorization_pending"
    assert await ask_after(POLL_SECONDS - 1) == "slow_down"
    assert await ask_after(POLL_SECONDS) == "slow_down"
    assert await ask_after(2 * POLL_SECONDS) == "slow_down"
    assert await ask_after(4 * POLL_SECONDS) == "authorization_pending"


async def test_one_pair_of_glasses_does_not_slow_another_down(accounts: Accounts) -> None:
    """The pace is that of one grant."""
    for _ in range(3):
        grant = await accounts.pairings.begin()
        assert await refusal(accounts.pairings.redeem(grant.device_code)) == "authorization_pending"


async def test_glasses_get_their_tokens_at_once_after_the_approval(accounts: Accounts, robin: str) -> None:
    """A grant that is approved is never told to slow down."""
    grant = await accounts.pairings.begin()
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "authorization_pending"
    await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert (await accounts.pairings.redeem(grant.device_code)).pairing


async def test_glasses_that_are_turned_away_stay_out(accounts: Accounts, robin: str) -> None:
    """After a denial there is no approval any more."""
    grant = await accounts.pairings.begin()
    assert await accounts.pairings.deny(grant.user_code, robin)
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "access_denied"
    assert not await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "access_denied"
    assert accounts.pairings.list(robin) == []


@pytest.mark.parametrize("approved", [False, True])
async def test_a_code_expires(accounts: Accounts, robin: str, clock: Clock, approved: bool) -> None:
    """At its time, approved or not; glasses are told so even after others have asked for codes."""
    grant = await accounts.pairings.begin()
    if approved:
        await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    clock.wait(GRANT_SECONDS)
    assert not accounts.pairings.is_pending(grant.user_code)
    assert not await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    await accounts.pairings.begin()
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "expired_token"


async def test_a_code_is_good_until_its_last_second(accounts: Accounts, robin: str, clock: Clock) -> None:
    """A second before it expires it can be approved and redeemed."""
    grant = await accounts.pairings.begin()
    clock.wait(GRANT_SECONDS - 1)
    assert await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert (await accounts.pairings.redeem(grant.device_code)).pairing


async def test_a_code_is_good_once(accounts: Accounts, robin: str) -> None:
    """A second use of the device code is refused and makes no second pairing."""
    grant = await accounts.pairings.begin()
    await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    await accounts.pairings.redeem(grant.device_code)
    assert await refusal(accounts.pairings.redeem(grant.device_code)) == "invalid_grant"
    assert not await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert len(accounts.pairings.list(robin)) == 1


async def test_a_code_used_twice_at_once_pairs_once(accounts: Accounts, robin: str) -> None:
    """Of several uses at the same moment one wins."""
    grant = await accounts.pairings.begin()
    await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    outcomes = await asyncio.gather(
        *(accounts.pairings.redeem(grant.device_code) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Tokens) for outcome in outcomes) == 1
    assert len(accounts.pairings.list(robin)) == 1


async def test_a_code_is_approved_once(accounts: Accounts, robin: str) -> None:
    """Whoever approves first has the glasses."""
    kim = await accounts.create("kim@example.org", "seven quiet herons", "US", 1988)
    grant = await accounts.pairings.begin()
    assert await accounts.pairings.approve(grant.user_code, robin, "Everyday")
    assert not await accounts.pairings.approve(grant.user_code, kim.id, "Stolen")
    tokens = await accounts.pairings.redeem(grant.device_code)
    assert (await accounts.identify(tokens.access_token)).account == robin


@pytest.mark.parametrize("device_code", ["", "guess", "x" * 10_000])
async def test_a_device_code_that_is_not_known_is_refused(accounts: Accounts, device_code: str) -> None:
    """Whatever it is."""
    assert await refusal(accounts.pairings.redeem(device_code)) == "invalid_grant"


async def test_a_grant_outlives_a_restart(tmp_path: Path, clock: Clock) -> None:
    """Glasses that wait while the server is started anew are paired as if nothing had been."""
    path = tmp_path / "accounts.db"
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as accounts:
        robin = await accounts.create("robin@example.org", "seven quiet herons", "US", 1988)
        grant = await accounts.pairings.begin()
    async with await Accounts.open(path, clock=clock, passwords=Passwords(CHEAP)) as accounts:
        assert await accounts.pairings.approve(grant.user_code, robin.id, "Everyday")
        assert (await accounts.pairings.redeem(grant.device_code)).pairing


async def test_strangers_cannot_fill_the_disk_with_grants(
    accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound new grants are refused, until the old ones have gone."""
    monkeypatch.setattr(pairings, "MAXIMUM_GRANTS", 3)
    for _ in range(3):
        await accounts.pairings.begin()
    assert await refusal(accounts.pairings.begin()) == "temporarily_unavailable"
    clock.wait(2 * GRANT_SECONDS)
    await accounts.pairings.begin()


async def test_refreshing_gives_new_tokens_and_keeps_the_pairing(accounts: Accounts, robin: str) -> None:
    """Both tokens change; the access token before stays good until it expires, for calls under way."""
    first = await paired(accounts, robin)
    second = await accounts.pairings.refresh(first.refresh_token)
    third = await accounts.pairings.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert len({first.access_token, second.access_token, third.access_token}) == 3
    for tokens in (first, second, third):
        assert (await accounts.identify(tokens.access_token)).pairing == first.pairing


async def test_a_refresh_token_used_again_ends_the_pairing(accounts: Accounts, robin: str, clock: Clock) -> None:
    """Somebody has a copy, and nobody can tell who: neither goes on."""
    first = await paired(accounts, robin)
    second = await accounts.pairings.refresh(first.refresh_token)
    clock.wait(REPEAT_SECONDS)
    assert await refusal(accounts.pairings.refresh(first.refresh_token)) == "invalid_grant"
    await assert_ended(accounts, robin, first, Ending.REUSE)
    await assert_ended(accounts, robin, second, Ending.REUSE)


async def test_the_previous_refresh_token_is_good_once_more_where_the_answer_was_lost(
    accounts: Accounts, robin: str, clock: Clock
) -> None:
    """Within a minute, and while its successor was not used; the new tokens go on from there."""
    first = await paired(accounts, robin)
    await accounts.pairings.refresh(first.refresh_token)
    clock.wait(REPEAT_SECONDS - 1)
    again = await accounts.pairings.refresh(first.refresh_token)
    later = await accounts.pairings.refresh(again.refresh_token)
    assert (await accounts.identify(later.access_token)).pairing == first.pairing


async def test_the_previous_refresh_token_is_good_once_more_only_once(accounts: Accounts, robin: str) -> None:
    """A third use ends the pairing."""
    first = await paired(accounts, robin)
    await accounts.pairings.refresh(first.refresh_token)
    again = await accounts.pairings.refresh(first.refresh_token)
    assert await refusal(accounts.pairings.refresh(first.refresh_token)) == "invalid_grant"
    await assert_ended(accounts, robin, again, Ending.REUSE)


async def test_the_previous_refresh_token_is_not_good_after_its_successor_was_used(
    accounts: Accounts, robin: str
) -> None:
    """The answer cannot have been lost, so the token was copied."""
    first = await paired(accounts, robin)
    second = await accounts.pairings.refresh(first.refresh_token)
    third = await accounts.pairings.refresh(second.refresh_token)
    assert await refusal(accounts.pairings.refresh(first.refresh_token)) == "invalid_grant"
    await assert_ended(accounts, robin, third, Ending.REUSE)


async def test_the_lost_successor_is_not_good_after_the_previous_token_was_used_again(
    accounts: Accounts, robin: str
) -> None:
    """Two that go on from one token: one of them is a thief."""
    first = await paired(accounts, robin)
    lost = await accounts.pairings.refresh(first.refresh_token)
    again = await accounts.pairings.refresh(first.refresh_token)
    assert await refusal(accounts.pairings.refresh(lost.refresh_token)) == "invalid_grant"
    await assert_ended(accounts, robin, again, Ending.REUSE)


@pytest.mark.parametrize("refresh_token", ["", ".", "guess", "guess.guess", "a.b.c"])
async def test_a_refresh_token_that_is_not_known_ends_nothing(
    accounts: Accounts, robin: str, refresh_token: str
) -> None:
    """A guess is refused, and every pairing goes on."""
    tokens = await paired(accounts, robin)
    assert await refusal(accounts.pairings.refresh(refresh_token)) == "invalid_grant"
    await accounts.pairings.refresh(tokens.refresh_token)


async def test_glasses_not_heard_of_for_a_year_and_more_pair_anew(accounts: Accounts, robin: str, clock: Clock) -> None:
    """Just before the limit the token is good."""
    early, late = await paired(accounts, robin), await paired(accounts, robin)
    clock.wait(REFRESH_IDLE_SECONDS)
    await accounts.pairings.refresh(early.refresh_token)
    clock.wait(1)
    assert await refusal(accounts.pairings.refresh(late.refresh_token)) == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_glasses_can_end_their_pairing_by_either_token(accounts: Accounts, robin: str, kind: str) -> None:
    """Revocation (RFC 7009) ends the whole pairing, and no other."""
    tokens, others = await paired(accounts, robin), await paired(accounts, robin)
    await accounts.pairings.revoke(getattr(tokens, kind))
    await assert_ended(accounts, robin, tokens, Ending.DEVICE)
    await accounts.identify(others.access_token)
    await accounts.pairings.revoke(getattr(tokens, kind))
    await accounts.pairings.revoke("guess")


async def test_a_pairing_is_its_wearers_to_end_and_remove(accounts: Accounts, robin: str) -> None:
    """Another account can do neither."""
    kim = await accounts.create("kim@example.org", "seven quiet herons", "US", 1988)
    tokens = await paired(accounts, robin)
    assert not await accounts.pairings.end(kim.id, tokens.pairing)
    await accounts.pairings.remove(kim.id, tokens.pairing)
    assert (await accounts.identify(tokens.access_token)).pairing == tokens.pairing
    assert await accounts.pairings.end(robin, tokens.pairing)
    await assert_ended(accounts, robin, tokens, Ending.WEARER)
    await accounts.pairings.remove(robin, tokens.pairing)
    assert accounts.pairings.list(robin) == []


async def test_the_first_reason_for_an_end_stays(accounts: Accounts, robin: str) -> None:
    """What ended a pairing is told as it was, whatever is done to it later."""
    tokens = await paired(accounts, robin)
    await accounts.pairings.revoke(tokens.refresh_token)
    assert await accounts.pairings.end(robin, tokens.pairing)
    await assert_ended(accounts, robin, tokens, Ending.DEVICE)


def test_a_user_code_is_read_however_it_is_typed() -> None:
    """Case, spaces and dashes do not matter; what cannot be a code is none."""
    code = new_user_code()
    shown = shown_user_code(code)
    assert len(shown) == 9
    for typed in (shown, code, shown.lower(), f" {code[:2]} {code[2:]} ", shown.replace("-", " - ")):
        assert user_code_from(typed) == code
    for typed in ("", "WDJB-MJH", "WDJB-MJHTT", "AEIO-UAEI", "WDJB_MJHT", "ẂDJB-MJHT", "1234-5678"):
        assert user_code_from(typed) is None
