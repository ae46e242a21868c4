"""The laws of merging, by properties."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkling_server import profile as profiles
from inkling_server.days import day_number
from inkling_server.errors import ProfileUnreadable, SequenceGap
from inkling_server.interests import interests
from inkling_server.policy import Policy
from inkling_server.profile import Batch, Event, Profile, Sighting
from inkling_server.profile_codec import decode, encode

POLICY = Policy()
TODAY = dt.date(2026, 5, 9)
DAY = day_number(TODAY)
WALKING, COOKING = 672, 371
VOICE, TEXT, PHOTO = 1, 2, 3

events = st.tuples(
    st.sampled_from([WALKING, COOKING, 207, 209]),
    st.integers(DAY - 60, DAY + 1),
    st.sampled_from([VOICE, TEXT, PHOTO]),
    st.integers(1, 100),
)
event_lists = st.lists(events, max_size=12)
batches_of_pairings = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(event_lists, max_size=4), max_size=3)


def push(profile: Profile, pairing: str, batch: Sequence[Event], *, today: dt.date = TODAY) -> Profile:
    """The profile with a batch merged under the pairing's next sequence."""
    sequence = profile.last_sequence(pairing) + 1
    return profiles.merge(profile, pairing, Batch(sequence, tuple(batch)), policy=POLICY, today=today)[0]


def push_all(profile: Profile, batches: Mapping[str, Sequence[Sequence[Event]]]) -> Profile:
    for pairing, held in batches.items():
        for batch in held:
            profile = push(profile, pairing, batch)
    return profile


@given(batches_of_pairings, event_lists)
def test_merging_a_batch_again_changes_nothing(
    before: Mapping[str, Sequence[Sequence[Event]]], again: Sequence[Event]
) -> None:
    """A batch sent twice counts once, and the second time answers with the sequence held."""
    once = push(push_all(Profile(), before), "a", again)
    sequence = once.last_sequence("a")
    twice, outcome = profiles.merge(once, "a", Batch(sequence, tuple(again)), policy=POLICY, today=TODAY)
    assert twice == once
    assert (outcome.last_sequence, outcome.accepted_count, outcome.merged_before) == (sequence, 0, True)


@given(batches_of_pairings, st.data())
def test_order_of_pairings_does_not_matter(batches: dict[str, list[list[Event]]], data: st.DataObject) -> None:
    """However the batches of several pairings interleave, the profile is the same, to its last bit when read."""
    interleaved = Profile()
    waiting = {pairing: list(held) for pairing, held in batches.items() if held}
    while waiting:
        pairing = data.draw(st.sampled_from(sorted(waiting)))
        interleaved = push(interleaved, pairing, waiting[pairing].pop(0))
        waiting = {name: held for name, held in waiting.items() if held}
    in_turn = push_all(Profile(), batches)
    assert interleaved == in_turn
    assert interests(interleaved, POLICY, TODAY) == interests(in_turn, POLICY, TODAY)


@given(event_lists, st.integers(0, 12))
def test_grouping_into_batches_does_not_matter(all_events: list[Event], cut: int) -> None:
    """The same events in one batch or in two, in any order, make the same cells."""
    one = push(Profile(), "a", all_events)
    shuffled = sorted(all_events, reverse=True)
    two = push(push(Profile(), "a", shuffled[:cut]), "a", shuffled[cut:])
    assert sightings(one) == sightings(two)


@given(batches_of_pairings, st.lists(event_lists, min_size=1, max_size=3))
def test_forgetting_takes_out_exactly_what_a_pairing_brought(
    others: dict[str, list[list[Event]]], brought: list[list[Event]]
) -> None:
    """After forgetting, the profile is that of an account that never had the pairing."""
    without = push_all(Profile(), others)
    having = push_all(without, {"lost": brought})
    assert profiles.forget(having, "lost") == without


@given(batches_of_pairings)
def test_nothing_is_counted_twice_or_lost(batches: dict[str, list[list[Event]]]) -> None:
    """The cells add up to the events, number by number."""
    flat = [event for held in batches.values() for batch in held for event in batch]
    found = [sighting for _, sighting in sightings(push_all(Profile(), batches))]
    assert sum(sighting.events for sighting in found) == len(flat)
    assert sum(sighting.percentages for sighting in found) == sum(percentage for _, _, _, percentage in flat)
    for sighting in found:
        days = [day for topic, day, source, _ in flat if (topic, source) == (sighting.topic, sighting.source)]
        assert sighting.first_day in days
        assert sighting.last_day in days


@given(batches_of_pairings, st.integers(0, 900))
def test_what_is_past_the_maximum_age_goes_at_the_next_merge(batches: dict[str, list[list[Event]]], later: int) -> None:
    """After a merge nothing is stored that began before the maximum age, and nothing else is missing."""
    before = push_all(Profile(), batches)
    after = push(before, "a", [], today=TODAY + dt.timedelta(days=later))
    oldest = DAY + later - POLICY.maximum_age_days
    kept = [pair for pair in sightings(before) if pair[1].week * 7 >= oldest]
    assert sightings(after) == kept


