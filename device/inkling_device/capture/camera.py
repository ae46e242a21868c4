"""A camera: anything that OpenCV can open as a video. Takes a picture when asked to, or every so many seconds."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

from inkling_device.capture.backoff import Backoff, Restarts
from inkling_device.capture.buffer import ThreadBuffer
from inkling_device.capture.opencv import cv2
from inkling_device.observation import Photo

_log = logging.getLogger(__name__)


class VideoDevice(Protocol):
    """The part of `cv2.VideoCapture` that a camera needs."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, Any]: ...

    def release(self) -> None: ...


OpenDevice = Callable[[str], VideoDevice]


def open_video(source: str) -> VideoDevice:
    """A device number, an address of HTTP MJPEG, a file, or an image sequence such as `frame%03d.jpg`."""
    device: VideoDevice = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    return device


class Camera:
    """Keeps the video running in a thread of its own, so that a picture is of now and not of when it was opened.

    When the video ends or cannot be opened, it is opened again after a pause; the camera itself never ends.
    """

    def __init__(
        self,
        source: str,
        *,
        every: float | None = None,
        open_device: OpenDevice = open_video,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`every` so many seconds a picture is taken unasked; None for never."""
        self._source = source
        self._every = every
        self._open_device = open_device
        self._restarts = Restarts(backoff or Backoff(), monotonic)
        self._monotonic = monotonic
        self._asked = threading.Event()
        self._buffer: ThreadBuffer[Photo] | None = None

    @property
    def lost(self) -> int:
        """Pictures that were taken faster than they were looked at, since the samples were last opened."""
        return self._buffer.lost if self._buffer else 0

    @property
    def restarts(self) -> int:
        """How often the video ended or could not be opened."""
        return self._restarts.count

    def take_picture(self) -> None:
        """Takes the next frame as a picture; none while there is no video. From any thread."""
        self._asked.set()

    async def samples(self) -> AsyncGenerator[Photo, None]:
        self._buffer = buffer = ThreadBuffer[Photo](4)
        stopped = threading.Event()
        threading.Thread(target=self._run, args=(buffer, stopped), name="camera", daemon=True).start()
        try:
            while True:
                yield await buffer.get()
        finally:
            stopped.set()

    def _run(self, buffer: ThreadBuffer[Photo], stopped: threading.Event) -> None:
        while not stopped.is_set():
            self._restarts.started()
            device = self._open_device(self._source)
            self._asked.clear()  # whoever asked while there was no video meant what was to be seen then
            with contextlib.suppress(cv2.error):  # a device that breaks is one that ended
                self._watch(device, buffer, stopped)
            device.release()
            pause = self._restarts.ended()
            if not stopped.is_set():
                _log.warning("the camera gives no pictures; opening it again in %.1f s", pause)
                stopped.wait(pause)

    def _watch(self, device: VideoDevice, buffer: ThreadBuffer[Photo], stopped: threading.Event) -> None:
        due = None if self._every is None else self._monotonic()
        while not stopped.is_set() and device.isOpened() and device.grab():
            is_due = due is not None and self._monotonic() >= due
            if not (self._asked.is_set() or is_due):
                continue
            good, pixels = device.retrieve()
            if not good:
                return
            self._asked.clear()
            due = None if self._every is None else self._monotonic() + self._every
            buffer.put(Photo(pixels))
