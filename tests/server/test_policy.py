"""The policy: who is in, what is signed, which files make one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inkling.policy.v1.policy_pb2 import SignedPolicy, Standing
from inkling_server.days import day_number
from inkling_server.errors import PolicyInvalid, StartError
from inkling_server.policy import Policy, read_rules, renewed, sign, standing, verify
from inkling_server.policy_book import PolicyBook, make_key

TODAY = dt.date(2026, 5, 9)
NOW = dt.datetime(2026, 5, 9, 12, 30, 15, 250, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("region", "birth_year", "paused", "today", "expected"),
    [
        ("US", 1990, False, TODAY, Standing.STANDING_ELIGIBLE),
        ("DE", 1990, False, TODAY, Standing.STANDING_REGION_EXCLUDED),
        ("de", 1990, False, TODAY, Standing.STANDING_REGION_EXCLUDED),
        ("GB", 1990, False, TODAY, Standing.STANDING_REGION_EXCLUDED),
        ("KR", 1990, False, TODAY, Standing.STANDING_REGION_EXCLUDED),
        ("CH", 1990, False, TODAY, Standing.STANDING_ELIGIBLE),
        ("", 1990, False, TODAY, Standing.STANDING_REGION_EXCLUDED),
        ("US", 2007, False, TODAY, Standing.STANDING_ELIGIBLE),
        ("US", 2008, False, TODAY, Standing.STANDING_UNDER_AGE),  # eighteen only if the birthday has been
        ("US", 2020, False, TODAY, Standing.STANDING_UNDER_AGE),
        ("US", 0, False, TODAY, Standing.STANDING_UNDER_AGE),
        ("US", 1990, True, TODAY, Standing.STANDING_PAUSED),
        ("US", 1990, False, dt.date(2025, 12, 15), Standing.STANDING_NOT_STARTED),
        ("US", 1990, False, dt.date(2025, 12, 16), Standing.STANDING_ELIGIBLE),
        ("FR", 2020, True, dt.date(2025, 12, 15), Standing.STANDING_REGION_EXCLUDED),
    ],
)
def test_standing(region: str, birth_year: int, paused: bool, today: dt.date, expected: Standing) -> None:
    """Region, age, pause and start decide, in this order; what is not known counts against recording."""
    assert standing(Policy(), home_region=region, birth_year=birth_year, paused=paused, today=today) == expected


def test_default_policy_leaves_out_what_the_product_does() -> None:
    """The 27 member states with their parts listed apart, the United Kingdom and South Korea."""
    assert len(Policy().excluded_regions) == 27 + 7 + 2


def test_oldest_week_begins_within_the_maximum_age() -> None:
    """On every day, the oldest week held begins within the maximum age, and the one before it does not."""
    policy = Policy()
    for later in range(15):
        today = TODAY + dt.timedelta(days=later)
        first_day = policy.oldest_week(today) * 7
        assert first_day >= day_number(today) - policy.maximum_age_days > first_day - 7


def test_signed_policy_verifies_and_gives_back_the_rules() -> None:
    """What was signed is what is read, under the key that signed it."""
    key = Ed25519PrivateKey.generate()
    policy = renewed(replace(Policy(), minimum_age_years=21, sources=frozenset({1, 3})), NOW)
    assert verify(sign(policy, key), key.public_key()) == policy


def test_forged_policies_do_not_verify() -> None:
    """Another key, a changed byte of content or of signature, and empty ones: all refused."""
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signed = sign(renewed(Policy(), NOW), key)
    changed = bytearray(signed.policy)
    changed[1] ^= 1
    for forged in (
        sign(renewed(Policy(), NOW), other),
        SignedPolicy(policy=bytes(changed), signature=signed.signature),
        SignedPolicy(policy=signed.policy, signature=bytes(64)),
        SignedPolicy(policy=signed.policy),
        SignedPolicy(),
    ):
        with pytest.raises(PolicyInvalid):
            verify(forged, key.public_key())


def test_signed_nonsense_is_refused() -> None:
    """A good signature over rules that make no sense does not make them good."""
    key = Ed25519PrivateKey.generate()
    with pytest.raises(PolicyInvalid, match="half_life_days"):
        verify(sign(replace(Policy(), half_life_days=0), key), key.public_key())
    garbage = b"\xff\xff"
    with pytest.raises(PolicyInvalid, match="not a policy"):
        verify(SignedPolicy(policy=garbage, signature=key.sign(garbage)), key.public_key())


def test_rules_are_read_from_toml(tmp_path: Path) -> None:
    """A file names what differs from the defaults, in plain words."""
    file = tmp_path / "rules.toml"
    file.write_text('half_life_days = 30\nstart = 2026-01-01\nsources = ["voice", "photo"]\nexcluded_regions = ["gb"]')
    policy = read_rules(file)
    assert policy.half_life_days == 30
    assert policy.start == dt.date(2026, 1, 1)
    assert policy.sources == {1, 3}
    assert policy.excluded_regions == {"GB"}
    assert policy.maximum_age_days == Policy().maximum_age_days


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("half_life_days = 0", "half_life_days"),
        ("half_life_days = true", "half_life_days"),
        ('half_life_days = "90"', "half_life_days"),
        ('sources = ["smell"]', "SMELL"),
        ("sources = []", "sources"),
        ('excluded_regions = ["Germany"]', "alpha-2"),
        ("version = 7", "version"),
        ("colour = 1", "colour"),
        ("minimum_age_years = -1", "minimum_age_years"),
        ("not toml", "TOML"),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """The message names what is wrong."""
    file = tmp_path / "rules.toml"
    file.write_text(content)
    with pytest.raises(PolicyInvalid, match=message):
        read_rules(file)


def test_missing_rules_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is said so."""
    with pytest.raises(PolicyInvalid, match=r"rules\.toml"):
        read_rules(tmp_path / "rules.toml")


