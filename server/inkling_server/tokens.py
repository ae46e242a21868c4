"""Secrets that are handed out, and the form in which they are kept.

A token is 256 random bits, so its plain SHA-256 cannot be turned back: a slow hash, as passwords need, would add
nothing but time to every call.
"""

from __future__ import annotations

import hashlib
import secrets

_TOKEN_BYTES = 32

USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so that no words come about, and nothing that is mistaken for something else."""

_USER_CODE_LENGTH = 8
"""20 ** 8 codes, 34.5 bits: enough for a code that lives a quarter of an hour behind a limit on guesses."""


def new_token() -> str:
    """256 random bits in URL-safe characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """What is kept of a token: 32 bytes."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def new_user_code() -> str:
    """A code for a person to type, without its dash."""
    return "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(_USER_CODE_LENGTH))


def user_code_from(text: str) -> str | None:
    """The code in what a person typed, whatever its case, spaces and dashes; None where there is none."""
    code = "".join(text.split()).replace("-", "").upper()
    if len(code) == _USER_CODE_LENGTH and all(letter in USER_CODE_LETTERS for letter in code):
        return code
    return None


def shown_user_code(code: str) -> str:
    """The code as it is shown: `WDJB-MJHT`."""
    half = _USER_CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"
