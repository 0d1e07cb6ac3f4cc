import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samnb.engine.concepts.acts import Drawn
from samnb.engine.session import Session
from samnb.exports.commands import export_project, import_files
from samnb.exports.concept_bridge import saco_sets, veval_set
from samnb.exports.concept_scores import eval_saco
from samnb.exports.saco import read_raters, read_saco
from samnb.exports.veval import read_veval
from samnb.types import InputError
from tests.exports import concept_samples

SIZE_HW = (24, 32)


def square(x):
    mask = np.zeros(SIZE_HW, bool)
    mask[4:12, x : x + 8] = True
    return mask


@pytest.fixture
def project(tmp_path):
    ids = itertools.count()
    session = Session.open(tmp_path / "p.samnb", worker="ana", ids=lambda: f"i{next(ids)}")
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    session.media_id = session.add_media(tmp_path / "a.png").id
    yield session
    session.close()


def door(session, name):
    return session.as_worker(name).concepts


@pytest.fixture
def gold(project):
    """A positive with three versions, a negative with one label, and one still open."""
    loop = project.concepts
    loop.set_rules(n_reviewers=3)
    cup, dog, _ = loop.add_pairs(project.media_id, ["cup", "dog", "cow"])
    loop.propose_masks(cup.id, [Drawn(square(2), score=0.9, model="squares@1")], presence=0.8)
    loop.propose_masks(dog.id, [])
    for name in ("m1", "m2", "m3"):
        door(project, name).answer_mv(cup.id, "accept")
    for name, answer in (("e1", "accept"), ("e2", "reject"), ("e3", "accept")):
        door(project, name).answer_ev(cup.id, answer)
    door(project, "e1").answer_ev(dog.id, "accept")
    door(project, "c1").correct(cup.id)
    door(project, "c2").correct(cup.id, drawn=[Drawn(square(20))])
    door(project, "c3").correct(cup.id, drawn=[Drawn(square(20), is_group=True)])
    return project


def test_three_raters_a_negative_and_a_group_mask(gold):
    a, b, c = saco_sets(gold)
    assert [[len(p.masks) for p in s.pairs] for s in (a, b, c)] == [[1, 0], [2, 0], [2, 0]]
    assert [s.pairs[0].is_instance_exhaustive for s in (a, b, c)] == [True, True, False]
    assert c.pairs[0].masks[1].is_group and a.pairs[1].is_negative
    assert (a.pairs[0].phrase, a.pairs[0].file_name) == ("cup", "a.png")


def test_the_files_are_what_the_evaluator_reads(gold, tmp_path):
    written = export_project("saco", gold, tmp_path / "out")
    *raters, predicted = written.files
    assert len(raters) == 3 and "2 pairs, 1 of them negative, 3 raters" in written.notes[0]
    score = eval_saco(raters, predicted)
    # The third rater's group mask is not instance-exhaustive, so its pair is left out.
    assert (score.n_pairs, score.il_tn) == (1, 1)
    score = eval_saco(raters[:2], predicted)
    assert (score.n_pairs, score.il_tp, score.il_tn, score.pmf1) == (
        2, 1, 1, pytest.approx(1.0, abs=1e-3)
    )  # fmt: skip
    with pytest.raises(InputError, match="exists already"):
        export_project("saco", gold, tmp_path / "out")


def test_a_round_trip_keeps_every_version(gold, tmp_path):
    raters = export_project("saco", gold, tmp_path / "out").files[:3]
    (tmp_path / "out" / "a.png").write_bytes((tmp_path / "a.png").read_bytes())
    again = import_files("saco", raters, tmp_path / "again.samnb")
    assert again.n_masklets == 1 and again.notes == ("2 pairs, 1 of them negative",)
    session = Session.open(tmp_path / "again.samnb")
    expected = read_raters(raters)
    found = saco_sets(session)
    assert [[(p.phrase, p.is_instance_exhaustive, [(m.rle, m.is_group) for m in p.masks])
             for p in s.pairs] for s in found] == [
        [(p.phrase, p.is_instance_exhaustive, [(m.rle, m.is_group) for m in p.masks])
         for p in s.pairs] for s in expected]  # fmt: skip
    assert import_files("saco", raters, session).notes == ("0 pairs, 0 of them negative",)
    session.close()


def test_pictures_that_are_not_there_are_known_by_the_file_alone(gold, tmp_path):
    raters = export_project("saco", gold, tmp_path / "out").files[:1]
    session = Session.open(tmp_path / "again.samnb")
    import_files("saco", raters, session)
    (media,) = session.state.media.values()
    assert media.is_unseen and media.name == "a.png"
    session.close()


def test_one_reviewer_gives_one_file(project, tmp_path):
    loop = project.concepts
    loop.set_rules(apart="off")
    (pair,) = loop.add_pairs(project.media_id, ["cup"])
    loop.propose_masks(pair.id, [Drawn(square(2))])
    loop.answer_mv(pair.id, "accept")
    loop.answer_ev(pair.id, "accept")
    written = export_project("saco", project, tmp_path / "out")
    (one,) = read_saco(written.files[0]).pairs
    assert one.masks[0].source == "by hand" and written.files[0].endswith("silver_p.json")


