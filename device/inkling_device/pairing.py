"""Logging in without a keyboard (RFC 8628), and logging out so that nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from inkling_device.clock import Clock
from inkling_device.credentials import Credentials, CredentialStore
from inkling_device.errors import (
    AlreadyPairedError,
    CallFailure,
    OAuthRefused,
    PairingDeniedError,
    PairingError,
    PairingExpiredError,
    SlowDown,
    TryAgain,
)
from inkling_device.oauth import DEFAULT_INTERVAL, DeviceCode, OAuthClient
from inkling_device.outbox import Outbox
from inkling_device.policy import PolicyHolder

LONGEST_INTERVAL = 60.0
"""Seconds between two polls at most, however often the network failed."""

Show = Callable[[DeviceCode], Awaitable[None]]
"""Shows a code to the wearer, such as on a terminal, and speaks it where there is a speaker."""


async def pair(oauth: OAuthClient, store: CredentialStore, clock: Clock, show: Show) -> Credentials:
    """Logs these glasses in: shows a code, and waits until the wearer has entered it on the server's page.

    Raises `AlreadyPairedError`, `PairingDeniedError`, `PairingExpiredError`, `PairingError` where the server cannot be
    reached at the start or refuses, and `StateError`.
    """
    if store.current is not None:
        raise AlreadyPairedError("these glasses are logged in: run `inkling-device unpair` first")
    try:
        code = await oauth.device_authorization()
    except CallFailure as error:
        raise PairingError(str(error)) from error
    await show(code)
    credentials = await _until_entered(oauth, clock, code)
    store.save(credentials)
    return credentials


async def unpair(oauth: OAuthClient | None, *, store: CredentialStore, policy: PolicyHolder, outbox: Outbox) -> bool:
    """Logs these glasses out and wipes queue, ledger, policy and credentials, whatever the network does.

    Gives whether the server knows; where it does not (`oauth` is None, or it cannot be reached), the wearer should
    forget the glasses on the page. Raises `StateError` where something could not be wiped.
    """
    held = store.current
    wipe(store=store, policy=policy, outbox=outbox)
    if held is None or oauth is None:
        return False
    try:
        await oauth.revoke(held.refresh_token)
    except CallFailure:
        return False
    return True


def wipe(*, store: CredentialStore, policy: PolicyHolder, outbox: Outbox) -> None:
    """Removes all that tells of an account. Raises `StateError`.

    The credentials go last: killed on the way, the next start finds itself still logged in, hears from the server
    that it is not, and wipes again, so that no event is ever left for the next account.
    """
    outbox.wipe()
    policy.forget()
    store.delete()


def spoken(code: DeviceCode) -> str:
    """What a speaker says of a code: its characters one by one, twice."""
    letters = ", ".join(character for character in code.user_code if character.isalnum())
    address = code.verification_uri.removeprefix("https://").removeprefix("http://")
    return f"To log in, open {address} and enter this code: {letters}. Once more: {letters}."


async def _until_entered(oauth: OAuthClient, clock: Clock, code: DeviceCode) -> Credentials:
    """Polls as RFC 8628 section 3.5 asks: slower by 5 s after `slow_down`, at half the pace after a failure."""
    deadline = clock.monotonic() + code.expires_in
    interval = code.interval
    while clock.monotonic() + interval < deadline:
        await clock.sleep(interval)
        try:
            return await oauth.exchange(code.device_code)
        except OAuthRefused as error:
            if error.code == "slow_down":
                interval += DEFAULT_INTERVAL
            elif error.code != "authorization_pending":
                raise _pairing_error(error) from error
        except SlowDown as error:
            interval = max(interval, min(error.seconds, LONGEST_INTERVAL))
        except TryAgain:
            interval = min(2 * interval, LONGEST_INTERVAL)
        except CallFailure as error:
            raise PairingError(str(error)) from error
    raise PairingExpiredError("the code was not entered in time: run `inkling-device pair` for another")


def _pairing_error(error: OAuthRefused) -> PairingError:
    if error.code == "access_denied":
        return PairingDeniedError("pairing was refused on the page")
    if error.code == "expired_token":
        return PairingExpiredError("the code was not entered in time: run `inkling-device pair` for another")
    return PairingError(str(error))
