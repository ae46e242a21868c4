"""The eye: tags, faces, text and key frames, and what the tags mean."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkling import topics as vocabulary
from inkling_device.capture.errors import UnreadableMediaError
from inkling_device.capture.pictures import read_photo
from inkling_device.models import inventory
from inkling_device.observation import Clip, Photo, Sight, Tag
from inkling_device.see.eye import Eye, open_eye, pooled
from inkling_device.see.faces import FakeFaceDetector, count_distinct
from inkling_device.see.keyframes import FRAMES_A_KEY_FRAME, key_frames
from inkling_device.see.pixels import centre, fitted, resized
from inkling_device.see.tag_topics import tag_meanings, topics_of
from inkling_device.see.tagger import FakeTagger
from inkling_device.see.text import FakeTextDetector, may_hold_text

DATA = Path(__file__).parents[1] / "data"
COFFEE, CATS, DOGS, PETS = 377, 543, 544, 541
ESPRESSO, TABBY, PERSIAN, PUG, CHURCH, SYRINGE = 967, 281, 283, 254, 497, 845
BLANK = Photo(np.zeros((10, 10, 3), np.uint8))


def photo(name: str) -> Photo:
    return read_photo((DATA / "photos" / f"{name}.jpg").read_bytes())


@pytest.fixture(scope="module")
def eye() -> Eye:
    return open_eye()


# The real models


@pytest.mark.parametrize(("name", "topic"), [("coffee", COFFEE), ("chelsea", CATS)])
def test_photos_give_their_topic(eye: Eye, name: str, topic: int) -> None:
    """A cup of coffee is about coffee, a cat about cats."""
    sight = eye.look(photo(name))
    assert [score.topic for score in topics_of(sight)] == [topic]
    assert sight.faces == 0
    assert sight.text_share < 0.05


def test_a_large_photo_gives_what_a_small_one_does(eye: Eye) -> None:
    """Decoding reduced changes no answer."""
    large = cv2.resize(photo("chelsea").pixels, (3608, 2400), interpolation=cv2.INTER_CUBIC)
    sight = eye.look(read_photo(cv2.imencode(".jpg", large)[1].tobytes()))
    assert [score.topic for score in topics_of(sight)] == [CATS]


def test_a_person_is_not_tagged(eye: Eye) -> None:
    """A face is counted, and nothing else is said of the picture."""
    sight = eye.look(photo("astronaut"))
    assert (sight.faces, sight.tags, topics_of(sight)) == (1, (), [])


@pytest.mark.parametrize("turned", [cv2.ROTATE_90_CLOCKWISE, None])
def test_faces_are_found_in_wide_and_tall_pictures(eye: Eye, turned: int | None) -> None:
    """A picture is fitted whole, whatever its shape."""
    frame = np.full((500, 900, 3), 110, np.uint8)
    frame[50:450, 30:430] = cv2.resize(photo("astronaut").pixels, (400, 400), interpolation=cv2.INTER_AREA)
    if turned is not None:
        frame = np.full((900, 500, 3), 110, np.uint8)
        frame[30:430, 50:450] = cv2.resize(photo("astronaut").pixels, (400, 400), interpolation=cv2.INTER_AREA)
    assert eye.look(Photo(frame)).faces == 1


def test_a_page_is_seen_to_be_text(eye: Eye) -> None:
    """How much of it, without reading any."""
    assert eye.look(photo("page")).text_share > 0.05


@pytest.mark.parametrize(("lines", "ink", "paper"), [(4, 30, 220), (8, 235, 25), (16, 130, 220), (28, 30, 220)])
def test_large_letters_and_small_print_are_text(eye: Eye, lines: int, ink: int, paper: int) -> None:
    """A poster, a page, a page of small print; dark on light, pale, and light on dark."""
    page = np.full((756, 1008, 3), paper, np.uint8)
    height = 720 / lines
    for line in range(lines):
        words = "the quick brown fox jumps over a lazy dog and runs away " * 3
        place = (20, round(height * (line + 0.75)) + 10)
        cv2.putText(page, words, place, cv2.FONT_HERSHEY_DUPLEX, height / 45, (ink,) * 3, max(round(height / 20), 1))
    assert eye.look(Photo(page)).text_share > 0.1


def test_texture_is_no_text(eye: Eye) -> None:
    """Grass is as full of edges as a page is, and has no letters."""
    rng = np.random.default_rng(0)
    grass = np.full((756, 1008, 3), (40, 110, 60), np.uint8)
    for x, y, lean, shade in zip(*(rng.integers(0, n, 9000) for n in (1008, 756, 20, 90)), strict=True):
        blade = (int(x), int(y)), (int(x + lean - 10), int(y - 25))
        cv2.line(grass, *blade, (20, 80 + int(shade), 40 + int(shade) // 2), 2, cv2.LINE_AA)
    assert may_hold_text(Photo(grass))
    assert eye.look(Photo(grass)).text_share < 0.02


@pytest.mark.parametrize(("name", "expected"), [("page", True), ("coffee", False), ("chelsea", False)])
def test_the_text_detector_runs_where_text_may_be(name: str, expected: bool) -> None:
    """The cheap test lets pages through and saves the detector's time on the rest."""
    assert may_hold_text(photo(name)) is expected


