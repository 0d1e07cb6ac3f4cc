"""A project in which both loops have run a while, so that every dashboard has something to show.

Clips and pictures are of the synthetic world and the people are simulated, on a clock of
their own. No model looked at the pictures: proposals and the verifier's answers are the
truth, spoiled by chance, under names that say so; :data:`NOTE` says it on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.arms import REVIEWERS, add_world, simulated_loop
from samnb.engine.concepts.reviewers import SimulatedReviewer, Skill, is_exhaustive, right_masks
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.warmup import Targets
from samnb.engine.concepts.world import ConceptWorld, make_world
from samnb.engine.experiment import run_experiment
from samnb.engine.groundtruth import GroundTruth, TrueObject, TrueVideo
from samnb.engine.session import Session
from samnb.engine.workers import Strictness, simulated
from samnb.events.concepts import Apart, ConceptStep, ConceptTask
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import Probabilities
from samnb.synthetic.concepts import ConceptScene
from samnb.types import EvAnswer, MvAnswer, Point, Rle, Step
from samnb.widgets.concept_demo import MODEL, spoiled

NOTE: Final = (
    "Demo: made-up clips and pictures, worked on by simulated people. Proposals and the "
    "verifier's answers were not given by a model; they are the truth, spoiled by chance."
)
"""What a page says about the demo."""
VERIFIER: Final = "spoiled-truth-verifier"
"""Stands as the verifier of the demo."""
SETBACK: Final = "The mask leaves the object near the end; please correct it there."
"""What the demo's verifier wrote about the masklet that came back."""
CLIP_HW: Final = (160, 280)
N_FRAMES: Final = 8
FRAMES_FPS: Final = 24.0
"""The rate of a folder of frames: every frame is annotated."""
PICTURE_HW: Final = (180, 240)
SHARES: Final = (
    {ConceptTask.MV: 1.0, ConceptTask.EV: 1.0, ConceptTask.CORRECT: 1.0},
    {ConceptTask.MV: 0.7, ConceptTask.EV: 0.7, ConceptTask.CORRECT: 0.0},
)
"""How much of what waits the simulated people answer, in the first and in the second part."""
HELD_OUT_SHARE: Final = 0.5
"""Share of the pictures that are held out: the evidence for routing comes from them."""


