import numpy as np
import pytest
from PIL import Image

from samnb.metrics.vos import eval_vos, read_indices
from samnb.types import FormatError, InputError
from tests.metrics import reference

SIZE = (30, 44)


def box(y, x, side=9):
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def save(path, array, mode="P"):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array.astype(np.uint8) * (255 if mode == "L" else 1))
    if mode == "P":
        picture.putpalette(bytes(range(256)) * 3)
    elif mode == "1":
        picture = Image.fromarray(array)
    picture.save(path)


GT = {
    ("cat", "000"): [box(2, 3 + t) for t in range(7)],
    ("cat", "001"): [box(9, 9) & (t > 3) for t in range(7)],
    ("dog", "000"): [box(15, 30 - t) & (t != 4) for t in range(7)],
}
PRED = {
    ("cat", "000"): [box(2, 5 + t) for t in range(7)],
    ("cat", "001"): [box(9, 10) & (t > 2) for t in range(7)],
    ("dog", "000"): [box(14, 30 - t) & (t != 5) for t in range(7)],
}


def write_sav(root, tracks, mode):
    for (video, obj), masks in tracks.items():
        for t, mask in enumerate(masks):
            save(root / video / obj / f"{4 * t:05d}.png", mask, mode)
    return root


def write_davis(root, tracks):
    for video in {v for v, _ in tracks}:
        mine = [(int(o) + 1, m) for (v, o), m in sorted(tracks.items()) if v == video]
        for t in range(7):
            indices = np.zeros(SIZE, int)
            for index, masks in mine:
                indices[masks[t]] = index
            save(root / video / f"{4 * t:05d}.png", indices)
    return root


@pytest.fixture
def sav(tmp_path):
    return write_sav(tmp_path / "gt", GT, "1"), write_sav(tmp_path / "pred", PRED, "L")


@pytest.mark.parametrize("skip", [True, False])
def test_the_sav_layout_equals_the_definition(sav, skip):
    result = eval_vos(*sav, skip_first_and_last=skip)
    assert [(o.video, o.obj_id) for o in result.objects] == sorted(GT)
    for o in result.objects:
        key = (o.video, o.obj_id)
        expected = reference.masklet_of(GT[key], PRED[key], skip)
        assert (o.j, o.f, o.n_frames) == pytest.approx(expected, abs=1e-12)
    assert result.jf == pytest.approx(np.mean([o.jf for o in result.objects]))
    assert result.notes == ()


def test_the_davis_layout_scores_every_index(tmp_path):
    gt, pred = write_davis(tmp_path / "gt", GT), write_davis(tmp_path / "pred", PRED)
    result = eval_vos(gt, pred)
    assert [(o.video, o.obj_id) for o in result.objects] == [
        ("cat", "1"), ("cat", "2"), ("dog", "1")
    ]  # fmt: skip
    for o in result.objects:
        shown = [
            [np.asarray(Image.open(root / o.video / f"{4 * t:05d}.png")) == int(o.obj_id)
             for t in range(7)]
            for root in (gt, pred)
        ]  # fmt: skip
        assert (o.j, o.f, o.n_frames) == pytest.approx(reference.masklet_of(*shown), abs=1e-12)


def test_an_object_that_only_the_prediction_shows_has_no_score(tmp_path):
    gt = write_davis(tmp_path / "gt", {("cat", "000"): GT["cat", "000"]})
    pred = write_davis(tmp_path / "pred", {k: v for k, v in PRED.items() if k[0] == "cat"})
    assert [o.obj_id for o in eval_vos(gt, pred).objects] == ["1"]


def test_processes_and_one_process_agree(sav):
    seen = []
    apart = eval_vos(*sav, processes=2, on_progress=lambda done, total: seen.append((done, total)))
    assert apart == eval_vos(*sav, processes=1)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_more_predicted_frames_than_true_ones_are_ignored(sav):
    before = eval_vos(*sav)
    save(sav[1] / "cat" / "000" / "00001.png", box(0, 0))
    assert eval_vos(*sav) == before


