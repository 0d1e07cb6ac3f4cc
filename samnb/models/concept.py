"""``concept``: a segmenter of phrases that runs anywhere and knows the synthetic world.

The eyes of the tracker ``mobile`` propose masks of everything (:mod:`samnb.models.concept_sight`),
and a small image-text model trained by this project says which of them a phrase names
(:mod:`samnb.models.concept_net`). The tracker itself follows what was found in videos. What it was
taught are the pictures of :mod:`samnb.synthetic.concepts`; in photographs it proposes masks,
and its words mean little there until it was fine-tuned on decided pairs.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samnb.models.base import FramePrompts, FrameSource, Image, Prediction
from samnb.models.checkpoints import file_version
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_look import GRID, Look, distinct, look_at, view_all
from samnb.models.concept_net import DIM, ConceptNet, log_not, phrase_log_probability
from samnb.models.concept_proposals import Proposer
from samnb.models.concept_sight import sight_name, sight_of
from samnb.models.concept_video import EVERY, follow
from samnb.models.concepts import ConceptPrediction, Exemplars, Instance
from samnb.models.convert import to_model_prompt
from samnb.models.mobile import load_weights, read_info, save_weights
from samnb.models.tracker import MemoryTracker
from samnb.types import InputError, ModelError

log = logging.getLogger(__name__)

WEIGHTS_ENV: Final = "SAMNB_CONCEPT_WEIGHTS"
"""Environment variable that names another weights file than the packaged one."""
MIN_PROBABILITY: Final = 0.02
"""Candidates less likely than this are not worth looking at."""
EXEMPLAR_GAIN: Final = 4.0
"""How much a perfect likeness to an exemplar adds to the logit of an instance."""
BOX_IOU: Final = 0.5
"""A thing whose bounding box overlaps an exemplar so much is the exemplar itself."""
_SURE: Final = 6.0


class LearnedSegmenter:
    """The default :class:`~samnb.models.concepts.ConceptSegmenter`.

    Args:
        tracker: its eyes propose masks, so they must decode many clicks at once; it follows them.
        proposer: says where to click.
        net: says what is seen.
        calibration: makes scores honest.
        name: name and version for the log.
        grid: further clicks along each side of a picture; more of them find things that the
            proposer was not taught, at 8 ms each.
        every: frames of a video from one search to the next.
        learned: digests of pictures that fine-tuning taught it.
    """

    def __init__(
        self,
        tracker: MemoryTracker,
        proposer: Proposer,
        net: ConceptNet,
        calibration: Calibration,
        name: str,
        *,
        grid: int = GRID,
        every: int = EVERY,
        learned: Iterable[str] = (),
    ) -> None:
        self.learned = frozenset(learned)
        self.tracker, self.grid, self.every = tracker, grid, every
        self.proposer, self.net = proposer.eval(), net.eval()
        self.calibration = calibration.eval()
        self._name = name
        self._last: tuple[bytes, ConceptNet, Look] | None = None

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    @property
    def words(self) -> tuple[str, ...]:
        """Words that the model has vectors for; a phrase with others scores low."""
        return self.net.words

    def experience(self, phrase: str) -> float:
        """How far an opinion about a phrase can be trusted, in [0, 1]: 1 where its words were
        taught, ``n / (n + 1)`` where the least known was learned from n pictures, 0 where one
        was never seen."""
        n = self.net.pictures_behind(phrase)
        return 1.0 if n == float("inf") else n / (n + 1.0)

    def look(self, image: Image) -> Look:
        """Find everything in a picture, before any phrase is asked for.

        The last picture's is kept: verifiers ask about one picture phrase by phrase.
        """
        check_image(image)
        seen = repr((image.shape, self.grid)).encode() + np.ascontiguousarray(image).tobytes()
        key, last = hashlib.blake2b(seen, digest_size=16).digest(), self._last
        if last is not None and last[0] == key and last[1] is self.net:
            return last[2]
        look = look_at(self.tracker, self.proposer, self.net, image, grid=self.grid)
        self._last = (key, self.net, look)
        return look

    def everything(self, image: Image, phrase: str) -> ConceptPrediction:
        """Answer for a phrase with every candidate, also those not worth looking at and those
        that are a part of a likelier one, or hold it."""
        return self.answer(self.look(image), phrase, is_all=True)

    @torch.no_grad()
    def evidence(self, image: Image, phrase: str) -> npt.NDArray[np.float32]:
        """Say why each instance of :meth:`everything`, in its order, is likely or not.

        Returns:
            (N, 3) float32 log-odds: that it is all of the phrase's words, that it is the word
            that fits it least, that it is one whole thing. Apart, these tell more than the one
            score that is made of them.
        """
        look = self.look(image)
        net, quality = self.net, torch.from_numpy(look.quality)
        words = net.word_logits(look.embedding.to(net.vectors.device)).cpu()
        incidence = net.incidence([phrase]).cpu()
        log_p = phrase_log_probability(words, incidence)
        order = np.argsort(-self.calibration.instance_logits(quality, log_p)[:, 0].numpy(),
                           kind="stable")  # fmt: skip
        asked = incidence[0, :-1] > 0
        weakest = words[:, asked].amin(1) if asked.any() else log_p[:, 0]
        told = (log_p[:, 0] - log_not(log_p[:, 0]), weakest, torch.logit(quality, eps=1e-4))
        rows = torch.stack([one.clamp(-12, 12) for one in told], 1).numpy()
        return np.asarray(rows[[at for at in order if look.mask(int(at)).any()]], np.float32)

    def segment(
        self,
        image: Image,
        phrases: Sequence[str],
        exemplars: Mapping[str, Exemplars] | None = None,
    ) -> tuple[ConceptPrediction, ...]:
        """Answer for every phrase; see :class:`~samnb.models.concepts.ConceptSegmenter`.

        Raises:
            InputError: no such image, or exemplars of a phrase that is not asked for.
        """
        check_exemplars(phrases, exemplars)
        look = self.look(image)
        found = []
        for phrase in phrases:
            shown, seen, shift = (exemplars or {}).get(phrase), look, None
            if shown is not None and len(shown.positive_xyxy) + len(shown.negative_xyxy):
                seen, shift = self._compare(image, look, shown)
            found.append(self.answer(seen, phrase, shift))
        return tuple(found)

    @torch.no_grad()
    def answer(
        self, look: Look, phrase: str, shift: Tensor | None = None, *, is_all: bool = False
    ) -> ConceptPrediction:
        """Answer for a phrase from a look.

        Args:
            look: what is in the picture.
            phrase: the noun phrase.
            shift: (N,), added to the logit of each thing; None adds nothing.
            is_all: with every candidate, see :meth:`everything`.
        """
        shift = torch.zeros(len(look)) if shift is None else shift
        net = self.net
        log_p = net.log_probability(look.embedding.to(net.vectors.device), [phrase]).cpu()
        logits = self.calibration.instance_logits(torch.from_numpy(look.quality), log_p)
        logits = logits + shift[:, None]
        chosen = distinct(look, logits[:, 0].numpy())
        logits, every = logits[chosen], logits
        presence = float(self.calibration.presence_logit(logits).sigmoid()[0])
        chance = every[:, 0].sigmoid().numpy()
        listed = np.argsort(-chance, kind="stable").tolist() if is_all else chosen
        least = 0.0 if is_all else MIN_PROBABILITY
        if (shift >= _SURE).any():  # somebody pointed at one
            presence = max(presence, float(chance.max()))
        found = [
            # Being one implies that there is one: P(one | there is one) = P(one) / P(any).
            Instance(look.mask(int(at)), float(min(1.0, chance[at] / max(presence, 1e-6))))
            for at in listed
            if chance[at] > least
        ]
        return ConceptPrediction(presence, tuple(i for i in found if i.mask.any()))

    @torch.no_grad()
    def _compare(self, image: Image, look: Look, shown: Exemplars) -> tuple[Look, Tensor]:
        """Return the look, with exemplars nobody had proposed, and what likeness adds."""
        look, positive = self._with_boxes(image, look, shown.positive_xyxy)
        look, negative = self._with_boxes(image, look, shown.negative_xyxy)
        unit = F.normalize(look.embedding[:, :DIM], dim=1)

        def likeness(rows: list[int]) -> Tensor:
            """In [-1, 1]: 1 for the same, 0 for half alike."""
            return (unit @ unit[rows].T).amax(1).clamp(min=0) * 2 - 1

        shift = torch.zeros(len(look))
        if positive:
            shift += EXEMPLAR_GAIN * likeness(positive)
        if negative:
            shift -= EXEMPLAR_GAIN * likeness(negative).clamp(min=0)
        shift[positive] = 2 * _SURE
        shift[negative] = -2 * _SURE
        return look, shift

    def _with_boxes(
        self, image: Image, look: Look, boxes_xyxy: npt.NDArray[np.float32]
    ) -> tuple[Look, list[int]]:
        """Return the look, perhaps with more things, and the thing in each box."""
        rows: list[int] = []
        for box in np.asarray(boxes_xyxy, np.float32).reshape(-1, 4):
            ious = [_box_iou(box, _bounds(look.mask(i))) for i in range(len(look))]
            if not ious or max(ious) < BOX_IOU:
                look = look.joined(self._prompted(image, look, box))
                rows.append(len(look) - 1)
            else:
                rows.append(int(np.argmax(ious)))
        return look, rows

    def _prompted(self, image: Image, look: Look, box: npt.NDArray[np.float32]) -> Look:
        sight = sight_of(self.tracker)
        prompt = to_model_prompt(FramePrompts(box_xyxy=box), look.size_hw, sight.size, sight.device)
        maps = sight.segment(look.features, prompt).logits[0].sigmoid().cpu()
        if not bool((maps > 0.5).any()):  # the model sees nothing there: take the box itself
            h, w = maps.shape[-2:]
            x0, y0, x1, y1 = box / np.array([look.size_hw[1], look.size_hw[0]] * 2, np.float32)
            maps = torch.zeros_like(maps)
            maps[:, int(y0 * h) : int(y1 * h) + 1, int(x0 * w) : int(x1 * w) + 1] = 1.0
        return view_all(self.net, image, maps, look.features)

    def segment_video(
        self, frames: FrameSource, phrase: str
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Find on every ``every``-th frame, follow on all; see :func:`~.concept_video.follow`."""
        return follow(
            lambda image: self.segment(image, [phrase])[0], self.tracker, frames, every=self.every
        )


