"""Small SA-Co and VEval files, written as the formats describe them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco

from tests.metrics.concept_reference import span

SIZE = {"height": 1, "width": 100}


def code(mask: np.ndarray) -> dict[str, Any]:
    found = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"counts": found["counts"].decode(), "size": list(mask.shape)}


def image(number: int, phrase: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": f"1/{number}.jpeg",
        "text_input": phrase,
        "width": SIZE["width"],
        "height": SIZE["height"],
        "queried_category": str(number),
        "is_instance_exhaustive": 1,
        "is_pixel_exhaustive": 1,
    } | changes


def annotation(number: int, image_id: int, mask: np.ndarray, **changes: Any) -> dict[str, Any]:
    height, width = mask.shape
    box = coco.toBbox(code(mask)) / [width, height, width, height]
    return {
        "id": number,
        "image_id": image_id,
        "source": "manual",
        "area": int(mask.sum()) / mask.size,
        "bbox": [float(np.float32(side)) for side in box],
        "segmentation": code(mask),
        "category_id": 1,
        "iscrowd": 0,
    } | changes


def saco(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "info": {"version": "v1", "description": "a test"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "object"}],
    }


def gold() -> dict[str, Any]:
    """Two instances, one group, one negative and one pair that is not exhaustive."""
    return saco(
        [
            image(7, "a red car"),
            image(8, "grapes", is_instance_exhaustive=0),
            image(9, "a zebra"),
        ],
        [
            annotation(1, 7, span(0, 10)),
            annotation(2, 7, span(30, 43), source="created by SAM3"),
            annotation(5, 8, span(50, 90), iscrowd=1),
        ],
    )


def guess(image_id: object, mask: np.ndarray, score: float = 0.9, **changes: Any) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "category_id": 1,
        "segmentation": code(mask),
        "score": score,
    } | changes


def tracks(masks: list[np.ndarray | None]) -> dict[str, list[Any]]:
    codes = [None if m is None else code(m) for m in masks]
    return {
        "segmentations": codes,
        "bboxes": [None if c is None else coco.toBbox(c).tolist() for c in codes],
        "areas": [None if c is None else float(coco.area(c)) for c in codes],
    }


def masklet(
    number: int, video_id: int, category_id: int, masks: list[np.ndarray | None], **changes: Any
) -> dict[str, Any]:
    return {
        "id": number,
        **tracks(masks),
        "iscrowd": 0,
        "video_id": video_id,
        **SIZE,
        "category_id": category_id,
        "noun_phrase": PHRASES[category_id],
    } | changes


PHRASES = {3: "a dog", 11: "a red ball", 40: "a kite"}


def veval() -> dict[str, Any]:
    """Two videos of three frames; dogs in the first, no kite in the second."""
    pairs = [(0, 3, 2), (0, 11, 0), (4, 40, 0), (4, 3, 1)]
    return {
        "info": {"version": "v1", "date": "2025-09-24"},
        "videos": [
            {
                "id": number,
                "video_name": f"sav_{number:06d}",
                "file_names": [f"sav_{number:06d}/{4 * t:05d}.jpg" for t in range(3)],
                **SIZE,
                "length": 3,
            }
            for number in (0, 4)
        ],
        "annotations": [
            masklet(12, 0, 3, [span(0, 10), span(5, 15), None]),
            masklet(15, 0, 3, [None, span(40, 50), span(41, 51)]),
            masklet(16, 4, 3, [span(60, 80), span(60, 80), span(60, 80)]),
        ],
        "categories": [{"id": number, "name": name} for number, name in PHRASES.items()],
        "video_np_pairs": [
            {
                "id": 100 + at,
                "video_id": video_id,
                "category_id": category_id,
                "noun_phrase": PHRASES[category_id],
                "num_masklets": n_masklets,
            }
            for at, (video_id, category_id, n_masklets) in enumerate(pairs)
        ],
    }


def track_guess(
    video_id: int, category_id: int, masks: list[np.ndarray | None], score: float = 0.9
) -> dict[str, Any]:
    """As the released model writes it: absent frames have a box of zeros and area 0."""
    rows = tracks(masks)
    rows["bboxes"] = [box or [0.0, 0.0, 0.0, 0.0] for box in rows["bboxes"]]
    rows["areas"] = [pixels or 0 for pixels in rows["areas"]]
    return {"video_id": video_id, "category_id": category_id, "score": score, **rows}
