"""The small verifier: answers MV and EV after a minute of training on a project's verdicts.

It judges from plain numbers about each mask (:mod:`samnb.models.verifier_features`), from
what other models say (:mod:`samnb.models.verifier_aids`) and from the phrase's words
(:mod:`samnb.models.verifier_net`). :func:`~samnb.models.verifier_training.train_verifier`
makes one; its probabilities are calibrated on pictures that it was not trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from samnb.metrics.calibration import apply_temperature
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import Instance, Probabilities
from samnb.models.verifier_aids import Aids
from samnb.models.verifier_features import (
    N_APPEARANCE,
    appearance,
    overlaps,
    quality,
    uncovered,
)
from samnb.models.verifier_net import VerifierNet, pad_words
from samnb.types import EvAnswer, InputError, ModelError, MvAnswer

FORMAT: Final = "samnb-verifier-3"
"""What the header of a weights file says under ``format``."""
_CACHED: Final = 20_000  # masks; about 1.6 kB each


@dataclass(frozen=True, slots=True)
class VerifierInfo:
    """Where a small verifier comes from.

    Attributes:
        version: first eight hexadecimal digits of the SHA-256 of its weights, or of these and its
            aids' name where only the aids are new.
        parent: the verifier it was trained on from; empty for none.
        aids: names of the models that help it.
        n_mv: mask verdicts it learned from.
        n_ev: exhaustivity verdicts it learned from.
        mv_temperature: divides the logits of mask verification.
        ev_temperature: divides those of exhaustivity verification.
        seed: of everything random.
    """

    version: str = ""
    parent: str = ""
    aids: str = ""
    n_mv: int = 0
    n_ev: int = 0
    mv_temperature: float = 1.0
    ev_temperature: float = 1.0
    seed: int = 0


class Describer:
    """Turns masks into vectors, each one once.

    Args:
        aids: other models that may be asked.
    """

    def __init__(self, aids: Aids | None = None) -> None:
        self.aids = aids or Aids()
        self._known: OrderedDict[bytes, tuple[npt.NDArray[np.float32], ...]] = OrderedDict()

    def describe(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> tuple[Tensor, Tensor]:
        """Appearance (N, N_APPEARANCE) and fit (N, N_QUALITY + K) of each mask, float32."""
        if not masks:
            extra = self.aids.extra(image, phrase, masks).shape[1]
            return torch.zeros(0, N_APPEARANCE), torch.zeros(0, extra)
        picture = fingerprint(image)
        rows = [self._one(picture, image, mask) for mask in masks]
        looks = torch.from_numpy(np.stack([look for look, _ in rows]))
        own = np.stack([fit for _, fit in rows])
        fits = np.concatenate([own, self.aids.extra(image, phrase, masks)], axis=1)
        return looks, torch.from_numpy(fits)

    def candidates(self, image: Image, phrase: str) -> Sequence[Instance]:
        """Everything that might be an instance; none without that aid."""
        ask = self.aids.candidates
        return () if ask is None else ask(image, phrase)

    def experience(self, phrase: str) -> float:
        """How far the aids can be asked about a phrase, in [0, 1]; 1 where they do not say."""
        ask = self.aids.experience
        return 1.0 if ask is None else ask(phrase)

    def _one(
        self, picture: bytes, image: Image, mask: BoolMask
    ) -> tuple[npt.NDArray[np.float32], ...]:
        key = picture + hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=12).digest()
        found = self._known.get(key)
        if found is None:
            found = (appearance(image, mask), quality(image, mask))
            self._known[key] = found
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found


def fingerprint(image: Image) -> bytes:
    """Twelve bytes that tell pictures apart."""
    data = np.ascontiguousarray(image)
    head = repr(data.shape).encode()
    return hashlib.blake2b(head + data.tobytes(), digest_size=12).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One exhaustivity question in numbers, before the network sees it.

    Attributes:
        looks: (N, N_APPEARANCE) of accepted masks and candidates.
        fits: (N, K) of them.
        words: (1, MAX_WORDS) of the phrase.
        accepted: rows of the accepted masks.
        left: rows of the candidates that no accepted mask covers.
        scores: of these, what the segmenter says.
        inside: of these, the share that lies in one accepted mask.
    """

    looks: Tensor
    fits: Tensor
    words: Tensor
    accepted: tuple[int, ...]
    left: tuple[int, ...]
    scores: tuple[float, ...]
    inside: tuple[float, ...] = ()


def describe_pair(
    describer: Describer, image: Image, phrase: str, masks: Sequence[BoolMask]
) -> Pair:
    """Describe the accepted masks and the candidates that they leave over."""
    candidates = [c for c in describer.candidates(image, phrase) if c.mask.any()]
    accepted = [mask for mask in masks if mask.any()]
    left = uncovered([c.mask for c in candidates], accepted)
    rest = [candidates[at].mask for at in left]
    every = [*accepted, *rest]
    shared, _ = overlaps(rest, accepted)
    inside = shared.max(axis=1, initial=0.0) / [max(1, int(np.count_nonzero(m))) for m in rest]
    looks, fits = describer.describe(image, phrase, every)
    n = len(accepted)
    return Pair(
        looks,
        fits,
        pad_words([phrase]),
        tuple(range(n)),
        tuple(range(n, len(every))),
        tuple(candidates[at].score for at in left),
        tuple(inside.tolist()),
    )


def cover_of(net: VerifierNet, pair: Pair) -> Tensor:
    """The pair's (n_cover,) numbers as a network sees them."""
    return net.cover(
        pair.looks,
        pair.fits,
        pair.words,
        accepted=pair.accepted,
        left=pair.left,
        scores=pair.scores,
        inside=pair.inside,
    )