@given(batches_of_pairings, st.sets(st.sampled_from([WALKING, COOKING])), st.sets(st.sampled_from([VOICE, PHOTO])))
def test_blocked_is_never_read(batches: dict[str, list[list[Event]]], topics: set[int], sources: set[int]) -> None:
    """Neither a blocked topic nor a blocked source is in what is read, whether it was blocked before or after."""
    profile = push_all(Profile(), batches)
    for topic in topics:
        profile = profiles.block_topic(profile, topic)
    for source in sources:
        profile = profiles.block_source(profile, source)
    profile = push_all(profile, batches)
    found = interests(profile, POLICY, TODAY)
    assert not topics & {interest.topic for interest in found}
    assert not sources & {source for interest in found for source in interest.counts}


@given(batches_of_pairings, st.booleans(), st.frozensets(st.integers(1, 2000)), st.frozensets(st.integers(1, 4)))
def test_stored_form_gives_back_the_profile(
    batches: dict[str, list[list[Event]]], paused: bool, topics: frozenset[int], sources: frozenset[int]
) -> None:
    """Whatever a profile holds survives being stored."""
    held = push_all(Profile(), batches)
    profile = Profile(held.contributions, paused, topics, sources)
    assert decode(encode(profile)) == profile


@given(st.binary(max_size=60))
def test_damaged_bytes_are_a_profile_or_an_error(content: bytes) -> None:
    """Bytes that are no profile raise `ProfileUnreadable`, never anything else."""
    with contextlib.suppress(ProfileUnreadable):
        decode(content)


def test_stored_form_of_many_weeks_is_a_plain_message() -> None:
    """A long profile, whose length takes several bytes to write, is read back by the generated parser."""
    profile = Profile()
    for week in range(70):
        profile = push(profile, "a", [(WALKING, DAY - 7 * week, VOICE, 90), (COOKING, DAY - 7 * week, PHOTO, 80)])
    assert decode(encode(profile)) == profile
    assert len(sightings(profile)) == 140


def test_a_missing_predecessor_is_a_gap() -> None:
    """A sequence that skips one is refused with the last one held, and nothing changes."""
    profile = push(Profile(), "a", [(WALKING, DAY, VOICE, 90)])
    with pytest.raises(SequenceGap) as refusal:
        profiles.merge(profile, "a", Batch(3, ()), policy=POLICY, today=TODAY)
    assert refusal.value.last_sequence == 1


def test_pairings_count_their_sequences_apart() -> None:
    """Another pairing of the account starts at 1."""
    profile = push(push(Profile(), "a", []), "b", [])
    assert (profile.last_sequence("a"), profile.last_sequence("b"), profile.last_sequence("c")) == (1, 1, 0)


def test_paused_profile_takes_the_sequence_but_no_event() -> None:
    """While paused nothing is added or read; afterwards what was there before is read again."""
    before = push(Profile(), "a", [(WALKING, DAY, VOICE, 90)])
    paused, outcome = profiles.merge(
        profiles.pause(before, True), "a", Batch(2, ((COOKING, DAY, VOICE, 90),)), policy=POLICY, today=TODAY
    )
    assert (outcome.paused, outcome.accepted_count, outcome.last_sequence) == (True, 0, 2)
    assert interests(paused, POLICY, TODAY) == []
    assert [found.topic for found in interests(profiles.pause(paused, False), POLICY, TODAY)] == [WALKING]


def test_blocked_events_are_not_counted_as_taken() -> None:
    """A blocked topic and a blocked source: the sequence counts, and the outcome says which were left out."""
    blocking = profiles.block_source(profiles.block_topic(Profile(), COOKING), PHOTO)
    batch = Batch(1, ((WALKING, DAY, PHOTO, 90), (WALKING, DAY, VOICE, 90), (COOKING, DAY, VOICE, 90)))
    merged, outcome = profiles.merge(blocking, "a", batch, policy=POLICY, today=TODAY)
    assert (outcome.last_sequence, outcome.accepted_count, outcome.blocked) == (1, 1, frozenset({0, 2}))
    assert [(found.topic, found.source) for _, found in sightings(merged)] == [(WALKING, VOICE)]


def test_unblocking_brings_back_what_was_there_before_only() -> None:
    """What comes in while a topic is blocked is not kept for later."""
    profile = push(Profile(), "a", [(WALKING, DAY, VOICE, 90)])
    blocked = push(profiles.block_topic(profile, WALKING), "a", [(WALKING, DAY, VOICE, 90)])
    (found,) = interests(profiles.allow_topic(blocked, WALKING), POLICY, TODAY)
    assert found.counts == {VOICE: 1}
    by_source = push(profiles.block_source(profile, VOICE), "a", [(WALKING, DAY, VOICE, 90)])
    assert interests(by_source, POLICY, TODAY) == []
    (found,) = interests(profiles.allow_source(by_source, VOICE), POLICY, TODAY)
    assert found.counts == {VOICE: 1}


def sightings(profile: Profile) -> list[tuple[str, Sighting]]:
    """Everything in a profile, in a fixed order."""
    return sorted(
        (pairing, sighting) for pairing, held in profile.contributions.items() for sighting in held.sightings()
    )
