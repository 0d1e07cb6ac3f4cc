import numpy as np
import pytest
from PIL import Image

from samnb.exports.sav_folders import read_val, write_val
from samnb.metrics.vos import eval_vos
from samnb.types import FormatError, InputError
from tests.exports import samples
from tests.exports.samples import annotation, codes, masklet

WHOLE = masklet(0, codes(20, 20, 20, 20, 20, 20))
PART = masklet(1, codes(8, 8, 0, 0, 8, 8))
VIDEO = annotation(WHOLE, PART)


class Frames:
    size_hw = samples.SIZE

    def __len__(self):
        return samples.N_FRAMES

    def frame(self, index):
        return np.full((*samples.SIZE, 3), 10 * index, np.uint8)


def masks_of(video):
    return [[f.rle for f in m.frames] for m in video.masklets]


def test_the_layout_is_one_folder_per_object(tmp_path):
    written = write_val([VIDEO], tmp_path)
    assert (tmp_path / "sav_val.txt").read_text() == "sav_7\n"
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png"))
    assert names == [
        f"Annotations_6fps/sav_7/{obj}/{idx:05d}.png" for obj in ("000", "001")
        for idx in samples.GRID
    ]  # fmt: skip
    picture = Image.open(tmp_path / names[0])
    assert np.array_equal(np.asarray(picture) > 0, samples.box(3, 5, 20, 20))
    assert written.n_masklets == 2 and written.notes == ()


def test_masks_that_overlap_come_back_whole(tmp_path):
    write_val([VIDEO], tmp_path)
    (back,) = read_val(tmp_path)
    assert masks_of(back) == masks_of(VIDEO)
    assert back.frame_idxs == samples.GRID
    assert [m.item.obj_id for m in back.masklets] == [1, 2]
    assert back.tag("split") == "val"


def test_what_is_written_scores_as_perfect(tmp_path):
    write_val([VIDEO], tmp_path)
    assert eval_vos(tmp_path, tmp_path).jf == 1.0


def test_pictures_are_written_for_every_frame_and_make_the_medium(tmp_path):
    write_val([VIDEO], tmp_path, frames_of=lambda _: Frames())
    pictures = tmp_path / "JPEGImages_24fps" / "sav_7"
    assert len(list(pictures.iterdir())) == samples.N_FRAMES
    assert abs(np.asarray(Image.open(pictures / "00004.jpg")).mean() - 40) < 3
    (back,) = read_val(tmp_path)
    assert (back.media.n_frames, back.media.path) == (samples.N_FRAMES, str(pictures))
    assert back.frame_idxs == samples.GRID


def test_frames_without_an_answer_are_written_empty_and_noted(tmp_path):
    written = write_val([annotation(masklet(0, codes(8), frames=(4,)))], tmp_path)
    assert written.notes == (
        "sav_7, object 000: no answer on 5 frames (first 0), written as absent",
    )
    (back,) = read_val(tmp_path)
    assert len(back.masklets[0].frames) == 6


def test_a_video_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    write_val([VIDEO], tmp_path)
    with pytest.raises(InputError, match="sav_7: exists already"):
        write_val([VIDEO], tmp_path)
    write_val([annotation(PART)], tmp_path, overwrite=True)
    assert [p.name for p in (tmp_path / "Annotations_6fps" / "sav_7").iterdir()] == ["001"]
    assert (tmp_path / "sav_val.txt").read_text() == "sav_7\n"


def test_other_videos_in_the_list_stay(tmp_path):
    (tmp_path / "sav_test.txt").write_text("sav_1\nsav_2\n")
    write_val([VIDEO], tmp_path, split="test")
    assert (tmp_path / "sav_test.txt").read_text() == "sav_1\nsav_2\nsav_7\n"


def test_two_objects_of_one_number_are_refused(tmp_path):
    twins = annotation(masklet(1, codes(1, 1, 1, 1, 1, 1)), PART)
    with pytest.raises(InputError, match="different object numbers"):
        write_val([twins], tmp_path)


def place(root, name):
    path = root / "Annotations_6fps" / "sav_7" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: place(r, "abc").mkdir(), "abc: expected an object number"),
        (lambda r: place(r, "005").mkdir(), "005: expected PNG files"),
        (lambda r: place(r, "000/x.png").touch(), r"x\.png: expected a frame number"),
        (lambda r: place(r, "000/00004.png").write_bytes(b"?"), r"00004\.png: cannot be read"),
        (
            lambda r: Image.new("L", (5, 5), 1).save(place(r, "001/00004.png")),
            "masks of one size",
        ),
        (
            lambda r: Image.fromarray(np.arange(9, dtype=np.uint8).reshape(3, 3)).save(
                place(r, "001/00004.png")
            ),
            "one object per picture",
        ),
    ],
)
def test_broken_folders_are_named(tmp_path, spoil, message):
    write_val([VIDEO], tmp_path)
    spoil(tmp_path)
    with pytest.raises(FormatError, match=message):
        list(read_val(tmp_path))


def test_a_mask_without_its_picture_is_named(tmp_path):
    write_val([VIDEO], tmp_path, frames_of=lambda _: Frames())
    (tmp_path / "JPEGImages_24fps" / "sav_7" / "00008.jpg").unlink()
    with pytest.raises(FormatError, match="expected a picture for frame 8"):
        list(read_val(tmp_path))


def test_folders_without_videos_are_refused(tmp_path):
    with pytest.raises(FormatError, match="one folder per video"):
        list(read_val(tmp_path))
    with pytest.raises(FormatError, match="Annotations_6fps"):
        list(read_val(tmp_path / "none"))
