"""The one place that knows which TensorFlow Lite runs here, and which model file goes with it.

LiteRT (`ai-edge-litert`) is TensorFlow Lite under its present name; `tflite-runtime` 2.14 is the last under the old
one. The latter misreads per-channel dynamic-range layers and answers garbage without an error, so each model comes in
a file for each runtime (`inkling_device.models.inventory`), and `inkling_device.models.check` compares known answers
before the agent starts.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt


class NoRuntimeError(Exception):
    """Neither LiteRT nor tflite-runtime is installed."""


class ModelFileError(Exception):
    """A model file is missing, or is not a model that this runtime can load."""


class Runtime(enum.StrEnum):
    """A TensorFlow Lite that the agent runs on."""

    LITERT = "litert"
    TFLITE = "tflite"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    """Real value of one step of a quantized tensor; 0 where the tensor is not quantized."""
    zero_point: int


class Model(Protocol):
    """A loaded model. Not for two threads at once: each thread loads its own."""

    @property
    def inputs(self) -> Sequence[Tensor]: ...

    @property
    def outputs(self) -> Sequence[Tensor]: ...

    def run(self, *inputs: npt.NDArray[Any]) -> Sequence[npt.NDArray[np.float32]]:
        """The outputs for `inputs`, both sorted by tensor name, in the shapes and input types the tensors state.

        Quantized inputs are given as they go in (`quantize` makes them); quantized outputs come back as real values.
        Raises `ValueError` for an input of another number, shape or type.
        """
        ...


_MODULES = {Runtime.LITERT: "ai_edge_litert.interpreter", Runtime.TFLITE: "tflite_runtime.interpreter"}


@functools.cache
def runtime() -> Runtime:
    """The runtime in use: LiteRT where it is installed, else tflite-runtime.

    Raises `NoRuntimeError` if there is neither.
    """
    for candidate, module in _MODULES.items():
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return candidate
    raise NoRuntimeError(
        "no TensorFlow Lite runtime is installed; install `inkling[device]` (LiteRT) or `inkling[tflite]`"
    )


def load(path: Path, *, threads: int = 1) -> Model:
    """The model in `path`, ready to run on `threads` threads.

    Raises `ModelFileError` if it cannot be read, `NoRuntimeError` if there is nothing to run it.
    """
    interpreter_class = importlib.import_module(_MODULES[runtime()]).Interpreter
    if not path.is_file():
        raise ModelFileError(f"model file {path.name} is missing; install the package again")
    try:
        interpreter = interpreter_class(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(f"model file {path.name} cannot be loaded; install the package again") from error
    return _InterpretedModel(interpreter)


class Slot:
    """Memory for one model at a time: the one that ran last stays loaded until another of the slot's models runs.

    Models that take turns seldom then cost the memory of the largest of them, and the time to load one (3 to 20 ms on
    LiteRT, up to 75 ms on tflite-runtime) at each turn. Not for two threads at once.
    """

    def __init__(self) -> None:
        self._loaded: Model | None = None
        self._path: Path | None = None

    def load(self, path: Path) -> Model:
        """The model in `path`, in this slot. Raises as `tflite.load` does, and so does running it."""
        model = self.loaded(path)
        return _ModelInSlot(self, path, model.inputs, model.outputs)

    def loaded(self, path: Path) -> Model:
        """The model in `path` itself, for now; the one before is let go first."""
        if self._loaded is None or self._path != path:
            self._loaded = None
            _return_freed_memory()
            self._loaded, self._path = load(path), path
        return self._loaded


def _return_freed_memory() -> None:
    """Has glibc give back what was freed: it would keep 14 MB after the models have taken turns. Elsewhere nothing."""
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@functools.cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def quantize(values: npt.NDArray[np.float32], tensor: Tensor) -> npt.NDArray[Any]:
    """Real `values` as `tensor` takes them: rounded and clipped to its steps, or unchanged if it is not quantized."""
    if not tensor.scale:
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(values / tensor.scale) + tensor.zero_point
    return cast("npt.NDArray[Any]", np.clip(steps, limits.min, limits.max).astype(tensor.dtype))


@dataclass(frozen=True, slots=True)
class _ModelInSlot:
    slot: Slot
    path: Path
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def run(self, *inputs: npt.NDArray[Any]) -> Sequence[npt.NDArray[np.float32]]:
        return self.slot.loaded(self.path).run(*inputs)


class _InterpretedModel:
    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._inputs = sorted(interpreter.get_input_details(), key=_name)
        self._outputs = sorted(interpreter.get_output_details(), key=_name)
        self.inputs: Sequence[Tensor] = tuple(_tensor(details) for details in self._inputs)
        self.outputs: Sequence[Tensor] = tuple(_tensor(details) for details in self._outputs)

    def run(self, *inputs: npt.NDArray[Any]) -> Sequence[npt.NDArray[np.float32]]:
        if len(inputs) != len(self._inputs):
            raise ValueError(f"the model takes {len(self._inputs)} inputs, not {len(inputs)}")
        for details, tensor, value in zip(self._inputs, self.inputs, inputs, strict=True):
            if value.shape != tensor.shape or value.dtype != tensor.dtype:
                raise ValueError(
                    f"input {tensor.name} is {tensor.dtype} of shape {tensor.shape}, not {value.dtype} of {value.shape}"
                )
            self._interpreter.set_tensor(details["index"], value)
        self._interpreter.invoke()
        return [
            _real(self._interpreter.get_tensor(details["index"]), tensor)
            for details, tensor in zip(self._outputs, self.outputs, strict=True)
        ]


def _name(details: dict[str, Any]) -> str:
    return str(details["name"])


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    shape = tuple(int(size) for size in details["shape"])
    return Tensor(details["name"], shape, np.dtype(details["dtype"]), float(scale), int(zero_point))


def _real(values: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[np.float32]:
    real = values.astype(np.float32)
    return (real - np.float32(tensor.zero_point)) * np.float32(tensor.scale) if tensor.scale else real
