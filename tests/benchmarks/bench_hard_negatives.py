"""What hard negatives teach the words of the default segmenter, from nothing.

python -m tests.benchmarks.bench_hard_negatives [--counts 0,5,15,30] [--seeds 0,1]

Masks and the features that words are read from are those of the shipped segmenter and stay as they
are; the words, the embedding and the judgement of quality begin anew and learn from three true
phrases and so many hard negatives a picture (SAM 3 paper, arXiv 2511.16719, table 9b). All else is
equal, calibration on pictures with hard negatives included, so this is about what is known of
words, and takes minutes; ``bench_concept_ablation scratch`` trains everything from nothing.
Intervals are of the difference from the first row, 95 %, by pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samnb.metrics.cgf1 import PairCount
from samnb.models.base import Image
from samnb.models.concept import LearnedSegmenter
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_look import GRID, Look, frame, tidy
from samnb.models.concept_net import ConceptNet, phrase_log_probability
from samnb.models.concept_proposals import Proposer, propose
from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.concept_training.gather import gather
from samnb.models.concept_training.judge import calibrate
from samnb.models.concept_training.phrases import WORDS, Asked
from samnb.models.concept_training.samples import GOOD_IOU, Samples
from samnb.models.concept_training.settings import ConceptSettings, training_scene
from samnb.models.concept_training.train import Lessons, wanted_quality
from samnb.models.training.common import cosine
from samnb.synthetic.concepts import ConceptScene, make_concept_scene
from tests.benchmarks.bench_concept_ablation import FIRST, against, asked, count, head, row, say

ANEW = ("trunk.", "to_embedding.", "to_quality.", "vectors", "bias")
"""What begins anew."""
SHARE = 0.6
"""Share of the views that are learned from."""
CALIBRATED = 25
STEPS, RATE, DECAY, DROPOUT = 500, 1.5e-3, 0.03, 0.3


class Known(LearnedSegmenter):
    """Reads what was pooled from pictures before, by a net with other words."""

    pooled: dict[bytes, tuple[Look, Tensor, Tensor]]

    def look(self, image: Image) -> Look:
        """See the base."""
        held, pooled, mirrored = self.pooled[image.tobytes()]
        with torch.no_grad():
            embedding, quality = self.net.read_both(pooled, mirrored)
        return tidy(
            replace(
                held, embedding=embedding, quality=quality.sigmoid().numpy(), pasted={}, small=[]
            )
        )


@torch.no_grad()
def pool(base: LearnedSegmenter, scene: ConceptScene) -> tuple[Look, Tensor, Tensor]:
    features, found = propose(base.tracker, base.proposer, scene.image, grid=GRID)
    size_hw = scene.image.shape[0], scene.image.shape[1]
    squares, views = frame(base.net, scene.image, found)
    (pooled, mask), (mirrored, back) = base.net.pool(views), base.net.pool(views.flip(-1))
    mask, none = (mask + back.flip(-1)) / 2, np.zeros(len(mask), np.float32)
    look = Look(size_hw, squares, mask.numpy(), none, torch.zeros(len(mask), 1), features)
    return look, pooled, mirrored


def begin(base: LearnedSegmenter, seed: int) -> ConceptNet:
    torch.manual_seed(seed)
    net = ConceptNet(WORDS)
    own, held = net.state_dict(), base.net.state_dict()
    net.load_state_dict({k: v if k.startswith(ANEW) else held[k] for k, v in own.items()})
    return net


def train_head(
    net: ConceptNet, samples: Samples, settings: ConceptSettings, asked: Sequence[Asked]
) -> None:
    """Teach what reads the pooled features, which are computed once."""
    lessons = Lessons.of(net, settings, asked)
    net.eval()
    with torch.no_grad():
        parts = np.array_split(np.arange(len(samples)), max(1, len(samples) // 64))
        pooled = torch.cat([net.pool(samples.views(rows))[0] for rows in parts])
    iou, thing, picture = (
        torch.from_numpy(values) for values in (samples.iou, samples.thing, samples.picture)
    )
    good, rest = (torch.nonzero(m)[:, 0] for m in (iou >= GOOD_IOU, iou < GOOD_IOU))
    heads = (net.trunk, net.to_embedding, net.to_quality)
    weights = [*(p for m in heads for p in m.parameters()), net.vectors, net.bias]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    rng = np.random.default_rng([settings.seed, 14])
    net.trunk.train()
    for part in net.trunk.modules():
        if isinstance(part, nn.Dropout):
            part.p = DROPOUT
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine(step / STEPS)
        rows = torch.cat([s[torch.from_numpy(rng.integers(len(s), size=n))]
                          for s, n in ((good, 96), (rest, 48))])  # fmt: skip
        embedding, quality = net.read(pooled[rows])
        shown = rows[:96]
        log_p = phrase_log_probability(net.word_logits(embedding[:96]), lessons.incidence)
        loss = F.binary_cross_entropy_with_logits(quality, wanted_quality(iou[rows]))
        loss = loss + lessons.loss(log_p, thing[shown], picture[shown])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()


def run(how_many: list[int | None], seeds: list[int], settings: ConceptSettings, n: int) -> None:
    base = load_concept_segmenter("concept", device="cpu")
    if not isinstance(base, LearnedSegmenter):
        raise TypeError(f"expected the default segmenter, got {base.name}")
    torch.manual_seed(settings.seed)
    every, told = gather(base.tracker, Proposer(), settings)  # which is taught there
    kept = np.flatnonzero(np.random.default_rng(0).random(len(every)) < SHARE)
    samples = every.rows(kept)
    test = [make_concept_scene(FIRST + i, split="test") for i in range(n)]
    first = settings.scenes + settings.extra
    fresh = [training_scene(settings, first + i) for i in range(CALIBRATED)]
    pooled = {scene.image.tobytes(): pool(base, scene) for scene in (*test, *fresh)}
    say(f"{len(samples)} views, {n} pictures")
    for seed in seeds:
        counts: list[list[list[PairCount]]] = []
        head()
        for k in how_many:
            net = begin(base, seed)
            train_head(net, samples, replace(settings, seed=seed, hard_negatives=k), told)
            segmenter = Known(base.tracker, base.proposer, net, Calibration(), "concept@new")
            segmenter.pooled = pooled
            segmenter.calibration = calibrate(segmenter, fresh)
            counts.append(
                [
                    [count(s, p, segmenter.answer(segmenter.look(s.image), p)) for p in asked(s)]
                    for s in test
                ]
            )
            name = "all false phrases" if k is None else f"{k} negatives"
            row(f"seed {seed}: {name}", list(flat(counts[-1])))
            if len(counts) > 1:
                against(counts[0], counts[-1])


def flat(pictures: list[list[PairCount]]) -> Iterator[PairCount]:
    return (one for each in pictures for one in each)


def main() -> None:
    """Print a row for each number of hard negatives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", default="0,5,15,30")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--scenes", type=int, default=180)
    parser.add_argument("--extra", type=int, default=700)
    parser.add_argument("--pictures", type=int, default=50)
    args = parser.parse_args()
    torch.set_num_threads(1)
    how_many = [None if k == "all" else int(k) for k in args.counts.split(",")]
    seeds = [int(seed) for seed in args.seeds.split(",")]
    run(how_many, seeds, ConceptSettings(args.scenes, args.extra), args.pictures)


if __name__ == "__main__":
    main()
