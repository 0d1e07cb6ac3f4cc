"""A small project for the concept desks, so that there is something to answer at once.

Pictures and phrases are of the synthetic world. No model proposed the masks: they are the
scene's own, spoiled by chance in the ways in which models fail, and :data:`NOTE` says so on
the page. Two simulated colleagues have answered part of it, so that every desk has work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as PilImage

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.session import Session
from samnb.events.concepts import Apart, ConceptStep, PairOrigin
from samnb.models.base import BoolMask
from samnb.synthetic.concepts import ConceptScene, hard_negatives, make_concept_scene
from samnb.types import EvAnswer, MvAnswer, Worker, WorkerKind

NOTE: Final = (
    "Demo: made-up pictures. The masks were not proposed by a model; they are the true ones, "
    "spoiled by chance. Two simulated colleagues have answered part of the pairs."
)
"""What the page says about the demo."""
MODEL: Final = "spoiled-truth"
"""Stands as the model of the demo's masks."""
SIZE_HW: Final = (360, 480)
N_PICTURES: Final = 8
GOOD_IOU: Final = 0.8
"""The simulated colleagues accept a mask from here on."""


def make_demo(session: Session, folder: str | Path, *, seed: int = 0) -> None:
    """Fill a project that has no pairs yet; one that has some is left alone.

    Args:
        session: of any worker.
        folder: where the pictures go.
        seed: equal seeds give equal projects.
    """
    loop = session.concepts
    if loop.refresh().pairs:
        return
    loop.set_rules(apart=Apart.PAIR)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    maker, first, second = (
        session.as_worker(Worker(name, kind)).concepts
        for name, kind in (
            (MODEL, WorkerKind.MODEL),
            ("colleague 1", WorkerKind.SIMULATED),
            ("colleague 2", WorkerKind.SIMULATED),
        )
    )
    rng = np.random.default_rng(seed)
    scenes: dict[str, ConceptScene] = {}
    for number in range(N_PICTURES):
        scene = make_concept_scene(100 * seed + number, size_hw=SIZE_HW, difficulty=0.45)
        path = place / f"demo-{number}.png"
        PilImage.fromarray(scene.image).save(path)
        media_id = session.add_media(path).id
        scenes[media_id] = scene
        maker.refresh()
        _add_pairs(maker, scene, media_id, rng)
    _answer(scenes, first, second, rng)
    loop.refresh()


def _add_pairs(
    maker: ConceptSession, scene: ConceptScene, media_id: str, rng: np.random.Generator
) -> None:
    order = rng.permutation(len(scene.phrases))[:3]
    positives = [scene.phrases[i] for i in sorted(order)]
    parent = positives[0]
    negatives = hard_negatives(scene, parent)[:2]
    pairs = maker.add_pairs(media_id, positives, origin=PairOrigin.MINED)
    pairs += maker.add_pairs(
        media_id, negatives, origin=PairOrigin.HARD_NEGATIVE, parent_phrase=parent
    )
    for pair in pairs:
        truth = scene.truth(pair.phrase)
        masks = spoiled(scene, truth, scene.truth(parent), rng)
        presence = float(rng.beta(5, 2) if truth else rng.beta(2, 3))
        drawn = [Drawn(mask, score=round(float(rng.uniform(0.5, 1)), 3), model=MODEL)
                 for mask in masks]  # fmt: skip
        maker.propose_masks(pair.id, drawn, presence=round(presence, 3), model=MODEL)


def spoiled(
    scene: ConceptScene,
    truth: Sequence[BoolMask],
    others: Sequence[BoolMask],
    rng: np.random.Generator,
) -> list[BoolMask]:
    """Return masks as a model might propose them, none empty.

    Args:
        scene: the picture.
        truth: (H, W) bool of what the phrase names.
        others: masks of something that is easily confused with it.
        rng: of all chance; one mask in five is missing, one in five shifted or cut, and
            every third phrase or so gets one of the others.
    """
    found: list[BoolMask] = []
    for mask in truth:
        fate = rng.random()
        if fate < 0.2:
            continue
        if fate < 0.3:
            mask = np.roll(mask, round(0.03 * scene.image.shape[1]), axis=1)
        elif fate < 0.4:
            columns = np.flatnonzero(mask.any(axis=0))
            mask = mask.copy()
            mask[:, columns[len(columns) // 2] :] = False
        found.append(mask)
    if others and rng.random() < 0.35:
        wrong = others[int(rng.integers(len(others)))]
        if not any(np.array_equal(wrong, mask) for mask in truth):
            found.append(wrong)
    return [mask for mask in found if mask.any()]


def _answer(
    scenes: Mapping[str, ConceptScene],
    first: ConceptSession,
    second: ConceptSession,
    rng: np.random.Generator,
) -> None:
    """The colleagues answer about half of the pairs, by the truth."""
    second.refresh()
    for pair in list(first.refresh().pairs.values()):
        truth = scenes[pair.item.media_id].truth(pair.phrase)
        if pair.step is ConceptStep.MV and rng.random() < 0.5:
            pair = first.answer_mv(pair.id, {m.key: _judged(first.mask(m.mask_id), truth)
                                             for m in pair.accepted})  # fmt: skip
        is_complete = len(pair.accepted) == len(truth)
        is_taken = rng.random() < (0.2 if is_complete else 0.75)
        if pair.step is ConceptStep.EV and is_taken:
            second.answer_ev(pair.id, EvAnswer.ACCEPT if is_complete else EvAnswer.REJECT)


def _judged(mask: BoolMask, truth: Sequence[BoolMask]) -> MvAnswer:
    ious = [np.count_nonzero(mask & t) / np.count_nonzero(mask | t) for t in truth]
    return MvAnswer.ACCEPT if max(ious, default=0.0) >= GOOD_IOU else MvAnswer.REJECT
