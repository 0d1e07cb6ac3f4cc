"""A small common world: clips of flat colours, with a segmenter and a verifier that know it."""

import numpy as np
from PIL import Image

from samnb.comparison.world import CommonClip, CommonWorld
from samnb.engine.concepts.arms import Verification
from samnb.engine.concepts.reviewers import PERFECT, is_exhaustive, right_masks
from samnb.engine.simulation import seeded
from samnb.events.concepts import ConceptTask, RoutingMode, RoutingSwitched
from samnb.models.concepts import ConceptPrediction, Instance
from samnb.types import EvAnswer, MvAnswer
from tests.engine.concepts.world import spread
from tests.engine.scene import N_FRAMES, write_clip

NAMED = {"ball": ["1"], "box": ["2"], "thing": ["1", "2"], "dog": [], "red box": []}
PARENTS = {"red box": "box"}


def flat_world(folder, n_clips=3, sampled=(1, 6)):
    """Frame 6 does not show the ball."""
    clips = []
    for n in range(n_clips):
        video = write_clip(folder / f"clip{n}", shade=n)
        named = {p: [f"{video.name}/{i}" for i in ids] for p, ids in NAMED.items()}
        clips.append(CommonClip(video, named, PARENTS, sampled))
    return CommonWorld(clips, 24.0)


def write_davis(folder):
    """One flat clip in DAVIS's layout."""
    video = write_clip(folder / "JPEGImages/flat")
    labels = folder / "Annotations/flat"
    labels.mkdir(parents=True)
    for t in range(N_FRAMES):
        ball, box = (o.mask(t) for o in video.objects)
        Image.fromarray(ball * np.uint8(1) + box * np.uint8(2)).save(labels / f"{t:05d}.png")
    return folder


class Knowing:
    def __init__(self, world):
        self.places = {}
        for clip in world.clips:
            for at, path in enumerate(clip.frames):
                self.places[np.asarray(Image.open(path)).tobytes()] = clip, at

    def truth(self, image, phrase):
        clip, at = self.places[np.ascontiguousarray(image).tobytes()]
        return clip.truth(at, phrase) or ()


class FlatSegmenter(Knowing):
    """Finds the first instance of every phrase, and fires on "red box"."""

    name = "flat@1"

    def segment(self, image, phrases, exemplars=None):
        answers = []
        for phrase in phrases:
            masks = self.truth(image, "box" if phrase == "red box" else phrase)[:1]
            answers.append(ConceptPrediction(0.9, tuple(Instance(m, 0.9) for m in masks)))
        return tuple(answers)


class FlatVerifier(Knowing):
    """Always right, and less sure of one picture and phrase in four."""

    name = "flat-judge@1"

    def _row(self, options, is_good, phrase):
        at = options.index(options[0].__class__.ACCEPT if is_good else options[0].__class__.REJECT)
        return spread(len(options), at, 0.6 if seeded(1, phrase).integers(4) == 0 else 0.97)

    def verify_masks(self, image, phrase, masks):
        good = right_masks(masks, self.truth(image, phrase), PERFECT)
        return np.stack([self._row(list(MvAnswer), g, phrase) for g in good])

    def verify_exhaustive(self, image, phrase, masks):
        is_good = is_exhaustive(masks, self.truth(image, phrase), PERFECT)
        return self._row(list(EvAnswer), is_good, phrase)


def with_leave(world, above=0.9, bound=0.2):
    """A verifier with leave to decide what it is sure of."""
    verifier = FlatVerifier(world)
    switches = [
        RoutingSwitched(
            task, RoutingMode.ON, verifier.name, 0.3, 0.2, (("accept", above), ("reject", above)),
            (("accept", bound), ("reject", bound)),
        )
        for task in (ConceptTask.MV, ConceptTask.EV)
    ]  # fmt: skip
    return Verification(verifier, switches)
