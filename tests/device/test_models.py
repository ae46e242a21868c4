"""Model files: chosen by runtime, checked by known answers, and the speech model fetched whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import time
import weakref
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from inkling_device import tflite
from inkling_device.models import check, fetch, inventory
from inkling_device.models.fetch import (
    FetchError,
    ModelPart,
    NoSpaceError,
    OfflineError,
    Progress,
    SpeechModel,
    SpeechModelMissingError,
    WrongArchiveError,
)
from inkling_device.models.senses import Senses

# The files


def loaded(name: str) -> tflite.Model:
    return tflite.load(inventory.by_name(name).path())


@pytest.mark.parametrize("name", inventory.MODELS)
def test_every_model_has_its_files_and_a_card(name: str) -> None:
    """For both runtimes, with source, licence, input, figures and limits."""
    model = inventory.by_name(name)
    assert all(model.path(runtime).is_file() for runtime in tflite.Runtime)
    card = model.card.read_text(encoding="utf-8")
    for heading in ("Source", "Licence", "Input", "Figures", "Limits"):
        assert f"## {heading}" in card
    assert all(model.files[runtime] in card for runtime in tflite.Runtime)


def test_an_unknown_model_says_which_there_are() -> None:
    """Misspelling is answered with the names."""
    with pytest.raises(inventory.UnknownModelError, match="tagger"):
        inventory.by_name("taggr")


@pytest.mark.parametrize("name", inventory.MODELS)
def test_models_answer_as_they_did_when_they_were_made(name: str) -> None:
    """On the runtime that is installed here, with the file that goes with it."""
    assert check.check(name, loaded(name)).cosine >= check.MINIMUM_COSINE


def test_every_model_is_checked() -> None:
    """None is left out."""
    assert [result.name for result in check.check_all()] == list(inventory.MODELS)


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's models, in a folder where a test may spoil them."""
    folder = tmp_path / "models"
    shutil.copytree(inventory.FOLDER, folder, ignore=shutil.ignore_patterns("*.tflite", "__pycache__"))
    for file in {file for model in inventory.MODELS.values() for file in model.files.values()}:
        (folder / file).symlink_to(inventory.FOLDER / file)
    monkeypatch.setattr(inventory, "FOLDER", folder)
    return folder


def spoil(model: inventory.ModelFile) -> None:
    """Makes what `model` answers wrong, by storing another answer."""
    known = check.KnownAnswer.load(model.known_answer)
    rng = np.random.default_rng(0)
    garbage = [rng.permutation(output.ravel()).reshape(output.shape) for output in known.outputs]
    check.KnownAnswer(known.inputs, garbage).save(model.known_answer)


@pytest.mark.parametrize("name", inventory.MODELS)
def test_a_wrong_answer_is_refused(own_models: Path, name: str) -> None:
    """Garbage says nothing by itself; the comparison does, and what to do about it."""
    spoil(inventory.by_name(name))
    with pytest.raises(check.ModelMismatchError, match="Install the package again"):
        check.check(name, loaded(name))


@pytest.mark.parametrize("name", inventory.MODELS)
def test_no_agent_starts_with_a_model_that_answers_wrongly(own_models: Path, name: str) -> None:
    """Each is checked when the senses are loaded."""
    spoil(inventory.by_name(name))
    with pytest.raises(check.ModelMismatchError, match=repr(name)):
        Senses.load(speech=False)


def test_recording_renews_the_known_answer(own_models: Path) -> None:
    """Whoever builds a model stores its answer, to the same input or to another."""
    check.record(
        "text", [check.KnownInput(np.full((1, 32), 7, np.int32)), check.KnownInput(np.ones((1, 32), np.int32))]
    )
    assert check.check("text", loaded("text")).cosine == pytest.approx(1, abs=1e-3)
    check.record("text")
    assert (check.KnownAnswer.load(inventory.TEXT.known_answer).inputs[0].steps == 7).all()


