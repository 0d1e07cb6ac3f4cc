"""Captions that are already there."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.language.captions import (
    FrameCaptions,
    GivenCaptions,
    PictureCaptions,
    read_caption_table,
    read_sidecars,
)
from samnb.models.concepts import Captioner
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import (
    FormatError,
    InputError,
    Media,
    MediaKind,
    MediaMissingError,
    ModelError,
)

IMAGE = np.zeros((4, 5, 3), np.uint8)


def media(path):
    return Media("id", MediaKind.IMAGE, path.split("/")[-1], path, (4, 5), 1, 0.0, 0.0)


@pytest.mark.parametrize("key", ["/a/b/cat.jpg", "b/cat.jpg", "cat.jpg", "cat", "./b\\cat.jpg"])
def test_a_caption_is_found_by_path_end_of_path_name_or_stem(key):
    given = GivenCaptions({key: "A cat.", "dog.jpg": "A dog."}, "alts")
    assert given.find(media("/a/b/cat.jpg")) == "A cat."
    assert given.find(media("/a/b/cow.jpg")) is None


def test_the_longer_path_wins_and_what_is_not_clear_is_not_guessed():
    given = GivenCaptions({"a/x.jpg": "A cat.", "b/x.jpg": "A dog.", "c/x.png": "A cow."})
    assert given.find(media("/data/a/x.jpg")) == "A cat."
    assert given.find(media("/data/b/x.jpg")) == "A dog."
    with pytest.raises(InputError, match="expected one caption in given, got 2"):
        given.find(media("/data/e/x.jpg"))
    same = GivenCaptions({"a/x.jpg": "A cat.", "b/x.jpg": "A cat."})
    assert same.find(media("/data/e/x.jpg")) == "A cat."


def test_several_captions_become_sentences_of_one_text():
    given = GivenCaptions({"x.jpg": ["A cat", " a  dog! ", ""], "y.jpg": "  "})
    assert given.find(media("x.jpg")) == "A cat. a dog!"
    assert given.find(media("y.jpg")) is None
    assert len(given) == 1


def test_what_is_said_of_a_video_holds_on_all_its_frames():
    given = GivenCaptions({"x.mp4": "A cat."}, "alts.csv:alt")
    assert [given.at(media("x.mp4"), i) for i in (0, 7)] == ["A cat.", "A cat."]
    with pytest.raises(InputError, match=r"y\.mp4: expected a caption in alts\.csv:alt"):
        given.at(media("y.mp4"), 0)


def test_a_caption_by_frame_holds_until_the_next_one():
    given = FrameCaptions({"x.mp4": {8: "A dog.", 0: "A cat."}})
    assert [given.at(media("x.mp4"), i) for i in (0, 7, 8, 99)] == [
        "A cat.", "A cat.", "A dog.", "A dog."
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"y\.mp4: expected captions in given by frame"):
        given.at(media("y.mp4"), 0)
    with pytest.raises(InputError, match=r"x\.mp4: expected a caption from frame 0 on"):
        FrameCaptions({"x.mp4": {8: "A dog."}})


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_a_column_of_a_table(tmp_path, divider):
    path = tmp_path / "alts.csv"
    rows = [("file", "alt"), ("x.jpg", '"A cat, a dog"'), ("x.jpg", "a cup"), ("y.jpg", "")]
    path.write_text("\ufeff" + "\n".join(divider.join(r) for r in rows), encoding="utf-8")
    given = read_caption_table(path, file_column="file", caption_column="alt")
    assert given.source == "alts.csv:alt"
    assert given.find(media("x.jpg")) == "A cat, a dog. a cup."
    assert given.find(media("y.jpg")) is None


def test_a_caption_may_hold_a_line_break(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('file_name,caption\nx.jpg,"A cat\nand a dog"\n')
    assert read_caption_table(path).find(media("x.jpg")) == "A cat and a dog."


def test_a_table_without_the_column_is_refused(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("file_name,text\nx.jpg,A cat\n")
    with pytest.raises(FormatError, match=r"column 'caption', got \['file_name', 'text'\]"):
        read_caption_table(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="UTF-8"):
        read_caption_table(path)
    path.write_text("")
    with pytest.raises(FormatError, match="column"):
        read_caption_table(path)
    with pytest.raises(MediaMissingError, match="no such file"):
        read_caption_table(tmp_path / "none.csv")


def test_text_files_beside_the_pictures(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.txt").write_text("A cat.\n")
    (tmp_path / "sub" / "y.jpg.txt").write_text("A dog")
    given = read_sidecars(tmp_path)
    assert given.find(media(str(tmp_path / "x.jpg"))) == "A cat."
    assert given.find(media(str(tmp_path / "sub" / "y.jpg"))) == "A dog."
    (tmp_path / "z.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="UTF-8"):
        read_sidecars(tmp_path)
    with pytest.raises(MediaMissingError, match="no such folder"):
        read_sidecars(tmp_path / "none")


def test_made_pictures_hand_out_their_own_captions():
    scenes = [make_concept_scene(seed, size_hw=(64, 80)) for seed in range(3)]
    captioner = PictureCaptions([(s.image, s.caption) for s in scenes], "synthetic")
    assert isinstance(captioner, Captioner)
    assert captioner.name == "synthetic"
    assert [captioner.caption(s.image.copy()) for s in scenes] == [s.caption for s in scenes]
    with pytest.raises(ModelError, match="expected one of 3 known pictures, got another of 5x4"):
        captioner.caption(IMAGE)
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8"):
        captioner.caption(IMAGE[..., 0])