class TestBook:
    """The policy in force, over its files."""

    def test_first_start_makes_a_key_and_signs_the_default(self, tmp_path: Path) -> None:
        """A new directory gets a secret key, its public half, and version 1, valid for 30 days."""
        book = PolicyBook.open(tmp_path, NOW)
        assert (book.policy.version, book.policy.excluded_regions) == (1, Policy().excluded_regions)
        assert book.policy.expires == NOW.replace(microsecond=0) + dt.timedelta(days=30)
        assert (tmp_path / "policy.key").stat().st_mode & 0o777 == 0o600
        public = Ed25519PrivateKey.from_private_bytes((tmp_path / "policy.key").read_bytes()).public_key()
        assert book.public_key == public.public_bytes_raw()
        assert verify(book.signed, public) == book.policy

    def test_policy_stays_until_half_of_its_validity(self, tmp_path: Path) -> None:
        """A restart changes nothing; past half of its time the same rules come under the next version."""
        first = PolicyBook.open(tmp_path, NOW)
        assert PolicyBook.open(tmp_path, NOW + dt.timedelta(days=14)).signed == first.signed
        first.refresh(NOW + dt.timedelta(days=16))
        assert first.policy.version == 2
        assert PolicyBook.open(tmp_path, NOW + dt.timedelta(days=16)).signed == first.signed

    def test_looking_writes_nothing(self, tmp_path: Path) -> None:
        """Who only looks neither renews what is due nor makes what is missing, and needs no secret key."""
        with pytest.raises(StartError, match="policy sign"):
            PolicyBook.look(tmp_path)
        assert list(tmp_path.iterdir()) == []
        book = PolicyBook.open(tmp_path, NOW - dt.timedelta(days=400))
        (tmp_path / "policy.key").chmod(0)
        before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
        assert PolicyBook.look(tmp_path) == book.policy
        assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before

    def test_policy_signed_by_another_process_is_taken_up(self, tmp_path: Path) -> None:
        """What the command line signs is in force after the next look."""
        running, command = PolicyBook.open(tmp_path, NOW), PolicyBook.open(tmp_path, NOW)
        command.issue(replace(Policy(), version=command.policy.version, half_life_days=30), NOW)
        running.refresh(NOW)
        assert (running.policy.half_life_days, running.policy.version) == (30, 2)

    def test_without_the_secret_key_the_policy_is_served_but_not_renewed(self, tmp_path: Path) -> None:
        """A server that only holds the public half goes on with what was signed, even past its time."""
        first = PolicyBook.open(tmp_path, NOW)
        (tmp_path / "policy.key").unlink()
        later = PolicyBook.open(tmp_path, NOW + dt.timedelta(days=40))
        assert later.signed == first.signed
        with pytest.raises(StartError, match=r"policy\.key"):
            later.issue(later.policy, NOW)

    def test_files_that_do_not_go_together_are_told(self, tmp_path: Path) -> None:
        """Neither key nor policy, a torn policy, another's policy, another's public key, a key open to others."""
        (tmp_path / "other").mkdir()
        PolicyBook.open(tmp_path / "other", NOW)
        here = tmp_path / "here"
        here.mkdir()
        book = PolicyBook.open(here, NOW)
        (here / "policy.signed").write_bytes((tmp_path / "other" / "policy.signed").read_bytes())
        with pytest.raises(PolicyInvalid, match="signature"):
            book.refresh(NOW)
        (here / "policy.signed").write_bytes(b"\xff torn")
        with pytest.raises(PolicyInvalid, match="not a signed policy"):
            PolicyBook.open(here, NOW)
        (here / "policy.key").chmod(0o644)
        with pytest.raises(StartError, match="chmod 600"):
            PolicyBook.open(here, NOW)
        (here / "policy.key").chmod(0o600)
        (here / "policy.pub").write_bytes((tmp_path / "other" / "policy.pub").read_bytes())
        with pytest.raises(StartError, match="public half"):
            PolicyBook.open(here, NOW)
        (here / "policy.key").unlink()
        (here / "policy.signed").unlink()
        with pytest.raises(StartError, match="missing"):
            PolicyBook.open(here, NOW)

    def test_a_second_key_is_refused(self, tmp_path: Path) -> None:
        """Glasses trust the first key only, so it is never replaced by accident."""
        make_key(tmp_path)
        before = (tmp_path / "policy.key").read_bytes()
        with pytest.raises(StartError, match="already"):
            make_key(tmp_path)
        assert (tmp_path / "policy.key").read_bytes() == before
