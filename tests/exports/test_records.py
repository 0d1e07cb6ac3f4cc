import pytest

from samnb.exports.records import VideoAnnotation, Written, gather, video_id_of
from samnb.masks import rle
from samnb.types import InputError
from tests.exports.samples import GRID, annotation, codes, masklet, media


def test_edited_frames_are_those_marked_and_those_declared():
    rles = codes(5, 5, 5, 5, 5, 5)
    assert masklet(0, rles, edited=(4, 8)).n_edited == 2
    assert masklet(0, rles, declared=4).n_edited == 4
    assert masklet(0, rles, edited=(4, 8), declared=3).n_edited == 5
    assert masklet(0, rles, declared=99).n_edited == 6


def test_a_corrected_proposal_counts_as_manual():
    rles = codes(5, 5, 5, 5, 5, 5)
    assert masklet(0, rles, source="auto").is_auto
    assert not masklet(0, rles, source="auto", edited=(4,)).is_auto
    assert not masklet(0, rles).is_auto


def test_a_frame_without_an_answer_is_an_empty_mask():
    part = masklet(0, codes(5, 6), frames=(4, 12))
    video = annotation(part)
    masks = video.masks_of(part)
    assert [rle.area(m) for m in masks] == [0, 25, 0, 36, 0, 0]
    assert video.missing_of(part) == (0, 8, 16, 20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.mp4", "a"), ("a.b.MOV", "a.b"), ("clip.v2", "clip.v2"), (".mp4", ".mp4"), ("x", "x")],
)
def test_the_video_id_is_the_name_without_a_media_suffix(name, expected):
    assert video_id_of(media(name)) == expected


def test_tags_are_found_by_key():
    assert annotation().tag("environment") == "Indoor"
    assert annotation().tag("weather") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: masklet(0, codes(5, 5), frames=(4, 4)), "rising frame numbers"),
        (lambda: annotation(frames=(4, 0)), "rising numbers"),
        (lambda: annotation(masklet(3, codes(5), frames=(5,))), "masklet 3: frame 5"),
        (
            lambda: VideoAnnotation(media(), GRID, (masklet(0, [rle.empty((2, 2))], frames=(0,)),)),
            r"expected size \(60, 80\), got \(2, 2\)",
        ),
    ],
)
def test_records_that_contradict_themselves_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_results_join_and_print():
    both = gather([Written(("a",), 2, ("careful",)), Written(("b",), 1)])
    assert both == Written(("a", "b"), 3, ("careful",))
    assert str(both).splitlines() == ["3 masklets in 2 files", "a", "b", "note: careful"]
    assert both.to_dict() == {"files": ["a", "b"], "n_masklets": 3, "notes": ["careful"]}