def check_image(image: Any) -> None:
    """Refuse what is no (H, W, 3) uint8 picture.

    Raises:
        InputError: it is not.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.ndim != 3
        or image.shape[2] != 3
        or (image.dtype != np.uint8)
    ):
        got = (
            f"{image.shape} {image.dtype}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise InputError(f"image: expected (H, W, 3) uint8, got {got}")


def check_exemplars(phrases: Sequence[str], exemplars: Mapping[str, Exemplars] | None) -> None:
    """Refuse a phrase in place of phrases, and exemplars that nobody asked for.

    Raises:
        InputError: one of these.
    """
    if isinstance(phrases, str):
        raise InputError(f"phrases: expected a sequence of phrases, got the string {phrases!r}")
    unknown = sorted(set(exemplars or {}) - set(phrases))
    if unknown:
        raise InputError(f"exemplars: expected phrases among {list(phrases)}, got {unknown}")
    for phrase, shown in (exemplars or {}).items():
        for boxes in (shown.positive_xyxy, shown.negative_xyxy):
            if np.ndim(boxes) != 2 or np.shape(boxes)[1] != 4:
                raise InputError(
                    f"exemplars of {phrase!r}: expected boxes (N, 4), got {np.shape(boxes)}"
                )


def default_weights() -> Path:
    """Path of the weights: the file named by `SAMNB_CONCEPT_WEIGHTS`, else the packaged one.

    Raises:
        ModelError: that file does not exist.
    """
    override = os.environ.get(WEIGHTS_ENV)
    path = Path(override) if override else Path(__file__).parent / "weights/concept.safetensors"
    if not path.is_file():
        source = f"{WEIGHTS_ENV} names" if override else "the package should contain"
        raise ModelError(f"concept weights: {source} {path}, which does not exist")
    return path


def save_segmenter(
    segmenter: LearnedSegmenter,
    path: Path,
    info: Mapping[str, Any] | None = None,
    *,
    precision: Literal["float16", "int8"] = "int8",
) -> None:
    """Write everything but the tracker; see :func:`samnb.models.mobile.save_weights`."""
    parts = {
        "net": segmenter.net, "proposer": segmenter.proposer,
        "calibration": segmenter.calibration,
    }  # fmt: skip
    state = {f"{p}.{k}": v for p, m in parts.items() for k, v in m.state_dict().items()}
    facts = {
        "words": list(segmenter.words),
        "sight": sight_name(segmenter.tracker),
        **dict(info or {}),
    }
    save_weights(state, path, precision=precision, info={"concept": facts})


def load_segmenter(path: Path, tracker: MemoryTracker, family: str = "concept") -> LearnedSegmenter:
    """Read what :func:`save_segmenter` wrote.

    A file says with whose eyes it was taught to see. With others it can be used, and sees worse:
    a log line says so.

    Args:
        path: the file.
        tracker: whose eyes propose masks, and who follows them.
        family: begins the segmenter's name, before the version.

    Raises:
        ModelError: not such a file.
    """
    facts = read_info(path).get("concept")
    if facts is None:
        raise ModelError(f"{path}: expected weights of a concept segmenter, got others")
    state = load_weights(path)
    net = ConceptNet(facts["words"], is_wide="net.rules" in state)
    proposer, calibration = Proposer(), Calibration()
    parts: dict[str, nn.Module] = {"net": net, "proposer": proposer, "calibration": calibration}
    for prefix, module in parts.items():
        own = {k.removeprefix(f"{prefix}."): v for k, v in state.items() if k.startswith(prefix)}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{path}: expected weights of this release ({reason})") from error
    sight, taught = sight_name(tracker), facts.get("sight")
    if taught != sight:
        log.warning("%s was taught to see with %s and looks with %s", path.name, taught, sight)
    device = tracker.backend.device
    name = f"{family}@{file_version([path])}"
    learned = facts.get("learned", ())
    return LearnedSegmenter(
        tracker, proposer.to(device), net.to(device), calibration, name, learned=learned
    )


def _bounds(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return np.zeros(4, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _box_iou(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2])) - shared
    return shared / union if union > 0 else 0.0
