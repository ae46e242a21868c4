"""Bytes on the wire for each event of a batch of 32: the whole `PushRequest` with gRPC's five bytes before it.

Batches are drawn as a day's use gives them: a wearer's topics out of the whole vocabulary, mostly voice, over the
last few days, with a sequence far into a pairing's life. The largest batch counts.
"""

from __future__ import annotations

import argparse
import random
import sys

from inkling.interests.v1.interests_pb2 import (
    INTEREST_SOURCE_PHOTO,
    INTEREST_SOURCE_TEXT,
    INTEREST_SOURCE_VIDEO,
    INTEREST_SOURCE_VOICE,
)
from inkling.sync.v1 import sync_pb2
from inkling.topics import sendable

TARGET = 8.0
EVENTS = 32
SOURCES = (INTEREST_SOURCE_VOICE, INTEREST_SOURCE_TEXT, INTEREST_SOURCE_PHOTO, INTEREST_SOURCE_VIDEO)
GRPC_PREFIX = 5
"""Bytes that gRPC puts before each message: a flag and its length."""


def batch(random_: random.Random) -> sync_pb2.PushRequest:
    """A batch of the usual kind."""
    topics = random_.sample(sorted(sendable()), EVENTS)
    request = sync_pb2.PushRequest(sequence=random_.randrange(10_000, 100_000))
    request.events.first_day_time.seconds = random_.randrange(20_500, 25_000) * 86_400
    request.events.topics.extend(topics)
    request.events.day_offsets.extend(sorted(random_.randrange(7) for _ in range(EVENTS)))
    request.events.sources.extend(random_.choices(SOURCES, (6, 2, 2, 1), k=EVENTS))
    request.events.percentages.extend(random_.randrange(50, 101) for _ in range(EVENTS))
    return request


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer batches, and never fails")
    quick = parser.parse_args().quick
    random_ = random.Random(1)
    sizes = [batch(random_).ByteSize() + GRPC_PREFIX for _ in range(100 if quick else 10_000)]
    mean, largest = sum(sizes) / len(sizes) / EVENTS, max(sizes) / EVENTS
    print(f"wire size: {mean:.2f} bytes an event, {largest:.2f} in the largest batch (at most {TARGET:.0f})")
    return 0 if quick or largest <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
