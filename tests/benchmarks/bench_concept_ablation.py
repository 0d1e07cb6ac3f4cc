"""What verifiers add at inference, and what hard negatives add in training.

python -m tests.benchmarks.bench_concept_ablation verifiers [--pictures 40] [--first SEED]
python -m tests.benchmarks.bench_concept_ablation weigh --first 9020000 --pictures 60
python -m tests.benchmarks.bench_concept_ablation scratch --folder F [--counts 0,5,15,30,all]
    [--seeds 0,1] [--scenes 180 --extra 700 --steps 1000] [--pictures 120]
python -m tests.benchmarks.bench_concept_ablation negatives [--counts 0,5,15,30] [--learn 30]
    [--domain household]

``verifiers`` scores proposals alone, with the EV presence score where it is sure, and with MV's
surely rejected masks taken out; then as in the paper, EV in the segmenter's place and MV at a half
(SAM 3 paper, arXiv 2511.16719, table 9d). EV looks twice, as the one that ships does, and once for
comparison. ``weigh`` fits weights of the segmenter's word and MV's, and says whether they gain.

``scratch`` trains the default segmenter from nothing with so many hard negatives a picture (table
9b), or (``all``) by every false phrase, as ``samnb train concept`` does by default. All else is
equal, and `mobile`'s proposals are made once a seed; what is done already in the folder is not done
again. ``negatives`` fine-tunes the shipped segmenter on the same decided pictures with so many hard
negatives each, without a gate: what is measured is what the trainer makes of the pairs.

Pictures are drawn, of the test split; those that are learned from are of the train split. Intervals
are of the difference from the first row, 95 %, by pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samnb.masks.rle import encode
from samnb.metrics.cgf1 import PairCount, count_pair, mask_ious, total
from samnb.metrics.paired import interval
from samnb.models.concept import LearnedSegmenter, load_segmenter, save_segmenter
from samnb.models.concept_finetune import ConceptFinetuneSettings, DecidedPair, finetune_concept
from samnb.models.concept_look import GRID, look_over, tidy
from samnb.models.concept_proposals import propose
from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.concept_training.cli import learn
from samnb.models.concept_training.gather import gathered
from samnb.models.concept_training.settings import ConceptSettings
from samnb.models.concepts import ConceptPrediction, ConceptSegmenter
from samnb.models.registry import load_model
from samnb.models.tracker import MemoryTracker
from samnb.models.verifier_foundation.evaluate import TEST_SEEDS
from samnb.models.verifier_foundation.world import asked_phrases
from samnb.models.verifier_shipped import load_foundation, load_looking_twice
from samnb.models.verifier_use import acceptance, with_verifier
from samnb.models.verifier_weighing import WeighedPair, fit_weighing
from samnb.synthetic.concepts import ConceptScene, hard_negatives, make_concept_scene
from samnb.synthetic.household import DOMAINS
from samnb.synthetic.things import WORLD, Domain

FIRST = TEST_SEEDS + 5_000
"""Not the pictures that models were chosen on."""
LEARN = 700_000


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def asked(scene: ConceptScene) -> tuple[str, ...]:
    return asked_phrases(scene, np.random.default_rng([scene.seed, 17]))


def count(scene: ConceptScene, phrase: str, answer: ConceptPrediction) -> PairCount:
    found = [encode(one.mask) for one in answer.kept() if one.mask.any()]
    return count_pair(mask_ious(found, [encode(m) for m in scene.truth(phrase)]))


def row(name: str, counts: list[PairCount]) -> None:
    score = total(counts)
    say(f"{name:>24} {score.cgf1:6.1f} {score.il_mcc:7.3f} {score.pmf1:6.3f} {len(counts):6d}")


def head() -> None:
    say(f"{'':>24} {'cgF1':>6} {'IL_MCC':>7} {'pmF1':>6} {'pairs':>6}")


def verifiers(n: int, first: int) -> None:
    """Print what EV and MV add."""
    segmenter = load_concept_segmenter("concept", device="cpu")
    once = load_foundation(segmenter)
    twice = load_looking_twice(segmenter)
    ways: dict[str, dict[str, Any]] = {
        "proposals": {},
        "+ EV presence": {"ev": twice},
        "+ EV presence + MV": {"ev": twice, "mv": twice},
        "+ MV alone": {"mv": twice},
        "+ EV, one look": {"ev": once},
        "+ EV + MV, one look": {"ev": once, "mv": once},
        "EV replaces": {"ev": twice, "replaces_presence": True},
        "EV replaces + MV at 0.5": {
            "ev": twice, "mv": twice, "replaces_presence": True, "min_acceptance": 0.5,
        },
    }  # fmt: skip
    counts: dict[str, list[list[PairCount]]] = {name: [] for name in ways}
    for number in range(n):
        scene = make_concept_scene(first + number, split="test")
        phrases = asked(scene)
        answers = segmenter.segment(scene.image, phrases)
        for each in counts.values():
            each.append([])
        for phrase, plain in zip(phrases, answers, strict=True):
            for name, way in ways.items():
                answer = with_verifier(plain, scene.image, phrase, **way)
                counts[name][-1].append(count(scene, phrase, answer))
    say(f"{segmenter.name}, {twice.name}, {n} pictures from {first}")
    head()
    for name, pictures in counts.items():
        row(name, [one for each in pictures for one in each])
        if name != "proposals":
            against(counts["proposals"], pictures)


def weigh(n: int, first: int) -> None:
    """Fit weights of the segmenter's opinion and MV's, and say what they gain."""
    segmenter = load_concept_segmenter("concept", device="cpu")
    twice = load_looking_twice(segmenter)
    pictures = []
    for number in range(n):
        scene = make_concept_scene(first + number, split="test")
        phrases, pairs = asked(scene), []
        for phrase, plain in zip(phrases, segmenter.segment(scene.image, phrases), strict=True):
            answer = with_verifier(plain, scene.image, phrase, ev=twice)
            masks = [one.mask for one in answer.instances]
            found = np.array([one.score * answer.presence for one in answer.instances])
            accepted = acceptance(twice.verify_masks(scene.image, phrase, masks))
            truth = [encode(m) for m in scene.truth(phrase)]
            ious = mask_ious([encode(m) for m in masks], truth)
            pairs.append(WeighedPair(found, accepted, ious))
        pictures.append(pairs)
    made = fit_weighing(pictures)
    say(f"{segmenter.name}, {twice.name}, {n} pictures from {first}: {made.weighing}")
    say(f"cgF1 {made.alone.cgf1:.1f} alone, {made.crossed.cgf1:.1f} on pictures not fitted on")


def negatives(n: int, n_learn: int, how_many: list[int], steps: int, name: str, seed: int) -> None:
    """Print what so many hard negatives a picture add in training."""
    base, domain = load_concept_segmenter("concept", device="cpu"), DOMAINS[name]
    if not isinstance(base, LearnedSegmenter):
        raise TypeError(f"expected the default segmenter, got {base.name}")
    places = [domain] if domain is WORLD else [domain, WORLD]
    head()
    for place in places:
        row(f"{place.name}: as shipped", scored(base, n, place))
    for k in how_many:
        pairs = []
        for number in range(n_learn):
            first = LEARN + 1000 * seed
            scene = make_concept_scene(first + number, split="train", domain=domain)
            there = asked(scene)[:3]
            pairs += [DecidedPair(scene.image, p, scene.truth(p)) for p in there]
            near = [q for p in scene.phrases for q in hard_negatives(scene, p)[: 1 + k]]
            order = np.random.default_rng([scene.seed, 5]).permutation(len(near))
            absent = list(dict.fromkeys(near[i] for i in order))[:k]
            pairs += [DecidedPair(scene.image, p) for p in absent]
        settings = ConceptFinetuneSettings(steps=steps, most_pictures=n_learn, is_checked=False)
        with tempfile.TemporaryDirectory() as folder:
            made = finetune_concept(base, pairs, folder=Path(folder), settings=settings, seed=seed)
            if made.segmenter is not None:
                for place in places:
                    row(f"{place.name}: {k} negatives", scored(made.segmenter, n, place))


def scored(segmenter: ConceptSegmenter, n: int, domain: Domain) -> list[PairCount]:
    counts = []
    for number in range(n):
        scene = make_concept_scene(FIRST + number, split="test", domain=domain)
        phrases = asked(scene)
        answers = segmenter.segment(scene.image, phrases)
        counts += [count(scene, p, a) for p, a in zip(phrases, answers, strict=True)]
    return counts


def scratch(n: int, folder: Path, how_many: list[int | None], settings: ConceptSettings) -> None:
    """Print what hard negatives add where a segmenter is trained from nothing."""
    tracker = load_model("mobile", device="cpu")
    if not isinstance(tracker, MemoryTracker):
        raise TypeError(f"expected a SAM 2, got {tracker.name}")
    folder.mkdir(parents=True, exist_ok=True)
    proposer, samples, told = gathered(tracker, folder, settings)
    scenes = [make_concept_scene(FIRST + i, split="test") for i in range(n)]
    with torch.no_grad():
        maps = [propose(tracker, proposer, scene.image, grid=GRID) for scene in scenes]
    base: list[list[PairCount]] | None = None
    say(f"seed {settings.seed}, {n} pictures, {settings}")
    head()
    for k in how_many:
        path = folder / f"{settings.seed}.{'all' if k is None else k}.safetensors"
        if not path.exists():
            taught = replace(settings, hard_negatives=k)
            keep = path.with_suffix("")
            made = learn(tracker, proposer, samples, told, taught, keep=keep)
            save_segmenter(made, path, precision="float16")
        segmenter = load_segmenter(path, tracker)
        counts = []
        for scene, (features, found) in zip(scenes, maps, strict=True):
            look = tidy(look_over(segmenter.net, scene.image, found, features))
            counts.append([count(scene, p, segmenter.answer(look, p)) for p in asked(scene)])
        row("all false phrases" if k is None else f"{k} negatives",
            [one for each in counts for one in each])  # fmt: skip
        if base is None:
            base = counts
        else:
            against(base, counts)


def against(one: list[list[PairCount]], other: list[list[PairCount]]) -> None:
    """Print 95 % intervals of the difference from the first row."""
    ends = [interval(one, other, what) for what in ("cgf1", "il_mcc", "pmf1")]
    said = [f"{low:+.{d}f}..{high:+.{d}f}" for (low, high), d in zip(ends, (1, 3, 3), strict=True)]
    say(f"{'against the first':>24} cgF1 {said[0]}  IL_MCC {said[1]}  pmF1 {said[2]}")


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["verifiers", "weigh", "scratch", "negatives"])
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first picture")
    parser.add_argument("--learn", type=int, default=30)
    parser.add_argument("--counts", default="0,5,15,30")
    parser.add_argument("--steps", type=int, help="150, from nothing 1000")
    parser.add_argument("--folder", type=Path, help="of what is trained from nothing")
    parser.add_argument("--scenes", type=int, default=180)
    parser.add_argument("--extra", type=int, default=700)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--domain", choices=sorted(DOMAINS), default="world")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "verifiers":
        verifiers(args.pictures, args.first)
    elif args.what == "weigh":
        weigh(args.pictures, args.first)
    elif args.what == "scratch":
        if args.folder is None:
            parser.error("scratch: expected --folder, got none")
        how_many = [None if k == "all" else int(k) for k in args.counts.split(",")]
        for seed in args.seeds.split(","):
            settings = ConceptSettings(
                args.scenes, args.extra, steps=args.steps or 1000, seed=int(seed)
            )
            scratch(args.pictures, args.folder, how_many, settings)
    else:
        counts = [int(k) for k in args.counts.split(",")]
        negatives(args.pictures, args.learn, counts, args.steps or 150, args.domain, args.seed)


if __name__ == "__main__":
    main()
