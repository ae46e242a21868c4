"""How often strangers may try: by the address they come from, and by the account they try to get into."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from inkling_server.rate_limit import RateLimit


@dataclass(frozen=True, slots=True)
class Rate:
    """A burst, and what may follow it for long."""

    burst: int
    seconds: float
    """Time between two calls in the long run."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a server allows. Generous to a household behind one address, hopeless for whoever guesses."""

    log_in_address: Rate = Rate(30, 10)
    """Attempts to log in from one address."""
    log_in_account: Rate = Rate(10, 60)
    """Attempts on one account, whoever makes them: passwords asked again on a page among them."""
    sign_up_address: Rate = Rate(10, 360)
    """New accounts from one address."""
    code_address: Rate = Rate(40, 10)
    """User codes looked up from one address."""
    code_account: Rate = Rate(12, 60)
    """User codes looked up by one account: at this rate a guess among 10,000 open codes takes centuries."""
    grant_address: Rate = Rate(60, 5)
    """Glasses that ask to be paired from one address."""
    token_address: Rate = Rate(600, 0.05)
    """Calls for tokens from one address."""


class Limits:
    """Counts against `Rates`. Each call raises `SlowDown` where it is one too many."""

    def __init__(self, rates: Rates, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.log_in_address = _limit(rates.log_in_address, monotonic)
        self.log_in_account = _limit(rates.log_in_account, monotonic)
        self.sign_up_address = _limit(rates.sign_up_address, monotonic)
        self.code_address = _limit(rates.code_address, monotonic)
        self.code_account = _limit(rates.code_account, monotonic)
        self.grant_address = _limit(rates.grant_address, monotonic)
        self.token_address = _limit(rates.token_address, monotonic)


def _limit(rate: Rate, monotonic: Callable[[], float]) -> RateLimit:
    return RateLimit(1 / rate.seconds, rate.burst, monotonic)
