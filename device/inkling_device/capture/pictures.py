"""Reads photos: JPEG and PNG, upright, no larger than what looks at them needs.

Of EXIF, the orientation is honoured and nothing else is kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from inkling_device.capture.errors import TooLargeError, UnreadableMediaError
from inkling_device.capture.opencv import cv2
from inkling_device.observation import Photo

LARGEST_MEGAPIXELS = 128
"""Of a JPEG that is stored from top to bottom, which is decoded reduced and never held whole."""
LARGEST_WHOLE_MEGAPIXELS = 32
"""Of a PNG or a progressive JPEG, which must be held whole: 96 MB."""
LEAST_SIDE = 480
"""No side is reduced below this: the text detector's height, twice what the tagger and the face detector take in."""

_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    whole: bool
    """Whether the decoder must hold all pixels at once."""


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with `head` (eight bytes or more) is a JPEG or a PNG."""
    return head.startswith((_PNG, _JPEG))


def read_photo(data: bytes) -> Photo:
    """The picture in the JPEG or PNG file `data`, reduced by 2, 4 or 8 where it is large.

    Raises `UnreadableMediaError` if it is neither, or not whole; `TooLargeError` beyond the bounds above.
    """
    if data.startswith(_JPEG):
        header = _jpeg_header(data)
    elif data.startswith(_PNG):
        header = _png_header(data)
    else:
        raise UnreadableMediaError("the photo is neither JPEG nor PNG" if data else "the photo is empty")
    bound = LARGEST_WHOLE_MEGAPIXELS if header.whole else LARGEST_MEGAPIXELS
    if header.width * header.height > bound * 1_000_000:
        raise TooLargeError(f"the photo has more than {bound} megapixels, which this format allows; make it smaller")
    pixels = _decoded(data, _REDUCED.get(_reduction(header), cv2.IMREAD_COLOR))
    return Photo(pixels)


def _decoded(data: bytes, flag: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableMediaError("the photo cannot be decoded; it is damaged") from None
    return np.asarray(pixels, np.uint8)


def _reduction(header: _Header) -> int:
    shorter = min(header.width, header.height)
    return next((factor for factor in (8, 4, 2) if shorter // factor >= LEAST_SIDE), 1)


def _jpeg_header(data: bytes) -> _Header:
    """Walks the segments up to the picture itself (ITU T.81, annex B). A decoder would make up what is missing."""
    header: _Header | None = None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _START_OF_FRAME and position + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, position + 5)
            header = _Header(width, height, marker in _PROGRESSIVE)
        if marker == _START_OF_SCAN:
            if header is None or not header.width or not header.height:
                break
            if data.rfind(_END_OF_IMAGE, position) < 0:
                raise UnreadableMediaError("the photo is cut short; copy it again")
            return header
        position += 2 + length
    raise UnreadableMediaError("the photo ends before its picture begins, or is damaged; copy it again")


def _png_header(data: bytes) -> _Header:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise UnreadableMediaError("the photo ends before its picture begins; copy it again")
    if data.rfind(b"IEND") < 0:
        raise UnreadableMediaError("the photo is cut short; copy it again")
    width, height = struct.unpack_from(">II", data, 16)
    return _Header(width, height, whole=True)
