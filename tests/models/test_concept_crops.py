import numpy as np
import torch

from samnb.models.concept_crops import (
    CROP,
    MARGIN,
    Pyramid,
    paste,
    reframe,
    squares_around,
    squares_within,
    view_labels,
    view_maps,
)


def square_mask(x0, y0, x1, y1, size_hw=(64, 64)):
    mask = torch.zeros(1, *size_hw, dtype=torch.bool)
    mask[0, y0:y1, x0:x1] = True
    return mask


def test_a_square_is_around_the_mask_in_media_pixels():
    (found,) = squares_around(square_mask(16, 8, 32, 40), (128, 256))
    # In media pixels the mask is x 64..128 and y 16..80: both 64 long, around (96, 48).
    side = 64 * MARGIN
    assert np.allclose(found, [96 - side / 2, 48 - side / 2, side])


def test_a_view_shows_that_part_of_the_picture_and_nothing_beyond_it():
    image = np.zeros((96, 96, 3), np.uint8)
    image[:48, :48] = 255
    (view,) = Pyramid(image).views(np.array([[0, 0, 96]], np.float32))
    assert torch.allclose(view[:, : CROP // 2 - 2, : CROP // 2 - 2], torch.tensor(1.0))
    assert torch.allclose(view[:, CROP // 2 + 2 :, CROP // 2 + 2 :], torch.tensor(-1.0))
    (beyond,) = Pyramid(image).views(np.array([[-200, -200, 90]], np.float32))
    assert not beyond.any()


def test_views_of_large_things_are_not_aliased():
    stripes = np.zeros((480, 480, 3), np.uint8)
    stripes[:, ::2] = 255
    (view,) = Pyramid(stripes).views(np.array([[0, 0, 480]], np.float32))
    assert float(view.abs().mean()) < 0.1, "fine stripes average out to gray"


def test_labels_and_maps_are_cut_out_alike():
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:60] = 7
    square = np.array([[20, 10, 50]], np.float32)
    maps = torch.from_numpy(labels == 7).float()[None]
    seen, soft = view_labels(labels, square)[0], view_maps(maps, square, (60, 80))[0]
    assert seen.shape == soft.shape == (CROP, CROP)
    assert ((seen == 7) != (soft.numpy() > 0.5)).mean() < 0.03
    assert not view_labels(labels, np.array([[200, 200, 50]], np.float32)).any()


def test_what_is_pasted_back_lies_where_it_was_cut_out():
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 1
    square = np.array([20, 10, 50], np.float32)
    logits = np.where(view_labels(mask, square[None])[0] > 0, 6.0, -6.0).astype(np.float32)
    back = paste(logits, square, (60, 80))
    assert (back != (mask > 0)).sum() <= 60
    assert not paste(logits, np.array([200, 200, 50], np.float32), (60, 80)).any()


def test_a_view_that_reaches_beyond_the_picture_can_be_pasted():
    logits = np.full((CROP, CROP), 5.0, np.float32)
    back = paste(logits, np.array([-10, -10, 30], np.float32), (40, 40))
    assert back[:19, :19].all() and not back[21:].any() and not back[:, 21:].any()


def test_the_place_of_a_drawing_is_found_within_its_view():
    cells = torch.zeros(2, CROP, CROP, dtype=torch.bool)
    cells[0, CROP // 4 : CROP // 2, CROP // 4 : CROP // 2] = True
    squares = np.array([[40, 20, 80], [1, 2, 3]], np.float32)
    found = squares_within(cells, squares)
    # A quarter of 80 pixels on each side, so 20 long, around (40 + 30, 20 + 30).
    side = 20 * MARGIN
    assert np.allclose(found[0], [70 - side / 2, 50 - side / 2, side])
    assert np.array_equal(found[1], squares[1]), "nothing is drawn there"


def test_a_map_is_the_same_in_another_square():
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 1
    one, other = (np.array([place], np.float32) for place in ((10, 0, 60), (20, 10, 50)))
    maps = torch.from_numpy(view_labels(mask, one) > 0).float()
    moved = reframe(maps, one, other)[0].numpy() > 0.5
    assert (moved != (view_labels(mask, other)[0] > 0)).mean() < 0.03
    assert not reframe(maps, one, np.array([[200, 200, 50]], np.float32)).any()
