"""Processor time of looking at a photo, the whole path, against bare decoding and one run of the tagger.

The whole path is reading the file, upright and reduced; counting faces; tagging; testing for text; and the topics. The
floor decodes the file with OpenCV and runs the tagger once on an input made before. A second floor decodes reduced, as
the agent does. Rounds alternate, and the ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inkling_device import tflite
from inkling_device.capture.pictures import read_photo
from inkling_device.models import inventory
from inkling_device.see.eye import Eye, open_eye
from inkling_device.see.tag_topics import topics_of

PHOTOS = Path(__file__).parents[2] / "tests" / "data" / "photos"
TARGET = 1.25
SIZES = {"12 megapixels": (4032, 3024), "2 megapixels": (1632, 1224), "0.3 megapixels": (640, 480)}
"""The first is what the cameras of glasses take, and what the target is for."""


def photo(size: tuple[int, int]) -> bytes:
    """A JPEG of `size` with the noise of a camera, so that it takes as long to decode as a real one."""
    small = np.asarray(cv2.imread(str(PHOTOS / "coffee.jpg")), np.uint8)
    picture = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(1).normal(0, 6, (*picture.shape[:2], 1))
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def whole_path(eye: Eye, data: bytes) -> None:
    topics_of(eye.look(read_photo(data)))


def bare(tagger: tflite.Model, data: bytes, flag: int) -> None:
    cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    tagger.run(np.zeros(tagger.inputs[0].shape, tagger.inputs[0].dtype))


def milliseconds(work: Callable[[], Any]) -> float:
    """Processor time, of all threads."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short run that reports and never fails")
    quick = parser.parse_args().quick
    eye, tagger = open_eye(), tflite.load(inventory.TAGGER.path())
    ratios = []
    for name, size in SIZES.items():
        data = photo(size)
        runs: list[Callable[[], None]] = [
            lambda data=data: whole_path(eye, data),  # type: ignore[misc]
            lambda data=data: bare(tagger, data, cv2.IMREAD_COLOR),  # type: ignore[misc]
            lambda data=data: bare(tagger, data, cv2.IMREAD_REDUCED_COLOR_4),  # type: ignore[misc]
        ]
        times = [[milliseconds(run) for run in runs] for _ in range(4 if quick else 25)][1:]
        path, floor, reduced = (statistics.median(column) for column in zip(*times, strict=True))
        ratios.append(path / floor)
        print(
            f"photo, {name}: {path:.1f} ms, {path / floor:.2f} of decoding and tagging ({floor:.1f} ms),"
            f" {path / reduced:.2f} of decoding a quarter of each side and tagging ({reduced:.1f} ms)"
        )
    print(f"photo: {ratios[0]:.2f} of decoding and tagging (at most {TARGET})")
    return 0 if quick or ratios[0] <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
