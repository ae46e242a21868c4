from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Profile(_message.Message):
    __slots__ = ("contributions", "paused", "blocked_topics", "blocked_sources")
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_TOPICS_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_SOURCES_FIELD_NUMBER: _ClassVar[int]
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    paused: bool
    blocked_topics: _containers.RepeatedScalarFieldContainer[int]
    blocked_sources: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., paused: bool = ..., blocked_topics: _Optional[_Iterable[int]] = ..., blocked_sources: _Optional[_Iterable[int]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("pairing", "last_sequence", "topics", "weeks", "sources", "counts", "percentages", "first_days", "last_days")
    PAIRING_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    WEEKS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGES_FIELD_NUMBER: _ClassVar[int]
    FIRST_DAYS_FIELD_NUMBER: _ClassVar[int]
    LAST_DAYS_FIELD_NUMBER: _ClassVar[int]
    pairing: str
    last_sequence: int
    topics: _containers.RepeatedScalarFieldContainer[int]
    weeks: _containers.RepeatedScalarFieldContainer[int]
    sources: _containers.RepeatedScalarFieldContainer[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    percentages: _containers.RepeatedScalarFieldContainer[int]
    first_days: _containers.RepeatedScalarFieldContainer[int]
    last_days: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pairing: _Optional[str] = ..., last_sequence: _Optional[int] = ..., topics: _Optional[_Iterable[int]] = ..., weeks: _Optional[_Iterable[int]] = ..., sources: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ..., percentages: _Optional[_Iterable[int]] = ..., first_days: _Optional[_Iterable[int]] = ..., last_days: _Optional[_Iterable[int]] = ...) -> None: ...
