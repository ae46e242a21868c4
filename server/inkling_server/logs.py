"""The server's log: one line an event, on standard error.

Messages are a few words followed by `name=value`; at INFO and above they hold no token, no topic and nothing else
that tells about a person.
"""

from __future__ import annotations

import logging
import time


def set_up(level: str) -> None:
    """Sends what is at least of this level to standard error."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
