"""The loop on made-up videos: filters, phrases per frame, masklets, people, sampled frames.

What the SAM 3 paper (arXiv 2511.16719) calls phase 4: there people verify and correct, and
the result goes into the loop over pictures as sampled frames.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from samnb.engine.concepts.arms import Progress, simulated_loop
from samnb.engine.concepts.clips import ClipRules, check_clips, sift_easy, unfit
from samnb.engine.concepts.filters import filters
from samnb.engine.concepts.mining import mine, mine_negatives
from samnb.engine.concepts.quality import proposed_masks, score_pairs
from samnb.engine.concepts.reviewers import Skill
from samnb.engine.concepts.sampling import SAMPLERS, Sampler, frame_name, sample_frames
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.state import PairState
from samnb.engine.concepts.stats import seconds_of
from samnb.engine.concepts.warmup import People
from samnb.engine.simulation import seeded
from samnb.events.concepts import ConceptStep, ConceptTask
from samnb.language.captions import FrameCaptions
from samnb.language.chunks import Chunker
from samnb.language.video import MIN_OBJECTS, MIN_PHRASES
from samnb.models.base import BoolMask
from samnb.models.concepts import ConceptSegmenter
from samnb.synthetic.concept_clips import ConceptClip, make_concept_clip
from samnb.synthetic.concepts import VOCABULARY, Split
from samnb.synthetic.things import HELD_OUT, Combination, Phrase, parse_phrase
from samnb.synthetic.write import write_video
from samnb.types import InputError, Media

if TYPE_CHECKING:
    import pandas as pd

KINDS: Final = ("crowded", "crowded", "few", "still", "cut", "short")
"""What the clips of a world are, in turn: two with three things each of two kinds, one with a
few single things, and three that no clip filter lets through."""
FPS: Final = 6.0
N_ABSENT: Final = 2
"""Phrases that name nothing in a clip and are asked for all the same. Captions name what is
there and hard negatives fool the model; without these, IL_MCC would tell of traps alone."""
PER_VIDEO: Final = 2
"""Hard negatives of a video at most."""


@dataclass(frozen=True, slots=True)
class FilmedClip:
    """A video file with its truth.

    Attributes:
        kind: one of :data:`KINDS`.
        absent: phrases that name nothing in it.
    """

    path: Path
    clip: ConceptClip
    kind: str
    absent: tuple[str, ...] = ()


@dataclass(slots=True)
class VideoWorld:
    """Made-up videos as files, and their truth; sampled frames of them are known too."""

    clips: tuple[FilmedClip, ...]
    _masks: dict[tuple[str, str], tuple[BoolMask, ...]] = field(default_factory=dict)

    def find(self, media: Media, phrase: str) -> tuple[BoolMask, ...] | None:
        """See :class:`~samnb.engine.concepts.world.ConceptTruth`."""
        key = (media.name, phrase)
        if key not in self._masks:
            found = self._place(media.name)
            if found is None or parse_phrase(phrase) is None:
                return None
            clip, idxs = found
            volumes = clip.truth(phrase, idxs)
            is_picture = media.n_frames == 1
            self._masks[key] = tuple(v[0] for v in volumes) if is_picture else volumes
        return self._masks[key]

    def _place(self, name: str) -> tuple[ConceptClip, Sequence[int]] | None:
        for one in self.clips:
            if one.path.name == name:
                return one.clip, range(len(one.clip))
            for idx in range(len(one.clip)):
                if frame_name(one.path.name, idx) == name:
                    return one.clip, (idx,)
        return None

    @property
    def captions(self) -> FrameCaptions:
        """One caption per frame of every clip."""
        texts = {
            one.path.name: {i: one.clip.caption(i) for i in range(len(one.clip))}
            for one in self.clips
        }
        return FrameCaptions(texts, "the world's captions")


def make_video_world(
    folder: str | Path,
    n_clips: int,
    *,
    seed: int = 0,
    n_frames: int = 36,
    difficulty: float = 0.3,
    size_hw: tuple[int, int] = (240, 320),
    split: Split = "test",
) -> VideoWorld:
    """Make clips up and write them as files; the same arguments give the same clips.

    Args:
        folder: where the videos go; those that are there are kept.
        n_clips: how many, of the :data:`KINDS` in turn.
        seed: of everything random.
        n_frames: of a clip, at 6 frames per second; a "short" one has a third of them.
        difficulty: see :func:`samnb.synthetic.concept_clips.make_concept_clip`.
        size_hw: height and width in pixels.
        split: "train" or "test".

    Raises:
        InputError: no clip asked for.
    """
    if n_clips < 1:
        raise InputError(f"n_clips: expected at least 1, got {n_clips}")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    clips = []
    for number in range(n_clips):
        kind = KINDS[number % len(KINDS)]
        path = place / f"{split}-{seed}-{number:03d}-{kind}.mp4"
        clip = make_concept_clip(
            1000 * seed + number,
            size_hw=size_hw,
            n_frames=n_frames // 3 if kind == "short" else n_frames,
            fps=FPS,
            difficulty=difficulty,
            split=split,
            cast=_cast(kind, split, seed, number),
            is_still=kind == "still",
            has_cut=kind == "cut",
        )
        if not path.is_file():
            write_video(clip, path)
        clips.append(FilmedClip(path, clip, kind, _absent(clip, seed)))
    return VideoWorld(tuple(clips))


def _cast(kind: str, split: Split, seed: int, number: int) -> list[Combination]:
    rng = seeded(seed, "cast", split, number)
    words = [VOCABULARY[name] for name in ("colours", "textures", "nouns")]
    every: list[Combination] = []
    while len(every) < 3:
        colour, texture, noun = (str(rng.choice(w)) for w in words)
        thing = (colour, texture, noun)
        is_new = all(noun != other[2] for other in every)
        if is_new and (split == "test" or thing not in HELD_OUT):
            every.append(thing)
    return [*every[:1] * 3, *every[1:2] * 3] if kind == "crowded" else every


def _absent(clip: ConceptClip, seed: int) -> tuple[str, ...]:
    """Phrases of two words that name nothing in a clip."""
    here = {t.combination for t in clip.things}
    every = [
        phrase
        for colour in VOCABULARY["colours"]
        for noun in VOCABULARY["nouns"]
        if not (phrase := Phrase(noun, colour)).combinations & here
    ]
    order = seeded(seed, "absent", clip.name).permutation(len(every))
    return tuple(str(every[int(i)]) for i in order[:N_ABSENT])


# -- once through -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoRun:
    """What a run over videos came to.

    Attributes:
        filters: see :func:`samnb.engine.concepts.filters.filters`.
        scores: cgF1 (times 100), pmF1 and IL_MCC of proposed masklets ("proposals"), of the
            finished pairs ("data set") and of the finished pairs of sampled frames
            ("sampled frames"), by the truth; masklets by their volume.
        n_pairs: finished pairs of videos; ``n_masklets`` masklets in them.
        n_corrected: of them, corrected by hand; ``n_confirmed`` looked at once more.
        n_frames: frames that became pictures; ``n_frame_pairs`` finished pairs of those.
        positive_s: modelled seconds of people per finished positive pair of a video, see
            :class:`~samnb.engine.concepts.timing.Times`; ``negative_s`` likewise. NaN without.
    """

    filters: pd.DataFrame
    scores: pd.DataFrame
    n_pairs: int
    n_masklets: int
    n_corrected: int
    n_confirmed: int
    n_frames: int
    n_frame_pairs: int
    positive_s: float = float("nan")
    negative_s: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        numbers = ("n_pairs", "n_masklets", "n_corrected", "n_confirmed", "n_frames",
                   "n_frame_pairs")  # fmt: skip
        return {
            "filters": json.loads(self.filters.to_json(orient="records")),
            "scores": json.loads(self.scores.to_json(orient="records")),
            **{name: getattr(self, name) for name in numbers},
            "positive_s": None if np.isnan(self.positive_s) else self.positive_s,
            "negative_s": None if np.isnan(self.negative_s) else self.negative_s,
        }

    def __str__(self) -> str:
        return (
            f"{self.filters.to_string(index=False)}\n\n"
            f"{self.n_pairs} pairs of videos finished with {self.n_masklets} masklets; "
            f"{self.n_corrected} corrected, {self.n_confirmed} confirmed as exhaustive\n"
            f"people's modelled time: {self.positive_s:.0f} s a positive pair of a video, "
            f"{self.negative_s:.0f} s a negative\n"
            f"{self.n_frames} frames became pictures, {self.n_frame_pairs} pairs of them "
            f"finished\n\n{self.scores.round(3).to_string(index=False)}"
        )


def run_videos(
    target: str | Path,
    world: VideoWorld,
    segmenter: ConceptSegmenter,
    *,
    skill: Skill | None = None,
    rules: ClipRules | None = None,
    min_objects: int = MIN_OBJECTS,
    min_phrases: int = MIN_PHRASES,
    samplers: Sequence[Sampler] = SAMPLERS,
    chunker: Chunker | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> VideoRun:
    """Go once through the video loop with simulated people; everything is in one log.

    Args:
        target: project file, made when missing.
        world: the clips.
        segmenter: proposes masklets, and masks on the sampled frames.
        skill: how well simulated people work; and how long it takes.
        rules: what a clip has to be.
        min_objects: N, see :func:`~samnb.engine.concepts.clips.sift_easy`.
        min_phrases: M, likewise.
        samplers: how frames are chosen that become pictures; none leaves that out.
        chunker: takes noun phrases from a caption; None loads spaCy's.
        seed: of all chance.
        on_progress: called before each step.
        cancel: set it from another thread to stop after the present step.
    """
    with simulated_loop(target, seed) as (loop, clock):
        people = People(loop, clock, world, skill or Skill(), seed)
        folder = Path(str(target)).with_name(f"{Path(str(target)).stem}-frames")

        def add() -> None:
            for one in world.clips:
                loop.session.add_media(one.path)

        def phrases() -> None:
            mine(loop, world.captions, chunker=chunker, cancel=cancel)
            left = loop.session.state.media.keys() - unfit(loop.session.log.read()).keys()
            absent = {one.path.name: one.absent for one in world.clips}
            for media_id in sorted(left):
                name = loop.session.media(media_id).name
                loop.add_pairs(media_id, absent.get(name, ()), source="asked at random")

        def ask(*tasks: ConceptTask) -> None:
            for task in tasks:
                people.work(task, cancel)

        def sample() -> None:
            for sampler in samplers:
                sample_frames(loop, folder, sampler, seed=seed)

        steps: list[tuple[str, Callable[[], Any]]] = [
            ("clips", add),
            ("shots and motion", lambda: check_clips(loop, rules=rules, cancel=cancel)),
            ("phrases", phrases),
            ("masklets", lambda: loop.propose(segmenter, cancel=cancel)),
            (
                "easy ones",
                lambda: sift_easy(loop, min_objects=min_objects, min_phrases=min_phrases),
            ),
            ("people", lambda: ask(*ConceptTask)),
            (
                "hard negatives",
                lambda: mine_negatives(loop, segmenter, per_picture=PER_VIDEO, cancel=cancel),
            ),
            ("masklets of those", lambda: loop.propose(segmenter, cancel=cancel)),
            ("people", lambda: ask(*ConceptTask)),
            ("sampled frames", sample),
            ("masks on frames", lambda: loop.propose(segmenter, cancel=cancel)),
            ("people on frames", lambda: ask(*ConceptTask)),
        ]
        for at, (name, step) in enumerate(steps):
            if cancel is not None and cancel.is_set():
                break
            if on_progress is not None:
                on_progress(at, len(steps), name)
            step()
        if on_progress is not None:
            on_progress(len(steps), len(steps), "")
        return _account(loop, world)


def _account(loop: ConceptSession, world: VideoWorld) -> VideoRun:
    every = loop.refresh().pairs.values()
    videos = [p for p in every if p.is_video and p.is_done and not p.dropped_by]
    frames = [p for p in every if not p.is_video and p.is_done]
    final = [p for p in videos if p.step is ConceptStep.FINAL]
    return VideoRun(
        filters(loop.session),
        _scores(loop, world, videos, frames),
        len(final),
        sum(len(p.masks) for p in final),
        sum(bool(p.of(ConceptTask.CORRECT)) for p in final),
        sum(bool(p.of(ConceptTask.CONFIRM)) for p in final),
        len({p.item.media_id for p in every if not p.is_video}),
        len(frames),
        *(_mean_s([p for p in final if p.is_negative is sign]) for sign in (False, True)),
    )


def _mean_s(pairs: Sequence[PairState]) -> float:
    return float(np.mean([seconds_of(p) for p in pairs])) if pairs else float("nan")


def _scores(
    loop: ConceptSession, world: VideoWorld, videos: list[PairState], frames: list[PairState]
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, pairs, masks_of in (
        ("proposals", videos, proposed_masks),
        ("data set", videos, None),
        ("sampled frames", frames, None),
    ):
        known = [p for p in pairs if parse_phrase(p.phrase) is not None]
        row: dict[str, Any] = {"masks": name, "pairs": len(known)}
        if known:
            found = score_pairs(loop, world, known, masks_of=masks_of).to_dict()
            row |= {key: found[key] for key in ("cgf1", "il_mcc", "pmf1")}
        else:
            row |= dict.fromkeys(("cgf1", "il_mcc", "pmf1"), np.nan)
        rows.append(row)
    return pd.DataFrame(rows)
