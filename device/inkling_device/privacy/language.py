"""Drops words in another script: nothing on the device can judge them.

Other languages in Latin letters are the classifier's to find (`not_english`).
"""

from __future__ import annotations

import unicodedata

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection
from inkling_device.understand.normalize import normalize

FOREIGN_SHARE = 0.2
"""Share of letters of other scripts from which on a text counts as not English."""


class LanguageRule:
    """Objects where a fifth of the letters or more are not Latin; look-alikes inside Latin words count as Latin."""

    name = "language"

    def objects_to(self, observation: Observation) -> Objection | None:
        if observation.words is None or observation.words.isascii():
            return None
        letters = [char for char in normalize(observation.words) if char.isalpha()]
        foreign = sum(not unicodedata.name(char, "").startswith("LATIN") for char in letters)
        if foreign < FOREIGN_SHARE * len(letters) or not foreign:
            return None
        return Objection(self.name, "not_english")