def test_inputs_that_do_not_fit_are_a_mismatch(own_models: Path) -> None:
    """A model of another shape than the stored input is the wrong file."""
    known = check.KnownAnswer.load(inventory.TEXT.known_answer)
    short = [check.KnownInput(known.inputs[0].steps[:, :5]), known.inputs[1]]
    check.KnownAnswer(short, known.outputs).save(inventory.TEXT.known_answer)
    with pytest.raises(check.ModelMismatchError, match="does not take"):
        check.check("text", loaded("text"))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [([], []), ([np.ones((2,), np.float32)], [np.ones((3,), np.float32)]), ([np.ones((2,), np.float32)], [])],
)
def test_answers_that_cannot_be_compared_are_different(
    outputs: list[check.Floats], expected: list[check.Floats]
) -> None:
    """Nothing to compare is no agreement."""
    assert check.compare(outputs, expected) == -1


def test_a_model_that_answers_with_nan_is_refused() -> None:
    """Not a number is not near any."""
    nan = np.full((4,), np.nan, np.float32)
    assert not check.compare([nan], [np.ones((4,), np.float32)]) >= check.MINIMUM_COSINE


def test_files_that_are_no_models_are_errors(tmp_path: Path) -> None:
    """Missing and damaged files say which, and what to do."""
    with pytest.raises(tflite.ModelFileError, match=r"none\.tflite is missing"):
        tflite.load(tmp_path / "none.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"not a model" * 100)
    with pytest.raises(tflite.ModelFileError, match=r"bad\.tflite cannot be loaded"):
        tflite.load(tmp_path / "bad.tflite")


def test_models_that_take_turns_answer_as_ever() -> None:
    """One slot for two models changes no answer, whichever ran before."""
    slot = tflite.Slot()
    names = ["faces", "tagger"]
    in_turns = {name: check.load(name, slot) for name in names}
    for name in [*names, *names]:
        alone = loaded(name)
        pixels = [np.full(tensor.shape, 7, tensor.dtype) for tensor in alone.inputs]
        assert in_turns[name].inputs == alone.inputs
        assert in_turns[name].outputs == alone.outputs
        for output, expected in zip(in_turns[name].run(*pixels), alone.run(*pixels), strict=True):
            assert np.array_equal(output, expected)


def test_a_slot_holds_one_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model that runs again is not loaded again; another one takes its place, and memory, first."""
    alive: weakref.WeakSet[FakeModel] = weakref.WeakSet()
    loads: list[str] = []

    def load(path: Path) -> FakeModel:
        assert not alive
        loads.append(path.name)
        alive.add(model := FakeModel())
        return model

    monkeypatch.setattr(tflite, "load", load)
    slot = tflite.Slot()
    a, b = slot.load(tmp_path / "a"), slot.load(tmp_path / "b")
    for model in (a, a, b, b, a):
        model.run()
    assert loads == ["a", "b", "a", "b", "a"]


class FakeModel:
    """Takes nothing, answers nothing."""

    inputs: Sequence[tflite.Tensor] = ()
    outputs: Sequence[tflite.Tensor] = ()

    def run(self, *inputs: object) -> Sequence[check.Floats]:
        return []


def test_inputs_are_checked() -> None:
    """A wrong number, shape or type is an error before anything is computed."""
    model = tflite.load(inventory.TEXT.path())
    right = np.zeros(model.inputs[0].shape, np.int32)
    for inputs in ([right], [right, right[:, :5]], [right, right.astype(np.int64)]):
        with pytest.raises(ValueError, match=r"inputs|input"):
            model.run(*inputs)


def test_quantizing_rounds_and_clips() -> None:
    """Real values become steps of the tensor; where it has none, they stay."""
    tensor = tflite.Tensor("x", (4,), np.dtype(np.int8), 0.5, 10)
    steps = tflite.quantize(np.array([0, 0.6, 1000, -1000], np.float32), tensor)
    assert steps.tolist() == [10, 11, 127, -128]
    plain = tflite.Tensor("x", (1,), np.dtype(np.float32), 0.0, 0)
    assert tflite.quantize(np.array([0.6], np.float32), plain).tolist() == [pytest.approx(0.6)]


# Fetching the speech model, with a small one

CONTENT: Mapping[str, bytes] = {"am/final.mdl": b"acoustic" * 1000, "conf/model.conf": b"--beam=10\n"}
PREFIXES = ["assets/model-en-us/", "vosk-model-small-en-us-0.15/", ""]


def archive(path: Path, content: Mapping[str, bytes] = CONTENT, prefix: str = PREFIXES[0]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in content.items():
            packed.writestr(prefix + name, data)
        packed.writestr(prefix + "README", "words")
        packed.writestr("../../escaped", "out of the folder")
    return path


def model_of(path: Path) -> SpeechModel:
    parts = {name: ModelPart(len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()}
    return SpeechModel("org.example", "speech", "1", hashlib.sha256(path.read_bytes()).hexdigest(), parts)


class Repository:
    """Brings one archive, and counts how often; or fails."""

    def __init__(self, source: Path, error: Exception | None = None) -> None:
        self.model = model_of(source)
        self._source = source
        self._error = error
        self.asked = 0

    def __call__(self, model: SpeechModel, folder: Path, progress: Progress) -> Path:
        self.asked += 1
        if self._error is not None:
            raise self._error
        size = self._source.stat().st_size
        progress(size, size)
        return Path(shutil.copy(self._source, folder / "fetched.aar"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(archive(tmp_path / "model.aar"))


def quiet(_done: int, _total: int) -> None:
    pass


def assert_whole(folder: Path) -> None:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == CONTENT


def assert_nothing_half(cache: Path) -> None:
    """Nothing but the lock, and a whole model or none."""
    left = {path.name for path in cache.iterdir()} if cache.exists() else set()
    assert left <= {".lock", "speech-1"}
    if "speech-1" in left:
        assert_whole(cache / "speech-1")


def test_the_model_is_fetched_once(cache: Path, repository: Repository) -> None:
    """Unpacked, nothing else with it, and not fetched again."""
    seen: list[tuple[int, int]] = []
    folder = fetch.fetch(
        lambda done, total: seen.append((done, total)), model=repository.model, cache=cache, download=repository
    )
    assert_whole(folder)
    assert fetch.fetch(quiet, model=repository.model, cache=cache, download=repository) == folder
    assert fetch.speech_model(repository.model, cache=cache) == folder
    assert repository.asked == 1
    assert seen
    assert_nothing_half(cache)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_archives_from_elsewhere_are_taken(cache: Path, repository: Repository, tmp_path: Path, prefix: str) -> None:
    """The Maven archive and the makers' own hold the same files in other folders; no network is asked."""
    source = archive(tmp_path / "own.zip", prefix=prefix)
    assert_whole(fetch.fetch(quiet, source, model=repository.model, cache=cache, download=repository))
    assert repository.asked == 0
    assert source.exists()


def test_nothing_is_unpacked_beside_the_model(cache: Path, repository: Repository, tmp_path: Path) -> None:
    """A name that points out of the folder is not followed."""
    fetch.fetch(quiet, model=repository.model, cache=cache, download=repository)
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(b"<html>not found</html>"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: archive(path, {"am/final.mdl": b"other", "conf/model.conf": CONTENT["conf/model.conf"]}),
        lambda path: archive(path, {"am/final.mdl": CONTENT["am/final.mdl"]}),
        lambda path: archive(path, {**CONTENT, "am/final.mdl": CONTENT["am/final.mdl"] + b"more"}),
    ],
    ids=["cut", "a page", "empty", "missing", "another model", "a file missing", "a file longer"],
)
def test_a_wrong_archive_changes_nothing(
    cache: Path, repository: Repository, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """What is not the model, whole and unchanged, is refused, and the cache is as it was."""
    source = archive(tmp_path / "own.zip")
    spoil(source)
    with pytest.raises(WrongArchiveError):
        fetch.fetch(quiet, source, model=repository.model, cache=cache)
    assert_nothing_half(cache)
    with pytest.raises(SpeechModelMissingError, match="models fetch"):
        fetch.speech_model(repository.model, cache=cache)


def test_a_download_with_a_wrong_hash_is_thrown_away(cache: Path, repository: Repository, tmp_path: Path) -> None:
    """The archive itself must be the known one, whatever its files are."""
    other = Repository(archive(tmp_path / "other.aar", {**CONTENT, "extra": b"x"}))
    with pytest.raises(WrongArchiveError, match="sha256"):
        fetch.fetch(quiet, model=repository.model, cache=cache, download=other)
    assert_nothing_half(cache)


@pytest.mark.parametrize(
    ("error", "expected", "part"),
    [
        (OfflineError("no network"), OfflineError, "no network"),
        (OSError(errno.ENOSPC, "No space left"), NoSpaceError, "free"),
        (OSError(errno.EACCES, "Permission denied"), FetchError, "INKLING_CACHE"),
    ],
)
def test_failures_say_what_to_do(
    cache: Path, tmp_path: Path, error: Exception, expected: type[FetchError], part: str
) -> None:
    """Offline, a full disk, no permission: each its own error, and nothing half left."""
    broken = Repository(archive(tmp_path / "model.aar"), error)
    with pytest.raises(expected, match=part):
        fetch.fetch(quiet, model=broken.model, cache=cache, download=broken)
    assert_nothing_half(cache)


def test_a_harmed_model_is_replaced(cache: Path, repository: Repository) -> None:
    """A file that changed after it was fetched is found out and fetched again."""
    folder = fetch.fetch(quiet, model=repository.model, cache=cache, download=repository)
    (folder / "am/final.mdl").write_bytes(b"harmed")
    fetch.fetch(quiet, model=repository.model, cache=cache, download=repository)
    assert_whole(folder)
    assert_nothing_half(cache)
    assert repository.asked == 2


def _fetch_slowly(cache: Path, source: Path, reached: Path, pause: float) -> None:
    repository = Repository(source)

    def download(model: SpeechModel, folder: Path, progress: Progress) -> Path:
        (folder / "half.aar").write_bytes(source.read_bytes()[:100])
        reached.touch()
        time.sleep(pause)
        return repository(model, folder, progress)

    fetch.fetch(quiet, model=repository.model, cache=cache, download=download)


def _started(cache: Path, source: Path, reached: Path, pause: float) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_fetch_slowly, args=(cache, source, reached, pause))
    process.start()
    while not reached.exists():
        assert process.is_alive()
        time.sleep(0.01)
    return process


