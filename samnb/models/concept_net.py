"""The small image-text model behind ``concept``: what a mask shows, in words.

A view of 48 x 48 pixels around a proposed mask goes in, with that mask as a fourth channel.
Out come a finer mask, a judgement whether the proposal is one whole thing, and an embedding.
Words have vectors; a phrase is true of a thing when each of its words is: the probability of
a phrase is the product of the probabilities of its words (a noisy-and). That makes the model
compositional, so it can name combinations it never saw, and it also means that it does not
read word order or grammar.
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
UNKNOWN: Final = 0.005
"""Probability of a word that the model has no vector for."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the model makes of N views.

    Attributes:
        embedding: (N, DIM) float32.
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
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        one, two, three = WIDTHS
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
        self.trunk = nn.Sequential(nn.Linear(n_in, 192), nn.ReLU(), nn.Dropout(0.1))
        self.to_embedding = nn.Sequential(nn.Linear(192, 128), nn.ReLU(), nn.Linear(128, DIM))
        self.to_quality = nn.Sequential(nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 1))
        self.vectors = nn.Parameter(torch.randn(len(self.words), DIM) * DIM**-0.5)
        self.bias = nn.Parameter(torch.full((len(self.words),), -1.0))

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
        """Turn what :meth:`pool` gave into embeddings (N, DIM) and quality logits (N,)."""
        held = self.trunk(pooled)
        return self.to_embedding(held), self.to_quality(held)[:, 0]

    def word_logits(self, embedding: Tensor) -> Tensor:
        """How well each word fits: (N, DIM) to (N, number of words) logits."""
        return embedding @ self.vectors.T + self.bias

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

    def with_words(self, words: Sequence[str]) -> ConceptNet:
        """Return a copy that has vectors for further words, to be learned."""
        grown = ConceptNet([*self.words, *words])
        state = {k: v.detach().clone() for k, v in self.state_dict().items()}
        n = len(words)
        state["vectors"] = torch.cat([state["vectors"], torch.zeros(n, DIM)])
        state["bias"] = torch.cat([state["bias"], torch.full((n,), -2.0)])
        grown.load_state_dict(state)
        return grown.train(self.training)


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
