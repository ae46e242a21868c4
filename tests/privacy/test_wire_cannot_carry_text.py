"""What a device can say to the server is numbers: no field of its requests takes text, bytes or a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from inkling.profiles.v1 import profiles_pb2
from inkling.sync.v1 import sync_pb2, sync_service_pb2

NUMBERS = {
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_ENUM,
}
"""No floating point either: a place is a pair of them."""

SERVICE = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]


def fields_reachable(message: Any, seen: frozenset[str] = frozenset()) -> Iterator[FieldDescriptor]:
    """Every field of a message and of the messages in it, map entries among them."""
    for field in message.fields:
        yield field
        if field.message_type is not None and field.message_type.full_name not in seen:
            yield from fields_reachable(field.message_type, seen | {message.full_name})


def carriers(message: Any) -> list[str]:
    """The fields that could carry more than numbers."""
    return [
        field.full_name
        for field in fields_reachable(message)
        if field.type not in NUMBERS | {FieldDescriptor.TYPE_MESSAGE}
    ]


@pytest.mark.parametrize("method", list(SERVICE.methods), ids=lambda method: method.name)
def test_no_request_of_a_device_can_carry_text_or_bytes(method: Any) -> None:
    request = method.input_type
    assert carriers(request) == []
    assert not request.is_extendable


def test_every_call_of_a_device_is_looked_at() -> None:
    """A new call has to be looked at by a person, too."""
    assert [method.name for method in SERVICE.methods] == ["Push", "PushStream", "GetPolicy"]


def test_the_check_would_find_a_text_field() -> None:
    """The requests of ranking systems, which devices never make, name an account in text."""
    assert carriers(profiles_pb2.GetProfileRequest.DESCRIPTOR) == ["inkling.profiles.v1.GetProfileRequest.account"]
    assert "inkling.profiles.v1.Interest.name" in carriers(profiles_pb2.GetProfileResponse.DESCRIPTOR)


def test_times_that_leave_the_device_are_whole_days() -> None:
    """The contract's only message in a request is a `Timestamp`, which holds two numbers."""
    messages = {
        field.message_type.full_name
        for field in fields_reachable(sync_pb2.PushRequest.DESCRIPTOR)
        if field.message_type is not None
    }
    assert messages == {"inkling.interests.v1.InterestEvents", Timestamp.DESCRIPTOR.full_name}