@pytest.mark.parametrize("ink", [0, 60, 150])
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_pale_and_blurred_pages_may_hold_text(ink: int, blur: float) -> None:
    """What counts is the contrast of the page, not of the world."""
    page = np.full((756, 1008, 3), 220, np.uint8)
    for line in range(20):
        cv2.putText(page, "the quick brown fox jumps over a lazy dog", (20, 35 * line + 40), 0, 1.2, (ink,) * 3, 2)
    if blur:
        page = np.asarray(cv2.GaussianBlur(page, (0, 0), blur), np.uint8)
    assert may_hold_text(Photo(page))


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (3, 3)])
def test_pictures_of_any_shape_are_looked_at(eye: Eye, size: tuple[int, int]) -> None:
    """A strip of one pixel is a picture too."""
    assert eye.look(Photo(np.full((*size, 3), 90, np.uint8))).faces == 0


# Clips


def clip(path: Path, *scenes: tuple[str, int], codec: str = "mp4v") -> Clip:
    """A clip of so many frames of each photo."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 20, (320, 240))
    for name, frames in scenes:
        pixels = cv2.resize(photo(name).pixels, (320, 240), interpolation=cv2.INTER_AREA)
        for _ in range(frames):
            writer.write(pixels)
    writer.release()
    return Clip(str(path))


def test_a_clip_of_one_thing_gives_its_topic(eye: Eye, tmp_path: Path) -> None:
    """Several key frames of the same cat agree."""
    assert [s.topic for s in topics_of(eye.watch(clip(tmp_path / "a.mp4", ("chelsea", 120))))] == [CATS]


def test_scenes_that_disagree_give_nothing(eye: Eye) -> None:
    """Half coffee, half cat: about neither."""
    assert topics_of(eye.watch(Clip(str(DATA / "clips/two_scenes.mp4")))) == []


def test_a_face_in_one_scene_is_enough(eye: Eye, tmp_path: Path) -> None:
    """A clip with a person in it is a clip of people."""
    sight = eye.watch(clip(tmp_path / "a.mp4", ("chelsea", 60), ("astronaut", 60)))
    assert (sight.faces, sight.tags) == (1, ())


@pytest.mark.parametrize("frames", [1, 2, 19, 20, 39, 40, 41, 137, 400])
def test_at_most_one_frame_in_twenty_is_a_key_frame(tmp_path: Path, frames: int) -> None:
    """Whatever the length, odd ones too, and at least one."""
    count = len(list(key_frames(clip(tmp_path / "a.mp4", ("coffee", frames)))))
    assert 1 <= count <= max(1, frames // FRAMES_A_KEY_FRAME)


def test_wild_changes_do_not_break_the_bound(tmp_path: Path) -> None:
    """A clip that changes its scene with every frame has no more key frames than another."""
    wild = clip(tmp_path / "a.mp4", *[("coffee", 1), ("chelsea", 1), ("page", 1)] * 40)
    assert len(list(key_frames(wild))) <= 120 // FRAMES_A_KEY_FRAME


def test_a_new_scene_is_noticed(tmp_path: Path) -> None:
    """The second scene has a key frame of its own."""
    frames = list(key_frames(clip(tmp_path / "a.mp4", ("coffee", 45), ("page", 45))))
    assert frames[0].pixels.mean() < 150 < frames[-1].pixels.mean()


@pytest.mark.parametrize("kind", ["missing", "empty", "cut", "no frames", "not a video"])
def test_clips_without_a_frame_are_unreadable(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The error says so, and neither it nor what the decoder prints tells the file's name."""
    path = tmp_path / "secretword.mp4"
    whole = (DATA / "clips/two_scenes.mp4").read_bytes()
    content = {"empty": b"", "cut": whole[:3000], "no frames": whole[:32], "not a video": b"hello" * 100}
    if kind in content:
        path.write_bytes(content[kind])
    with pytest.raises(UnreadableMediaError) as raised:
        list(key_frames(Clip(str(path))))
    assert "secretword" not in str(raised.value) + "".join(capfd.readouterr())


