"""SA-Co Gold and Silver: pictures with noun phrases, in and out.

One file is what one rater says about all pairs; Gold comes as three files, a, b and c,
over the same pairs. In the file, ``images`` has one entry per *pair* of a picture and a
phrase and ``annotations`` one per mask; a pair without annotations is a negative. Boxes
and areas follow from the masks and are computed when writing: boxes as x, y, width and
height in shares of the picture (rounded to 32-bit floats as in the released files), areas
as a share of its pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from samnb.exports.entries import (
    Entry,
    Numbers,
    Table,
    load_json,
    no_collection,
    save_json,
)
from samnb.masks.rle import area, bbox
from samnb.types import FormatError, InputError, Rle

RATERS: Final = ("a", "b", "c")
"""Names of Gold's three raters, as they stand in file names."""


@dataclass(frozen=True, slots=True)
class SacoMask:
    """One annotation of a pair.

    Attributes:
        rle: the mask, of the picture's size.
        is_group: covers several instances that could not be told apart (``iscrowd``).
        source: who made it, as text.
        id: number in the file; None lets the writer choose one.
        category_id: always 1 in the released files.
    """

    rle: Rle
    is_group: bool = False
    source: str = ""
    id: int | None = None
    category_id: int = 1


@dataclass(frozen=True, slots=True)
class SacoPair:
    """A picture with a noun phrase; without masks it is a negative.

    Attributes:
        id: number of the pair, the same with every rater.
        file_name: the picture, relative to the media folder.
        phrase: the noun phrase (``text_input``).
        size_hw: height and width in pixels.
        masks: the annotations.
        queried_category: the phrase's key in the ontology, as text.
        is_instance_exhaustive: every instance has its own mask; only such pairs are scored.
        is_pixel_exhaustive: the masks together cover all that the phrase names.
    """

    id: int
    file_name: str
    phrase: str
    size_hw: tuple[int, int]
    masks: tuple[SacoMask, ...] = ()
    queried_category: str = ""
    is_instance_exhaustive: bool = True
    is_pixel_exhaustive: bool = True

    @property
    def is_negative(self) -> bool:
        """Whether the phrase names nothing in the picture."""
        return not self.masks


@dataclass(frozen=True, slots=True)
class SacoSet:
    """One file: what one rater says about all pairs.

    Attributes:
        pairs: in the file's order.
        categories: COCO categories as (id, name); masks name them, scores ignore them.
        info: facts about the file, as (key, text).
    """

    pairs: tuple[SacoPair, ...]
    categories: tuple[tuple[int, str], ...] = ((1, "object"),)
    info: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SacoPrediction:
    """One predicted mask; ``score`` is object score times presence score, in [0, 1]."""

    pair_id: int
    rle: Rle
    score: float
    category_id: int = 1


@no_collection()
def read_saco(path: Path) -> SacoSet:
    """Read one Gold or Silver file.

    Raises:
        FormatError: the file, a key or a mask is not what the format promises.
    """
    root = Entry(load_json(Path(path)), str(path))
    categories = read_categories(root)
    known = {number for number, _ in categories}
    images, annotations = root.table("images"), root.table("annotations")
    pair_ids, sizes_hw = images.unique(), images.sizes_hw()
    sizes = dict(zip(pair_ids, sizes_hw, strict=True))
    targets, kinds = annotations.integers("image_id"), annotations.integers("category_id")
    _refuse_strangers(annotations, "image_id", targets, sizes.keys(), "images")
    _refuse_strangers(annotations, "category_id", kinds, known, "categories")
    found = map(
        SacoMask,
        annotations.rles("segmentation", map(sizes.__getitem__, targets)),
        annotations.flags("iscrowd", False),
        annotations.labels("source"),
        annotations.unique(),
        kinds,
    )
    masks: dict[int, list[SacoMask]] = {}
    for pair_id, mask in zip(targets, found, strict=True):
        masks.setdefault(pair_id, []).append(mask)
    pairs = map(
        SacoPair,
        pair_ids,
        images.labels("file_name"),
        images.labels("text_input"),
        sizes_hw,
        [tuple(masks.get(number, ())) for number in pair_ids],
        _texts(images, "queried_category"),
        images.flags("is_instance_exhaustive"),
        images.flags("is_pixel_exhaustive", True),
    )
    return SacoSet(tuple(pairs), categories, read_info(root))


def _refuse_strangers(
    table: Table, key: str, values: list[int], known: Collection[int], where: str
) -> None:
    if not set(values) <= set(known):
        at = next(at for at, value in enumerate(values) if value not in known)
        raise table.entry(at).error(key, f"the id of an entry of {where}")


def _texts(table: Table, key: str) -> list[str]:
    # The released files hold numbers as text here; plain numbers are taken as well.
    found = table.column(key)
    if {type(value) for value in found} == {int}:
        return [str(value) for value in found]
    return table.labels(key)


def read_categories(root: Entry) -> tuple[tuple[int, str], ...]:
    """The file's ``categories`` as (id, name)."""
    numbers = Numbers()
    return tuple((numbers.take(entry), entry.label("name")) for entry in root.entries("categories"))


def read_info(root: Entry) -> tuple[tuple[str, str], ...]:
    """The file's ``info`` as (key, text); other kinds of values are left out."""
    info = root.value("info", None)
    if not isinstance(info, Mapping):
        return ()
    return tuple((key, value) for key, value in info.items() if isinstance(value, str))


