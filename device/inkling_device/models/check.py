"""Whether the models answer here as they did when they were made.

A wrong pair of runtime and model file gives garbage without an error, so the agent compares one known answer for each
model before it starts. Garbage has a cosine of about 0.1 to the right answer; files of another quantization, on other
processors, stay over `MINIMUM_COSINE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inkling_device import tflite
from inkling_device.models import inventory

Floats = npt.NDArray[np.float32]

MINIMUM_COSINE = 0.97
"""Between each output and its stored answer. The 8-bit files differ from the weight-only ones by up to 0.02."""


class ModelMismatchError(Exception):
    """A model does not answer here as it must, so nothing that it says can be trusted."""


@dataclass(frozen=True, slots=True)
class KnownInput:
    """One input of a model: `steps * scale + offset` are its real values, so that pixels are stored as pixels."""

    steps: npt.NDArray[np.uint8 | np.int32]
    scale: float = 1.0
    offset: float = 0.0

    def as_taken_by(self, tensor: tflite.Tensor) -> npt.NDArray[Any]:
        real = self.steps.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        return tflite.quantize(real, tensor)


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """What a model must answer to what."""

    inputs: Sequence[KnownInput]
    outputs: Sequence[Floats]

    @classmethod
    def load(cls, path: Path) -> KnownAnswer:
        with np.load(path) as stored:
            scales = stored["scales"]
            inputs = [KnownInput(stored[f"input_{i}"], float(s), float(o)) for i, (s, o) in enumerate(scales)]
            outputs = sorted(name for name in stored.files if name.startswith("output_"))
            return cls(inputs, [stored[name].astype(np.float32) for name in outputs])

    def save(self, path: Path) -> None:
        """Outputs in half precision: the comparison is far coarser."""
        arrays: dict[str, npt.NDArray[Any]] = {f"input_{i}": known.steps for i, known in enumerate(self.inputs)}
        arrays |= {f"output_{i}": output.astype(np.float16) for i, output in enumerate(self.outputs)}
        scales = np.array([(known.scale, known.offset) for known in self.inputs])
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, allow_pickle=False, scales=scales, **arrays)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How near a model's answer was to the stored one."""

    name: str
    file: str
    cosine: float
    """Of the output that was furthest off; 1 is the same answer."""


def check_all() -> Iterator[CheckResult]:
    """Loads and checks every model that ships with the agent, one after another; none is kept.

    Raises what `check` and `tflite.load` raise, at the first that fails.
    """
    return (check(name, tflite.load(file.path())) for name, file in inventory.MODELS.items())


def load(name: str, slot: tflite.Slot) -> tflite.Model:
    """The model called `name`, in `slot`, just checked. Raises what `check` and `tflite.load` raise."""
    model = slot.load(inventory.by_name(name).path())
    check(name, model)
    return model


def check(name: str, model: tflite.Model) -> CheckResult:
    """Runs `model`, the one called `name`, on its known input.

    Raises `ModelMismatchError` if the answer is not the stored one.
    """
    file = inventory.by_name(name)
    known = KnownAnswer.load(file.known_answer)
    try:
        cosine = compare(_answers(model, known.inputs), known.outputs)
    except ValueError as error:
        raise ModelMismatchError(
            f"the model {name!r} ({file.path().name}) does not take the stored input: {error}."
            " Install the package again."
        ) from error
    if not cosine >= MINIMUM_COSINE:
        raise ModelMismatchError(
            f"the model {name!r} ({file.path().name}) answers wrongly on {tflite.runtime()}: cosine {cosine:.2f} to the"
            f" stored answer, at least {MINIMUM_COSINE} expected. Install the package again with the versions it pins;"
            " if the model was built anew, store its answer with inkling_device.models.check.record."
        )
    return CheckResult(name, file.path().name, cosine)


def record(name: str, inputs: Sequence[KnownInput] | None = None) -> None:
    """Stores what the model called `name` answers now as its known answer, to `inputs` or to those stored before.

    For whoever builds a model, on a runtime they trust. Raises `ValueError` if the inputs do not fit the model.
    """
    file = inventory.by_name(name)
    known = KnownAnswer.load(file.known_answer).inputs if inputs is None else inputs
    KnownAnswer(known, _answers(tflite.load(file.path()), known)).save(file.known_answer)


def compare(outputs: Sequence[Floats], expected: Sequence[Floats]) -> float:
    """The smallest cosine between an output and the one expected; -1 if they do not pair up."""
    if not expected or [output.shape for output in outputs] != [answer.shape for answer in expected]:
        return -1.0
    return min(_cosine(output.ravel(), answer.ravel()) for output, answer in zip(outputs, expected, strict=True))


def _answers(model: tflite.Model, inputs: Sequence[KnownInput]) -> Sequence[Floats]:
    return model.run(*(known.as_taken_by(tensor) for known, tensor in zip(inputs, model.inputs, strict=True)))


def _cosine(a: Floats, b: Floats) -> float:
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / norms if norms else float(np.array_equal(a, b))