def test_a_killed_download_leaves_nothing_half(cache: Path, repository: Repository, tmp_path: Path) -> None:
    """There is no model until there is a whole one, and the next run cleans up."""
    killed = _started(cache, tmp_path / "model.aar", tmp_path / "reached", 60)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    with pytest.raises(SpeechModelMissingError):
        fetch.speech_model(repository.model, cache=cache)
    assert_whole(fetch.fetch(quiet, model=repository.model, cache=cache, download=repository))
    assert_nothing_half(cache)


def test_two_at_once_fetch_once(cache: Path, repository: Repository, tmp_path: Path) -> None:
    """The second waits for the first and finds the model there."""
    first = _started(cache, tmp_path / "model.aar", tmp_path / "reached", 0.5)
    assert_whole(fetch.fetch(quiet, model=repository.model, cache=cache, download=repository))
    first.join()
    assert first.exitcode == 0
    assert repository.asked == 0


def test_the_cache_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`INKLING_CACHE` decides; else the user's cache folder does, outside any checkout."""
    monkeypatch.setenv("INKLING_CACHE", str(tmp_path))
    assert fetch.cache_folder() == tmp_path
    monkeypatch.delenv("INKLING_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert fetch.cache_folder() == tmp_path / "xdg" / "inkling"


def test_an_unreachable_repository_is_offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The real download, through a proxy that nobody runs: a clear error that names the other way."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(OfflineError, match="--from FILE"):
        fetch.fetch(quiet, cache=cache)
    assert_nothing_half(cache)


@pytest.mark.models
def test_the_real_speech_model_is_whole() -> None:
    """What was fetched here has every file it must have."""
    folder = fetch.speech_model()
    for path, part in fetch.ENGLISH.parts.items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == part.sha256
