"""What goes wrong in the server, drawn as a tree; callers act on the branch, people read the message.

InklingError
├── Refused                 the same call again would be refused again
│   ├── MalformedBatch      the batch as a whole makes no sense
│   ├── SequenceGap         a batch before this one is missing
│   ├── TokenInvalid        the credential is missing, unknown or expired
│   ├── PairingEnded        the pairing of the credential is over
│   ├── WrongCredential     the credential is valid, but not for this call
│   ├── UnknownAccount      there is no such account
│   ├── AccountErased       the account's key has been destroyed
│   ├── AccountRefused      what was given for an account makes no sense (accounts.py)
│   ├── PasswordRefused     the password is not good enough (passwords.py)
│   ├── ReaderRefused       the reader's name is empty or in use (accounts.py)
│   └── GrantError          a token request that OAuth 2.0 refuses (pairings.py)
├── SlowDown                come back later, at the time it names
├── StoreUnavailable        nothing was kept; try again
│   └── ProfileUnreadable   one account's stored profile is damaged
├── RevisionConflict        somebody else saved first; load again and redo
└── StartError              the operator has to put something right before the server can start
    └── PolicyInvalid       a policy whose signature or content is wrong

No message holds a token, a topic, or anything else that tells about a person.
"""

# ruff: noqa: N818  (named after the answer they give, as the wire contract names them)

from __future__ import annotations


class InklingError(Exception):
    """Anything that the server itself raises."""


class Refused(InklingError):
    """The call is wrong in itself: sending it again changes nothing."""


class MalformedBatch(Refused):
    """A batch whose columns differ in length, that is over the policy's limit, or whose sequence is 0."""


class SequenceGap(Refused):
    """A batch came before its predecessor."""

    def __init__(self, last_sequence: int) -> None:
        super().__init__(f"a batch is missing: the last one held has sequence {last_sequence}; go on from there")
        self.last_sequence = last_sequence
        """The last sequence that the server holds of the pairing."""


class TokenInvalid(Refused):
    """The credential is missing, unknown or expired."""

    def __init__(self) -> None:
        super().__init__("the access token is missing, unknown or expired: refresh it")


class PairingEnded(Refused):
    """The pairing has been ended by its wearer or the operator."""

    def __init__(self) -> None:
        super().__init__("the pairing has been ended: wipe the queue and pair again")


class WrongCredential(Refused):
    """The credential is valid, but not for this call."""


class UnknownAccount(Refused):
    """There is no account of this id."""

    def __init__(self) -> None:
        super().__init__("there is no such account: `inkling-server account list` prints the ids")


class AccountErased(Refused):
    """The account was erased: its key is destroyed, and nothing can be stored under its id again."""

    def __init__(self) -> None:
        super().__init__("the account has been erased")


class SlowDown(InklingError):
    """Too many calls at present."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many calls: come back in {retry_after:.1f} s")
        self.retry_after = retry_after
        """Seconds after which the call will be taken."""


class StoreUnavailable(InklingError):
    """The store can be neither read nor written at present; nothing of the call was kept."""


class ProfileUnreadable(StoreUnavailable):
    """The stored profile of one account is damaged; the others are not touched by it."""


class RevisionConflict(InklingError):
    """The profile was saved by somebody else since it was loaded."""


class StartError(InklingError):
    """Something that the operator has to put right before the server can start; the message says what."""


class PolicyInvalid(StartError):
    """A policy whose signature does not verify or whose content makes no sense."""
