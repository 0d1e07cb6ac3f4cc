"""The media that both engines work on: clips as folders of frames, with one truth for both.

The masklet engine annotates the objects of a clip on all its frames. The concept engine, as
in the SAM 3 paper's sampling of video frames into the image engine (arXiv 2511.16719,
appendix on the video engine), annotates phrases on single frames of the same clip: the very
same picture files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from samnb.engine.groundtruth import (
    SPECK_PX,
    GroundTruth,
    TrueObject,
    TrueVideo,
    read_truth,
    target_id_of,
)
from samnb.engine.simulation import seeded
from samnb.masks import rle as rle_ops
from samnb.masks.rle import BoolMask
from samnb.store.images import DEFAULT_FOLDER_FPS, list_frames
from samnb.synthetic.concepts import ConceptScene, hard_negatives, make_concept_scene
from samnb.types import FormatError, InputError, Media

PHRASES_FILE: Final = "phrases.json"
"""In a data set's folder: ``{video: {phrase: [object, ...]}}``, an empty list for a phrase
that names nothing in the video. DAVIS and SA-V have no phrases of their own."""
ROAM: Final = 0.3
"""By this share of a frame's sides the camera wanders over a made-up scene."""


@dataclass(frozen=True, slots=True)
class Question:
    """A phrase to ask of one frame.

    Attributes:
        path: the frame's picture file.
        phrase: the noun phrase.
        parent: the positive that a hard negative was made from; else empty.
        is_negative: the phrase names nothing there.
    """

    path: Path
    phrase: str
    parent: str
    is_negative: bool


class CommonClip:
    """One clip with its objects and what phrases name.

    Args:
        video: the folder of frames with its true objects.
        named: target ids by phrase; none for a phrase that names nothing in the clip.
        parents: for hard negatives the phrase that each was made from.
        sampled: numbers of the frames on which phrases are asked.
        n_positives: phrases asked per frame that name something there, at most; None for all.
        n_negatives: phrases asked per frame that name nothing there, likewise.
        seed: of the choice.
    """

    def __init__(
        self,
        video: TrueVideo,
        named: Mapping[str, Sequence[str]],
        parents: Mapping[str, str],
        sampled: Sequence[int],
        *,
        n_positives: int | None = None,
        n_negatives: int | None = None,
        seed: int = 0,
    ) -> None:
        self.video, self.sampled = video, tuple(sampled)
        self._named = {phrase: tuple(ids) for phrase, ids in named.items()}
        self._parents, self._limits, self._seed = dict(parents), (n_positives, n_negatives), seed

    @property
    def name(self) -> str:
        """The clip's name."""
        return self.video.name

    @cached_property
    def frames(self) -> tuple[Path, ...]:
        """The picture files, in order."""
        return tuple(list_frames(self.video.path))

    def truth(self, frame_idx: int, phrase: str) -> tuple[BoolMask, ...] | None:
        """True masks, (H, W) bool, of what a phrase names on a frame; None for a phrase
        that is not known or a frame that nobody annotated."""
        wanted = self._named.get(phrase)
        if wanted is None:
            return None
        objects = {o.target_id: o for o in self.video.objects}
        masks = []
        for target_id in wanted:
            if frame_idx not in objects[target_id].masks:
                return None
            if rle_ops.area(objects[target_id].masks[frame_idx]) > 0:
                masks.append(objects[target_id].mask(frame_idx))
        return tuple(masks)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """What is asked of the sampled frames; positives first."""
        found: list[Question] = []
        for frame_idx in self.sampled:
            groups: dict[bool, list[str]] = {False: [], True: []}
            for phrase in self._named:
                masks = self.truth(frame_idx, phrase)
                if masks is not None:
                    groups[not masks].append(phrase)
            for is_negative, limit in zip((False, True), self._limits, strict=True):
                rng = seeded(self._seed, self.name, frame_idx, int(is_negative))
                order = rng.permutation(len(groups[is_negative]))[:limit]
                for at in sorted(order.tolist()):
                    phrase = groups[is_negative][at]
                    parent = self._parents.get(phrase, "") if is_negative else ""
                    path = self.frames[frame_idx]
                    found.append(Question(path, phrase, parent, is_negative))
        return tuple(found)


