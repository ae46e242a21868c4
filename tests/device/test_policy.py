"""The policy holder: records nothing unless a signed policy, the account, its region and the day all allow it."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inkling.policy.v1 import policy_pb2
from inkling.sync.v1 import sync_pb2
from inkling_device import policy_floor
from inkling_device.clock import ManualClock
from inkling_device.credentials import Credentials, CredentialStore
from inkling_device.errors import PolicyRefusedError
from inkling_device.observation import Observation, Source, TopicScore
from inkling_device.policy import FILE_NAME, SENTENCES, PolicyHolder, Refusal
from inkling_device.privacy.allowed import PolicyRule
from inkling_device.testing import signed_policy

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
KEY = Ed25519PrivateKey.generate()

EUROPEAN_UNION = set(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905
)


class Setup:
    """A holder over a directory, logged in."""

    def __init__(self, directory: Path, now: dt.datetime = NOON) -> None:
        self.directory = directory
        self.clock = ManualClock(now)
        self.store = CredentialStore(directory)
        self.store.save(
            Credentials(
                server="https://inkling.example",
                pairing="p",
                grpc_target="inkling.example:443",
                policy_key=KEY.public_key().public_bytes_raw(),
                access_token="access",
                refresh_token="refresh",
                expires=now,
            )
        )
        self.holder = PolicyHolder(directory, self.store, self.clock)

    def restart(self, now: dt.datetime | None = None) -> None:
        self.clock = ManualClock(now or self.clock.now())
        self.holder = PolicyHolder(self.directory, self.store, self.clock)


def answer(
    *,
    key: Ed25519PrivateKey = KEY,
    standing: policy_pb2.Standing = policy_pb2.STANDING_ELIGIBLE,
    region: str = "US",
    born: int = 1980,
    now: dt.datetime = NOON,
    **policy: Any,
) -> sync_pb2.GetPolicyResponse:
    response = sync_pb2.GetPolicyResponse(
        signed_policy=signed_policy(key, now, **policy), standing=standing, home_region=region, birth_year=born
    )
    response.server_time.FromDatetime(now)
    return response


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_with_a_good_policy_every_source_may_be_recorded(setup: Setup) -> None:
    setup.holder.take(answer())
    assert {setup.holder.refusal(source) for source in Source} == {None}


def test_before_the_first_policy_nothing_is_recorded(setup: Setup) -> None:
    assert setup.holder.refusal(Source.VOICE) is Refusal.NO_POLICY


def test_logged_out_comes_before_everything_else(setup: Setup) -> None:
    setup.holder.take(answer())
    setup.store.delete()
    assert setup.holder.refusal(Source.VOICE) is Refusal.LOGGED_OUT


START = dt.datetime(2025, 12, 16, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (answer(region="DE"), Refusal.REGION_EXCLUDED),
        (answer(region="de"), Refusal.REGION_EXCLUDED),
        (answer(region="GB"), Refusal.REGION_EXCLUDED),
        (answer(region="KR"), Refusal.REGION_EXCLUDED),
        (answer(region="CH"), None),
        (answer(region="NO"), None),
        (answer(region="KP"), None),
        (answer(region="CH", excluded_regions=["ch"]), Refusal.REGION_EXCLUDED),
        (answer(region=""), Refusal.REGION_UNKNOWN),
        (answer(region="USA"), Refusal.REGION_UNKNOWN),
        (answer(region="U1"), Refusal.REGION_UNKNOWN),
        (answer(born=2007), None),
        (answer(born=2008), Refusal.UNDER_AGE),
        (answer(born=0), Refusal.UNDER_AGE),
        (answer(born=2030), Refusal.UNDER_AGE),
        (answer(born=2004, minimum_age_years=21), None),
        (answer(born=2005, minimum_age_years=21), Refusal.UNDER_AGE),
        (answer(standing=policy_pb2.STANDING_PAUSED), Refusal.PAUSED),
        (answer(standing=policy_pb2.STANDING_REGION_EXCLUDED), Refusal.REGION_EXCLUDED),
        (answer(standing=policy_pb2.STANDING_UNDER_AGE), Refusal.UNDER_AGE),
        (answer(standing=policy_pb2.STANDING_NOT_STARTED), Refusal.NOT_STARTED),
        (answer(standing=policy_pb2.STANDING_UNSPECIFIED), Refusal.NO_POLICY),
        (answer(standing=99), Refusal.NO_POLICY),  # type: ignore[arg-type]
        (answer(now=START, start_time=START), None),
        (answer(now=START - dt.timedelta(seconds=1), start_time=START), Refusal.NOT_STARTED),
        (answer(start_time=NOON + dt.timedelta(days=1)), Refusal.NOT_STARTED),
        (answer(sources=[2, 3, 4]), Refusal.SOURCE_NOT_ALLOWED),
        (answer(expire_time=NOON), Refusal.POLICY_EXPIRED),
        (answer(expire_time=NOON + dt.timedelta(seconds=1)), None),
    ],
)
def test_what_stands_against_recording_speech(
    setup: Setup, given: sync_pb2.GetPolicyResponse, refusal: Refusal | None
) -> None:
    setup.holder.take(given)
    assert setup.holder.refusal(Source.VOICE) is refusal


@pytest.mark.parametrize("region", sorted(EUROPEAN_UNION | {"GB", "KR", "UK", "EL", "RE", "AX"}))
def test_no_policy_can_lift_the_regions_that_are_left_out(setup: Setup, region: str) -> None:
    setup.holder.take(answer(region=region, excluded_regions=[]))
    assert setup.holder.refusal() is Refusal.REGION_EXCLUDED


def test_the_floor_holds_the_27_states_and_a_reason_for_each_region() -> None:
    regions = policy_floor.excluded_regions()
    assert {code for code, reason in regions.items() if reason == "member state of the European Union"} == (
        EUROPEAN_UNION
    )
    assert {"GB", "KR"} <= regions.keys()
    assert all(regions.values())


@pytest.mark.parametrize(
    ("lifted", "refusal"),
    [
        (answer(born=2010, minimum_age_years=13), Refusal.UNDER_AGE),
        (answer(now=START - dt.timedelta(days=1), start_time=START - dt.timedelta(days=9)), Refusal.NOT_STARTED),
    ],
)
def test_no_policy_can_lower_the_age_or_bring_the_first_day_forward(
    setup: Setup, lifted: sync_pb2.GetPolicyResponse, refusal: Refusal
) -> None:
    setup.holder.take(lifted)
    assert setup.holder.refusal() is refusal


def test_the_day_may_come_and_the_policy_expire_without_the_server(setup: Setup) -> None:
    setup.holder.take(answer(start_time=NOON + dt.timedelta(days=2)))
    assert setup.holder.refusal() is Refusal.NOT_STARTED
    setup.clock.advance(2 * 86_400)
    assert setup.holder.refusal() is None
    setup.clock.advance(28 * 86_400)
    assert setup.holder.refusal() is Refusal.POLICY_EXPIRED


def changed_content(response: sync_pb2.GetPolicyResponse) -> None:
    policy = policy_pb2.Policy.FromString(response.signed_policy.policy)
    policy.minimum_age_years = 0
    response.signed_policy.policy = policy.SerializeToString()


def no_signature(response: sync_pb2.GetPolicyResponse) -> None:
    response.signed_policy.signature = b""


def no_policy(response: sync_pb2.GetPolicyResponse) -> None:
    response.signed_policy.Clear()


def other_key(response: sync_pb2.GetPolicyResponse) -> None:
    response.signed_policy.CopyFrom(signed_policy(Ed25519PrivateKey.generate(), NOON))


def no_message(response: sync_pb2.GetPolicyResponse) -> None:
    response.signed_policy.policy = b"\xff\xff"
    response.signed_policy.signature = KEY.sign(b"\xff\xff")


def impossible_time(response: sync_pb2.GetPolicyResponse) -> None:
    policy = policy_pb2.Policy(version=9)
    policy.expire_time.seconds = 1 << 60
    response.signed_policy.policy = policy.SerializeToString()
    response.signed_policy.signature = KEY.sign(response.signed_policy.policy)


@pytest.mark.parametrize("spoil", [changed_content, no_signature, no_policy, other_key, no_message, impossible_time])
def test_a_policy_that_does_not_verify_changes_nothing(
    setup: Setup, spoil: Callable[[sync_pb2.GetPolicyResponse], None]
) -> None:
    setup.holder.take(answer(standing=policy_pb2.STANDING_PAUSED))
    held, time = setup.holder.held, setup.clock.now()
    bad = answer(now=NOON + dt.timedelta(days=5), version=9)
    spoil(bad)
    with pytest.raises(PolicyRefusedError):
        setup.holder.take(bad)
    assert setup.holder.held == held
    assert setup.clock.now() == time
    setup.restart()
    assert setup.holder.refusal() is Refusal.PAUSED


def test_a_lower_version_is_refused_but_what_is_said_of_the_account_counts(setup: Setup) -> None:
    setup.holder.take(answer(version=5, sources=[1]))
    setup.holder.take(answer(version=4, standing=policy_pb2.STANDING_PAUSED))
    assert setup.holder.held is not None
    assert setup.holder.held.policy.version == 5
    assert setup.holder.refusal() is Refusal.PAUSED
    setup.restart()
    assert setup.holder.held.policy.version == 5
    assert setup.holder.refusal() is Refusal.PAUSED
    setup.holder.take(answer(version=6, sources=[1]))
    assert setup.holder.refusal(Source.PHOTO) is Refusal.SOURCE_NOT_ALLOWED


def test_a_lower_version_that_is_good_is_taken_once_the_held_one_has_expired(setup: Setup) -> None:
    """A server restored from a backup signs lower versions; until then the held one stands, and after a restart too."""
    setup.holder.take(answer(version=5))
    restored = NOON + dt.timedelta(days=29)
    setup.holder.take(answer(version=3, now=restored, sources=[1]))
    assert setup.holder.refusal(Source.PHOTO) is None
    setup.clock.advance(86_400)
    assert setup.holder.refusal() is Refusal.POLICY_EXPIRED
    later = answer(version=3, now=restored, sources=[1])
    later.server_time.FromDatetime(restored + dt.timedelta(days=1))
    setup.holder.take(later)
    for _ in range(2):
        assert setup.holder.refusal(Source.VOICE) is None
        assert setup.holder.refusal(Source.PHOTO) is Refusal.SOURCE_NOT_ALLOWED
        setup.restart()


@pytest.mark.parametrize("said", [NOON - dt.timedelta(days=1), NOON, NOON + dt.timedelta(days=31)])
def test_an_old_policy_cannot_be_played_back_whatever_the_time_is_said_to_be(setup: Setup, said: dt.datetime) -> None:
    """It was signed before the held one and expires before it: there is no time at which it alone is good."""
    old = answer(version=4, now=NOON - dt.timedelta(days=5))
    setup.holder.take(answer(version=5, sources=[1]))
    setup.clock.advance(31 * 86_400)
    old.server_time.FromDatetime(said)
    setup.holder.take(old)
    assert setup.holder.held is not None
    assert setup.holder.held.policy.version == 5


def test_the_last_good_policy_survives_a_restart_in_a_file_of_its_owner(setup: Setup) -> None:
    setup.holder.take(answer(sources=[1, 2]))
    setup.restart()
    assert setup.holder.refusal(Source.TEXT) is None
    assert setup.holder.refusal(Source.PHOTO) is Refusal.SOURCE_NOT_ALLOWED
    assert stat.S_IMODE((setup.directory / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"\xff\xff torn", b"\x00" * 500])
def test_a_torn_file_counts_as_no_policy(setup: Setup, content: bytes) -> None:
    setup.holder.take(answer())
    (setup.directory / FILE_NAME).write_bytes(content)
    setup.restart()
    assert setup.holder.refusal() is Refusal.NO_POLICY


def test_a_file_changed_on_disk_does_not_verify(setup: Setup) -> None:
    response = answer()
    changed_content(response)
    (setup.directory / FILE_NAME).write_bytes(response.SerializeToString())
    setup.restart()
    assert setup.holder.refusal() is Refusal.NO_POLICY


def test_the_server_sets_a_wrong_clock_right(setup: Setup) -> None:
    later = NOON + dt.timedelta(days=9)
    setup.holder.take(answer(now=later))
    assert setup.clock.now() == later
    setup.clock.jump(dt.datetime(1999, 1, 1, tzinfo=dt.UTC))
    assert setup.clock.now() == later


def test_an_answer_without_a_time_leaves_the_clock(setup: Setup) -> None:
    response = answer()
    response.ClearField("server_time")
    setup.holder.take(response)
    assert setup.clock.now() == NOON


def test_a_machine_that_starts_in_1970_goes_on_from_when_it_last_heard_the_time(setup: Setup) -> None:
    """Otherwise turning the clock back would keep an expired policy in force, and days would be nonsense."""
    setup.holder.take(answer())
    setup.restart(now=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    assert setup.clock.now() == NOON
    assert setup.holder.refusal() is None
    setup.clock.advance(31 * 86_400)
    assert setup.holder.refusal() is Refusal.POLICY_EXPIRED


def test_a_forgotten_policy_is_gone_from_the_disk(setup: Setup) -> None:
    setup.holder.take(answer())
    setup.holder.forget()
    assert setup.holder.refusal() is Refusal.NO_POLICY
    assert not (setup.directory / FILE_NAME).exists()


def test_every_state_has_a_sentence_for_the_wearer() -> None:
    assert set(SENTENCES) == {None, *Refusal}
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_the_guard_takes_the_holder_s_word(setup: Setup) -> None:
    rule = PolicyRule(setup.holder.refusal)
    observation = Observation(Source.PHOTO, [TopicScore(672, 0.9, 0.9)])
    objection = rule.objects_to(observation)
    assert objection is not None
    assert objection.category == "no_policy"
    setup.holder.take(answer())
    assert rule.objects_to(observation) is None
