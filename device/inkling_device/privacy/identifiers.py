"""Drops words that identify a person: addresses, numbers, names of accounts.

An event could not carry them, but a line that spells out who somebody is belongs to nobody's interests.
"""

from __future__ import annotations

import re

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection

_EMAIL = re.compile(r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(r"\b\w+ at [a-z]+(?: ?mail)? dot (?:com|org|net|co)\b", re.IGNORECASE)
_URL_WITH_USER = re.compile(r"\bhttps?://\S*[?&=]\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![\w@])@[A-Za-z_]\w{2,}")
_DIGIT_RUN = re.compile(r"(?<![\w.])\+?\(?\d[\d\s().-]{5,22}\d(?!\w)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?\b")
_SOCIAL_SECURITY = re.compile(r"\b\d{3}-\d{2}-\d{4}\b")
_IP_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
_STREET = re.compile(
    r"\b\d{1,5}[a-z]?\s+(?!(?:minute|hour|mile|day|week|km|lane)s?\b)(?:[A-Z][\w']+\s+){1,3}(?:street|st|avenue|ave|road|rd|lane|ln|drive|boulevard|blvd|court|close"
    r"|terrace|crescent|way)\b",
    re.IGNORECASE,
)
_SPOKEN_DIGITS = re.compile(
    r"\b(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double)[\s-]+){6,}", re.IGNORECASE
)
_SECRET = re.compile(r"\b(?:my|the) (?:password|passcode|pin|pin code|pin number) (?:is|to|=|:)", re.IGNORECASE)


class IdentifierRule:
    """Objects to e-mail addresses, phone, card and account numbers, street addresses, handles and secrets."""

    name = "identifier"

    def objects_to(self, observation: Observation) -> Objection | None:
        if observation.words is None:
            return None
        kind = kind_of_identifier(observation.words)
        return None if kind is None else Objection(self.name, kind)


def kind_of_identifier(text: str) -> str | None:
    """The first kind of identifier in `text`, or None."""
    for kind, pattern in (
        ("email", _EMAIL),
        ("email", _SPOKEN_EMAIL),
        ("address", _URL_WITH_USER),
        ("handle", _HANDLE),
        ("account_number", _IBAN),
        ("identity_number", _SOCIAL_SECURITY),
        ("address", _IP_ADDRESS),
        ("street_address", _STREET),
        ("secret", _SECRET),
        ("phone", _SPOKEN_DIGITS),
    ):
        if pattern.search(text):
            return kind
    return _kind_of_number(text)


def _kind_of_number(text: str) -> str | None:
    """A card by its check digit (ISO/IEC 7812-1), a phone number by its length (ITU-T E.164)."""
    for match in _DIGIT_RUN.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if 13 <= len(digits) <= 19 and _luhn(digits):
            return "card"
        if 9 <= len(digits) <= 15 or (match[0].startswith("+") and len(digits) >= 7):
            return "phone"
        if len(digits) in (7, 8) and re.fullmatch(r"\d{3}[\s.-]\d{4}", match[0]):
            return "phone"
    return None


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
