"""cgF1 and pHOTA again, slow and obvious: whole arrays, every permutation tried."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np

from samnb.masks.rle import encode
from samnb.types import Rle

IOUS = [0.5 + 0.05 * k for k in range(10)]
ALPHAS = [0.05 * k for k in range(1, 20)]


def span(first: int, last: int, width: int = 100) -> np.ndarray:
    """A mask of one row with the pixels from first up to, not including, last."""
    mask = np.zeros((1, width), bool)
    mask[0, first:last] = True
    return mask


def rle_span(first: int, last: int, width: int = 100) -> Rle:
    return encode(span(first, last, width))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    either = (a | b).sum()
    return (a & b).sum() / either if either else 0.0


def best_matching(weights: list[list[float]]) -> list[tuple[int, int]]:
    """Rows and columns of the one-to-one matching with the greatest sum."""
    n, m = len(weights), len(weights[0]) if weights else 0
    if n > m:
        turned = [[weights[i][j] for i in range(n)] for j in range(m)]
        return [(i, j) for j, i in best_matching(turned)]
    tries = (list(zip(range(n), p, strict=True)) for p in permutations(range(m), n))
    return max(tries, key=lambda pairs: sum(weights[i][j] for i, j in pairs), default=[])


def f1(tp: int, fp: int, fn: int) -> float:
    precision, recall = tp / (tp + fp + 1e-4), tp / (tp + fn + 1e-4)
    return 2 * precision * recall / (precision + recall + 1e-4)


def hits(ious: list[list[float]], n_pred: int, n_gt: int) -> list[tuple[int, int, int]]:
    """True positives, false positives and false negatives at each threshold."""
    met = [ious[i][j] for i, j in best_matching(ious)] if n_pred and n_gt else []
    tps = [sum(value >= t - 1e-9 for value in met) for t in IOUS]
    return [(tp, n_pred - tp, n_gt - tp) for tp in tps]


def cg_scores(pairs: list[tuple[list[list], list]], similarity=iou) -> tuple[float, float, float]:
    """cgF1, pmF1 and IL_MCC of pairs: (true masks by each rater, predicted masks)."""
    image = {"TP": 0, "FP": 0, "FN": 0, "TN": 0}
    sums = [[0, 0, 0] for _ in IOUS]
    for raters, pred in pairs:
        best = None
        for gt in raters:
            rows = hits([[similarity(p, g) for g in gt] for p in pred], len(pred), len(gt))
            local = 2.0 if not gt and not pred else sum(f1(*row) for row in rows) / len(rows)
            if best is None or local > best[0]:
                best = local, rows, len(gt)
        _, rows, n_gt = best
        image[("T" if bool(pred) == bool(n_gt) else "F") + ("P" if pred else "N")] += 1
        if n_gt:
            for sum_, row in zip(sums, rows, strict=True):
                for k in range(3):
                    sum_[k] += row[k]
    pmf1 = sum(f1(*row) for row in sums) / len(sums)
    tp, fp, fn, tn = image["TP"], image["FP"], image["FN"], image["TN"]
    mcc = (tp * tn - fp * fn) / (math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) + 1e-6)
    return 100 * pmf1 * mcc, pmf1, mcc


def volume_iou(a: list, b: list) -> float:
    """Of two masklets; None where absent."""
    both = either = 0
    for x, y in zip(a, b, strict=True):
        x = np.zeros((1, 1), bool) if x is None else x
        y = np.zeros((1, 1), bool) if y is None else y
        both += (x & y).sum()
        either += (x | y).sum()
    return both / either if either else 1.0


def hota_scores(pairs: list[tuple[list[list], list[list]]]) -> tuple[float, float, float]:
    """HOTA, DetA and AssA of pairs: (true masklets, predicted masklets)."""
    parts = [_hota_alpha(pairs, alpha) for alpha in ALPHAS]
    hota = sum(math.sqrt(det * ass) for det, ass in parts) / len(parts)
    return hota, sum(p[0] for p in parts) / len(parts), sum(p[1] for p in parts) / len(parts)


def _hota_alpha(pairs, alpha: float) -> tuple[float, float]:
    tp = fp = fn = 0
    association = 0.0
    for gt, pred in pairs:
        n_frames = len((gt or pred or [[]])[0])
        frames_of = lambda track: sum(m is not None for m in track)  # noqa: E731
        potential = {}
        for t in range(n_frames):
            here = [(i, j) for i in range(len(gt)) for j in range(len(pred))]
            here = [(i, j) for i, j in here if gt[i][t] is not None and pred[j][t] is not None]
            sims = {(i, j): iou(gt[i][t], pred[j][t]) for i, j in here}
            for (i, j), value in sims.items():
                row = sum(v for (a, _), v in sims.items() if a == i)
                column = sum(v for (_, b), v in sims.items() if b == j)
                if value > 0:
                    potential[i, j] = potential.get((i, j), 0) + value / (row + column - value)
        matched = {}
        for t in range(n_frames):
            rows = [i for i in range(len(gt)) if gt[i][t] is not None]
            columns = [j for j in range(len(pred)) if pred[j][t] is not None]
            weights = [
                [
                    potential.get((i, j), 0)
                    / (frames_of(gt[i]) + frames_of(pred[j]) - potential.get((i, j), 0))
                    * iou(gt[i][t], pred[j][t])
                    for j in columns
                ]
                for i in rows
            ]
            n_hits = 0
            for a, b in best_matching(weights) if columns else []:
                i, j = rows[a], columns[b]
                if iou(gt[i][t], pred[j][t]) >= alpha - 1e-12:
                    n_hits += 1
                    matched[i, j] = matched.get((i, j), 0) + 1
            tp += n_hits
            fn += len(rows) - n_hits
            fp += len(columns) - n_hits
        for (i, j), n in matched.items():
            association += n * n / (frames_of(gt[i]) + frames_of(pred[j]) - n)
    return tp / max(1, tp + fp + fn), association / max(1, tp)
