"""A project whose masklets are verified, and a trainer that learns by decree."""

from __future__ import annotations

from pathlib import Path

from samnb.engine.session import Session
from samnb.masks import rle as rle_ops
from samnb.models.trainable import Trained, checkpoint_path
from samnb.types import FrameMask
from tests.engine.scene import ColourTracker, make_truth


def open_session(path, tracker=None, clock=None):
    """Open a project that annotates every frame."""
    kw = {} if clock is None else {"clock": clock}
    return Session.open(path, worker="ana", tracker=tracker or ColourTracker(),
                        annotation_fps=100.0, **kw)  # fmt: skip


def add_verified(session, tmp_path, n_clips=3):
    """Import every true masklet of some clips as accepted; return the media."""
    truth = make_truth(tmp_path, n_clips)
    media = []
    for video in truth:
        medium = session.add_media(video.path)
        media.append(medium)
        for thing in video.objects:
            rows = [(FrameMask(i, r.id), r) for i, r in sorted(thing.masks.items())]
            session.import_masklet(medium.id, rows, source="truth", name=thing.name,
                                   is_accepted=True)  # fmt: skip
    return media


class Decree:
    """A trainer: the new version drifts by so much; three steps, a checkpoint after each."""

    def __init__(self, drift=0.0, fails=False):
        self.drift, self.fails = drift, fails
        self.calls = []

    def __call__(self, tracker, clips, *, folder, settings, seed, replay=(), tag="",
                 on_progress=None, cancel=None):  # fmt: skip
        self.calls.append({"tracker": tracker, "clips": list(clips), "settings": settings,
                           "seed": seed, "replay": list(replay), "tag": tag})  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = checkpoint_path(folder, tag)
        step = int(checkpoint.read_text()) if checkpoint.is_file() else 0
        curve = []
        while step < 3:
            if cancel is not None and cancel.is_set():
                return Trained("cancelled", step, None, None, tuple(curve))
            if self.fails:
                raise RuntimeError("out of memory")
            step += 1
            checkpoint.write_text(str(step))
            curve.append((step, 1 / step))
            if on_progress:
                on_progress(step, 3, 1 / step)
        new = ColourTracker(tracker.rough, self.drift)
        new.name = f"colour@{len(self.calls) + 1}-{self.drift:g}"
        file = folder / f"{new.name}.safetensors"
        file.write_text(repr((new.rough, new.drift, new.name)))
        return Trained("done", 3, new, file, tuple(curve))


def load_decree(path: Path, _root):
    """Read back what :class:`Decree` wrote."""
    rough, drift, name = eval(path.read_text())
    tracker = ColourTracker(rough, drift)
    tracker.name = name
    return tracker


def truth_clip(session, medium):
    """The true masks of a medium as a labelled clip."""
    from samnb.engine.dataset import accepted, labelled_clips

    rows = [p for p in accepted(session.state)
            if session.item(p.item_id).item.media_id == medium.id]  # fmt: skip
    (clip,) = labelled_clips(session, rows)
    assert all(rle_ops.area(r) >= 0 for o in clip.objects for r in o.values())
    return clip
