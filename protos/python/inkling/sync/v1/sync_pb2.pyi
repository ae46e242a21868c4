import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from inkling.interests.v1 import interests_pb2 as _interests_pb2
from inkling.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RejectionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REJECTION_REASON_UNSPECIFIED: _ClassVar[RejectionReason]
    REJECTION_REASON_TOPIC: _ClassVar[RejectionReason]
    REJECTION_REASON_SOURCE: _ClassVar[RejectionReason]
    REJECTION_REASON_TOO_OLD: _ClassVar[RejectionReason]
    REJECTION_REASON_FUTURE: _ClassVar[RejectionReason]
    REJECTION_REASON_PERCENTAGE: _ClassVar[RejectionReason]
    REJECTION_REASON_STANDING: _ClassVar[RejectionReason]
    REJECTION_REASON_BLOCKED: _ClassVar[RejectionReason]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED_BATCH: _ClassVar[ErrorReason]
    ERROR_REASON_SEQUENCE_GAP: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_PAIRING_ENDED: _ClassVar[ErrorReason]
    ERROR_REASON_SLOW_DOWN: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_CREDENTIAL: _ClassVar[ErrorReason]
REJECTION_REASON_UNSPECIFIED: RejectionReason
REJECTION_REASON_TOPIC: RejectionReason
REJECTION_REASON_SOURCE: RejectionReason
REJECTION_REASON_TOO_OLD: RejectionReason
REJECTION_REASON_FUTURE: RejectionReason
REJECTION_REASON_PERCENTAGE: RejectionReason
REJECTION_REASON_STANDING: RejectionReason
REJECTION_REASON_BLOCKED: RejectionReason
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_MALFORMED_BATCH: ErrorReason
ERROR_REASON_SEQUENCE_GAP: ErrorReason
ERROR_REASON_TOKEN_INVALID: ErrorReason
ERROR_REASON_PAIRING_ENDED: ErrorReason
ERROR_REASON_SLOW_DOWN: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
ERROR_REASON_WRONG_CREDENTIAL: ErrorReason

class PushRequest(_message.Message):
    __slots__ = ("sequence", "events")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    events: _interests_pb2.InterestEvents
    def __init__(self, sequence: _Optional[int] = ..., events: _Optional[_Union[_interests_pb2.InterestEvents, _Mapping]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("last_sequence", "accepted_count", "rejections", "pause")
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    accepted_count: int
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    pause: _duration_pb2.Duration
    def __init__(self, last_sequence: _Optional[int] = ..., accepted_count: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., pause: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: RejectionReason
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[_Union[RejectionReason, str]] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("held_version",)
    HELD_VERSION_FIELD_NUMBER: _ClassVar[int]
    held_version: int
    def __init__(self, held_version: _Optional[int] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("signed_policy", "standing", "home_region", "birth_year", "server_time", "last_sequence")
    SIGNED_POLICY_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    HOME_REGION_FIELD_NUMBER: _ClassVar[int]
    BIRTH_YEAR_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    signed_policy: _policy_pb2.SignedPolicy
    standing: _policy_pb2.Standing
    home_region: str
    birth_year: int
    server_time: _timestamp_pb2.Timestamp
    last_sequence: int
    def __init__(self, signed_policy: _Optional[_Union[_policy_pb2.SignedPolicy, _Mapping]] = ..., standing: _Optional[_Union[_policy_pb2.Standing, str]] = ..., home_region: _Optional[str] = ..., birth_year: _Optional[int] = ..., server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_sequence: _Optional[int] = ...) -> None: ...
