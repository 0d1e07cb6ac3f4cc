"""J and F written out pixel by pixel, slowly and obviously, from their definition."""

import math


def boundary_pixels(mask):
    """Pixels that differ from their right, lower or lower-right neighbour."""
    height, width = mask.shape
    found = set()
    for y in range(height):
        for x in range(width):
            if y == height - 1 and x == width - 1:
                continue
            if x == width - 1:
                others = [(y + 1, x)]
            elif y == height - 1:
                others = [(y, x + 1)]
            else:
                others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if any(bool(mask[o]) != bool(mask[y, x]) for o in others):
                found.add((y, x))
    return found


def j_of(gt, pred):
    inter = union = 0
    for a, b in zip(gt.ravel().tolist(), pred.ravel().tolist(), strict=True):
        inter += a and b
        union += a or b
    return inter / union if union else 1.0


def f_of(gt, pred, bound=0.008):
    radius = math.ceil(bound * math.hypot(*gt.shape))
    gt_line, pred_line = boundary_pixels(gt), boundary_pixels(pred)
    if not gt_line and not pred_line:
        return 1.0
    if not gt_line or not pred_line:
        return 0.0

    def met(pixels, partners):
        return sum(
            any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in partners) for y, x in pixels
        )

    precision = met(pred_line, gt_line) / len(pred_line)
    recall = met(gt_line, pred_line) / len(gt_line)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def masklet_of(gts, preds, skip=True):
    """Mean J and F from the first frame on which either mask shows the object."""
    pairs = list(zip(gts, preds, strict=True))[1:-1] if skip else list(zip(gts, preds, strict=True))
    while pairs and not pairs[0][0].any() and not pairs[0][1].any():
        pairs = pairs[1:]
    j = [j_of(*pair) for pair in pairs]
    f = [f_of(*pair) for pair in pairs]
    return sum(j) / len(j), sum(f) / len(f), len(pairs)
