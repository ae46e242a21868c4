"""Everything that is held of a wearer, as a file that people and programs can read."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from inkling_server.accounts import Account
from inkling_server.days import DAYS_A_WEEK, date_of
from inkling_server.interests import Interest
from inkling_server.pairings import Pairing
from inkling_server.policy import Policy
from inkling_server.profile import Contribution, Profile, compact
from inkling_server.regions import regions
from inkling_server.web.views import PATH, held_interests, standing_name, topic_words
from inkling_server.web.words import SOURCES, STRENGTHS, strength_level

_ABOUT = {
    "what": "Everything that this Inkling server holds of your account, apart from your password, of which it holds "
    "only a hash.",
    "days": "Days and weeks are in UTC; `week_of` is the first day of a week.",
    "recording": "`eligible` where your interests are recorded and used, otherwise why they are not.",
    "interests": "What is computed from the records: `score` adds up how sure the glasses were of each hint, halved "
    "for every half-life that has passed since; `used` tells whether ranking and ads systems can read it.",
    "glasses": "Each pairing, with every record that it brought: how many hints there were of a topic in a week from "
    "a source, and the sum of how sure the glasses were of each, in percent.",
    "topics": "Numbers and names are those of the IAB Audience Taxonomy 1.1.",
}


def download(profile: Profile, account: Account, pairings: Sequence[Pairing], policy: Policy, now: dt.datetime) -> str:
    """The file, as JSON."""
    today = now.date()
    profile = compact(profile, policy.oldest_week(today))
    standing = standing_name(profile, account, policy, today)
    content = {
        "about": {**_ABOUT, "made": now.isoformat(timespec="seconds"), "half_life_days": policy.half_life_days},
        "account": {
            "id": account.id,
            "email": account.email,
            "home_region": account.home_region,
            "home_region_name": regions().get(account.home_region, account.home_region),
            "birth_year": account.birth_year,
            "created": account.created.isoformat(),
        },
        "recording": standing,
        "switches": {
            "paused": profile.paused,
            "blocked_topics": [_topic(topic) for topic in sorted(profile.blocked_topics)],
            "blocked_sources": [SOURCES.get(source, str(source)) for source in sorted(profile.blocked_sources)],
        },
        "interests": [
            _interest(interest, used=standing == "eligible" and _is_used(interest, profile))
            for interest in held_interests(profile, policy, today)
        ],
        "glasses": _glasses(profile, pairings),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _is_used(interest: Interest, profile: Profile) -> bool:
    return interest.topic not in profile.blocked_topics and not interest.counts.keys() <= profile.blocked_sources


def _topic(topic: int) -> dict[str, object]:
    label, above = topic_words(topic)
    return {"topic": topic, "name": f"{above}{PATH}{label}" if above else label}


def _interest(interest: Interest, *, used: bool) -> dict[str, object]:
    return {
        **_topic(interest.topic),
        "strength": STRENGTHS[strength_level(interest.score)].lower(),
        "score": round(interest.score, 3),
        "used": used,
        "reason": interest.reason,
        "first_day": interest.first_day.isoformat(),
        "last_day": interest.last_day.isoformat(),
        "hints": {SOURCES.get(source, str(source)): count for source, count in interest.counts.items()},
        "weeks": [{"week_of": day.isoformat(), "hints": count} for day, count in interest.history],
    }


def _glasses(profile: Profile, pairings: Sequence[Pairing]) -> list[Mapping[str, object]]:
    """Every pairing, and should the profile hold what belongs to none, that as well."""
    known = {pairing.id for pairing in pairings}
    listed: list[Mapping[str, object]] = [
        {
            "id": pairing.id,
            "name": pairing.name,
            "paired": pairing.started.isoformat(),
            "last_heard_from": pairing.refreshed.isoformat(),
            "ended": pairing.ended.isoformat() if pairing.ended else None,
            "ended_by": pairing.ending.value if pairing.ending else None,
            **_records(profile.contributions.get(pairing.id, Contribution())),
        }
        for pairing in pairings
    ]
    listed.extend(
        {"id": pairing, "name": None, **_records(held)}
        for pairing, held in sorted(profile.contributions.items())
        if pairing not in known
    )
    return listed


def _records(held: Contribution) -> dict[str, object]:
    return {
        "batches": held.last_sequence,
        "records": [
            {
                **_topic(sighting.topic),
                "week_of": date_of(sighting.week * DAYS_A_WEEK).isoformat(),
                "source": SOURCES.get(sighting.source, str(sighting.source)),
                "hints": sighting.events,
                "sum_of_percentages": sighting.percentages,
                "first_day": date_of(sighting.first_day).isoformat(),
                "last_day": date_of(sighting.last_day).isoformat(),
            }
            for sighting in sorted(held.sightings(), key=lambda found: (found.week, found.topic, found.source))
        ],
    }
