"""The small image-text model behind ``concept``: what a mask shows, in words.

A view around a proposed mask goes in, with that mask as a fourth channel. Out come a finer mask
(:mod:`samnb.models.concept_drawing`), a judgement whether it is one whole thing, and an embedding.
Words have vectors; a phrase is true of a thing when each of its words is: the probability of a
phrase is the product of the probabilities of its words (a noisy-and). That makes the model
compositional, so it can name combinations it never saw, and it also means that it does not read
word order or grammar.

For that no word may lean on another: whoever never saw a red fish must not conclude that fish are
not red. So the embedding has three parts that see different things: single pixels (colour), small
neighbourhoods without colour (surface), and all of the outline without colour (shape). Which of
them a word may read is settled in training by what kind of word it is
(:data:`samnb.models.concept_training.phrases.READS`).

Words that were learned from decided pairs (:mod:`samnb.models.concept_words`) are not squeezed
into the embedding, which was made for other words: they have a rule on what it is made from too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samnb.models.concept_drawing import JUDGED, Drawer, conv, mean_under
from samnb.models.concept_text import split_words

WIDTHS: Final = (32, 64, 96, 128)
"""Channels at a half, a quarter, an eighth and a sixteenth of a view's side."""
PARTS: Final = {"colour": (16, 48), "surface": (24, 64), "shape": (56, 128)}
"""Size of each part of the embedding, and of what it is made from."""
DIM: Final = sum(size for size, _ in PARTS.values())
WIDTH: Final = sum(width for _, width in PARTS.values())
"""Numbers that the embedding is made from."""
_LUMINANCE: Final = (0.299, 0.587, 0.114)
UNKNOWN: Final = 0.005
"""Probability of a word that the model has no vector for."""
TAUGHT: Final = -1.0
"""In place of a number of exemplars: the word was taught, from any number."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the model makes of N views.

    Attributes:
        embedding: (N, DIM) float32; (N, DIM + WIDTH) of a net with learned words.
        quality: (N,) logits that the view shows one whole thing.
        mask: (N, CROP, CROP) logits of the finer mask.
    """

    embedding: Tensor
    quality: Tensor
    mask: Tensor


