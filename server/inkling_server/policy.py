"""What the operator's policy allows: its rules, its signed form, and how an account stands under it."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from inkling.interests.v1.interests_pb2 import InterestSource
from inkling.policy.v1 import policy_pb2
from inkling_server.days import DAYS_A_WEEK, SECONDS_A_DAY, day_number
from inkling_server.errors import PolicyInvalid

Standing = policy_pb2.Standing

ALL_SOURCES = frozenset({1, 2, 3, 4})
"""Voice, text, photo and video, as `InterestSource` numbers."""

EUROPEAN_UNION = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)
"""ISO 3166-1 codes of the 27 member states."""
EUROPEAN_UNION_ELSEWHERE = frozenset({"AX", "GF", "GP", "MF", "MQ", "RE", "YT"})
"""Parts of member states that ISO 3166-1 lists apart: Aland, and the outermost regions that lie in the Union's law
(Treaty on the Functioning of the European Union, article 349)."""

VALIDITY = dt.timedelta(days=30)
"""How long a policy holds from its issue."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for all accounts of a server; the defaults are those that it starts with."""

    version: int = 1
    """Grows with every change; a device never goes back to a lower one."""
    issued: dt.datetime = dt.datetime(2025, 12, 16, tzinfo=dt.UTC)
    """When the policy was signed."""
    expires: dt.datetime = dt.datetime(2025, 12, 16, tzinfo=dt.UTC) + VALIDITY
    """From when on a device that has heard nothing newer records nothing."""
    start: dt.date = dt.date(2025, 12, 16)
    """The first day on which what people say to the assistant may count."""
    notice: dt.date = dt.date(2025, 10, 7)
    """From when on wearers are told about it, before it starts."""
    excluded_regions: frozenset[str] = EUROPEAN_UNION | EUROPEAN_UNION_ELSEWHERE | {"GB", "KR"}
    """ISO 3166-1 alpha-2 codes of the regions where nothing is recorded."""
    minimum_age_years: int = 18
    """Wearers younger than this are left out."""
    half_life_days: int = 90
    """After this time an interest counts half."""
    maximum_age_days: int = 540
    """After this time an interest is forgotten."""
    sources: frozenset[int] = ALL_SOURCES
    """The sources that count, as `InterestSource` numbers."""
    maximum_batch_events: int = 256
    """The most events that a batch may hold."""

    def oldest_week(self, today: dt.date) -> int:
        """The oldest week that a profile still holds on `today`.

        Profiles count by weeks and forget by weeks: one is forgotten as a whole when its first day passes the
        maximum age. Nothing older is ever read from then on; what is stored loses it with the next batch, and where
        none comes, by `forgetting`.
        """
        oldest_day = day_number(today) - self.maximum_age_days
        return -(-oldest_day // DAYS_A_WEEK)


def standing(policy: Policy, *, home_region: str, birth_year: int, paused: bool, today: dt.date) -> policy_pb2.Standing:
    """Whether an account's interests may be recorded and used on `today`, and if not, why.

    What is not known counts against it: an empty region is excluded, and as only the year of birth is known, a
    wearer counts as a year older on the last day of the year, not before.
    """
    if not home_region or home_region.upper() in policy.excluded_regions:
        return Standing.STANDING_REGION_EXCLUDED
    if today.year - birth_year - 1 < policy.minimum_age_years or birth_year <= 0:
        return Standing.STANDING_UNDER_AGE
    if paused:
        return Standing.STANDING_PAUSED
    if day_number(today) < day_number(policy.start):
        return Standing.STANDING_NOT_STARTED
    return Standing.STANDING_ELIGIBLE


def sign(policy: Policy, key: Ed25519PrivateKey) -> policy_pb2.SignedPolicy:
    """The policy with the operator's signature over its very bytes."""
    content = _to_message(policy).SerializeToString(deterministic=True)
    return policy_pb2.SignedPolicy(policy=content, signature=key.sign(content))


def verify(signed: policy_pb2.SignedPolicy, key: Ed25519PublicKey) -> Policy:
    """The policy inside. Raises `PolicyInvalid` where the signature is not of `key` or the content makes no sense."""
    try:
        key.verify(signed.signature, signed.policy)
        message = policy_pb2.Policy.FromString(signed.policy)
    except InvalidSignature:
        raise PolicyInvalid(
            "the policy's signature does not verify: sign it anew with the key of this server"
        ) from None
    except DecodeError:
        raise PolicyInvalid("the signed bytes are not a policy: sign it anew") from None
    return _from_message(message)


def renewed(policy: Policy, now: dt.datetime) -> Policy:
    """The same rules under the next version, valid from `now` on."""
    issued = now.replace(microsecond=0)
    return replace(policy, version=policy.version + 1, issued=issued, expires=issued + VALIDITY)


def read_rules(path: Path) -> Policy:
    """The rules in a TOML file whose keys are the fields of `Policy`; what it leaves out stays at the default.

    Version and dates of issue are not the file's to say: signing gives them. Raises `PolicyInvalid`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyInvalid(f"{path} cannot be read as TOML: {error}") from error
    known = {field.name for field in fields(Policy)} - {"version", "issued", "expires"}
    if unknown := content.keys() - known:
        raise PolicyInvalid(f"{path} has {', '.join(sorted(unknown))}; a policy has {', '.join(sorted(known))}")
    try:
        rules: dict[str, Any] = {name: _rule(name, value) for name, value in content.items()}
        policy = replace(Policy(), **rules)
    except (TypeError, ValueError) as error:
        raise PolicyInvalid(f"{path}: {error}") from error
    return _checked(policy)


def _rule(name: str, value: object) -> object:
    """A value of a rules file in the type of its field."""
    match getattr(Policy(), name), value:
        case frozenset(), list() if name == "sources":
            return frozenset(InterestSource.Value(f"INTEREST_SOURCE_{str(source).upper()}") for source in value)
        case frozenset(), list():
            return frozenset(str(region).upper() for region in value)
        case dt.date(), dt.date():
            return value
        case int(), int() if not isinstance(value, bool):
            return value
    raise ValueError(f"{name} cannot be {value!r}; it is written like {getattr(Policy(), name)!r}")


def _checked(policy: Policy) -> Policy:
    for name in ("version", "half_life_days", "maximum_age_days", "maximum_batch_events"):
        if getattr(policy, name) < 1:
            raise PolicyInvalid(f"a policy's {name} must be at least 1, not {getattr(policy, name)}")
    if policy.minimum_age_years < 0:
        raise PolicyInvalid("a policy's minimum_age_years cannot be negative")
    if any(len(region) != 2 or not region.isalpha() for region in policy.excluded_regions):
        raise PolicyInvalid("a policy's excluded_regions are ISO 3166-1 alpha-2 codes, such as GB")
    if not policy.sources or not policy.sources <= ALL_SOURCES:
        raise PolicyInvalid("a policy's sources are some of voice, text, photo and video")
    return policy


def _to_message(policy: Policy) -> policy_pb2.Policy:
    message = policy_pb2.Policy(
        version=policy.version,
        issue_time=_timestamp(policy.issued),
        expire_time=_timestamp(policy.expires),
        start_time=_midnight(policy.start),
        notice_time=_midnight(policy.notice),
        excluded_regions=sorted(policy.excluded_regions),
        minimum_age_years=policy.minimum_age_years,
        sources=[cast("InterestSource", source) for source in sorted(policy.sources)],
        maximum_batch_events=policy.maximum_batch_events,
    )
    message.half_life.FromSeconds(policy.half_life_days * SECONDS_A_DAY)
    message.maximum_age.FromSeconds(policy.maximum_age_days * SECONDS_A_DAY)
    return message


def _from_message(message: policy_pb2.Policy) -> Policy:
    try:
        policy = Policy(
            version=message.version,
            issued=message.issue_time.ToDatetime(tzinfo=dt.UTC),
            expires=message.expire_time.ToDatetime(tzinfo=dt.UTC),
            start=message.start_time.ToDatetime().date(),
            notice=message.notice_time.ToDatetime().date(),
            excluded_regions=frozenset(message.excluded_regions),
            minimum_age_years=message.minimum_age_years,
            half_life_days=message.half_life.ToSeconds() // SECONDS_A_DAY,
            maximum_age_days=message.maximum_age.ToSeconds() // SECONDS_A_DAY,
            sources=frozenset(message.sources),
            maximum_batch_events=message.maximum_batch_events,
        )
    except (ValueError, OverflowError) as error:
        raise PolicyInvalid(f"the signed policy holds an impossible time: {error}") from error
    return _checked(policy)


def _timestamp(time: dt.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _midnight(day: dt.date) -> Timestamp:
    return Timestamp(seconds=day_number(day) * SECONDS_A_DAY)