class CommonWorld:
    """Clips and their truth, for simulated people of both engines and for scores.

    Args:
        clips: at least one.
        annotation_fps: at which the masklet engine annotates; a folder of frames counts as
            24 frames per second.
    """

    def __init__(self, clips: Sequence[CommonClip], annotation_fps: float = 6.0) -> None:
        if not clips:
            raise InputError("clips: expected at least one, got none")
        self.clips, self.annotation_fps = tuple(clips), annotation_fps
        self.objects = GroundTruth([c.video for c in clips])
        self._frames: dict[Path, tuple[CommonClip, int]] = {}

    def place(self, path: str | Path) -> tuple[CommonClip, int] | None:
        """The clip and frame number of a picture file; None for a file of elsewhere."""
        if not self._frames:
            for clip in self.clips:
                for at, frame in enumerate(clip.frames):
                    self._frames[frame.resolve()] = (clip, at)
        return self._frames.get(Path(path).resolve())

    def find(self, media: Media, phrase: str) -> tuple[BoolMask, ...] | None:
        """See :class:`samnb.engine.concepts.world.ConceptTruth`; media are known by path."""
        place = self.place(media.path)
        return None if place is None else place[0].truth(place[1], phrase)


# -- a made-up world ---------------------------------------------------------------


def make_common_world(
    folder: str | Path,
    n_clips: int,
    *,
    seed: int = 0,
    n_frames: int = 4,
    n_sampled: int = 1,
    n_positives: int = 2,
    n_negatives: int = 6,
    size_hw: tuple[int, int] = (160, 208),
    difficulty: float = 0.4,
) -> CommonWorld:
    """Make clips of the drawn concept world: a camera wanders over a scene of things.

    Masks are exact; a thing may leave the picture and come back. With one frame a clip is a
    still picture.

    Args:
        folder: gets one folder of PNG files per clip; files that are there are kept.
        n_clips: how many.
        seed: of everything random.
        n_frames: frames per clip, at the annotation rate of 6 per second.
        n_sampled: frames per clip of which phrases are asked, chosen by chance.
        n_positives: phrases per such frame that name something.
        n_negatives: phrases per such frame that name nothing, one word away from a positive.
        size_hw: height and width in pixels.
        difficulty: see :func:`samnb.synthetic.concepts.make_concept_scene`.

    Raises:
        InputError: fewer than one clip or frame, or more frames asked for than there are.
    """
    if min(n_clips, n_frames, n_sampled) < 1 or n_sampled > n_frames:
        raise InputError(
            "n_clips, n_frames, n_sampled: expected at least 1 and not more sampled than frames, "
            f"got {n_clips}, {n_frames}, {n_sampled}"
        )
    root = Path(folder).expanduser()
    large = tuple(round(side * (1 + ROAM)) for side in size_hw)
    clips = []
    for number in range(n_clips):
        scene = make_concept_scene(
            1000 * seed + number, size_hw=(large[0], large[1]), difficulty=difficulty, split="test"
        )
        name = f"roam-{seed}-{number:04d}-{n_frames}f-{size_hw[0]}x{size_hw[1]}-d{difficulty:g}"
        rng = seeded(seed, "camera", name)
        windows = _windows(rng, (large[0], large[1]), size_hw, n_frames)
        _write(root / name, scene, windows)
        objects = _objects(name, scene, windows)
        named, parents = _phrases(name, scene, n_negatives)
        clips.append(
            CommonClip(
                TrueVideo(name, root / name, lambda objects=objects: objects),  # type: ignore[misc]
                named,
                parents,
                sorted(rng.permutation(n_frames)[:n_sampled].tolist()),
                n_positives=n_positives,
                n_negatives=n_negatives,
                seed=seed,
            )
        )
    return CommonWorld(clips, DEFAULT_FOLDER_FPS)  # every frame of the folder


_Window = tuple[slice, slice]


def _windows(
    rng: np.random.Generator, large_hw: tuple[int, int], size_hw: tuple[int, int], n: int
) -> list[_Window]:
    """Where the camera looks, frame by frame: a straight way from one corner region to
    another."""
    room = np.array(large_hw) - np.array(size_hw)
    start, stop = rng.random(2) * room, rng.random(2) * room
    found = []
    for share in np.linspace(0, 1, n):
        top, left = (round(float(v)) for v in start + share * (stop - start))
        found.append((slice(top, top + size_hw[0]), slice(left, left + size_hw[1])))
    return found


