"""What goes wrong after the guard, drawn as a tree; callers act on the branch, people read the message.

DeviceError
├── SettingsError             a setting that makes no sense
├── StateError                the state directory cannot be used
│   ├── StateBusyError        another process holds it
│   ├── StateFullError        the disk is full; nothing of the call was kept
│   └── StateTooNewError      written by a newer inkling-device
├── PairingError              logging in did not work
│   ├── AlreadyPairedError    unpair first
│   ├── PairingDeniedError    the wearer said no
│   └── PairingExpiredError   nobody entered the code in time
├── PolicyRefusedError        a policy that does not verify; the one held stays in force
└── CallFailure               what became of a call to the server
    ├── TryAgain              nothing is wrong with the call: back off and send it again
    ├── SlowDown              the server says when to come back
    └── NeverAgain            the same call would be refused again
        ├── BatchRefused      set the batch aside and go on
        ├── SequenceGap       number anew from what the server holds
        ├── TokenRefused      get another access token
        ├── PairingEnded      wipe the queue and the credentials
        ├── OAuthRefused      an error of RFC 6749 or RFC 8628, by its code
        ├── NotPaired         nobody is logged in
        └── CallRefused       nothing that the agent could put right

No message holds a token, a topic, or a word that the wearer said.
"""

# ruff: noqa: N818  (the outcomes of a call are named after what to do)

from __future__ import annotations


class DeviceError(Exception):
    """Anything that these modules raise."""


class SettingsError(DeviceError):
    """A setting that makes no sense; the message names the file or variable, the key, and what is allowed."""


class StateError(DeviceError):
    """The state directory cannot be used at present."""


class StateBusyError(StateError):
    """Another process holds the state directory."""


class StateFullError(StateError):
    """The disk is full; what was to be written was not written at all."""


class StateTooNewError(StateError):
    """The database was written by a newer inkling-device."""


class PairingError(DeviceError):
    """Logging in did not work."""


class AlreadyPairedError(PairingError):
    """These glasses are logged in."""


class PairingDeniedError(PairingError):
    """The wearer said no on the page."""


class PairingExpiredError(PairingError):
    """Nobody entered the code in time."""


class PolicyRefusedError(DeviceError):
    """A policy that is not signed by the server paired with, or that makes no sense."""


class CallFailure(DeviceError):
    """What became of a call to the server that was not answered as hoped."""


class TryAgain(CallFailure):
    """The network or the server failed; the same call may well work later."""


class SlowDown(CallFailure):
    """The server asks for a rest."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the server asks to come back in {seconds:.0f} s")
        self.seconds = seconds
        """How long to wait at least."""


class NeverAgain(CallFailure):
    """The same call would be refused again."""


class BatchRefused(NeverAgain):
    """The batch as a whole is not what the server takes."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server refused a batch: {reason}")
        self.reason = reason
        """A name of `ErrorReason` or of a gRPC status code."""


class SequenceGap(NeverAgain):
    """The server does not hold the batch before this one; it was restored from a backup."""

    def __init__(self, last_sequence: int) -> None:
        super().__init__(f"the server holds batches up to {last_sequence} only")
        self.last_sequence = last_sequence


class TokenRefused(NeverAgain):
    """The access token is unknown or expired."""

    def __init__(self) -> None:
        super().__init__("the server does not take the access token")


class PairingEnded(NeverAgain):
    """The pairing is over: ended by the wearer, or because a refresh token was used twice."""

    def __init__(self) -> None:
        super().__init__("the pairing has been ended: run `inkling-device pair` to log in again")


class OAuthRefused(NeverAgain):
    """An error answer of the pairing endpoints."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the server refused to log in: {code}")
        self.code = code
        """Such as `authorization_pending` (RFC 8628 section 3.5) or `invalid_grant` (RFC 6749 section 5.2)."""


class NotPaired(NeverAgain):
    """Nobody is logged in."""

    def __init__(self) -> None:
        super().__init__("not logged in: run `inkling-device pair`")


class CallRefused(NeverAgain):
    """The server refuses for a reason that the agent cannot put right."""
