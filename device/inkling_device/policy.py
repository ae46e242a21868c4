"""What the account, its region and the day allow, as far as the device can tell for itself.

The server's policy is signed (Ed25519) with a key that was pinned when the glasses were paired. The last good one is
kept with what the server said of the account: its standing, its home region and the wearer's year of birth. What is
not known counts against recording.
"""

from __future__ import annotations

import datetime as dt
import enum
import logging
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from inkling.policy.v1 import policy_pb2
from inkling.sync.v1 import sync_pb2
from inkling_device import policy_floor
from inkling_device.clock import Clock
from inkling_device.credentials import CredentialStore
from inkling_device.errors import PolicyRefusedError
from inkling_device.observation import Source
from inkling_device.private_files import remove_private, write_private

log = logging.getLogger(__name__)

FILE_NAME = "policy.pb"


class Refusal(enum.StrEnum):
    """Why nothing may be recorded now."""

    LOGGED_OUT = "logged_out"
    NO_POLICY = "no_policy"
    POLICY_EXPIRED = "policy_expired"
    REGION_UNKNOWN = "region_unknown"
    REGION_EXCLUDED = "region_excluded"
    UNDER_AGE = "under_age"
    PAUSED = "paused"
    NOT_STARTED = "not_started"
    SOURCE_NOT_ALLOWED = "source_not_allowed"


SENTENCES = {
    None: "Recording is allowed.",
    Refusal.LOGGED_OUT: "Nothing is recorded: nobody is logged in. Run `inkling-device pair` to log in.",
    Refusal.NO_POLICY: "Nothing is recorded: the server has not yet told what this account allows.",
    Refusal.POLICY_EXPIRED: "Nothing is recorded: the policy has expired, and no newer one has been heard of.",
    Refusal.REGION_UNKNOWN: "Nothing is recorded: the account's home region is not known.",
    Refusal.REGION_EXCLUDED: "Nothing is recorded: the account's home region is left out.",
    Refusal.UNDER_AGE: "Nothing is recorded: by the year of birth the wearer may be too young.",
    Refusal.PAUSED: "Nothing is recorded: the profile is paused on the account's page.",
    Refusal.NOT_STARTED: "Nothing is recorded: the day from which it counts has not come yet.",
    Refusal.SOURCE_NOT_ALLOWED: "This way of noticing interests is switched off by the policy.",
}
"""What the wearer reads in `inkling-device status`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of the signed policy that a device acts on."""

    version: int
    expires: dt.datetime
    start: dt.date
    excluded_regions: frozenset[str]
    minimum_age_years: int
    sources: frozenset[int]
    maximum_batch_events: int


@dataclass(frozen=True, slots=True)
class Held:
    """The last good policy, and the account as the server last described it."""

    policy: Policy
    standing: policy_pb2.Standing
    home_region: str
    birth_year: int


class PolicyHolder:
    """Keeps the policy on disk and answers the guard. `refusal` may be asked from any thread."""

    def __init__(self, directory: Path, credentials: CredentialStore, clock: Clock) -> None:
        self._path = directory / FILE_NAME
        self._credentials = credentials
        self._clock = clock
        self._answer = sync_pb2.GetPolicyResponse()
        self._held: Held | None = None
        self._load()

    @property
    def held(self) -> Held | None:
        """The last good policy and the account; None before the first."""
        return self._held

    def refusal(self, source: Source | None = None) -> Refusal | None:
        """Why `source` (or, without one, anything at all) may not be recorded now; None where it may."""
        if self._credentials.current is None:
            return Refusal.LOGGED_OUT
        if self._held is None:
            return Refusal.NO_POLICY
        refusal = _refusal(self._held, self._clock.now())
        if refusal is None and source is not None and source not in self._held.policy.sources:
            return Refusal.SOURCE_NOT_ALLOWED
        return refusal

    def take(self, answer: sync_pb2.GetPolicyResponse) -> None:
        """Takes up what the server says of policy, account and time, durably.

        A policy of a lower version than the one held is not taken up before that one has expired; the rest of the
        answer is. Raises `PolicyRefusedError` where the policy does not verify or makes no sense: all stays as it was
        then, the clock as well. Raises `StateError` where it cannot be stored; it is in force nevertheless.
        """
        held = _held_from(answer, self._pinned_key())
        if answer.HasField("server_time"):
            self._clock.learn(_moment(answer.server_time))
        if self._held is not None and _goes_back(held.policy, self._held.policy, self._clock.now()):
            log.warning("server's policy %d is older than %d: refused", held.policy.version, self._held.policy.version)
            kept = self._answer.signed_policy
            answer = _with_policy(answer, kept)
            held = _held_from(answer, self._pinned_key())
        self._answer, self._held = answer, held
        write_private(self._path, answer.SerializeToString(deterministic=True))

    def forget(self) -> None:
        """Removes the policy, as when logging out. Raises `StateError`."""
        self._held = None
        self._answer = sync_pb2.GetPolicyResponse()
        remove_private(self._path)

    def _load(self) -> None:
        if not self._path.exists() or self._credentials.current is None:
            return
        try:
            answer = sync_pb2.GetPolicyResponse.FromString(self._path.read_bytes())
            self._held = _held_from(answer, self._pinned_key())
        except (OSError, DecodeError, PolicyRefusedError) as error:
            log.warning("%s cannot be used (%s): nothing is recorded until the server sends it", self._path, error)
            return
        self._answer = answer
        # It is later than when the server said this, whatever a clock without a battery claims.
        self._clock.not_before(_moment(answer.server_time))

    def _pinned_key(self) -> bytes:
        credentials = self._credentials.current
        if credentials is None:
            raise PolicyRefusedError("nobody is logged in: no key to verify a policy with")
        return credentials.policy_key