def _write(folder: Path, scene: ConceptScene, windows: Sequence[_Window]) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for at, window in enumerate(windows):
        path = folder / f"{at:05d}.png"
        if not path.is_file():
            Image.fromarray(np.ascontiguousarray(scene.image[window])).save(path)


def _objects(name: str, scene: ConceptScene, windows: Sequence[_Window]) -> tuple[TrueObject, ...]:
    found = []
    for thing in scene.things:
        whole = scene.labels == thing.number
        masks = {}
        for at, window in enumerate(windows):
            rle = rle_ops.encode(np.ascontiguousarray(whole[window]))
            masks[at] = rle if rle_ops.area(rle) >= SPECK_PX else rle_ops.empty(rle.size_hw)
        if any(rle_ops.area(rle) for rle in masks.values()):
            label = thing.phrases[-1]
            found.append(TrueObject(target_id_of(name, thing.number), label, masks))
    return tuple(found)


def _phrases(
    name: str, scene: ConceptScene, n_negatives: int
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What every phrase names, and the parents of those that name nothing."""
    named = {
        phrase: tuple(target_id_of(name, t.number) for t in scene.named(phrase))
        for phrase in scene.phrases
    }
    parents: dict[str, str] = {}
    positives = list(named)
    for phrase in positives:
        for negative in hard_negatives(scene, phrase)[: max(1, n_negatives)]:
            parents.setdefault(negative, phrase)
    return named | dict.fromkeys(parents, ()), parents


# -- a data set on disk ------------------------------------------------------------


def read_common_world(
    folder: str | Path,
    *,
    phrases: Mapping[str, Mapping[str, Sequence[str | int]]] | str | Path | None = None,
    n_sampled: int = 2,
    n_positives: int | None = None,
    n_negatives: int | None = None,
    seed: int = 0,
) -> CommonWorld:
    """Read clips in DAVIS's or SA-V's layout of frame folders, with phrases for them.

    Args:
        folder: the data set's root, see :func:`samnb.engine.groundtruth.read_truth`.
        phrases: object numbers by video and phrase, or a file of that; None reads
            :data:`PHRASES_FILE` in the folder. Videos without phrases are left out.
        n_sampled: frames per clip of which phrases are asked, chosen by chance among those
            with annotations.
        n_positives: phrases per frame that name something; None for all.
        n_negatives: phrases per frame that name nothing; None for all.
        seed: of the choice.

    Raises:
        FormatError: no phrases, or they name a video or object that is not there.
        InputError: the layout has no folders of frames.
    """
    root = Path(folder).expanduser()
    asked = _asked(root, phrases)
    videos = {v.name: v for v in read_truth(root, list(asked))}
    clips = []
    names = list(asked)
    # In an order of chance: what comes late must not be what is hard.
    for at in seeded(seed, "order").permutation(len(names)).tolist():
        name, table = names[at], asked[names[at]]
        video = videos[name]
        if not video.path.is_dir():
            raise InputError(f"{name}: expected a folder of frames, got {video.path}")
        named = {
            phrase: tuple(target_id_of(name, number) for number in numbers)
            for phrase, numbers in table.items()
        }
        lost = {i for ids in named.values() for i in ids} - {o.target_id for o in video.objects}
        if lost:
            known = [o.target_id for o in video.objects]
            raise FormatError(f"phrases: expected objects among {known}, got {sorted(lost)}")
        known_frames = sorted(set.intersection(*(set(o.masks) for o in video.objects)))
        rng = seeded(seed, "frames", name)
        sampled = sorted(rng.permutation(known_frames)[:n_sampled].tolist())
        clips.append(
            CommonClip(
                video, named, {}, sampled, n_positives=n_positives, n_negatives=n_negatives,
                seed=seed,
            )
        )  # fmt: skip
    return CommonWorld(clips)


def _asked(
    root: Path, phrases: Mapping[str, Mapping[str, Sequence[str | int]]] | str | Path | None
) -> Mapping[str, Mapping[str, Sequence[str | int]]]:
    if isinstance(phrases, Mapping):
        return phrases
    path = Path(phrases) if phrases is not None else root / PHRASES_FILE
    try:
        data: Any = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{path}: expected phrases as {{video: {{phrase: [object, ...]}}}}, since the "
            f"concept engine needs phrases and the layout has none: {error}"
        ) from error
    if not isinstance(data, dict) or not all(isinstance(v, dict) for v in data.values()):
        raise FormatError(f"{path}: expected an object of objects, got something else")
    return data
