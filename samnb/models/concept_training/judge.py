"""Make scores honest, and measure a concept segmenter on pictures it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.masks.rle import encode
from samnb.metrics.cgf1 import CgScore, PairCount, count_pair, mask_ious, total
from samnb.models.concept import LearnedSegmenter
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_look import Look, distinct
from samnb.models.concepts import ConceptSegmenter
from samnb.synthetic.concepts import ConceptScene, hard_negatives, make_concept_scene
from samnb.synthetic.things import COLOUR_NAMES, HELD_OUT, NOUNS, parse_phrase

SMALL_PX = 700
"""A thing that shows fewer pixels of a 240 x 320 picture than this is small."""


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """One picture and phrase, and how the segmenter did.

    Attributes:
        count: matched and missed instances.
        presence: what the segmenter said.
        kinds: what is special about it, for tables.
    """

    count: PairCount
    presence: float
    kinds: frozenset[str]


def phrases_to_ask(scene: ConceptScene, n_each: int = 3) -> tuple[str, ...]:
    """Choose phrases of a scene: some that are there, hard negatives, one that is far off."""
    rng = np.random.default_rng([scene.seed, 17])
    there = [scene.phrases[i] for i in rng.permutation(len(scene.phrases))[:n_each]]
    near = [p for phrase in there for p in hard_negatives(scene, phrase)[:1]]
    seen = {t.noun for t in scene.things}
    away = [n for n in NOUNS if n not in seen]
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))]
    far = f"{colour} {away[int(rng.integers(len(away)))]}"
    return tuple(dict.fromkeys([*there, *near, far]))


def judge_scene(
    segmenter: ConceptSegmenter, scene: ConceptScene, phrases: Sequence[str]
) -> list[JudgedPair]:
    """Ask for phrases and count as SA-Co's evaluation does."""
    judged = []
    answers = segmenter.segment(scene.image, phrases)
    for phrase, answer in zip(phrases, answers, strict=True):
        truth = [encode(m) for m in scene.truth(phrase)]
        found = [encode(i.mask) for i in answer.kept()]
        count = count_pair(mask_ious(found, truth))
        judged.append(JudgedPair(count, answer.presence, _kinds(scene, phrase)))
    return judged


def _kinds(scene: ConceptScene, phrase: str) -> frozenset[str]:
    named = scene.named(phrase)
    kinds = {"all"}
    asked = parse_phrase(phrase)
    if not named:
        near = {p for own in scene.phrases for p in hard_negatives(scene, own)}
        return frozenset(kinds | {"hard negative" if phrase in near else "easy negative"})
    kinds.add("several" if len(named) > 1 else "single")
    if asked is not None and asked.is_held_out:
        kinds.add("held-out phrase")
    if any(t.combination in HELD_OUT for t in named):
        kinds.add("held-out thing")
    if min(int((scene.labels == t.number).sum()) for t in named) < SMALL_PX:
        kinds.add("small")
    if min(t.visible for t in named) < 0.7:
        kinds.add("occluded")
    return frozenset(kinds)


def judge(
    segmenter: ConceptSegmenter, seeds: Iterable[int], *, difficulty: float = 0.5
) -> list[JudgedPair]:
    """Judge on pictures of the test split."""
    found: list[JudgedPair] = []
    for seed in seeds:
        scene = make_concept_scene(seed, difficulty=difficulty, split="test")
        found += judge_scene(segmenter, scene, phrases_to_ask(scene))
    return found


def score(pairs: Sequence[JudgedPair], kind: str = "all") -> CgScore:
    """pmF1 over the positive pairs of one kind; IL_MCC with all negatives as company."""
    return total(p.count for p in pairs if p.count.n_gt == 0 or kind in p.kinds)


def calibrate(segmenter: LearnedSegmenter, scenes: Sequence[ConceptScene]) -> Calibration:
    """Fit the calibration on pictures that taught the model nothing.

    Both are logistic regressions (Platt scaling; Platt 1999), on whether an instance of a
    phrase overlaps a true one by half, and on whether the phrase names anything.
    """
    ones: list[tuple[Tensor, Tensor, Tensor]] = []
    present: list[bool] = []
    looks: list[Look] = []
    for scene in scenes:
        look = segmenter.look(scene.image)
        masks = [look.mask(i) for i in range(len(look))]
        phrases = phrases_to_ask(scene, 5)
        log_p = segmenter.net.log_probability(look.embedding, phrases).detach()
        for column, phrase in enumerate(phrases):
            truth = scene.truth(phrase)
            hits = [any(_iou(m, t) >= 0.5 for t in truth) for m in masks]
            ones.append(
                (torch.from_numpy(look.quality), log_p[:, column], torch.tensor(hits).float())
            )
            present.append(bool(truth))
            looks.append(look)
    calibration = Calibration()
    quality, words, right = (torch.cat([o[k] for o in ones]) for k in range(3))

    def instance_loss() -> Tensor:
        logits = calibration.instance_logits(quality, words[:, None])[:, 0]
        return F.binary_cross_entropy_with_logits(logits, right)

    def presence_loss() -> Tensor:
        logits = torch.stack([calibration.presence_logit(each)[0] for each in named])
        wanted = torch.tensor(present).float()
        return F.binary_cross_entropy_with_logits(logits, wanted)

    _fit(calibration.instance, instance_loss)
    named: list[Tensor] = []
    for look, (q, w, _) in zip(looks, ones, strict=True):
        logits = calibration.instance_logits(q, w[:, None]).detach()
        named.append(logits[distinct(look, logits[:, 0].numpy())])
    _fit(calibration.presence, presence_loss)
    return calibration


def _fit(weights: torch.nn.Parameter, loss_of: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.LBFGS([weights], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = loss_of() + 1e-4 * weights.square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)


def _iou(one: npt.NDArray[np.bool_], two: npt.NDArray[np.bool_]) -> float:
    return float((one & two).sum() / max(1, int((one | two).sum())))
