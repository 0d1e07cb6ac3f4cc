"""How good what an engine delivered is, against the truth: J&F for both, cgF1 where there are
phrases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from samnb.comparison.world import CommonWorld
from samnb.engine.concepts.quality import decided_masks
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.concepts.stats import person_answers
from samnb.engine.concepts.world import encoded, ious
from samnb.engine.effort import Masks
from samnb.engine.state import ProjectState
from samnb.masks import rle as rle_ops
from samnb.masks.rle import BoolMask
from samnb.metrics.cgf1 import PairCount, count_pair, mask_ious, total
from samnb.metrics.jf import frame_jf, masklet_jf
from samnb.types import Step

NAN = math.nan


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores against the truth; NaN where they do not exist.

    Attributes:
        jf: mean J&F in [0, 1]; of masklets over objects, of pairs over true instances that
            were asked for, where an instance without a mask counts 0.
        n_jf: objects or instances.
        cgf1: times 100; NaN without phrases.
        pmf1: in [0, 1].
        il_mcc: in [-1, 1].
        ai_wrong: pairs that models decided alone and that are not as the truth has them.
        n_ai: pairs that models decided alone.
    """

    jf: float = NAN
    n_jf: int = 0
    cgf1: float = NAN
    pmf1: float = NAN
    il_mcc: float = NAN
    ai_wrong: int = 0
    n_ai: int = 0


def score_masklets(state: ProjectState, masks_of: Masks, world: CommonWorld) -> Quality:
    """J&F of every true object that somebody was asked to annotate; all frames with an answer
    count, the first and the last as well, since clips may be as short as one frame."""
    objects = {o.target_id: o for clip in world.clips for o in clip.video.objects}
    found = []
    for item in state.items.values():
        truth = objects.get(item.item.target_id)
        if truth is None or item.is_deleted or not item.history:
            continue
        have = {i: f.mask_id for i, f in item.frames.items() if f.mask_id and i in truth.masks}
        known = sorted(have)
        if not any(rle_ops.area(truth.masks[i]) for i in known):
            continue
        runs = masks_of(have.values())
        kept = [
            rle_ops.empty(truth.masks[i].size_hw) if item.step is Step.REJECTED else runs[have[i]]
            for i in known
        ]
        score = masklet_jf([truth.masks[i] for i in known], kept, skip_first_and_last=False)
        found.append(score.jf)
    return Quality(jf=float(np.mean(found)) if found else NAN, n_jf=len(found))


def score_concepts(
    state: ConceptState, project: ProjectState, masks_of: Masks, world: CommonWorld
) -> Quality:
    """CgF1 of the decided pairs, and J&F of the true instances that they asked for."""
    counts: list[PairCount] = []
    scores: list[float] = []
    n_ai = ai_wrong = 0
    for pair in state.pairs.values():
        truth = world.find(project.media[pair.item.media_id], pair.phrase)
        if truth is None or not pair.is_done:
            continue
        ids = [m.mask_id for m in decided_masks(pair)]
        runs = masks_of(ids)
        count = count_pair(mask_ious([runs[i] for i in ids], encoded(truth)))
        counts.append(count)
        scores += _instance_scores([rle_ops.decode(runs[i]) for i in ids], truth)
        if not person_answers(pair):
            n_ai += 1
            ai_wrong += not is_right(count)
    whole = total(counts)
    return Quality(
        float(np.mean(scores)) if scores else NAN,
        len(scores),
        whole.cgf1 if counts else NAN,
        whole.pmf1 if counts else NAN,
        whole.il_mcc if counts else NAN,
        ai_wrong,
        n_ai,
    )


def is_right(count: PairCount) -> bool:
    """Whether a pair has as many masks as instances, each a match at IoU 0.5."""
    return count.n_pred == count.n_gt and count.tp[0] == count.n_gt


def _instance_scores(masks: list[BoolMask], truth: tuple[BoolMask, ...]) -> list[float]:
    """J&F of each true instance with the mask matched to it; 0 without one."""
    table = ious(masks, truth)
    rows, columns = linear_sum_assignment(table, maximize=True)
    mine: Mapping[int, int] = dict(zip(columns.tolist(), rows.tolist(), strict=True))
    found = []
    for at, instance in enumerate(truth):
        is_met = at in mine and table[mine[at], at] > 0
        found.append(float(np.mean(frame_jf(instance, masks[mine[at]]))) if is_met else 0.0)
    return found


def distinct_masks(shown: Mapping[tuple[str, int], list[str]], masks_of: Masks, same: float) -> int:
    """How many different things the masks show: per picture, those of a smaller IoU than
    ``same`` with every one counted before. One thing may have several phrases."""
    n = 0
    for ids in shown.values():
        runs = masks_of(ids)
        rles = [runs[i] for i in dict.fromkeys(ids)]
        table, kept = mask_ious(rles, rles), list[int]()
        for at in range(len(rles)):
            if all(table[at, other] < same for other in kept):
                kept.append(at)
        n += len(kept)
    return n


def is_decided_by_models(pair: PairState) -> bool:
    """Whether a pair came to its end without any person."""
    return pair.is_done and not person_answers(pair)