class SpoiledVerifier:
    """Answers MV and EV by the truth, errs at times, and is rarely sure when it does.

    Args:
        world: the pictures that it knows.
        seed: of its errors.
    """

    def __init__(self, world: ConceptWorld, seed: int = 0) -> None:
        self._scenes = {p.scene.image.tobytes(): p.scene for p in world.pictures}
        self._rng = np.random.default_rng(seed)
        self._skill = Skill()

    @property
    def name(self) -> str:
        """As the log names it."""
        return VERIFIER

    def verify_masks(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Probabilities:
        """See :class:`~samnb.models.concepts.ConceptVerifier`."""
        truth = self._scene(image).truth(phrase)
        good = right_masks(masks, truth, self._skill)
        rows = [self._row(is_good, len(MvAnswer), 2) for is_good in good]
        return np.array(rows, np.float64).reshape(-1, len(MvAnswer))

    def verify_exhaustive(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> Probabilities:
        """See :class:`~samnb.models.concepts.ConceptVerifier`."""
        truth = self._scene(image).truth(phrase)
        return self._row(is_exhaustive(masks, truth, self._skill), len(EvAnswer), 1)

    def _scene(self, image: Image) -> ConceptScene:
        return self._scenes[np.asarray(image).tobytes()]

    def _row(self, is_good: bool, n: int, reject: int) -> npt.NDArray[np.float64]:
        """Probabilities with the likeliest at accept (0) or at ``reject``."""
        is_wrong = self._rng.random() < 0.08
        sure = self._rng.uniform(0.5, 0.6) if is_wrong else self._rng.uniform(0.62, 0.995)
        row = np.full(n, (1.0 - sure) / (n - 1))
        row[0 if is_good != is_wrong else reject] = sure
        return row


def make_demo(target: str | Path, *, start_s: float = 0.0, seed: int = 0) -> None:
    """Fill a project that is new; one with objects or pairs is left alone.

    Args:
        target: project file; its media go to a folder beside it.
        start_s: when the simulated people began, in seconds since the epoch.
        seed: equal seeds give equal projects.
    """
    project = Path(target)
    session = Session.open(
        project, worker=simulated("demo"), annotation_fps=FRAMES_FPS, clock=lambda: start_s
    )
    is_new = not session.state.items and not session.concepts.state.pairs
    session.close()
    if is_new:
        media = project.with_name(f"{project.stem}-media")
        _masklets(project, media, seed)
        _concepts(project, media, seed)


def _masklets(project: Path, media: Path, seed: int) -> None:
    """One clip in all three phases and one in the third, verified; another waits for a
    verifier or came back; in the last an object is clicked and no more."""
    clips = [_discs(media / f"discs-{number}", seed + number) for number in range(4)]
    for videos, phases, strictness in (
        (clips[:1], (1, 2, 3), Strictness()),
        (clips[1:2], (3,), Strictness()),
        (clips[2:3], (2, 3), None),
    ):
        run_experiment(
            project,
            GroundTruth(videos),
            tracker="colour",
            phases=phases,
            strictness=strictness,
            seed=seed,
        )
    with simulated_loop(project, seed, "demo") as (loop, _clock):
        session = loop.session
        waiting = [s for s in session.state.items.values() if s.step is Step.VERIFY]
        critic = session.as_worker(simulated("verifier"))
        item = waiting[0].item
        critic.judge(item.id, "unsatisfactory", SETBACK, max(waiting[0].frames))
        start_s = session.clock()
        media_id = session.add_media(clips[3].path).id
    person = Session.open(
        project,
        worker=simulated("annotator-3"),
        tracker="colour",
        clock=lambda: start_s,
        ids=lambda: f"demo-{seed}",
    )
    item_id = person.add_item(media_id, "upper disc").id
    person.set_prompts(item_id, 0, [Point(50, 45)])
    person.close()


def _discs(folder: Path, seed: int) -> TrueVideo:
    """A folder of frames with two discs of even colour; one passes a bar of its colour,
    where a tracker that goes by colour errs."""
    rng = np.random.default_rng(seed)
    height, width = CLIP_HW
    y, x = np.mgrid[:height, :width]
    colours = rng.permutation([(214, 69, 65), (52, 120, 200), (238, 190, 60), (90, 160, 90)])
    shade = rng.uniform(70, 120) + 50 * x[..., None] / width
    truths: list[dict[int, Rle]] = [{}, {}]
    folder.mkdir(parents=True, exist_ok=True)
    for idx in range(N_FRAMES):
        picture = np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)
        picture[110:118, 190:230] = colours[1]
        for number, (x0, y0, dx) in enumerate(((50, 45, 22), (60, 114, 24))):
            mask = (x - x0 - dx * idx) ** 2 + (y - y0) ** 2 <= (16 + 4 * number) ** 2
            picture[mask] = colours[number]
            truths[number][idx] = rle_ops.encode(mask)
        path = folder / f"{idx:03d}.png"
        if not path.exists():
            PilImage.fromarray(picture).save(path)
    name = folder.name
    return TrueVideo(
        name,
        folder,
        lambda: [
            TrueObject(f"{name}/{at}", ("upper disc", "lower disc")[at], masks)
            for at, masks in enumerate(truths)
        ],
    )


def _concepts(project: Path, media: Path, seed: int) -> None:
    """Pictures that people decided wholly; then, with what that allows, others in part."""
    worlds = [
        make_world(
            media, n, seed=100 * (seed + 1) + part, n_positives=2, n_negatives=2, size_hw=PICTURE_HW
        )
        for part, n in enumerate((6, 5))
    ]
    world = ConceptWorld(tuple(p for w in worlds for p in w.pictures))
    verifier = SpoiledVerifier(world, seed)
    skill = Skill(mv_accuracy=1.0, ev_accuracy=1.0)
    targets = Targets.as_people(Skill())
    rng = np.random.default_rng(seed)
    with simulated_loop(project, seed, "demo") as (loop, clock):
        loop.set_rules(apart=Apart.PAIR)
        reviewer = SimulatedReviewer(world, skill, clock=clock, seed=seed)
        doors = {
            task: loop.session.as_worker(simulated(name)).concepts
            for task, name in REVIEWERS.items()
        }
        for part, shares in zip(worlds, SHARES, strict=True):
            add_world(loop, part, HELD_OUT_SHARE)
            _propose(loop, world, rng)
            for task, share in shares.items():
                if task is not ConceptTask.CORRECT:
                    loop.verify(verifier, [task])
                doors[task].refresh()
                limit = math.floor(share * doors[task].waiting(task))
                reviewer.work(doors[task], task, limit=limit)
            if part is worlds[0]:
                for task, target in ((ConceptTask.MV, targets.mv), (ConceptTask.EV, targets.ev)):
                    loop.choose_routing(task, verifier.name, target=target, seed=seed)


def _propose(loop: ConceptSession, world: ConceptWorld, rng: np.random.Generator) -> None:
    """Put the spoiled truth forward for every pair that has no proposal."""
    maker = loop.as_model(MODEL)
    pictures = {p.path.name: p for p in world.pictures}
    for pair in list(maker.refresh().pairs.values()):
        if pair.step is not ConceptStep.PROPOSE:
            continue
        picture = pictures[loop.session.media(pair.item.media_id).name]
        truth = picture.scene.truth(pair.phrase)
        others = picture.scene.truth(pair.parent_phrase or picture.positives[0])
        masks = spoiled(picture.scene, truth, () if truth else others, rng)
        presence = float(rng.beta(5, 2) if truth else rng.beta(2, 3))
        drawn = [
            Drawn(mask, score=round(float(rng.uniform(0.5, 1)), 3), model=MODEL) for mask in masks
        ]
        maker.propose_masks(pair.id, drawn, presence=round(presence, 3), model=MODEL)
    loop.refresh()
