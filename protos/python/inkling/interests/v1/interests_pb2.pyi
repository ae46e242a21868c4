import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InterestSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTEREST_SOURCE_UNSPECIFIED: _ClassVar[InterestSource]
    INTEREST_SOURCE_VOICE: _ClassVar[InterestSource]
    INTEREST_SOURCE_TEXT: _ClassVar[InterestSource]
    INTEREST_SOURCE_PHOTO: _ClassVar[InterestSource]
    INTEREST_SOURCE_VIDEO: _ClassVar[InterestSource]
INTEREST_SOURCE_UNSPECIFIED: InterestSource
INTEREST_SOURCE_VOICE: InterestSource
INTEREST_SOURCE_TEXT: InterestSource
INTEREST_SOURCE_PHOTO: InterestSource
INTEREST_SOURCE_VIDEO: InterestSource

class InterestEvents(_message.Message):
    __slots__ = ("first_day_time", "topics", "day_offsets", "sources", "percentages")
    FIRST_DAY_TIME_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    DAY_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGES_FIELD_NUMBER: _ClassVar[int]
    first_day_time: _timestamp_pb2.Timestamp
    topics: _containers.RepeatedScalarFieldContainer[int]
    day_offsets: _containers.RepeatedScalarFieldContainer[int]
    sources: _containers.RepeatedScalarFieldContainer[InterestSource]
    percentages: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, first_day_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., topics: _Optional[_Iterable[int]] = ..., day_offsets: _Optional[_Iterable[int]] = ..., sources: _Optional[_Iterable[_Union[InterestSource, str]]] = ..., percentages: _Optional[_Iterable[int]] = ...) -> None: ...
