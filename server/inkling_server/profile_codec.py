"""`Profile` to and from the bytes of `inkling.storage.v1.Profile`."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from inkling.storage.v1 import profile_pb2

from inkling_server.errors import ProfileUnreadable
from inkling_server.profile import Cell, CellKey, Contribution, Profile


def encode(profile: Profile) -> bytes:
    """The stored form."""
    return profile_pb2.Profile(
        contributions=[_to_message(pairing, held) for pairing, held in profile.contributions.items()],
        paused=profile.paused,
        blocked_topics=sorted(profile.blocked_topics),
        blocked_sources=sorted(profile.blocked_sources),
    ).SerializeToString()


def decode(content: bytes) -> Profile:
    """The profile of a stored form. Raises `ProfileUnreadable` where the bytes are no such thing."""
    try:
        message = profile_pb2.Profile.FromString(content)
        return Profile(
            contributions={held.pairing: _from_message(held) for held in message.contributions},
            paused=message.paused,
            blocked_topics=frozenset(message.blocked_topics),
            blocked_sources=frozenset(message.blocked_sources),
        )
    except (DecodeError, ValueError) as error:
        raise ProfileUnreadable("a stored profile cannot be read: restore it from a backup") from error


def _to_message(pairing: str, held: Contribution) -> profile_pb2.Contribution:
    message = profile_pb2.Contribution(pairing=pairing, last_sequence=held.last_sequence)
    if held.cells:
        message.topics[:], message.weeks[:], message.sources[:] = zip(*held.cells, strict=True)
        columns = zip(*held.cells.values(), strict=True)
        message.counts[:], message.percentages[:], message.first_days[:], message.last_days[:] = columns
    return message


def _from_message(message: profile_pb2.Contribution) -> Contribution:
    keys = map(CellKey, message.topics, message.weeks, message.sources)
    cells = map(Cell, message.counts, message.percentages, message.first_days, message.last_days)
    held = dict(zip(keys, cells, strict=True))
    return Contribution(message.last_sequence, held)