def test_nothing_final_is_refused(project, tmp_path):
    with pytest.raises(InputError, match="expected a final pair of pictures"):
        export_project("saco", project, tmp_path / "out")
    with pytest.raises(InputError, match="expected a final pair of videos"):
        export_project("veval", project, tmp_path / "out")


@pytest.fixture
def filmed(project, tmp_path):
    """A clip of twelve frames, of which three are annotated, with a positive and a negative."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for n in range(12):
        Image.fromarray(np.full((*SIZE_HW, 3), 20 * n, np.uint8)).save(folder / f"{n:05d}.png")
    media = project.add_media(folder)
    loop = project.concepts
    loop.set_rules(apart="off")
    cup, dog = loop.add_pairs(media.id, ["cup", "dog"])
    drawn = [Drawn({0: square(2), 8: square(4)}), Drawn({4: square(20)}, is_group=True)]
    loop.propose_masks(cup.id, drawn)
    loop.propose_masks(dog.id, [])
    loop.answer_mv(cup.id, "accept")
    loop.answer_ev(cup.id, "accept")
    loop.answer_ev(dog.id, "accept")
    return project


def test_videos_go_to_the_veval_layout_with_their_negatives(filmed, tmp_path):
    found = veval_set(filmed)
    assert [len(p.masklets) for p in found.pairs] == [2, 0]
    (path,) = export_project("veval", filmed, tmp_path / "out").files
    read = read_veval(path)
    assert [p.phrase for p in read.pairs] == ["cup", "dog"]
    assert len(read.pairs[0].masklets[0].rles) == 3
    listed = json.loads(Path(path).read_text())["video_np_pairs"]
    assert [p["num_masklets"] for p in listed] == [2, 0]


@pytest.mark.parametrize("is_here", [True, False])
def test_videos_come_back_byte_for_byte(filmed, tmp_path, is_here):
    (path,) = export_project("veval", filmed, tmp_path / "out").files
    if is_here:
        (tmp_path / "clip").rename(tmp_path / "out" / "clip")
    (tmp_path / "again").mkdir()
    taken = import_files("veval", [path], tmp_path / "again" / "p.samnb")
    assert taken.notes == ("2 pairs, 1 of them negative",) and taken.n_masklets == 2
    session = Session.open(tmp_path / "again" / "p.samnb")
    (media,) = session.state.media.values()
    assert media.is_unseen is not is_here and media.n_frames == (12 if is_here else 3)
    (again,) = export_project("veval", session, tmp_path / "more").files
    assert Path(again).read_bytes() == Path(path).read_bytes()
    assert import_files("veval", [path], session).notes == ("0 pairs, 0 of them negative",)
    session.close()


def test_a_file_from_elsewhere_keeps_names_masks_and_negatives(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(json.dumps(concept_samples.veval()))
    session = Session.open(tmp_path / "p.samnb")
    import_files("veval", [path], session)
    told, found = read_veval(path), veval_set(session)

    def plain(one):
        names = {v.id: (v.name, v.file_names, v.size_hw) for v in one.videos}
        return [
            (names[p.video_id], p.phrase, [(m.rles, m.is_group) for m in p.masklets])
            for p in one.pairs
        ]

    assert plain(found) == plain(told)
    assert [p.is_negative for p in found.pairs] == [False, True, True, False]
    session.close()


def test_a_folder_of_nothing_but_annotated_frames_keeps_their_rate(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(json.dumps(concept_samples.veval()))
    for name in ("sav_000000", "sav_000004"):
        (tmp_path / name).mkdir()
        for t in range(3):
            pixels = np.full((1, 100, 3), 60 * t + int(name[-1]), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{4 * t:05d}.jpg")
    import_files("veval", [path], tmp_path / "p.samnb")
    session = Session.open(tmp_path / "p.samnb")
    grids = [session.annotation_frames(media_id) for media_id in session.state.media]
    assert grids == [(0, 1, 2)] * 2
    assert veval_set(session).videos == tuple(
        replace(v, id=n) for n, v in enumerate(read_veval(path).videos, 1)
    )
    session.close()


def test_a_video_that_lacks_a_frame_is_refused(filmed, tmp_path):
    (path,) = export_project("veval", filmed, tmp_path / "out").files
    (tmp_path / "clip").rename(tmp_path / "out" / "clip")
    (tmp_path / "out" / "clip" / "00008.png").unlink()
    with pytest.raises(InputError, match=r"without clip/00008\.jpg"):
        import_files("veval", [path], tmp_path / "again.samnb")
    with pytest.raises(InputError, match="expected one VEval file at a time, got 2"):
        import_files("veval", [path, path], tmp_path / "again.samnb")
