import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from samnb.masks import overlay
from samnb.types import InputError

# Linear RGB as full dichromats see it: Machado, Oliveira, Fernandes (2009), severity 1.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_colours_can_be_told_apart(sight):
    rgb = np.array(overlay.COLOURS) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHTS[sight]).T, 0, 1)
    srgb = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(srgb[None])[0]
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) >= 20


def test_colours_repeat_after_the_table():
    assert len(set(overlay.COLOURS)) >= 12
    assert overlay.colour(1) == overlay.COLOURS[0]
    assert overlay.colour(1 + len(overlay.COLOURS)) == overlay.colour(1)


def test_contour_is_the_inner_rim_and_closes_at_the_picture_edge():
    mask = np.zeros((6, 6), bool)
    mask[0:5, 1:6] = True
    assert np.array_equal(
        np.argwhere(mask & ~overlay.contour(mask))[:, 0], [1] * 3 + [2] * 3 + [3] * 3
    )
    assert np.argwhere(mask & ~overlay.contour(mask, 2)).tolist() == [[2, 3]]
    assert not overlay.contour(mask, 0).any()


def square(y0, y1, x0, x1, size=(40, 60)):
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def opened(data):
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == "P"
    return np.asarray(picture.convert("RGBA"))


def test_mask_png_fills_outlines_and_stays_clear_elsewhere():
    rgba = opened(overlay.mask_png({3: square(10, 30, 10, 50)}, alpha=0.4, contour_px=1))
    assert tuple(rgba[20, 30]) == (*overlay.colour(3), 102)
    assert tuple(rgba[10, 30]) == (*overlay.colour(3), 255)
    assert rgba[5, 5, 3] == 0


def test_the_smaller_object_lies_on_top():
    masks = {1: square(15, 25, 25, 35), 2: square(5, 35, 5, 55)}
    rgba = opened(overlay.mask_png(masks, contour_px=0))
    assert tuple(rgba[20, 30, :3]) == overlay.colour(1)
    assert tuple(rgba[8, 8, :3]) == overlay.colour(2)


def test_mask_png_of_many_objects_keeps_their_colours():
    masks = {n: square(n, n + 1, 0, 5) for n in range(1, 31)}
    rgba = opened(overlay.mask_png(masks, {n: (n, 2 * n, 3 * n) for n in masks}, contour_px=0))
    assert all(tuple(rgba[n, 2, :3]) == (n, 2 * n, 3 * n) for n in masks)


def test_mask_png_without_masks_is_clear():
    rgba = opened(overlay.mask_png({}, size_hw=(7, 9)))
    assert rgba.shape == (7, 9, 4) and not rgba[..., 3].any()


def test_mask_png_of_a_full_hd_mask_is_small():
    y, x = np.mgrid[:1080, :1920]
    assert len(overlay.mask_png({1: np.hypot(y - 500, x - 900) < 400})) < 30_000


def test_blend_mixes_inside_and_leaves_the_frame_alone():
    frame = np.full((40, 60, 3), 100, np.uint8)
    mixed = overlay.blend(frame, {1: square(10, 30, 10, 50)}, {1: (200, 0, 50)}, 0.25)
    assert tuple(mixed[20, 30]) == (125, 75, 88)
    assert tuple(mixed[10, 30]) == (200, 0, 50)
    assert tuple(mixed[0, 0]) == (100, 100, 100)
    assert (frame == 100).all()


def test_contact_sheet_lays_frames_out_in_rows():
    frames = [np.full((40, 60, 3), 10 * n, np.uint8) for n in range(1, 6)]
    sheet = overlay.contact_sheet(frames, columns=3, cell_width=30)
    assert sheet.shape == (40, 90, 3) and sheet.dtype == np.uint8
    assert sheet[15, 29].tolist() == [10] * 3
    assert sheet[15, 59].tolist() == [20] * 3
    assert sheet[35, 29].tolist() == [40] * 3
    assert sheet[35, 89].tolist() == [0] * 3


def test_contact_sheet_writes_different_numbers():
    frames = [np.full((80, 120, 3), 90, np.uint8)] * 2
    sheet = overlay.contact_sheet(frames, frame_idxs=[4, 188], cell_width=120)
    left, right = sheet[:, :120], sheet[:, 120:]
    assert (left > 200).any() and not np.array_equal(left, right)


def test_contact_sheet_draws_masks():
    frames = [np.zeros((40, 60, 3), np.uint8)]
    sheet = overlay.contact_sheet(
        frames, masks=[{2: square(20, 40, 30, 60)}], cell_width=60, alpha=1
    )
    assert tuple(sheet[30, 45]) == overlay.colour(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overlay.mask_png({}), "one size"),
        (lambda: overlay.mask_png({1: square(0, 1, 0, 1), 2: np.ones((2, 2), bool)}), "one size"),
        (lambda: overlay.mask_png({1: np.ones((2, 2))}), "mask of object 1"),
        (lambda: overlay.mask_png({1: np.ones((2, 2), bool)}, alpha=2), "alpha"),
        (
            lambda: overlay.mask_png(
                {n: np.ones((2, 2), bool) for n in range(130)}, lambda n: (n, 0, 0)
            ),
            "at most 127",
        ),
        (lambda: overlay.blend(np.zeros((2, 2), np.uint8), {}), r"\(H, W, 3\) uint8"),
        (
            lambda: overlay.blend(np.zeros((2, 2, 3), np.uint8), {1: np.ones((3, 2), bool)}),
            "mask of object 1",
        ),
        (lambda: overlay.contact_sheet([]), "at least one"),
        (lambda: overlay.contact_sheet([np.zeros((2, 2, 3), np.uint8)], columns=0), "columns"),
        (
            lambda: overlay.contact_sheet([np.zeros((2, 2, 3), np.uint8)], frame_idxs=[1, 2]),
            "frame_idxs",
        ),
        (
            lambda: overlay.contact_sheet(
                [np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)]
            ),
            "at 1",
        ),
    ],
)
def test_wrong_arguments_say_both_sides(call, message):
    with pytest.raises(InputError, match=message):
        call()
