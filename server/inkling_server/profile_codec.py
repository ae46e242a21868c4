"""`Profile` to and from the bytes of `inkling.storage.v1.Profile`.

A message may be serialized in parts: parsers put the parts of a packed field one after another, and take concatenated
messages for one (https://protobuf.dev/programming-guides/encoding/). So a profile is put together from the weeks'
own stored forms, of which a save makes anew only those that changed.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from inkling.storage.v1 import profile_pb2
from inkling_server.errors import ProfileUnreadable
from inkling_server.profile import Cell, CellKey, Contribution, Profile, Week

_CONTRIBUTIONS = bytes([profile_pb2.Profile.CONTRIBUTIONS_FIELD_NUMBER << 3 | 2])
"""The tag before each serialized contribution: its field number, and 2 for "length and bytes"."""


def encode(profile: Profile) -> bytes:
    """The stored form."""
    parts = [
        profile_pb2.Profile(
            paused=profile.paused,
            blocked_topics=sorted(profile.blocked_topics),
            blocked_sources=sorted(profile.blocked_sources),
        ).SerializeToString()
    ]
    for pairing, held in profile.contributions.items():
        content = _contribution(pairing, held)
        parts += _CONTRIBUTIONS, _varint(len(content)), content
    return b"".join(parts)


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


def _contribution(pairing: str, held: Contribution) -> bytes:
    head = profile_pb2.Contribution(pairing=pairing, last_sequence=held.last_sequence).SerializeToString()
    return b"".join((head, *(week.columns for week in held.weeks.values())))


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the lowest first, the top bit set on all but the last."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _from_message(message: profile_pb2.Contribution) -> Contribution:
    keys = zip(message.topics, message.sources, strict=True)
    cells = zip(message.counts, message.percentages, message.first_days, message.last_days, strict=True)
    weeks: dict[int, dict[CellKey, Cell]] = {}
    for number, key, cell in zip(message.weeks, keys, cells, strict=True):
        weeks.setdefault(number, {})[key] = cell
    return Contribution(message.last_sequence, {number: Week(number, held) for number, held in weeks.items()})
