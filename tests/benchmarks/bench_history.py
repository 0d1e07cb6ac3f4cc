"""What it saves to fold a log once for everything that is computed from it.

python -m tests.benchmarks.bench_history [PROJECT]

Without a project file one is made up: many objects, clicked on many frames, verified.
Times are of this process's own work (CPU seconds), so a busy machine does not change them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from samnb.engine import phasestats, rates, stats
from samnb.engine.cards.card import make_card
from samnb.engine.concepts import stats as concept_stats
from samnb.engine.history import History, read_history
from samnb.events import (
    Body,
    Event,
    FrameEdited,
    ItemAdded,
    Judged,
    Looked,
    MediaAdded,
    ProjectCreated,
    Submitted,
    WorkerJoined,
)
from samnb.masks import rle
from samnb.store.db import Log
from samnb.types import (
    FrameMask,
    Item,
    Media,
    MediaKind,
    Point,
    Proposal,
    Verdict,
    VerdictKind,
    Worker,
)

N_ITEMS, N_FRAMES = 160, 50
SIZE_HW = (90, 160)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def made_up(n_items: int = N_ITEMS, n_frames: int = N_FRAMES, seed: int = 0) -> History:
    """The log of two people: one clicks every object on every frame, one verifies."""
    rng = np.random.default_rng(seed)
    media = Media("m", MediaKind.VIDEO, "clip.mp4", "", SIZE_HW, n_frames, 6.0, n_frames / 6)
    mask_id = rle.encode(np.ones(SIZE_HW, bool)).id
    rows: list[tuple[str, Body]] = [
        ("ana", ProjectCreated("bench")),
        ("ana", WorkerJoined(Worker("ana"))),
        ("ana", MediaAdded(media)),
    ]
    rows.append(("bo", WorkerJoined(Worker("bo"))))
    for n in range(n_items):
        item_id = f"item{n}"
        rows.append(("ana", ItemAdded(Item(item_id, "m", n + 1))))
        for i in range(n_frames):
            rows.append(("ana", Looked("m", item_id, i)))
            point = Point(float(rng.uniform(0, SIZE_HW[1])), float(rng.uniform(0, SIZE_HW[0])))
            edit = FrameEdited(item_id, i, "points", (point,), mask_id, None, "bench@0", 1)
            rows.append(("ana", edit))
        frames = tuple(FrameMask(i, mask_id, True) for i in range(n_frames))
        proposal = Proposal(f"p{n}", item_id, "ana", "bench@0", frames)
        verdict = Verdict(proposal.id, item_id, "bo", VerdictKind.SATISFACTORY)
        rows += [("ana", Submitted(proposal)), ("bo", Judged(verdict))]
    return History(
        Event(seq, 1e9 + 2.0 * seq, who, body) for seq, (who, body) in enumerate(rows, 1)
    )


STATISTICS: dict[str, Callable[[Sequence[Event]], object]] = {
    "masklets": stats.masklets,
    "workers": stats.workers,
    "phases": phasestats.phases,
    "acceptance": rates.acceptance,
    "throughput": rates.throughput,
    "effort": rates.effort,
    "pairs": concept_stats.pairs,
    "pair summary": concept_stats.summary,
    "segmenters": concept_stats.segmenters,
    "verifiers": concept_stats.verifiers,
    "reviewers": concept_stats.reviewers,
    "card": make_card,
}
"""What the statistics page and the card ask of a log."""


def spent_s(work: Callable[[], object]) -> float:
    """CPU seconds of some work."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def run(events: Sequence[Event]) -> None:
    make_card(events[:10])  # imports are not part of it
    alone = {name: spent_s(lambda f=make: f(list(events))) for name, make in STATISTICS.items()}
    once = History(events)
    folded_s = spent_s(lambda: (once.project, once.pairs, once.costs()))
    shared = {name: spent_s(lambda f=make: f(once)) for name, make in STATISTICS.items()}
    _say(f"{len(events)} events; CPU seconds")
    _say(f"{'':14} {'each folds':>10} {'folded once':>11}")
    for name in STATISTICS:
        _say(f"{name:14} {alone[name]:10.2f} {shared[name]:11.2f}")
    _say(f"{'folding':14} {'':10} {folded_s:11.2f}")
    a, b = sum(alone.values()), folded_s + sum(shared.values())
    _say(f"{'all':14} {a:10.2f} {b:11.2f}   {a / b:.1f} times")
    grown = once.followed_by
    more = [Event(len(events) + 1, events[-1].at_s + 1, "ana", Looked("m", None, 0))]
    anew_s = spent_s(lambda: (h := History([*events, *more])).project and h.pairs)
    on_s = spent_s(lambda: (h := grown(more)).project and h.pairs)
    _say(f"one event more: {anew_s:.3f} s to fold anew, {on_s:.4f} s to fold on: "
         f"{anew_s / on_s:.0f} times")  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        log = Log(Path(sys.argv[1]))
        run(read_history(log)[0])
        log.close()
    else:
        run(made_up())
