import numpy as np
import pytest
from PIL import Image

from samnb.exports.davis import palette, read_davis, write_davis
from samnb.exports.records import Masklet
from samnb.masks import rle
from samnb.types import FormatError, InputError, Item
from tests.exports import samples
from tests.exports.samples import annotation, box, codes, masklet
from tests.exports.test_sav_folders import Frames

LEFT = [box(2, 2, 9, 9)] * 6
RIGHT = [box(30, 40 + t, 9, 9) for t in range(6)]
APART = annotation(
    masklet(0, rle.encode_many(LEFT)),
    masklet(2, rle.encode_many(RIGHT)),
)


def indices_at(root, idx):
    return np.asarray(Image.open(root / "Annotations" / "480p" / "sav_7" / f"{idx:05d}.png"))


def test_the_palette_is_that_of_pascal_voc():
    colours = [tuple(palette()[3 * i : 3 * i + 3]) for i in range(256)]
    assert len(palette()) == 768 and len(set(colours)) == 256
    assert colours[:9] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128),
        (0, 128, 128), (128, 128, 128), (64, 0, 0),
    ]  # fmt: skip
    assert colours[255] == (224, 224, 192)


def test_the_layout_is_one_indexed_picture_per_frame(tmp_path):
    written = write_davis([APART], tmp_path)
    assert (tmp_path / "ImageSets" / "2017" / "train.txt").read_text() == "sav_7\n"
    names = sorted(p.name for p in (tmp_path / "Annotations" / "480p" / "sav_7").iterdir())
    assert names == [f"{idx:05d}.png" for idx in samples.GRID]
    picture = Image.open(tmp_path / "Annotations" / "480p" / "sav_7" / "00004.png")
    assert picture.mode == "P" and bytes(picture.getpalette()) == palette()
    assert np.array_equal(np.asarray(picture), LEFT[1] * 1 + RIGHT[1] * 3)
    assert written.notes == () and written.n_masklets == 2


def test_objects_that_do_not_overlap_come_back_equal(tmp_path):
    write_davis([APART], tmp_path)
    (back,) = read_davis(tmp_path)
    assert [m.item.obj_id for m in back.masklets] == [1, 3]
    assert [[f.rle for f in m.frames] for m in back.masklets] == [
        [f.rle for f in m.frames] for m in APART.masklets
    ]
    assert back.frame_idxs == samples.GRID and back.video_id == "sav_7"


@pytest.mark.parametrize("whole_first", [True, False])
def test_the_smaller_object_wins_an_overlap_and_the_result_says_so(tmp_path, whole_first):
    whole, part = codes(20, 20, 20, 20, 20, 20), codes(0, 6, 6, 0, 0, 0)
    order = (whole, part) if whole_first else (part, whole)
    written = write_davis([annotation(masklet(0, order[0]), masklet(1, order[1]))], tmp_path)
    loser, winner = (1, 2) if whole_first else (2, 1)
    assert written.notes == (
        f"sav_7: objects {loser} and {winner} overlap on 2 frames (72 px), "
        f"which went to the smaller one, {winner}",
    )
    assert (indices_at(tmp_path, 4) == winner).sum() == 36
    assert (indices_at(tmp_path, 4) == loser).sum() == 400 - 36


def test_the_order_is_the_same_on_all_frames(tmp_path):
    # The second is larger on frame 0, but smaller on the mean.
    steady, shrinking = codes(12, 12, 12, 12, 12, 12), codes(16, 4, 4, 4, 4, 4)
    write_davis([annotation(masklet(0, steady), masklet(1, shrinking))], tmp_path)
    assert (indices_at(tmp_path, 0) == 2).sum() == 256
    assert (indices_at(tmp_path, 4) == 2).sum() == 16


def test_numbers_beyond_the_palette_are_given_anew(tmp_path):
    far = Masklet(Item("far", "m1", 700), 699, APART.masklets[0].frames)
    written = write_davis([annotation(far, APART.masklets[1])], tmp_path)
    assert written.notes == ("sav_7: objects are numbered anew: 700 as 1, 3 as 2",)
    assert set(np.unique(indices_at(tmp_path, 0))) == {0, 1, 2}


def test_more_objects_than_a_palette_has_are_refused(tmp_path):
    crowd = annotation(*(masklet(n, codes(1), frames=(0,)) for n in range(256)))
    with pytest.raises(InputError, match="at most 255 objects"):
        write_davis([crowd], tmp_path)
    assert not list((tmp_path / "Annotations" / "480p").iterdir())


def test_pictures_are_written_beside_and_make_the_medium(tmp_path):
    write_davis([APART], tmp_path, frames_of=lambda _: Frames(), resolution="Full-Resolution")
    pictures = tmp_path / "JPEGImages" / "Full-Resolution" / "sav_7"
    assert len(list(pictures.iterdir())) == samples.N_FRAMES
    (back,) = read_davis(tmp_path)
    assert back.media.path == str(pictures) and back.frame_idxs == samples.GRID


@pytest.mark.parametrize("inner", ["", "Annotations", "Annotations/480p"])
def test_any_of_the_outer_folders_will_do(tmp_path, inner):
    write_davis([APART], tmp_path)
    assert [v.video_id for v in read_davis(tmp_path / inner)] == ["sav_7"]


def test_a_binary_mask_of_255_is_object_1(tmp_path):
    folder = tmp_path / "Annotations" / "480p" / "bear"
    folder.mkdir(parents=True)
    Image.fromarray(LEFT[0].astype(np.uint8) * 255).save(folder / "00000.png")
    (video,) = read_davis(tmp_path)
    assert [m.item.obj_id for m in video.masklets] == [1]


def test_a_video_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    write_davis([APART], tmp_path)
    with pytest.raises(InputError, match="sav_7: exists already"):
        write_davis([APART], tmp_path)
    write_davis([annotation(APART.masklets[0])], tmp_path, overwrite=True)
    assert indices_at(tmp_path, 0).max() == 1


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda d: None, "expected PNG files"),
        (lambda d: Image.new("L", (4, 4)).save(d / "00000.png"), "only index 0"),
        (lambda d: Image.new("RGB", (4, 4)).save(d / "00000.png"), "one channel"),
        (
            lambda d: [Image.new("L", (n, 4), 1).save(d / f"0000{n}.png") for n in (4, 5)],
            r"00005\.png: expected size \(4, 4\) as before, got \(4, 5\)",
        ),
    ],
)
def test_broken_folders_are_named(tmp_path, fill, message):
    folder = tmp_path / "Annotations" / "480p" / "bear"
    folder.mkdir(parents=True)
    fill(folder)
    with pytest.raises(FormatError, match=message):
        list(read_davis(tmp_path))


def test_pictures_of_another_size_are_named(tmp_path):
    write_davis([APART], tmp_path)
    pictures = tmp_path / "JPEGImages" / "480p" / "sav_7"
    pictures.mkdir(parents=True)
    for idx in samples.GRID:
        Image.new("RGB", (20, 10)).save(pictures / f"{idx:05d}.jpg")
    with pytest.raises(FormatError, match=r"expected size \(60, 80\) as the masks, got \(10, 20\)"):
        list(read_davis(tmp_path))


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(FormatError, match="one folder of PNG files per video"):
        list(read_davis(tmp_path))
