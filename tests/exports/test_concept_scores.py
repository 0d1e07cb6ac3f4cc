import json

import numpy as np
import pytest

from samnb import cli
from samnb.exports.concept_scores import (
    eval_saco,
    eval_veval,
    score_raters,
    score_saco,
    score_veval,
)
from samnb.exports.saco import SacoPrediction, read_raters
from samnb.exports.veval import VevalPrediction, read_veval
from samnb.types import FormatError, InputError, Rle
from tests.exports.concept_samples import (
    annotation,
    guess,
    image,
    masklet,
    saco,
    track_guess,
    tracks,
    veval,
)
from tests.metrics import concept_reference as slow
from tests.metrics.concept_reference import rle_span, span


@pytest.fixture
def put(tmp_path):
    def write(data, name):
        path = tmp_path / name
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def score(put):
    def run(raters, predictions, **options):
        gt = [put(rater, f"gt{at}.json") for at, rater in enumerate(raters)]
        return eval_saco(gt, put(predictions, "pred.json"), **options)

    return run


ONE, NONE = span(0, 10), None


def rater(*masks, **changes):
    """One pair per mask, the first with number 1; None for a negative."""
    images = [image(at, "x", **changes) for at, _ in enumerate(masks, 1)]
    found = [annotation(at, at, mask) for at, mask in enumerate(masks, 1) if mask is not None]
    return saco(images, found)


def told(score):
    return score.il_tp, score.il_fp, score.il_fn, score.il_tn


def test_one_rater_by_hand(score):
    got = score([rater(ONE, ONE, NONE, NONE)], [guess(1, ONE), guess(3, ONE), guess(3, ONE)])
    assert told(got) == (1, 1, 1, 1)
    assert got.pmf1 == pytest.approx(slow.f1(1, 0, 1)) and got.il_mcc == 0


def test_a_score_of_exactly_one_half_counts(score):
    assert told(score([rater(ONE)], [guess(1, ONE, 0.5)])) == (1, 0, 0, 0)
    assert told(score([rater(ONE)], [guess(1, ONE, 0.4999999)])) == (0, 0, 1, 0)


def test_an_empty_list_of_predictions_is_a_prediction(score):
    assert told(score([rater(ONE, NONE)], [])) == (0, 0, 1, 1)


def test_group_masks_are_no_instances(score):
    truth = saco(
        [image(1, "x"), image(2, "y"), image(3, "z")],
        [
            annotation(1, 1, ONE, iscrowd=1),
            annotation(2, 2, ONE, iscrowd=1),
            annotation(3, 3, ONE, iscrowd=1),
            annotation(4, 3, span(50, 60)),
        ],
    )
    got = score([truth], [guess(2, ONE), guess(3, ONE), guess(3, span(50, 60))])
    assert told(got) == (1, 1, 0, 1)
    assert got.tp == (1,) * 10 and got.fp == (1,) * 10


def test_pairs_that_any_rater_calls_not_exhaustive_are_left_out(score):
    a, b = rater(ONE, ONE, NONE), rater(ONE, ONE, NONE)
    a["images"][0]["is_instance_exhaustive"] = 0
    b["images"][1]["is_instance_exhaustive"] = 0
    got = score([a, b], [guess(1, ONE), guess(2, ONE), guess(3, ONE)])
    assert told(got) == (0, 1, 0, 0) and got.n_left_out == 2


def test_the_most_favourable_rater_counts_pair_by_pair(score):
    a, b = rater(ONE, span(50, 60), ONE), rater(span(20, 30), ONE, NONE)
    got = score([a, b], [guess(1, ONE), guess(2, ONE)])
    assert told(got) == (2, 0, 0, 1) and got.tp == (2,) * 10


def test_among_equals_the_first_rater_counts(score):
    far, nothing = rater(span(50, 60)), rater(NONE)
    assert told(score([far, nothing], [guess(1, ONE)])) == (1, 0, 0, 0)
    assert told(score([nothing, far], [guess(1, ONE)])) == (0, 1, 0, 0)


def test_predictions_for_nobody_are_said_and_not_scored(score):
    got = score([rater(NONE)], [guess(9, ONE), guess(1, ONE, category_id=2)])
    assert told(got) == (0, 0, 0, 1)
    assert [note.split()[0] for note in got.notes] == ["1", "1"]


def test_the_order_within_a_matching_follows_the_categories(score):
    # Two matchings have the same total; the released evaluation sorts by category first.
    truth = rater(span(0, 40))
    truth["categories"].append({"id": 0, "name": "other"})
    truth["annotations"].append(annotation(2, 1, span(20, 60), category_id=0))
    got = score([truth], [guess(1, span(20, 40)), guess(1, span(20, 40), category_id=0)])
    assert got.tp == (2,) + (0,) * 9


