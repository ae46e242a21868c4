"""Photos as they are found in the wild."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkling_device.capture.errors import CaptureError, TooLargeError, UnreadableMediaError
from inkling_device.capture.files import read_media
from inkling_device.capture.pictures import read_photo
from inkling_device.observation import AudioChunk, Clip, Photo

DATA = Path(__file__).parents[1] / "data"


def gradient(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Dark at the top, red growing to the right, so that its orientation can be told."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = np.linspace(0, 250, width).astype(np.uint8)[None, :]
    picture[..., 1] = np.linspace(0, 250, height).astype(np.uint8)[:, None]
    return picture


def encoded(pixels: object, suffix: str, *flags: int) -> bytes:
    good, data = cv2.imencode(suffix, np.asarray(pixels), list(flags))
    assert good
    return data.tobytes()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.transpose(1, 0, 2)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_photos_come_out_upright(orientation: int, turned: object, scale: int) -> None:
    """All eight EXIF orientations are honoured, in photos that are decoded reduced too."""
    assert callable(turned)
    stored = gradient(640 * scale, 480 * scale)
    photo = read_photo(with_orientation(encoded(stored, ".jpg"), orientation))
    expected = turned(gradient(640, 480)).astype(int)
    assert photo.pixels.shape == expected.shape
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((640, 480), (640, 480)), ((4032, 3024), (1008, 756)), ((7700, 5200), (963, 650)), ((960, 960), (480, 480))],
)
def test_large_photos_are_decoded_reduced(size: tuple[int, int], decoded: tuple[int, int]) -> None:
    """40 megapixels cost no more memory than 1, and no side falls below what the detectors need."""
    photo = read_photo(encoded(np.full((size[1], size[0], 3), 90, np.uint8), ".jpg"))
    assert photo.pixels.shape == (decoded[1], decoded[0], 3)


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        (np.full((50, 60), 7, np.uint8), ".jpg"),
        (np.full((50, 60), 7, np.uint8), ".png"),
        (np.full((50, 60, 4), 7, np.uint8), ".png"),
        (np.full((50, 60, 3), 7 * 257, np.uint16), ".png"),
        (np.full((50, 60), 7 * 257, np.uint16), ".png"),
    ],
)
def test_grey_alpha_and_16_bit_become_colour(pixels: object, suffix: str) -> None:
    """Whatever the file's pixels are, the photo's are 8-bit BGR."""
    photo = read_photo(encoded(pixels, suffix))
    assert photo.pixels.shape == (50, 60, 3)
    assert photo.pixels.dtype == np.uint8
    assert np.abs(photo.pixels.astype(int) - 7).max() <= 2


JPEG = encoded(gradient(200, 100), ".jpg")
PNG = encoded(gradient(200, 100), ".png")


@pytest.mark.parametrize("whole", [JPEG, PNG], ids=["jpeg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.005, 0.1, 0.5, 0.99])
def test_photos_cut_short_are_refused(whole: bytes, share: float) -> None:
    """A decoder would fill the missing part with grey, which is no picture of anything."""
    with pytest.raises(UnreadableMediaError):
        read_photo(whole[: int(len(whole) * share)])


def test_a_thumbnail_does_not_hide_a_cut() -> None:
    """The end mark of a preview inside the EXIF data is not the end of the photo."""
    preview = JPEG
    app1 = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    with pytest.raises(UnreadableMediaError, match="cut short"):
        read_photo(JPEG[:2] + app1 + JPEG[2:-40])


def test_over_the_bounds_is_refused_before_decoding() -> None:
    """A header that promises too much is enough; nothing is allocated."""
    huge = bytearray(JPEG)
    frame = huge.index(b"\xff\xc0")
    huge[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(TooLargeError, match="128 megapixels"):
        read_photo(bytes(huge))
    large = bytearray(PNG)
    large[16:24] = struct.pack(">II", 8_000, 5_000)
    with pytest.raises(TooLargeError, match="32 megapixels"):
        read_photo(bytes(large))


def test_progressive_has_the_bound_of_what_is_held_whole() -> None:
    """A progressive JPEG's coefficients are in memory at once, so its bound is lower."""
    progressive = bytearray(encoded(gradient(200, 100), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    frame = progressive.index(b"\xff\xc2")
    progressive[frame + 5 : frame + 9] = struct.pack(">HH", 5_000, 8_000)
    with pytest.raises(TooLargeError, match="32 megapixels"):
        read_photo(bytes(progressive))


@given(st.binary(max_size=300), st.integers(0, 200), st.sampled_from([JPEG, PNG]))
@settings(max_examples=150, deadline=None)
def test_garbage_never_raises_anything_else(noise: bytes, keep: int, whole: bytes) -> None:
    """Damage anywhere gives a photo or a typed error."""
    try:
        photo = read_photo(whole[:keep] + noise + whole[keep + len(noise) :])
    except CaptureError:
        return
    assert photo.pixels.shape[2] == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [("photos/chelsea.jpg", Photo), ("speech/trail_slt.wav", AudioChunk), ("clips/two_scenes.mp4", Clip)],
)
def test_files_are_known_by_their_content(name: str, kind: type, tmp_path: Path) -> None:
    """The first bytes decide, not the name."""
    disguised = tmp_path / "file.bin"
    disguised.write_bytes((DATA / name).read_bytes())
    assert isinstance(read_media(disguised), kind)


@pytest.mark.parametrize("content", [b"", b"just some text", b"\0" * 100])
def test_other_files_are_refused_without_their_name(content: bytes, tmp_path: Path) -> None:
    """The error says what is read instead; a file's name may be somebody's words and is not repeated."""
    path = tmp_path / "secretword.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableMediaError) as raised:
        read_media(path)
    assert "secretword" not in str(raised.value)


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    """A file that is not there is an error of the same kind, for a caller that goes through a list."""
    with pytest.raises(UnreadableMediaError, match="cannot be opened"):
        read_media(tmp_path / "none.wav")