def test_a_clip_without_key_frames_of_its_own_is_unreadable(tmp_path: Path) -> None:
    """A stream whose every picture refers to one that is missing has nothing to show."""
    whole = bytearray((DATA / "clips/two_scenes.mp4").read_bytes())
    media = whole.index(b"mdat") + 4
    stream = slice(media, whole.index(b"moov", media) if whole.find(b"moov", media) > 0 else len(whole))
    whole[stream] = bytes(stream.stop - stream.start)
    (tmp_path / "a.mp4").write_bytes(whole)
    with pytest.raises(UnreadableMediaError):
        list(key_frames(Clip(str(tmp_path / "a.mp4"))))


# Pooling, with fakes


def test_one_stray_frame_decides_nothing() -> None:
    """However sure the tagger is of it."""
    tags = pooled([[Tag(PUG, 0.99)], [Tag(TABBY, 0.6)], [Tag(TABBY, 0.7)], [Tag(TABBY, 0.8)]], tag_meanings())
    assert [tag.index for tag in tags] == [TABBY]
    assert tags[0].probability == pytest.approx((0.7 + 0.6 + 0) / 3)


def test_one_glimpse_of_something_sensitive_counts() -> None:
    """It is never averaged away."""
    tags = pooled([[Tag(TABBY, 0.9)]] * 5 + [[Tag(CHURCH, 0.8)]], tag_meanings())
    assert Tag(CHURCH, 0.8) in tags


def test_a_single_frame_speaks_for_itself() -> None:
    """A clip of less than two key frames is judged as a photo."""
    assert pooled([[Tag(TABBY, 0.9)]], tag_meanings()) == [Tag(TABBY, 0.9)]


def test_the_largest_text_share_of_a_clip_counts(tmp_path: Path) -> None:
    """The eye passes on what the text detector says, as it is."""
    fakes = Eye(FakeTagger([Tag(TABBY, 0.9)]), FakeFaceDetector(), FakeTextDetector(0.4))
    assert fakes.watch(clip(tmp_path / "a.mp4", ("coffee", 60))).text_share == 0.4
    assert fakes.look(BLANK) == Sight([Tag(TABBY, 0.9)], 0, 0.4)


def test_a_picture_with_a_face_is_never_shown_to_the_tagger() -> None:
    """What is not looked at cannot leak."""
    tagger = FakeTagger([Tag(TABBY, 0.9)])
    assert Eye(tagger, FakeFaceDetector(2), FakeTextDetector()).look(BLANK) == Sight((), 2)
    assert tagger.seen == []


# What tags mean


def test_every_class_has_its_meaning() -> None:
    """One row a class, in the labels' order; every topic may be sent."""
    meanings = tag_meanings()
    labels = inventory.LABELS.read_text(encoding="utf-8").splitlines()
    assert [meaning.label for meaning in meanings] == labels
    assert [meaning.index for meaning in meanings] == list(range(1000))
    assert {topic for meaning in meanings for topic in meaning.topics} <= vocabulary.sendable()


def test_sensitive_classes_name_a_known_category() -> None:
    """A misspelt category would be a hole."""
    known = {"religion", "health", "ethnic_origin", "political_views", "children", "weapons"}
    categories = {meaning.sensitive for meaning in tag_meanings()} - {None}
    assert categories == known


