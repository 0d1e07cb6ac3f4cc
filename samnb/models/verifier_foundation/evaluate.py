"""Measure a verifier on drawn pictures, beside simulated people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from samnb.metrics.calibration import (
    area_under_curve,
    expected_calibration_error,
    top_label,
)
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier, Probabilities
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.models.verifier_foundation.world import verdicts
from samnb.models.verifier_tables import EV_OPTIONS, MV_OPTIONS
from samnb.models.verifier_use import ev_presence
from samnb.synthetic.concepts import make_concept_scene

TEST_SEEDS: Final = 9_000_000
"""Seeds from here on are for measuring, as for the segmenter."""
MV_ACCURACY: Final = 0.75
EV_ACCURACY: Final = 0.818
"""How often a person is right (SAM 3 paper, arXiv 2511.16719, table 23, averages)."""
N_RATERS: Final = 4
"""Reviews of a job: one is left out, the other three have a majority."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def evaluate(
    verifier: ConceptVerifier,
    segmenter: ConceptSegmenter,
    seeds: Iterable[int],
    *,
    difficulty: float = 0.5,
    on_picture: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Ask a verifier what the loop would ask, and compare with the truth and with people.

    Args:
        verifier: answers.
        segmenter: proposes what is judged.
        seeds: of the pictures, of the test split.
        difficulty: of the pictures.
        on_picture: called with the number of pictures done.

    Returns:
        JSON-ready, for ``mv`` and ``ev``: see :func:`figures`; ``ev_absent`` and
        ``ev_covered`` are the same for pairs without and with masks; for ``presence``:
        accuracies at 0.5 and areas under the curve of the EV presence score and of the
        segmenter's presence, and the phrases asked.
    """
    rows: dict[str, list[tuple[Floats, int]]] = {"mv": [], "ev": []}
    rows |= {"ev_absent": [], "ev_covered": []}
    presence: list[tuple[bool, float, float]] = []
    for done, seed in enumerate(seeds, 1):
        scene = make_concept_scene(seed, difficulty=difficulty, split="test")
        for one in verdicts(scene, segmenter, with_spoilt=False):
            example, told = one.example, one.segmenter
            if isinstance(example, MvExample):
                row = verifier.verify_masks(scene.image, example.phrase, [example.mask])[0]
                rows["mv"].append((row, MV_OPTIONS.index(example.answer)))
            elif isinstance(example, EvExample):
                row = verifier.verify_exhaustive(scene.image, example.phrase, example.masks)
                told_by = row, EV_OPTIONS.index(example.answer)
                rows["ev"].append(told_by)
                rows["ev_covered" if example.masks else "ev_absent"].append(told_by)
                is_there = bool(scene.named(example.phrase))
                chance = ev_presence(verifier, scene.image, example.phrase)
                presence.append((is_there, chance, told))
        if on_picture is not None:
            on_picture(done)
    found: dict[str, Any] = {
        task: figures(
            np.stack([row for row, _ in rows[task]]),
            np.array([answer for _, answer in rows[task]], np.int64),
            accuracy,
        )
        for task, accuracy in (
            ("mv", MV_ACCURACY), ("ev", EV_ACCURACY), ("ev_absent", EV_ACCURACY),
            ("ev_covered", EV_ACCURACY),
        )
        if rows[task]
    }  # fmt: skip
    table = np.array(presence, np.float64).reshape(-1, 3)
    named = table[:, 0] > 0
    found["presence"] = {"phrases": len(table), "named": int(named.sum())}
    for name, column in (("ev", table[:, 1]), ("segmenter", table[:, 2])):
        found["presence"][name] = _share((column > 0.5) == named)
        found["presence"][f"{name}_auc"] = area_under_curve(column, named)
    return found


def figures(
    table: Probabilities, right: npt.NDArray[np.int64], human: float, *, seed: int = 0
) -> dict[str, Any]:
    """Accuracy and calibration of a verifier, and leave-one-out beside simulated people.

    Leave-one-out as in the paper (its appendix on the AI verifiers): several people review a
    job, one is left out, and the majority of the others is what is right. People are right
    with a fixed probability and else say the opposite.

    Args:
        table: (N, K) probabilities of the options, the first of them Accept.
        right: (N,) the true option.
        human: probability that a person is right.
        seed: of the people's errors.

    Returns:
        ``n``; ``accuracy`` and ``ece`` against the truth; ``auc``, how well the probability
        of Accept tells what is to be accepted from the rest; ``commonest``: accuracy of always
        giving the commonest answer; ``accept_recall`` and ``reject_recall``: of what is to be
        accepted or rejected, how much is; ``left_out_ai`` and ``left_out_human``: agreement
        with the majority of the other people.
    """
    confidences, is_right = top_label(table, right)
    accept = right == 0
    rng = np.random.default_rng([seed, len(right)])
    said_accept = table.argmax(axis=1) == 0
    people = (rng.random((N_RATERS, len(right))) < human) == accept
    ours: list[float] = []
    theirs: list[float] = []
    for left in range(N_RATERS):
        others = np.delete(people, left, axis=0)
        majority = others.sum(axis=0) * 2 > len(others)
        ours.append(float((said_accept == majority).mean()))
        theirs.append(float((people[left] == majority).mean()))
    return {
        "n": len(right),
        "accuracy": _share(is_right),
        "auc": area_under_curve(table[:, 0], accept),
        "ece": round(expected_calibration_error(confidences, is_right), 3),
        "commonest": round(max(float(accept.mean()), float(1 - accept.mean())), 3),
        "accept_recall": _share(said_accept[accept]),
        "reject_recall": _share(~said_accept[~accept]),
        "left_out_ai": round(float(np.mean(ours)), 3),
        "left_out_human": round(float(np.mean(theirs)), 3),
    }


def _share(hits: Bools) -> float:
    return round(float(hits.mean()), 3) if len(hits) else float("nan")