class ConceptNet(nn.Module):
    """Views in, words out.

    Args:
        words: those that have vectors.
        is_wide: some of them were learned, and have rules.
    """

    rules: Tensor
    exemplars: Tensor

    def __init__(self, words: Sequence[str], *, is_wide: bool = False) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.is_wide = is_wide
        self.words = tuple(words)
        self.drawer = Drawer()
        self.paint = nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU())
        self.stage1 = nn.Sequential(conv(3, 24, 2), conv(24, one))
        self.stage2 = nn.Sequential(conv(one, two, 2), conv(two, two))
        self.stage3 = nn.Sequential(conv(two, three, 2), conv(three, three))
        self.stage4 = nn.Sequential(conv(three, four, 2), conv(four, four))
        self.squeeze3, self.squeeze4 = nn.Conv2d(three, 12, 1), nn.Conv2d(four, 32, 1)
        sizes = {
            "colour": 3 * 32,
            "surface": 2 * one + 3 * two + 2 * three,
            "shape": three + 2 * four + 12 * 64 + 32 * 16 + 64,
            "whole": JUDGED,
        }
        self.sizes = tuple(sizes.values())
        # The parts differ in scale by orders of magnitude.
        self.even = nn.BatchNorm1d(sum(self.sizes))
        self.trunk = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(sizes[name], width), nn.ReLU(), nn.Dropout(0.1))
                for name, (_, width) in PARTS.items()
            }
        )
        self.to_embedding = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(width, width), nn.ReLU(), nn.Linear(width, size),
                    nn.LayerNorm(size, elementwise_affine=False),
                )
                for name, (size, width) in PARTS.items()
            }
        )  # fmt: skip
        n_judged = sizes["whole"] + PARTS["shape"][1]
        self.to_quality = nn.Sequential(nn.Linear(n_judged, 64), nn.ReLU(), nn.Linear(64, 1))
        self.vectors = nn.Parameter(torch.randn(len(self.words), DIM) * DIM**-0.5)
        self.bias = nn.Parameter(torch.full((len(self.words),), -1.0))
        if is_wide:
            self.register_buffer("rules", torch.zeros(len(self.words), WIDTH))
            self.register_buffer("exemplars", torch.full((len(self.words),), TAUGHT))
        self.to(memory_format=torch.channels_last)  # a third faster on processors

    def forward(self, views: Tensor) -> Seen:
        """Look at (N, 4, CROP, CROP) float32: colours in [-1, 1], proposed mask in [0, 1]."""
        pooled, mask = self.pool(views)
        embedding, quality = self.read(pooled)
        return Seen(embedding, quality, mask)

    def look_twice(self, views: Tensor) -> Seen:
        """Look at views and at their mirror images, and mean what is seen of the two: that halves
        much of what is chance in either."""
        (pooled, mask), (other, back) = self.pool(views), self.pool(views.flip(-1))
        embedding, quality = self.read_both(pooled, other)
        return Seen(embedding, quality, (mask + back.flip(-1)) / 2)

    def pool(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return what all judgements are made from, (N, D), and (N, CROP, CROP) mask logits."""
        views = views.contiguous(memory_format=torch.channels_last)
        mask, judged = self.drawer(views)
        # What a word says is about the thing alone: features are pooled under its mask.
        cover = mask.detach().sigmoid()[:, None]
        return self.pool_drawn(views[:, :3], cover, judged), mask

    def pool_drawn(self, colours: Tensor, cover: Tensor, judged: Tensor) -> Tensor:
        """The same where a mask was drawn before.

        Args:
            colours: (N, 3, CROP, CROP) float32 in [-1, 1].
            cover: (N, 1, CROP, CROP) float32 in [0, 1], the drawn mask.
            judged: (N, JUDGED) float32, see :class:`samnb.models.concept_drawing.Drawer`.
        """
        m1 = F.avg_pool2d(cover, 2)
        paint = self.paint(F.avg_pool2d(colours, 2))
        mean = mean_under(paint, m1)
        colour = [mean, _spread(paint, m1, mean), (paint * (m1 > 0.5)).amax((2, 3))]
        f1 = self.stage1(torch.cat([self._without_colour(colours, cover), cover * 2 - 1], 1))
        f2 = self.stage2(f1)
        f3 = self.stage3(f2)
        f4 = self.stage4(f3)
        m2 = F.avg_pool2d(m1, 2)
        m3 = F.avg_pool2d(m2, 2)
        m4 = F.avg_pool2d(m3, 2)
        mean1, mean2, mean3 = mean_under(f1, m1), mean_under(f2, m2), mean_under(f3, m3)
        surface = [mean1, _spread(f1, m1, mean1), mean2, _spread(f2, m2, mean2),
                   (f2 * (m2 > 0.5)).amax((2, 3)),
                   mean3, (f3 * (m3 > 0.4)).amax((2, 3))]  # fmt: skip
        shape = [mean3, mean_under(f4, m4), f4.amax((2, 3)),
                 self.squeeze3(f3).flatten(1), self.squeeze4(f4).flatten(1),
                 m3.flatten(1)]  # fmt: skip
        pooled: Tensor = self.even(torch.cat([*colour, *surface, *shape, judged], 1))
        return pooled

    def read(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Turn what :meth:`pool` gave into embeddings, see :class:`Seen`, and quality logits
        (N,)."""
        *parts, judged = pooled.split(self.sizes, 1)
        held = {name: self.trunk[name](part) for name, part in zip(PARTS, parts, strict=True)}
        embedding = torch.cat([self.to_embedding[name](held[name]) for name in PARTS], 1)
        if self.is_wide:
            embedding = torch.cat([embedding, *held.values()], 1)
        return embedding, self.to_quality(torch.cat([judged, held["shape"]], 1))[:, 0]

    def read_both(self, pooled: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of what :meth:`read` makes of views and of their mirror images."""
        (one, whole), (other, also) = self.read(pooled), self.read(mirrored)
        return (one + other) / 2, (whole + also) / 2

    def _without_colour(self, colours: Tensor, cover: Tensor) -> Tensor:
        """Brightness, and how far each pixel's colour is from the thing's mean colour, (N, 2, h,
        w). The second shows patterns whose two colours are equally bright. In training brightness
        is that of some other film, so that nothing that reads it can tell colours."""
        weights = torch.tensor(_LUMINANCE, device=colours.device).expand(len(colours), 3)
        if self.training:
            film = torch.rand_like(weights) + 0.15
            weights = film / film.sum(1, keepdim=True)
        gray = (colours * weights[:, :, None, None]).sum(1, keepdim=True)
        mean = mean_under(colours, cover)[:, :, None, None]
        return torch.cat([gray, (colours - mean).square().sum(1, keepdim=True).sqrt() - 0.5], 1)

    def word_logits(self, embedding: Tensor) -> Tensor:
        """How well each word fits: embeddings of N to (N, number of words) logits."""
        logits = embedding[:, :DIM] @ self.vectors.T + self.bias
        return logits + embedding[:, DIM:] @ self.rules.T if self.is_wide else logits

    def pictures_behind(self, phrase: str) -> float:
        """Pictures from which the phrase's least known word was learned: 0.0 for a word without
        a vector and for a phrase without words, infinity where all were taught."""
        index = {word: i for i, word in enumerate(self.words)}
        found = split_words(phrase, index)
        if not found or any(word not in index for word in found):
            return 0.0
        counts = [float(self.exemplars[index[w]]) if self.is_wide else TAUGHT for w in found]
        return min(float("inf") if n == TAUGHT else n for n in counts)

    def log_probability(self, embedding: Tensor, phrases: Sequence[str]) -> Tensor:
        """Logarithm of the probability that each phrase names each thing, (N, P)."""
        return phrase_log_probability(self.word_logits(embedding), self.incidence(phrases))

    def incidence(self, phrases: Sequence[str]) -> Tensor:
        """Which words each phrase has, (P, words + 1) float32; the last counts unknown ones."""
        index = {word: i for i, word in enumerate(self.words)}
        table = torch.zeros(len(phrases), len(self.words) + 1)
        for row, phrase in enumerate(phrases):
            found = split_words(phrase, index)
            for word in found or ("",):  # a phrase without words names nothing
                table[row, index.get(word, -1)] += 1.0
        return table.to(self.vectors.device)

    def with_words(self, words: Sequence[str], *, is_wide: bool | None = None) -> ConceptNet:
        """Return a copy that has vectors for further words, to be learned.

        Args:
            words: new ones.
            is_wide: whether it has rules; None leaves that as it is.
        """
        is_wide = self.is_wide if is_wide is None else is_wide
        grown = ConceptNet([*self.words, *words], is_wide=is_wide)
        state = {k: v.detach().clone() for k, v in self.state_dict().items()}
        n, device = len(words), self.vectors.device
        state["vectors"] = torch.cat([state["vectors"], torch.zeros(n, DIM, device=device)])
        state["bias"] = torch.cat([state["bias"], torch.full((n,), -2.0, device=device)])
        for name in ("rules", "exemplars") if is_wide else ():
            value = grown.get_buffer(name).to(device)
            if self.is_wide:
                value[: len(self.words)] = state[name]
            if name == "exemplars":
                value[len(self.words) :] = 0.0
            state[name] = value
        grown.load_state_dict(state)
        return grown.to(device).train(self.training)


def phrase_log_probability(word_logits: Tensor, incidence: Tensor) -> Tensor:
    """Add up the log-probabilities of words: (N, W) logits and (P, W + 1) words to (N, P)."""
    known = F.logsigmoid(word_logits) @ incidence[:, :-1].T
    return known + incidence[:, -1] * float(torch.log(torch.tensor(UNKNOWN)))


def log_not(log_probability: Tensor) -> Tensor:
    """``log(1 - p)`` from ``log p``, safe at both ends."""
    return torch.log(-torch.expm1(log_probability.clamp(max=-1e-5)))


def _spread(features: Tensor, cover: Tensor, mean: Tensor) -> Tensor:
    """Standard deviation of (N, C, h, w) features, weighted with (N, 1, h, w), to (N, C)."""
    return (mean_under(features.square(), cover) - mean.square()).clamp_min(1e-5).sqrt()
