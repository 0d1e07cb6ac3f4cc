"""The small image-text model behind ``concept``: what a mask shows, in words.

A view of 48 x 48 pixels around a proposed mask goes in, with that mask as a fourth channel.
Out come a finer mask, a judgement whether the proposal is one whole thing, and an embedding.
Words have vectors; a phrase is true of a thing when each of its words is: the probability of
a phrase is the product of the probabilities of its words (a noisy-and). That makes the model
compositional, so it can name combinations it never saw, and it also means that it does not
read word order or grammar.

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

from samnb.models.concept_text import split_words

WIDTHS: Final = (24, 48, 96)
DIM: Final = 64
WIDTH: Final = 192
"""Numbers that the embedding is made from."""
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
        one, two, three = WIDTHS
        self.is_wide = is_wide
        self.words = tuple(words)
        self.stage1 = nn.Sequential(_conv(4, one, 2), _conv(one, one))
        self.stage2 = nn.Sequential(_conv(one, two, 2), _conv(two, two))
        self.stage3 = nn.Sequential(_conv(two, three, 2), _conv(three, three))
        self.down3, self.down2 = nn.Conv2d(three, 32, 1), nn.Conv2d(two, 32, 1)
        self.fuse2 = _conv(32, 24)
        self.down1 = nn.Conv2d(one, 24, 1)
        self.fuse1 = _conv(24, 16)
        self.fuse0 = _conv(16 + 4, 8)
        self.to_mask = nn.Conv2d(8, 1, 1)
        self.squeeze = nn.Conv2d(three, 24, 1)
        self.paint = nn.Sequential(nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU())
        n_in = 2 * 32 + 2 * one + 2 * two + three + 24 * 36 + 144
        # The parts differ in scale by orders of magnitude.
        self.even = nn.BatchNorm1d(n_in)
        self.trunk = nn.Sequential(nn.Linear(n_in, WIDTH), nn.ReLU(), nn.Dropout(0.1))
        self.to_embedding = nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, DIM))
        self.to_quality = nn.Sequential(nn.Linear(WIDTH, 32), nn.ReLU(), nn.Linear(32, 1))
        self.vectors = nn.Parameter(torch.randn(len(self.words), DIM) * DIM**-0.5)
        self.bias = nn.Parameter(torch.full((len(self.words),), -1.0))
        if is_wide:
            self.register_buffer("rules", torch.zeros(len(self.words), WIDTH))
            self.register_buffer("exemplars", torch.full((len(self.words),), TAUGHT))

    def forward(self, views: Tensor) -> Seen:
        """Look at (N, 4, CROP, CROP) float32: colours in [-1, 1], proposed mask in [0, 1]."""
        pooled, mask = self.pool(views)
        embedding, quality = self.read(pooled)
        return Seen(embedding, quality, mask)

    def pool(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return what all judgements are made from, (N, D), and (N, CROP, CROP) mask logits."""
        f1 = self.stage1(views)
        f2 = self.stage2(f1)
        f3 = self.stage3(f2)
        up2 = self.fuse2(F.relu(_twice(self.down3(f3)) + self.down2(f2)))
        up1 = self.fuse1(F.relu(_twice(up2) + self.down1(f1)))
        fine = self.to_mask(self.fuse0(torch.cat([_twice(up1), views], 1)))
        mask = fine + torch.logit(views[:, 3:], eps=0.02)  # what is learned is the difference
        # What a word says is about the thing alone: features are pooled under its mask.
        cover = mask.detach().sigmoid()
        m1 = F.avg_pool2d(cover, 2)
        m2, m3 = F.avg_pool2d(m1, 2), F.avg_pool2d(m1, 4)
        paint = self.paint(F.avg_pool2d(views[:, :3], 2))
        paints = [_mean(paint, m1), (paint * (m1 > 0.5)).amax((2, 3))]
        mean1, mean2 = _mean(f1, m1), _mean(f2, m2)
        spread1 = (_mean(f1.square(), m1) - mean1.square()).clamp_min(1e-5).sqrt()
        most2 = (f2 * (m2 > 0.5)).amax((2, 3))
        shape = self.squeeze(f3).flatten(1)
        parts = [*paints, mean1, spread1, mean2, most2, _mean(f3, m3), shape, m2.flatten(1)]
        return self.even(torch.cat(parts, 1)), mask[:, 0]

    def read(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Turn what :meth:`pool` gave into embeddings, see :class:`Seen`, and quality logits
        (N,)."""
        held = self.trunk(pooled)
        embedding = self.to_embedding(held)
        if self.is_wide:
            embedding = torch.cat([embedding, held], 1)
        return embedding, self.to_quality(held)[:, 0]

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


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())


def _twice(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def _mean(features: Tensor, cover: Tensor) -> Tensor:
    return (features * cover).sum((2, 3)) / cover.sum((2, 3)).clamp_min(0.5)