def test_folders_named_annotations_are_looked_into(tmp_path):
    gt = write_sav(tmp_path / "val" / "Annotations_6fps", GT, "1")
    pred = write_sav(tmp_path / "pred", PRED, "P")
    assert eval_vos(tmp_path / "val", pred) == eval_vos(gt, pred)
    davis = tmp_path / "davis" / "Annotations" / "480p"
    write_davis(davis, GT)
    assert eval_vos(tmp_path / "davis", davis).jf == 1.0


def test_a_missing_video_is_an_error_unless_it_may_be_missing(sav):
    gt, pred = sav
    (pred / "dog").rename(pred / "wolf")
    with pytest.raises(FormatError, match=r"missing \['dog'\], unknown \['wolf'\]"):
        eval_vos(gt, pred)
    result = eval_vos(gt, pred, strict=False)
    assert {o.video for o in result.objects} == {"cat"}
    assert result.notes == ("dog: not in the predictions", "wolf: not in the truth")


def test_an_object_the_truth_never_shows_is_named(sav):
    for path in (sav[0] / "dog" / "000").iterdir():
        save(path, box(0, 0) & False)
    result = eval_vos(*sav)
    assert "dog" not in {o.video for o in result.objects}
    assert result.notes == ("dog/000: the truth shows no object on a counted frame",)


def break_missing(gt, pred):
    (pred / "cat" / "000" / "00008.png").unlink()


def break_size(gt, pred):
    save(pred / "cat" / "000" / "00008.png", np.ones((5, 5)))


def break_colour(gt, pred):
    Image.new("RGB", SIZE[::-1]).save(pred / "cat" / "000" / "00008.png")


def break_values(gt, pred):
    save(pred / "cat" / "000" / "00008.png", np.arange(np.prod(SIZE)).reshape(SIZE) % 3)


def break_bytes(gt, pred):
    (pred / "cat" / "000" / "00008.png").write_bytes(b"\x89PNG nothing")


def break_cut(gt, pred):
    path = pred / "cat" / "000" / "00008.png"
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_missing, "found no file"),
        (break_size, r"expected size \(30, 44\)"),
        (break_colour, "one channel"),
        (break_values, r"one object per picture, got values \[1, 2\]"),
        (break_bytes, "cannot be read"),
        (break_cut, "cannot be read"),
    ],
)
def test_a_bad_picture_is_named(sav, spoil, message):
    spoil(*sav)
    with pytest.raises(FormatError, match=rf"00008\.png: .*{message}"):
        eval_vos(*sav)


def test_a_worker_process_hands_its_error_on(sav):
    break_missing(*sav)
    with pytest.raises(FormatError, match=r"00008\.png: .*found no file"):
        eval_vos(*sav, processes=2)


def test_folders_without_the_promised_form_are_refused(tmp_path, sav):
    with pytest.raises(FormatError, match="none there"):
        eval_vos(tmp_path / "nothing", sav[1])
    with pytest.raises(FormatError, match="one folder per video"):
        eval_vos(sav[0] / "cat" / "000", sav[1])
    save(sav[0] / "cat" / "00000.png", box(1, 1))
    with pytest.raises(FormatError, match="2 folders and 1 PNG"):
        eval_vos(*sav)


def test_nothing_to_score_is_an_error(tmp_path):
    gt = write_sav(tmp_path / "gt", {("cat", "000"): GT["cat", "000"][:2]}, "1")
    with pytest.raises(InputError, match="at least one score"):
        eval_vos(gt, gt)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_pictures_of_every_kind_read_as_numbers(tmp_path, mode):
    save(tmp_path / "a.png", box(3, 4), mode)
    indices = read_indices(tmp_path / "a.png")
    assert indices.dtype == np.uint8
    assert np.array_equal(indices > 0, box(3, 4))