class SmallVerifier:
    """A trained small verifier behind :class:`~samnb.models.concepts.ConceptVerifier`.

    Args:
        net: the trained network.
        info: where it comes from.
        describer: turns masks into vectors; its aids must be those of the training, or
            versions of them, which speak alike.

    Raises:
        ModelError: the aids give numbers, and are not those of the training.
    """

    def __init__(self, net: VerifierNet, info: VerifierInfo, describer: Describer) -> None:
        if net.n_extra and family(describer.aids.name) != family(info.aids):
            raise ModelError(
                f"aids: expected those of the training ({info.aids or 'none'}), "
                f"got {describer.aids.name or 'none'}"
            )
        self.net, self.info, self.describer = net.eval(), info, describer

    @property
    def name(self) -> str:
        """``small-verifier@`` and the version."""
        return f"small-verifier@{self.info.version}"

    def verify_masks(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Probabilities:
        """Judge each mask by itself; see the protocol.

        Returns:
            (N, 5) float64.
        """
        if not masks:
            return np.zeros((0, 5))
        looks, fits = self.describer.describe(image, phrase, masks)
        self._check(fits)
        with torch.no_grad():
            logits = self.net.mv(looks, fits, pad_words([phrase]).expand(len(masks), -1))
        told = _calibrated(logits, self.info.mv_temperature)
        return discounted(told, self.describer.experience(phrase))

    def verify_exhaustive(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> Probabilities:
        """Judge whether the masks are all there is; see the protocol.

        Returns:
            (6,) float64.
        """
        pair = describe_pair(self.describer, image, phrase, masks)
        if len(pair.looks):
            self._check(pair.fits)
        with torch.no_grad():
            logits = self.net.ev(cover_of(self.net, pair)[None], pair.words)
        told = _calibrated(logits, self.info.ev_temperature)
        return np.asarray(discounted(told, self.describer.experience(phrase))[0])

    def asking(self, describer: Describer) -> SmallVerifier:
        """The same weights with other aids: versions of those that it has. Its version names both,
        for it answers otherwise.

        Raises:
            ModelError: the aids are of another kind.
        """
        seen = f"{version_of(self.net)} {describer.aids.name}"
        version = hashlib.sha256(seen.encode()).hexdigest()[:8]
        aids = describer.aids.name
        info = replace(self.info, version=version, parent=self.name, aids=aids)
        return SmallVerifier(self.net, info, describer)

    def save(self, path: Path) -> None:
        """Write weights and lineage as one safetensors file; its folder must exist."""
        header = {"format": FORMAT, "info": json.dumps(asdict(self.info), sort_keys=True)}
        path.write_bytes(save(_state(self.net), metadata=header))

    def _check(self, fits: Tensor) -> None:
        expected = len(self.net.q_mean)
        if fits.shape[1] != expected:
            raise ModelError(
                f"aids: expected {expected} numbers for each mask as in training, "
                f"got {fits.shape[1]}"
            )


def discounted(probabilities: Probabilities, experience: float) -> Probabilities:
    """What is left of an opinion that rests on little experience: the rest is "I do not know".

    A source that is right about a phrase with a chance below 1 is discounted by it (Shafer, A
    Mathematical Theory of Evidence, 1976, chapter 11). The rest goes to Accept and Reject alike,
    which no threshold takes for a decision.

    Args:
        probabilities: (N, K), Accept first and Reject among the others.
        experience: in [0, 1].
    """
    options: tuple[MvAnswer | EvAnswer, ...] = tuple(MvAnswer)
    if probabilities.shape[1] == len(EvAnswer):
        options = tuple(EvAnswer)
    unsure = np.array([0.5 * (o.name in ("ACCEPT", "REJECT")) for o in options])
    return experience * probabilities + (1.0 - experience) * unsure


def family(aids: str) -> str:
    """Names of aids without their versions."""
    return "+".join(part.partition("@")[0] for part in aids.split("+"))


def load_verifier(path: Path, aids: Aids | None = None) -> SmallVerifier:
    """Read a file written by :meth:`SmallVerifier.save`.

    Args:
        path: the file.
        aids: the helpers it was trained with, when it was.

    Raises:
        ModelError: the file cannot be read, is something else, or had other aids.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: expected a verifier, could not read it ({reason})") from error
    if header.get("format") != FORMAT:
        raise ModelError(f"{path}: expected format {FORMAT}, got {header.get('format')}")
    info = VerifierInfo(**json.loads(header["info"]))
    net = VerifierNet(len(state["q_mean"]) - len(VerifierNet().q_mean))
    net.load_state_dict(
        {key: value.to(net.state_dict()[key].dtype) for key, value in state.items()}
    )
    return SmallVerifier(net, info, Describer(aids))


def version_of(net: VerifierNet) -> str:
    """First eight hexadecimal digits of the SHA-256 of the weights."""
    return hashlib.sha256(save(_state(net))).hexdigest()[:8]


def check_parent(parent: SmallVerifier, n_extra: int) -> None:
    """Refuse to train on from a verifier that had other aids."""
    if parent.net.n_extra != n_extra:
        raise InputError(
            f"parent: expected a verifier with {n_extra} numbers from its aids, "
            f"got {parent.net.n_extra}"
        )


def _state(net: VerifierNet) -> dict[str, Tensor]:
    return {
        key: (value.to(torch.uint8) if value.dtype == torch.bool else value).contiguous()
        for key, value in sorted(net.state_dict().items())
    }


def _calibrated(logits: Tensor, temperature: float) -> Probabilities:
    return apply_temperature(logits.double().softmax(dim=1).numpy(), temperature)