def write_saco(pairs: SacoSet, path: Path, *, overwrite: bool = False) -> Path:
    """Write one file in the Gold and Silver layout and return its path.

    Raises:
        InputError: a mask has another size than its picture, a number comes twice, or
            the file is there and ``overwrite`` was not asked for.
    """
    _refuse_doubles("pair", (p.id for p in pairs.pairs))
    given = [m.id for p in pairs.pairs for m in p.masks if m.id is not None]
    _refuse_doubles("mask", given)
    fresh = max(given, default=0) + 1
    annotations: list[dict[str, Any]] = []
    for pair in pairs.pairs:
        for mask in pair.masks:
            number, fresh = (fresh, fresh + 1) if mask.id is None else (mask.id, fresh)
            annotations.append(_annotation(pair, mask, number))
    images = [
        {
            "id": pair.id,
            "file_name": pair.file_name,
            "text_input": pair.phrase,
            "width": pair.size_hw[1],
            "height": pair.size_hw[0],
            "queried_category": pair.queried_category,
            "is_instance_exhaustive": int(pair.is_instance_exhaustive),
            "is_pixel_exhaustive": int(pair.is_pixel_exhaustive),
        }
        for pair in pairs.pairs
    ]
    data = {
        "info": dict(pairs.info),
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in pairs.categories],
    }
    return save_json(path, data, overwrite=overwrite)


def _refuse_doubles(what: str, numbers: Iterable[int]) -> None:
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise InputError(f"{what} ids: expected each number once, got {number} again")
        seen.add(number)


def _annotation(pair: SacoPair, mask: SacoMask, number: int) -> dict[str, Any]:
    height, width = pair.size_hw
    if mask.rle.size_hw != pair.size_hw:
        raise InputError(
            f"pair {pair.id}: expected masks of size {pair.size_hw}, got {mask.rle.size_hw}"
        )
    x0, y0, x1, y1 = bbox(mask.rle) or (0, 0, 0, 0)
    box = np.array([x0, y0, x1 - x0, y1 - y0]) / np.array([width, height, width, height])
    return {
        "id": number,
        "image_id": pair.id,
        "source": mask.source,
        "area": area(mask.rle) / (height * width),
        "bbox": box.astype(np.float32).tolist(),
        "segmentation": {"counts": mask.rle.counts, "size": [height, width]},
        "category_id": mask.category_id,
        "iscrowd": int(mask.is_group),
    }


def read_raters(paths: Sequence[Path]) -> tuple[SacoSet, ...]:
    """Read several raters' files over the same pairs, such as Gold's a, b and c.

    Raises:
        FormatError: see :func:`read_saco`; or a file has other categories than the first,
            lacks one of its pairs, or has it with another phrase or size.
    """
    if not paths:
        raise InputError("paths: expected at least one annotation file, got none")
    sets = tuple(read_saco(path) for path in paths)
    for path, other in zip(paths[1:], sets[1:], strict=True):
        if {n for n, _ in other.categories} != {n for n, _ in sets[0].categories}:
            raise FormatError(f"{path}: categories: expected the ids of {paths[0]}, found others")
        there = {pair.id: pair for pair in other.pairs}
        for pair in sets[0].pairs:
            twin = there.get(pair.id)
            if twin is None:
                raise FormatError(
                    f"{path}: images: expected the pairs of {paths[0]}, found none with id "
                    f"{pair.id}"
                )
            if (twin.phrase, twin.size_hw) != (pair.phrase, pair.size_hw):
                raise FormatError(
                    f"{path}: images: pair {pair.id}: expected {pair.phrase!r} of size "
                    f"{pair.size_hw} as in {paths[0]}, found {twin.phrase!r} of {twin.size_hw}"
                )
    return sets


def write_raters(
    sets: Sequence[SacoSet], folder: Path, name: str, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write up to three raters' files, named as Gold names them; return the paths.

    The files are ``gold_{name}_merged_{a,b,c}_release_test.json``.
    """
    if not 1 <= len(sets) <= len(RATERS):
        raise InputError(f"sets: expected one to {len(RATERS)} raters, got {len(sets)}")
    return tuple(
        write_saco(
            one,
            Path(folder) / f"gold_{name}_merged_{rater}_release_test.json",
            overwrite=overwrite,
        )
        for rater, one in zip(RATERS, sets, strict=False)
    )


@no_collection()
def read_saco_predictions(path: Path, truth: SacoSet) -> tuple[SacoPrediction, ...]:
    """Read predicted masks: a list in COCO's result format.

    Args:
        path: the file.
        truth: the set the predictions answer; it knows the sizes of its pairs. Masks for
            other pairs are read as well.

    Raises:
        FormatError: the file, a key or a mask is not what the format promises.
    """
    data = load_json(Path(path))
    if not isinstance(data, list):
        raise FormatError(f"{path}: expected a list of predictions, found {type(data).__name__}")
    sizes = {pair.id: pair.size_hw for pair in truth.pairs}
    table = Table(data, f"{path}: predictions")
    pair_ids = table.integers("image_id")
    return tuple(
        map(
            SacoPrediction,
            pair_ids,
            table.rles("segmentation", map(sizes.get, pair_ids)),
            table.numbers("score"),
            table.integers("category_id"),
        )
    )


def write_saco_predictions(
    predictions: Iterable[SacoPrediction], path: Path, *, overwrite: bool = False
) -> Path:
    """Write predicted masks in COCO's result format and return the path."""
    data = [
        {
            "image_id": one.pair_id,
            "category_id": one.category_id,
            "segmentation": {"size": list(one.rle.size_hw), "counts": one.rle.counts},
            "score": one.score,
        }
        for one in predictions
    ]
    return save_json(path, data, overwrite=overwrite)