def test_scoring_needs_a_rater():
    with pytest.raises(InputError, match="at least one"):
        score_saco([], [])


def random_saco(seed):
    rng = np.random.default_rng(seed)

    def some(homes):
        starts = [home + int(rng.integers(0, 4)) for home in homes if rng.random() < 0.85]
        return [span(at, at + int(rng.integers(8, 14))) for at in starts]

    files = [saco([], []) for _ in range(3)]
    predictions, pairs = [], []
    for number in range(30):
        homes = [20 * k for k in range(int(rng.integers(0, 5)))] if rng.random() < 0.5 else []
        raters, pred = [some(homes) for _ in files], some([*homes, 85][: int(rng.integers(0, 6))])
        for file, masks in zip(files, raters, strict=True):
            file["images"].append(image(number, "x"))
            for mask in masks:
                entry = annotation(len(file["annotations"]), number, mask)
                file["annotations"].append(entry)
        predictions += [guess(number, mask) for mask in pred]
        pairs.append((raters, pred))
    return files, predictions, pairs


@pytest.mark.parametrize("seed", range(3))
def test_three_raters_score_as_the_slow_reference(score, seed):
    files, predictions, pairs = random_saco(seed)
    got = score(files, predictions)
    assert (got.cgf1, got.pmf1, got.il_mcc) == pytest.approx(slow.cg_scores(pairs), abs=1e-9)
    assert got.n_pairs == 30 and 0 < got.il_mcc < 1


@pytest.fixture
def track(put):
    def run(data, predictions, **options):
        return eval_veval(put(data, "gt.json"), put(predictions, "pred.json"), **options)

    return run


def test_a_perfect_answer(track):
    data = veval()
    answers = [
        track_guess(a["video_id"], a["category_id"], masks)
        for a, masks in zip(data["annotations"], MASKS, strict=True)
    ]
    got = track(data, answers).to_dict()
    assert got["cgf1"] == pytest.approx(100, abs=0.02)
    assert (got["phota"], got["pdeta"], got["passa"]) == (1, 1, 1)
    assert (got["vl_tp"], got["vl_fp"], got["vl_fn"], got["vl_tn"]) == (2, 0, 0, 2)


MASKS = [
    [span(0, 10), span(5, 15), None],
    [None, span(40, 50), span(41, 51)],
    [span(60, 80), span(60, 80), span(60, 80)],
]


def test_no_answer_at_all(track):
    got = track(veval(), []).to_dict()
    assert (got["cgf1"], got["phota"], got["vl_fn"], got["vl_tn"]) == (0, 0, 2, 2)


def test_one_half_counts_for_phrases_but_not_for_tracks(track):
    got = track(veval(), [track_guess(4, 3, MASKS[2], 0.5)]).to_dict()
    assert got["vl_tp"] == 1 and got["pmf1"] > 0 and got["phota"] == 0


def test_a_pair_nobody_asked_for_is_a_negative(track):
    got = track(veval(), [track_guess(4, 77, MASKS[2]), track_guess(0, 77, MASKS[2], 0.1)])
    assert told(got.phrases) == (0, 1, 2, 3)
    assert "2 pairs were predicted but not asked for" in str(got)


def test_group_masklets_are_objects_for_tracks_only(track):
    data = veval()
    data["annotations"] = [masklet(1, 4, 3, MASKS[2], iscrowd=1)]
    got = track(data, [track_guess(4, 3, MASKS[2])])
    assert told(got.phrases) == (0, 1, 0, 3)
    assert got.tracks.hota == 1


def test_a_frame_without_area_is_no_detection_but_keeps_its_pixels(track):
    data = veval()
    data["annotations"] = [masklet(1, 4, 3, [span(0, 10)] * 3)]
    answer = track_guess(4, 3, [span(0, 10)] * 3)
    answer["areas"][0] = 0
    got = track(data, [answer])
    assert got.phrases.tp == (1,) * 10
    assert got.tracks.deta == pytest.approx(2 / 3)