@pytest.mark.parametrize(
    ("label", "category"),
    [
        ("altar", "religion"),
        ("church", "religion"),
        ("mosque", "religion"),
        ("stupa", "religion"),
        ("monastery", "religion"),
        ("prayer rug", "religion"),
        ("vestment", "religion"),
        ("abaya", "religion"),
        ("stretcher", "health"),
        ("syringe", "health"),
        ("pill bottle", "health"),
        ("crutch", "health"),
        ("neck brace", "health"),
        ("oxygen mask", "health"),
        ("stethoscope", "health"),
        ("Band Aid", "health"),
        ("kimono", "ethnic_origin"),
        ("military uniform", "political_views"),
        ("rifle", "weapons"),
        ("revolver", "weapons"),
        ("assault rifle", "weapons"),
        ("diaper", "children"),
        ("crib", "children"),
        ("teddy", "children"),
        ("school bus", "children"),
        ("castle", None),
        ("palace", None),
        ("hammer", None),
        ("beaker", None),
        ("jersey", None),
        ("water bottle", None),
        ("golf ball", None),
    ],
)
def test_telling_classes_are_sensitive_and_their_neighbours_are_not(label: str, category: str | None) -> None:
    """Places and dress of worship, medical things, weapons, children's things; and near misses."""
    (meaning,) = [meaning for meaning in tag_meanings() if meaning.label == label]
    assert meaning.sensitive == category
    if category:
        assert meaning.topics == ()


def test_no_ape_is_ever_named() -> None:
    """A tagger that takes a person for one must not put it into words."""
    assert all(not meaning.topics for meaning in tag_meanings()[365:385])


def test_tags_of_one_topic_add_up() -> None:
    """Two kinds of cat that the tagger cannot tell apart are cats all the same."""
    (score,) = topics_of(Sight([Tag(TABBY, 0.35), Tag(PERSIAN, 0.3)], 0))
    assert score.topic == CATS
    assert score.probability == pytest.approx(0.65)


def test_a_shared_parent_is_named_when_children_disagree() -> None:
    """Cat or dog: a pet."""
    (score,) = topics_of(Sight([Tag(TABBY, 0.45), Tag(PUG, 0.45)], 0))
    assert score.topic == PETS
    assert score.probability == pytest.approx(0.9)


@pytest.mark.parametrize(
    "tags",
    [
        [],
        [Tag(TABBY, 0.45), Tag(ESPRESSO, 0.45)],
        [Tag(TABBY, 0.49)],
        [Tag(CHURCH, 0.9)],
        [Tag(SYRINGE, 0.6), Tag(TABBY, 0.4)],
    ],
)
def test_tags_that_disagree_or_mean_nothing_give_nothing(tags: list[Tag]) -> None:
    """Without a majority there is no topic, and a sensitive tag never has one."""
    assert topics_of(Sight(tags, 0)) == []


def test_people_give_no_topic() -> None:
    """Even if something else is surely in the picture."""
    assert topics_of(Sight([Tag(TABBY, 0.99)], 1)) == []


@given(st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1)), max_size=12))
def test_topics_never_contradict_each_other(weights: list[tuple[int, float]]) -> None:
    """Whatever is seen: every topic has a majority, may be sent, and stands above no other."""
    total = math.fsum(weight for _, weight in weights) or 1.0
    sight = Sight([Tag(index, weight / max(total, 1.0)) for index, weight in weights], 0)
    named = topics_of(sight)
    topics = {score.topic for score in named}
    assert topics <= vocabulary.sendable()
    assert all(0.5 <= score.probability <= 1 for score in named)
    assert all(topics.isdisjoint(vocabulary.ancestors(topic)) for topic in topics)


# Geometry


def test_boxes_of_one_face_count_once() -> None:
    """The detector gives several boxes for a face; those far apart are several faces."""
    near = [[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]]
    far = [[50, 50, 60, 60]]
    assert count_distinct(np.array(near + far, np.float32)) == 2


def test_the_centre_is_in_the_middle() -> None:
    """A square of the share asked for, never empty."""
    pixels = np.arange(40 * 20 * 3, dtype=np.uint32).reshape(20, 40, 3).astype(np.uint8)
    assert np.array_equal(centre(pixels, 0.5), pixels[5:15, 15:25])
    assert centre(pixels[:1, :1], 0.5).shape == (1, 1, 3)


def test_fitting_keeps_the_whole_picture() -> None:
    """Black bars fill what the picture does not; their share is known."""
    frame, filled = fitted(np.full((100, 200, 3), 255, np.uint8), 64, 64)
    assert filled == 0.5
    assert (frame[16:48] == 255).all()
    assert not frame[:16].any()


def test_reducing_averages() -> None:
    """Fine patterns become grey, not other patterns."""
    fine = np.indices((64, 64)).sum(0) % 2 * np.uint8(200)
    assert np.ptp(resized(np.repeat(fine[..., None], 3, 2).astype(np.uint8), 16, 16)) <= 1
