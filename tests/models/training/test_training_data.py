import numpy as np
import pytest
import torch
from PIL import Image

from samnb.models.training import clips, cutouts, prompts
from samnb.models.training import stock as stock_room


def picture(name="photo@", seed=0, side=96):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (side, side, 3)).astype(np.uint8)
    objects = np.zeros((2, side, side), bool)
    objects[0, 20:60, 25:55] = True
    objects[1, 50:90, 60:90] = True
    return cutouts.TaughtPicture(
        name=name,
        image=image,
        xy=np.array([[0.4, 0.4], [0.8, 0.7]], np.float32),
        clicks=rng.random((2, 3, 256, 256)) > 0.5,
        ious=np.full((2, 3), 0.9, np.float32),
        objects=objects,
    )


@pytest.fixture(scope="module")
def stock():
    return stock_room.make_stock([picture()])


def test_taught_pictures_survive_the_file(tmp_path):
    before = picture("clip@f0007", side=90)  # not a multiple of eight: masks are stored as bits
    before.save(tmp_path / "clip@f0007.npz")
    after = cutouts.TaughtPicture.load(tmp_path / "clip@f0007.npz")
    assert (after.name, after.source) == ("clip@f0007", "clip")
    for field in ("image", "xy", "clicks", "ious", "objects"):
        assert np.array_equal(getattr(before, field), getattr(after, field)), field


def test_held_out_sources_are_kept_apart(tmp_path):
    for name in ("a@", "a@c0", "b@f0001"):
        picture(name).save(tmp_path / f"{name}.npz")
    train, held = cutouts.load_cache(tmp_path, ["a"])
    assert [p.name for p in train] == ["b@f0001"]
    assert [p.name for p in held] == ["a@", "a@c0"]
    with pytest.raises(FileNotFoundError):
        cutouts.load_cache(tmp_path / "none")


def test_stamps_are_cut_out_already(tmp_path):
    pixels = np.zeros((60, 80, 4), np.uint8)
    pixels[10:40, 20:70] = (200, 30, 40, 255)
    (tmp_path / "animals").mkdir()
    Image.fromarray(pixels).save(tmp_path / "animals" / "fox.png")
    Image.fromarray(pixels[10:40, 20:70, :3]).save(tmp_path / "photo.png")
    (stamp,) = stock_room.read_stamps(tmp_path)
    assert np.array_equal(stamp, pixels[10:40, 20:70])
    stock = stock_room.make_stock([picture()], stamps=[stamp])
    assert len(stock.cutouts) == 1 + len(stock_room.make_stock([picture()]).cutouts)


def test_distinct_masks_are_good_and_differ():
    logits = torch.full((2, 3, 32, 32), -10.0)
    logits[0, 0, 4:12, 4:12] = 10  # good
    logits[0, 1, 4:12, 4:13] = 10  # nearly the same
    logits[0, 2, 20:28, 20:28] = 10  # good
    logits[1, 0, 20:28, 4:12] = 0.5  # unstable
    logits[1, 1, 4:12, 20:28] = 10  # poor by its own account
    logits[1, 2] = 10  # everything
    ious = torch.tensor([[0.95, 0.94, 0.9], [0.95, 0.5, 0.99]])
    assert cutouts.distinct_masks(logits, ious) == [0, 2]


def test_a_picture_of_nothing_has_no_cut_outs():
    class Blind:
        def encode(self, image):
            return [], (64, 96)

        def click(self, maps, valid_hw, xy):
            return torch.full((len(xy), 3, 16, 24), -9.0), torch.full((len(xy), 3), 0.5)

    image = np.zeros((64, 96, 3), np.uint8)
    taught = cutouts.teach(Blind(), "sky@", image, 2, np.random.default_rng(0))
    assert taught.objects.shape == (0, 64, 96)
    assert taught.clicks.shape == (4, 3, 256, 256)


def test_clips_depend_on_the_seed_alone(stock):
    one, two, other = (
        clips.compose_clip(stock, 5, 64, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(one.frames, two.frames)
    assert np.array_equal(one.masks, two.masks)
    assert not np.array_equal(one.frames, other.frames)


def test_clips_have_what_tracking_must_learn(stock):
    made = [clips.compose_clip(stock, 8, 64, np.random.default_rng(seed)) for seed in range(30)]
    assert all(c.frames.shape == (8, 64, 64, 3) and c.frames.dtype == np.uint8 for c in made)
    assert all(1 <= c.masks.shape[1] <= 3 for c in made)
    visible = [c.masks.any((2, 3)) for c in made]
    assert all(v[0].all() for v in visible)
    tracks = np.concatenate([v.T for v in visible])
    gone = ~tracks.all(1)
    back = [(~t).any() and t[np.argmin(t) :].any() for t in tracks]
    assert 0.05 < gone.mean() < 0.7
    assert any(back)
    # Objects of one clip never claim the same pixel: the nearer one hides the other.
    assert all((c.masks.sum(1) <= 1).all() for c in made if c.masks.shape[1] > 1)


def test_an_empty_stock_is_refused():
    with pytest.raises(ValueError, match="stock"):
        clips.compose_clip(stock_room.Stock([], []), 4, 64, np.random.default_rng(0))


def test_a_click_in_the_middle_is_farthest_from_the_border():
    region = torch.zeros(1, 20, 30, dtype=torch.bool)
    region[0, 2:5, 2:28] = True
    region[0, 8:19, 10:21] = True
    xy, labels = prompts.click_inside(region, np.random.default_rng(0), centre=True)
    assert xy.tolist() == [[[15, 13]]] and labels.tolist() == [[1]]


def test_corrections_hit_the_error_with_the_right_sign():
    truth = torch.zeros(3, 32, 32, dtype=torch.bool)
    truth[:, 4:20, 4:20] = True
    guess = truth.clone()
    guess[0, :, 12:] = False  # missed half: positive
    guess[1, 24:31, 4:28] = True  # something extra: negative
    rng = np.random.default_rng(0)
    xy, labels = prompts.correction_click(truth, guess, rng, centre=True)
    assert labels[:2, 0].tolist() == [1, 0]
    for b in range(2):
        x, y = xy[b, 0].int().tolist()
        assert truth[b, y, x] != guess[b, y, x]
    # Nothing wrong: a click on the object, not on the ground.
    x, y = xy[2, 0].int().tolist()
    assert labels[2, 0] == 1
    assert truth[2, y, x]


def test_nothing_there_and_nothing_predicted_gives_no_click():
    empty = torch.zeros(1, 16, 16, dtype=torch.bool)
    _, labels = prompts.correction_click(empty, empty, np.random.default_rng(0))
    assert labels.tolist() == [[-1]]


def test_boxes_enclose_without_noise():
    mask = torch.zeros(1, 32, 32, dtype=torch.bool)
    mask[0, 5:11, 7:20] = True
    xy, labels = prompts.box_around(mask, np.random.default_rng(0), noise=0.0)
    assert labels.tolist() == [[2, 3]]
    assert xy[0].tolist() == [[7, 5], [20, 11]]