def test_video_scores_are_those_of_the_slow_reference(track):
    rng = np.random.default_rng(5)

    def walk(home):
        return [
            None if rng.random() < 0.2 else span(at := home + int(rng.integers(0, 6)), at + 12)
            for _ in range(3)
        ]

    data, answers, pairs = veval(), [], []
    data["annotations"], data["video_np_pairs"] = [], []
    for number, key in enumerate([(v, c) for v in (0, 4) for c in (3, 11, 40)]):
        homes = [22 * k for k in range(number % 4)]
        gt, pred = [walk(home) for home in homes], [walk(home + 2) for home in homes[number > 1 :]]
        pred += [walk(88)] if number == 4 else []
        data["annotations"] += [
            masklet(10 * number + at, *key, masks) for at, masks in enumerate(gt)
        ]
        data["video_np_pairs"].append({"video_id": key[0], "category_id": key[1]})
        answers += [track_guess(*key, masks) for masks in pred]
        pairs.append((gt, pred))
    got = track(data, answers).to_dict()
    phrases = slow.cg_scores([([gt], pred) for gt, pred in pairs], slow.volume_iou)
    assert (got["cgf1"], got["pmf1"], got["vl_mcc"]) == pytest.approx(phrases, abs=1e-9)
    tracks_ = slow.hota_scores(pairs)
    assert (got["phota"], got["pdeta"], got["passa"]) == pytest.approx(tracks_, abs=1e-9)
    assert got["cgf1"] > 0 and 0 < got["passa"] < 1


def test_workers_find_the_same(score, track):
    files, predictions, _ = random_saco(1)
    alone, spread = (score(files, predictions, processes=n) for n in (1, 2))
    assert alone == spread


def test_the_command_prints_one_object(put, capsys):
    files, predictions, _ = random_saco(0)
    gt = [str(put(file, f"gt{at}.json")) for at, file in enumerate(files)]
    pred = str(put(predictions, "pred.json"))
    assert cli.main(["eval", "saco", "--gt", *gt, "--pred", pred, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["cgf1"] == pytest.approx(100 * got["pmf1"] * got["il_mcc"])
    assert cli.main(["eval", "saco", "--gt", gt[0], "--pred", pred]) == 0
    assert capsys.readouterr().out.startswith("cgF1 ")


def test_the_video_command_prints_one_object(put, capsys):
    gt, pred = str(put(veval(), "g.json")), str(put([track_guess(4, 3, MASKS[2])], "p.json"))
    assert cli.main(["eval", "veval", "--gt", gt, "--pred", pred, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert list(got)[:6] == ["cgf1", "pmf1", "vl_mcc", "phota", "pdeta", "passa"]
    assert cli.main(["eval", "veval", "--gt", gt, "--pred", pred]) == 0
    assert "\npHOTA " in capsys.readouterr().out


def test_the_command_refuses_a_broken_file_in_one_line(put, capsys):
    gt = str(put(veval(), "g.json"))
    broken = track_guess(4, 3, MASKS[2]) | tracks([span(0, 4)])
    assert cli.main(["eval", "veval", "--gt", gt, "--pred", str(put([broken], "p.json"))]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "p.json: predictions[0]: segmentations: expected 3 entries, found 1" in err


def test_raters_score_against_each_other(put):
    a, b = rater(ONE, ONE, NONE, ONE), rater(ONE, span(50, 60), NONE, NONE)
    b["images"][3]["is_instance_exhaustive"] = 0
    a["annotations"].append(annotation(9, 3, span(20, 30), iscrowd=1))
    raters = read_raters([put(a, "a.json"), put(b, "b.json")])
    got = score_raters(raters, np.random.default_rng(0), n_repeats=3)
    assert told(got.oracle) == (2, 0, 0, 1) and got.oracle.n_left_out == 1
    assert got.oracle.tp == (1,) * 10 and got.random_cgf1 == pytest.approx(got.oracle.cgf1)


def test_records_made_by_hand_are_checked_before_they_are_scored(put):
    (truth,) = read_raters([put(rater(ONE), "a.json")])
    for rle, error, words in [
        (rle_span(0, 5, 50), InputError, r"expected size \(1, 100\) as its picture, got \(1, 50\)"),
        (Rle((1, 100), "5"), FormatError, r"expected runs over 1 x 100"),
    ]:
        with pytest.raises(error, match=words):
            score_saco([truth], [SacoPrediction(1, rle, 0.9)])
    videos = read_veval(put(veval(), "v.json"))
    bad = VevalPrediction(4, 3, (rle_span(0, 5, 50), None, None), 0.9)
    with pytest.raises(InputError, match=r"got \(1, 50\)"):
        score_veval(videos, [bad])
    with pytest.raises(InputError, match="expected a video of the set, got 7"):
        score_veval(videos, [VevalPrediction(7, 3, (), 0.9)])
    (longer,) = read_raters([put(rater(ONE, ONE), "b.json")])
    with pytest.raises(InputError, match="expected the same pairs, got none for 2"):
        score_saco([longer, truth], [])
    good = VevalPrediction(4, 3, (rle_span(60, 80),) * 3, 0.9)
    assert score_veval(videos, [good]).phrases.tp == (1,) * 10
