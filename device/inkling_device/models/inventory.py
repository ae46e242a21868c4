"""Which model file does what, on which runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inkling_device.tflite import Runtime, runtime

FOLDER = Path(__file__).parent
"""Where the model files are; `importlib.resources` is no help, for the runtimes want real paths."""


class UnknownModelError(KeyError):
    """No model of this name."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model, in a file for each runtime."""

    name: str
    purpose: str
    files: Mapping[Runtime, str]

    def path(self, for_runtime: Runtime | None = None) -> Path:
        """The file for `for_runtime`, by default the one in use."""
        return FOLDER / self.files[for_runtime or runtime()]

    @property
    def card(self) -> Path:
        """What the model is, in words: source, licence, input, figures, limits."""
        return FOLDER / f"{self.name}.md"

    @property
    def known_answer(self) -> Path:
        """A known input with the output it must give; see `inkling_device.models.check`."""
        return FOLDER / "known" / f"{self.name}.npz"


TAGGER = ModelFile(
    "tagger",
    "what is in a picture",
    {Runtime.LITERT: "efficientnet_lite2_int8.tflite", Runtime.TFLITE: "efficientnet_lite2_wo8.tflite"},
)
FACES = ModelFile(
    "faces",
    "whether people are in a picture",
    dict.fromkeys(Runtime, "face_detection_full_range.tflite"),
)
TEXT_DETECTOR = ModelFile(
    "text_detector",
    "how much of a picture is text",
    dict.fromkeys(Runtime, "ppocrv4_det_192x256_fp16.tflite"),
)
TEXT = ModelFile(
    "text",
    "what a sentence is about, and whether it is sensitive",
    {Runtime.LITERT: "text_drq8.tflite", Runtime.TFLITE: "text_wo8.tflite"},
)

MODELS: Mapping[str, ModelFile] = {model.name: model for model in (TAGGER, FACES, TEXT_DETECTOR, TEXT)}
"""Every model that ships with the agent, by name."""

LABELS = FOLDER / "imagenet_labels.txt"
"""The tagger's 1,000 labels, one a line, in the order of its outputs (sorted by WordNet id)."""
CALIBRATION = FOLDER / "text_model.json"
"""How to read the text model's outputs; see `inkling_device.understand.classifier.Calibration`."""
VOCABULARY = FOLDER / "minilm_vocab.txt"
"""The text encoder's word pieces, one a line, the line number being the id."""

SPEECH_LANGUAGE = FOLDER / "speech_language.fst"
"""What the speech model expects to hear, in place of its own `graph/Gr.fst`; see the card `speech_language.md`."""


def by_name(name: str) -> ModelFile:
    """The model called `name`. Raises `UnknownModelError` with the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModelError(f"no model is called {name!r}; there are {', '.join(MODELS)}") from None
