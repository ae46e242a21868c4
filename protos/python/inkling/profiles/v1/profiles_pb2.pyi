import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from inkling.interests.v1 import interests_pb2 as _interests_pb2
from inkling.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetProfileRequest(_message.Message):
    __slots__ = ("account", "maximum_interests")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_INTERESTS_FIELD_NUMBER: _ClassVar[int]
    account: str
    maximum_interests: int
    def __init__(self, account: _Optional[str] = ..., maximum_interests: _Optional[int] = ...) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("account", "standing", "interests", "read_time")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    INTERESTS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    account: str
    standing: _policy_pb2.Standing
    interests: _containers.RepeatedCompositeFieldContainer[Interest]
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., standing: _Optional[_Union[_policy_pb2.Standing, str]] = ..., interests: _Optional[_Iterable[_Union[Interest, _Mapping]]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Interest(_message.Message):
    __slots__ = ("topic", "name", "score", "first_day_time", "last_day_time", "source_counts", "reason")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FIRST_DAY_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    topic: int
    name: str
    score: float
    first_day_time: _timestamp_pb2.Timestamp
    last_day_time: _timestamp_pb2.Timestamp
    source_counts: _containers.RepeatedCompositeFieldContainer[SourceCount]
    reason: str
    def __init__(self, topic: _Optional[int] = ..., name: _Optional[str] = ..., score: _Optional[float] = ..., first_day_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_day_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source_counts: _Optional[_Iterable[_Union[SourceCount, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class SourceCount(_message.Message):
    __slots__ = ("source", "count")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    source: _interests_pb2.InterestSource
    count: int
    def __init__(self, source: _Optional[_Union[_interests_pb2.InterestSource, str]] = ..., count: _Optional[int] = ...) -> None: ...

class GetSegmentsRequest(_message.Message):
    __slots__ = ("account", "maximum_segments")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    account: str
    maximum_segments: int
    def __init__(self, account: _Optional[str] = ..., maximum_segments: _Optional[int] = ...) -> None: ...

class GetSegmentsResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[Data]
    def __init__(self, data: _Optional[_Iterable[_Union[Data, _Mapping]]] = ...) -> None: ...

class Data(_message.Message):
    __slots__ = ("name", "segment", "ext")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    EXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    segment: _containers.RepeatedCompositeFieldContainer[Segment]
    ext: DataExt
    def __init__(self, name: _Optional[str] = ..., segment: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., ext: _Optional[_Union[DataExt, _Mapping]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("id", "value")
    ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    id: str
    value: str
    def __init__(self, id: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class DataExt(_message.Message):
    __slots__ = ("segtax",)
    SEGTAX_FIELD_NUMBER: _ClassVar[int]
    segtax: int
    def __init__(self, segtax: _Optional[int] = ...) -> None: ...
