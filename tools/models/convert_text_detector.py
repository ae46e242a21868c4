"""Makes the text detector's model file from the ONNX file of PP-OCRv4, for pictures of one size.

    python tools/models/convert_text_detector.py [HEIGHT WIDTH] [--folder FOLDER]

It needs an environment of its own: Python 3.11 with torch 2.14.1, litert-torch 0.10.0, ai-edge-quantizer 0.10.0,
onnx 1.23.2, onnx2torch 1.5.15, onnxruntime 1.32.0, and rapidocr-onnxruntime 1.4.4, which brings the weights. Then
`inkling_device.models.check.record` stores the known answer: the known input must have the new size.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import tempfile
from pathlib import Path

import litert_torch
import numpy as np
import onnx
import onnxruntime
import torch
from ai_edge_quantizer import qtyping, quantizer
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from onnx2torch import convert
from onnx2torch.node_converters.resize import OnnxResize

MODELS = Path(__file__).resolve().parents[2] / "device/inkling_device/models"
WEIGHTS = "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"
STEP = 32
"""The network halves the picture five times and joins the halves again, so each side must be a multiple of this."""
HALF_PRECISION = qtyping.OpQuantizationConfig(
    weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
    explicit_dequantize=True,
)
"""Weights of 16 bit, which both runtimes unpack once; those of 8 bit they keep twice, which costs 3 MB more memory."""
LARGEST_DIFFERENCE = 1e-3
"""Between the probabilities of the ONNX file and of the converted one, before the weights are rounded."""


class FixedResize(torch.nn.Module):
    """Enlarges to the nearest neighbour by numbers known beforehand; the converter knows no others."""

    def __init__(self, factors: list[float]) -> None:
        super().__init__()
        self._factors = factors

    def forward(self, pixels: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.nn.functional.interpolate(pixels, scale_factor=self._factors, mode="nearest")


class ChannelsLast(torch.nn.Module):
    """The network with arrays as TensorFlow Lite has them: (1, height, width, channels)."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._network(pixels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def fixed_onnx(height: int, width: int) -> onnx.ModelProto:
    """The published network for one picture of this size, its constants folded."""
    source = importlib.metadata.distribution("rapidocr-onnxruntime").locate_file(WEIGHTS)
    model = onnx.load(str(source))
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    for dimension, size in zip(dimensions, (1, 3, height, width), strict=True):
        dimension.Clear()
        dimension.dim_value = size
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "folded.onnx"))
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def as_torch(model: onnx.ModelProto) -> torch.nn.Module:
    """The same network in PyTorch, for channels last."""
    network = convert(model)
    for node in network.graph.nodes:
        if node.op == "call_module" and isinstance(network.get_submodule(node.target), OnnxResize):
            scales = network.get_buffer(node.args[-1].target)
            network.set_submodule(node.target, FixedResize(scales.tolist()[2:]))
    return ChannelsLast(network).eval()


def largest_difference(model: onnx.ModelProto, converted: litert_torch.model.Model, pixels: torch.Tensor) -> float:
    """Between what the two answer to `pixels`, shape (1, height, width, 3)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: pixels.permute(0, 3, 1, 2).numpy()})
    return float(np.abs(converted(pixels)[..., 0] - expected[:, 0]).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("height", type=int, nargs="?", default=192)
    parser.add_argument("width", type=int, nargs="?", default=256)
    parser.add_argument("--folder", type=Path, default=MODELS)
    args = parser.parse_args()
    if args.height % STEP or args.width % STEP:
        parser.error(f"height and width must be multiples of {STEP}")
    model = fixed_onnx(args.height, args.width)
    pixels = torch.randn(1, args.height, args.width, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        converted = litert_torch.convert(as_torch(model), (pixels,))
    difference = largest_difference(model, converted, pixels)
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"the converted network answers otherwise than the published one, by {difference:.4f}")
    target = args.folder / f"ppocrv4_det_{args.height}x{args.width}_fp16.tflite"
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder, "exact.tflite")
        converted.export(str(exact))
        rounding = quantizer.Quantizer(str(exact))
        rounding.update_quantization_recipe(
            ".*", qtyping.TFLOperationName.ALL_SUPPORTED, HALF_PRECISION, AlgorithmName.FLOAT_CASTING
        )
        rounding.quantize(None).export_model(str(target), overwrite=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes; differs by {difference:.1e} before rounding")


if __name__ == "__main__":
    main()
