import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from inkling.interests.v1 import interests_pb2 as _interests_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Standing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STANDING_UNSPECIFIED: _ClassVar[Standing]
    STANDING_ELIGIBLE: _ClassVar[Standing]
    STANDING_REGION_EXCLUDED: _ClassVar[Standing]
    STANDING_UNDER_AGE: _ClassVar[Standing]
    STANDING_PAUSED: _ClassVar[Standing]
    STANDING_NOT_STARTED: _ClassVar[Standing]
STANDING_UNSPECIFIED: Standing
STANDING_ELIGIBLE: Standing
STANDING_REGION_EXCLUDED: Standing
STANDING_UNDER_AGE: Standing
STANDING_PAUSED: Standing
STANDING_NOT_STARTED: Standing

class Policy(_message.Message):
    __slots__ = ("version", "issue_time", "expire_time", "start_time", "notice_time", "excluded_regions", "minimum_age_years", "half_life", "maximum_age", "sources", "maximum_batch_events")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ISSUE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    NOTICE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_REGIONS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    HALF_LIFE_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_AGE_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_BATCH_EVENTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    issue_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    notice_time: _timestamp_pb2.Timestamp
    excluded_regions: _containers.RepeatedScalarFieldContainer[str]
    minimum_age_years: int
    half_life: _duration_pb2.Duration
    maximum_age: _duration_pb2.Duration
    sources: _containers.RepeatedScalarFieldContainer[_interests_pb2.InterestSource]
    maximum_batch_events: int
    def __init__(self, version: _Optional[int] = ..., issue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., notice_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., excluded_regions: _Optional[_Iterable[str]] = ..., minimum_age_years: _Optional[int] = ..., half_life: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., maximum_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[_interests_pb2.InterestSource, str]]] = ..., maximum_batch_events: _Optional[int] = ...) -> None: ...

class SignedPolicy(_message.Message):
    __slots__ = ("policy", "signature")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    policy: bytes
    signature: bytes
    def __init__(self, policy: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
