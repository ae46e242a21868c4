"""Drops everything while the policy, the region, the account or the wearer does not allow recording."""

from __future__ import annotations

from collections.abc import Callable

from inkling_device.observation import Observation, Source
from inkling_device.privacy.guard import Objection


class PolicyRule:
    """`refusal` names why a source may not be recorded now, or is None; see `inkling_device.policy`."""

    name = "policy"

    def __init__(self, refusal: Callable[[Source], str | None]) -> None:
        self._refusal = refusal

    def objects_to(self, observation: Observation) -> Objection | None:
        reason = self._refusal(observation.source)
        return None if reason is None else Objection(self.name, reason)
