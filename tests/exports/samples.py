"""Small annotated videos, and SA-V files of the published form written out by hand."""

import numpy as np

from samnb.exports.records import Masklet, MaskletFrame, VideoAnnotation
from samnb.masks import rle
from samnb.types import Item, Media, MediaKind

SIZE = (60, 80)
N_FRAMES = 22
GRID = (0, 4, 8, 12, 16, 20)


def box(y, x, height, width):
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def codes(*sides):
    """One mask per side length, 0 for an absent object."""
    return [rle.encode(box(3, 5 + at, side, side)) for at, side in enumerate(sides)]


def media(name="sav_7", path="", n_frames=N_FRAMES):
    return Media("m1", MediaKind.VIDEO, name, path, SIZE, n_frames, 24.0, n_frames / 24)


def masklet(number, rles, *, source="manual", frames=GRID, edited=(), scores=None, declared=None):
    scores = scores or [None] * len(rles)
    return Masklet(
        Item(f"i{source}{number}", "m1", number + 1, "", "", source),
        number,
        tuple(
            MaskletFrame(idx, code, is_edited=idx in edited, stability=score)
            for idx, code, score in zip(frames, rles, scores, strict=True)
        ),
        declared,
    )


def annotation(*masklets, frames=GRID, tags=(("environment", "Indoor"), ("split", "train"))):
    return VideoAnnotation(media(), frames, masklets, tags)


MANUAL = [codes(10, 11, 0, 0, 12, 0), codes(0, 0, 30, 32, 33, 34)]
AUTO = [codes(50, 50, 50, 49, 50, 50)]
SCORES = [1.0, 0.98, 0.97, 0.96, 0.95, 0.9906103610992432]


def _rows(tracks):
    return [
        [{"size": list(SIZE), "counts": code.counts} for code in row]
        for row in zip(*tracks, strict=True)
    ]


def _video():
    return {
        "video_id": "sav_7",
        "video_duration": N_FRAMES / 24,
        "video_frame_count": 22.0,
        "video_height": 60.0,
        "video_width": 80.0,
        "video_resolution": 4800.0,
        "video_environment": "Indoor",
        "video_split": "train",
    }


def manual_json():
    """A manual file; the means are worked out by hand."""
    return {
        **_video(),
        "masklet": _rows(MANUAL),
        "masklet_id": [0, 1],
        # (100 + 121 + 144) / 3 and (900 + 1024 + 1089 + 1156) / 4 of 4800 px
        "masklet_size_rel": [0.0253472222, 0.2171354167],
        "masklet_size_abs": [121.6666666667, 1042.25],
        "masklet_size_bucket": ["small", "medium"],
        "masklet_visibility_changes": [3, 0],
        "masklet_first_appeared_frame": [0.0, 2.0],
        "masklet_frame_count": [6, 6],
        "masklet_edited_frame_count": [4, 1],
        "masklet_type": ["manual", "manual"],
        "masklet_stability_score": [None, None],
        "masklet_num": 2,
    }


def auto_json():
    """An auto file: sizes are not rounded, the first frame is an integer."""
    area = (5 * 2500 + 2401) / 6
    return {
        **_video(),
        "masklet": _rows(AUTO),
        "masklet_id": [0],
        "masklet_size_rel": [area / 4800],
        "masklet_size_abs": [area],
        "masklet_size_bucket": ["medium"],
        "masklet_visibility_changes": [0],
        "masklet_first_appeared_frame": [0],
        "masklet_frame_count": [6],
        "masklet_edited_frame_count": [0],
        "masklet_type": ["auto"],
        "masklet_stability_score": [[score] for score in SCORES],
        "masklet_num": 1,
    }