def _goes_back(new: Policy, held: Policy, now: dt.datetime) -> bool:
    """Whether `new` is of a lower version than what is held and may not take its place.

    It may once the held one has expired, if it is good itself: a server that was restored from a backup counts anew.
    No old policy can be played back that way, whatever the time is said to be: what is good when the held one is not
    expires after it and was therefore signed after it, for all are signed for equally long.
    """
    return new.version < held.version and not held.expires <= now < new.expires


def _refusal(held: Held, now: dt.datetime) -> Refusal | None:
    policy, today = held.policy, now.date()
    if now >= policy.expires:
        return Refusal.POLICY_EXPIRED
    region = held.home_region.upper()
    if len(region) != 2 or not region.isascii() or not region.isalpha():
        return Refusal.REGION_UNKNOWN
    if region in policy.excluded_regions or region in policy_floor.excluded_regions():
        return Refusal.REGION_EXCLUDED
    if not _is_old_enough(held, today):
        return Refusal.UNDER_AGE
    if today < max(policy.start, policy_floor.FIRST_DAY):
        return Refusal.NOT_STARTED
    return _STANDINGS.get(held.standing, Refusal.NO_POLICY)


def _is_old_enough(held: Held, today: dt.date) -> bool:
    """Only the year of birth is known: the last day of that year is what is certain."""
    years = max(held.policy.minimum_age_years, policy_floor.MINIMUM_AGE_YEARS)
    return held.birth_year > 0 and today.year - held.birth_year - 1 >= years


_STANDINGS = {
    policy_pb2.STANDING_ELIGIBLE: None,
    policy_pb2.STANDING_REGION_EXCLUDED: Refusal.REGION_EXCLUDED,
    policy_pb2.STANDING_UNDER_AGE: Refusal.UNDER_AGE,
    policy_pb2.STANDING_PAUSED: Refusal.PAUSED,
    policy_pb2.STANDING_NOT_STARTED: Refusal.NOT_STARTED,
}
"""What each standing means here; one that this version does not know allows nothing."""


def _held_from(answer: sync_pb2.GetPolicyResponse, key: bytes) -> Held:
    return Held(
        policy=verified(answer.signed_policy, key),
        standing=answer.standing,
        home_region=answer.home_region,
        birth_year=answer.birth_year,
    )


def verified(signed: policy_pb2.SignedPolicy, key: bytes) -> Policy:
    """The policy inside, if its signature is of the 32-byte Ed25519 `key` (RFC 8032). Raises `PolicyRefusedError`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signed.signature, signed.policy)
        message = policy_pb2.Policy.FromString(signed.policy)
        return Policy(
            version=message.version,
            expires=_moment(message.expire_time),
            start=_moment(message.start_time).date(),
            excluded_regions=frozenset(region.upper() for region in message.excluded_regions),
            minimum_age_years=message.minimum_age_years,
            sources=frozenset(message.sources),
            maximum_batch_events=message.maximum_batch_events,
        )
    except InvalidSignature:
        raise PolicyRefusedError("the policy is not signed by the server that these glasses were paired with") from None
    except (DecodeError, ValueError, OverflowError) as error:
        raise PolicyRefusedError(f"the signed policy makes no sense: {error}") from error


def _with_policy(answer: sync_pb2.GetPolicyResponse, signed: policy_pb2.SignedPolicy) -> sync_pb2.GetPolicyResponse:
    changed = sync_pb2.GetPolicyResponse()
    changed.CopyFrom(answer)
    changed.signed_policy.CopyFrom(signed)
    return changed


def _moment(stamp: Timestamp) -> dt.datetime:
    return stamp.ToDatetime(tzinfo=dt.UTC)
