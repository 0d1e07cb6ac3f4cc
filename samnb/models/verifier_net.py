"""The network of the small verifier: does a thing match each word, and is its mask good?

A phrase is the *and* of its words: a thing matches "striped red cup" when it is striped,
red and a cup. Each word has a direction in a space of appearances, the match is the product
of the words' probabilities, so that words learned apart hold together in phrases never
seen. Words are hashed into a fixed table (Weinberger et al., ICML 2009), so any vocabulary
works and a file's size does not depend on it; a word that training never showed says
nothing instead of no.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from samnb.models.verifier_features import N_APPEARANCE, N_QUALITY

N_BUCKETS: Final = 1024
"""Rows of the word table."""
MAX_WORDS: Final = 12
"""Further words of a phrase are not read."""
N_MV: Final = 5
N_EV: Final = 6
N_COVER: Final = 22
"""Numbers about a pair that :meth:`VerifierNet.cover` computes, beside the best candidate's own."""
IS_EMPTY: Final = 1
"""Which of them is 1 for a pair without accepted masks."""

_SPACE: Final = 48
_HIDDEN: Final = 192
_TONE: Final = 6
_HEAD: Final = 32
_NONE: Final = 9.2  # log-odds of what is not there: the least that any has
_LIMIT: Final = 12.0  # logits beyond this say no more, and their difference to 1 is lost in float32


def word_ids(phrase: str) -> list[int]:
    """Rows of a phrase's words in the table; CRC-32, equal on every machine."""
    words = re.findall(r"\w+", phrase.lower())[:MAX_WORDS]
    return [zlib.crc32(word.encode()) % N_BUCKETS for word in words]


def pad_words(phrases: Iterable[str]) -> Tensor:
    """Word rows of several phrases, (N, MAX_WORDS) int64, -1 where there is no word."""
    rows = [word_ids(phrase) for phrase in phrases]
    return torch.tensor([row + [-1] * (MAX_WORDS - len(row)) for row in rows]).reshape(
        -1, MAX_WORDS
    )


class VerifierNet(nn.Module):
    """Both answers of the small verifier from plain vectors.

    Args:
        n_extra: numbers per mask that a scorer and a second decode give.
    """

    a_mean: Tensor
    a_scale: Tensor
    q_mean: Tensor
    q_scale: Tensor
    known: Tensor
    mv_shift: Tensor
    ev_shift: Tensor
    ev_heat: Tensor

    def __init__(self, n_extra: int = 0) -> None:
        super().__init__()
        n_quality = N_QUALITY + n_extra
        self.n_extra = n_extra
        self.register_buffer("a_mean", torch.zeros(N_APPEARANCE))
        self.register_buffer("a_scale", torch.ones(N_APPEARANCE))
        self.register_buffer("q_mean", torch.zeros(n_quality))
        self.register_buffer("q_scale", torch.ones(n_quality))
        self.register_buffer("known", torch.zeros(N_BUCKETS, dtype=torch.bool))
        # Pairs with masks, and without: two questions, each honest by itself.
        self.register_buffer("mv_shift", torch.zeros(1))
        self.register_buffer("ev_shift", torch.zeros(2))
        self.register_buffer("ev_heat", torch.ones(2))
        self.straight = nn.Linear(N_APPEARANCE, _SPACE)
        last = nn.Linear(_HIDDEN, _SPACE)
        # Begins as a straight map, which is all that a few hundred verdicts can support.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.bent = nn.Sequential(
            nn.Linear(N_APPEARANCE, _HIDDEN), nn.GELU(), nn.Dropout(0.3), last
        )
        self.words = nn.Embedding(N_BUCKETS, _SPACE)
        self.bias = nn.Embedding(N_BUCKETS, 1)
        self.mv_tone = nn.Embedding(N_BUCKETS, _TONE)
        self.ev_tone = nn.Embedding(N_BUCKETS, _TONE)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.zeros_(self.bias.weight)
        nn.init.normal_(self.mv_tone.weight, std=0.02)
        nn.init.normal_(self.ev_tone.weight, std=0.02)
        self.mv_head = nn.Sequential(
            nn.Linear(3 + n_quality + _TONE, _HEAD), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(_HEAD, N_MV),
        )  # fmt: skip
        self.ev_head = nn.Sequential(
            nn.Linear(self.n_cover + _TONE, _HEAD), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(_HEAD, N_EV),
        )  # fmt: skip

    @property
    def n_cover(self) -> int:
        """Numbers that :meth:`cover` computes."""
        return N_COVER + self.n_extra

    def learn_scale(self, looks: Tensor, fits: Tensor) -> None:
        """Take means and spreads from the training examples."""
        for values, name in ((looks, "a"), (fits, "q")):
            getattr(self, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(self, f"{name}_scale").copy_(values.std(dim=0).clamp_min(1e-2))

    def learn_words(self, words: Tensor, *, min_count: int) -> None:
        """Know the words that at least ``min_count`` examples have, beside those known before:
        fewer say more about their picture than about the word."""
        self.known |= torch.bincount(words[words >= 0], minlength=N_BUCKETS) >= min_count

    def word_logits(self, looks: Tensor, rows: Tensor) -> Tensor:
        """How well each word fits each thing: (N, N_APPEARANCE) and (W,) rows to (N, W)."""
        scaled = self._scaled(looks, "a")
        place = self.straight(scaled) + self.bent(scaled)
        logits = place @ self.words(rows).T / _SPACE**0.5 + self.bias(rows)[:, 0]
        return logits.clamp(-_LIMIT, _LIMIT)

    def match(self, looks: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Does each thing match all of its words?

        Args:
            looks: (N, N_APPEARANCE).
            words: (N, MAX_WORDS) from :func:`pad_words`.

        Returns:
            logit of the match, logit of the weakest word, share of words known, each (N,).
        """
        scaled = self._scaled(looks, "a")
        place = self.straight(scaled) + self.bent(scaled)
        rows = words.clamp_min(0)
        counts = (words >= 0) & self.known[rows]
        logits = (self.words(rows) * place[:, None]).sum(dim=2) / _SPACE**0.5
        logits = (logits + self.bias(rows)[..., 0]).clamp(-_LIMIT, _LIMIT)
        log_p = (functional.logsigmoid(logits) * counts).sum(dim=1).clamp(-_LIMIT, -1e-5)
        both = log_p - torch.log(-torch.expm1(log_p))
        weakest = logits.masked_fill(~counts, _LIMIT).amin(dim=1)
        share = counts.sum(dim=1) / (words >= 0).sum(dim=1).clamp_min(1)
        # Without a known word the product is empty: it would be a sure yes.
        unknown = share == 0
        zero = torch.zeros_like(both)
        return torch.where(unknown, zero, both), torch.where(unknown, zero, weakest), share

    def mv(self, looks: Tensor, fits: Tensor, words: Tensor) -> Tensor:
        """Logits of mask verification, (N, 5).

        Args:
            looks: (N, N_APPEARANCE).
            fits: (N, N_QUALITY + n_extra).
            words: (N, MAX_WORDS).
        """
        return self._judge(looks, fits, words) + functional.pad(self.mv_shift, (0, N_MV - 1))

    def _judge(self, looks: Tensor, fits: Tensor, words: Tensor) -> Tensor:
        """The same before it is made honest: what EV learned to read, and so reads."""
        both, weakest, share = self.match(looks, words)
        parts = [both[:, None] / 4, weakest[:, None] / 4, share[:, None], self._scaled(fits, "q"),
                 _tone(self.mv_tone, words)]  # fmt: skip
        logits: Tensor = self.mv_head(torch.cat(parts, dim=1))
        return logits

    def ev(self, covers: Tensor, words: Tensor) -> Tensor:
        """Logits of exhaustivity verification, (N, 6), from (N, n_cover) covers."""
        logits: Tensor = self.ev_head(torch.cat([covers, _tone(self.ev_tone, words)], dim=1))
        is_empty = covers[:, IS_EMPTY].round().clamp(0, 1).long()  # noise may lie on it
        shift = functional.pad(self.ev_shift[is_empty][:, None], (0, N_EV - 1))
        return (logits + shift) / self.ev_heat[is_empty][:, None]

    @torch.no_grad()
    def cover(
        self,
        looks: Tensor,
        fits: Tensor,
        words: Tensor,
        *,
        accepted: Sequence[int],
        left: Sequence[int],
        scores: Sequence[float],
        inside: Sequence[float],
    ) -> Tensor:
        """Say in numbers what the accepted masks leave over.

        What a candidate is told by is kept as log-odds: between one and two in a hundred there
        is as much to learn as between a third and a half.

        Args:
            looks: (N, N_APPEARANCE) of accepted masks and candidates together.
            fits: (N, N_QUALITY + n_extra) of them.
            words: (1, MAX_WORDS) of the phrase.
            accepted: rows of the accepted masks.
            left: rows of the candidates that no accepted mask covers.
            scores: for each of ``left``, the segmenter's score with presence; nan for none.
            inside: for each of ``left``, the share that lies in one accepted mask.

        Returns:
            (n_cover,) float32.
        """
        own, rest = list(accepted), list(left)
        zero = torch.zeros(0)
        both = weakest = good = zero
        known = float(self.known[words[words >= 0]].float().mean()) if (words >= 0).any() else 0.0
        if len(looks):
            every = words.expand(len(looks), -1)
            both, weakest, _ = self.match(looks, every)
            good = self._judge(looks, fits, every).softmax(dim=1)[:, :2].sum(dim=1)
        told = torch.tensor([0.0 if s != s else s for s in scores], dtype=torch.float32)
        found = torch.tensor(
            [
                len(own) ** 0.5, float(not own),
                float(good[own].mean()) if own else 0.0,
                float(good[own].min()) if own else 0.0,
                float(both[own].min()) / 4 if own else 0.0,
                len(rest) ** 0.5 / 2, known,
            ]
        )  # fmt: skip
        if not rest:
            nothing = torch.full((N_COVER - len(found) + self.n_extra,), -_NONE / 4)
            return torch.cat([found, nothing])
        fit, chance = good[rest], both[rest].sigmoid()
        at = int(fit.argmax())
        top = _odds(torch.cat([fit, torch.zeros(1)]).topk(2).values)
        size = self._scaled(fits, "q")[:, 0]
        more = torch.tensor(
            [
                float(top[0]) / 4, float(top[1]) / 4, float(_odds(_any(fit))) / 4,
                float(both[rest].max()) / 4, float(weakest[rest].max()) / 4,
                float(both[rest][at]) / 4, float(chance.max()), float(chance.sum()) ** 0.5,
                float(_odds(told.max())) / 4, float(_odds(_any(told))) / 4,
                float((_odds(told) + _odds(fit)).max()) / 8, float((told * chance).max()),
                float(_odds(good[own].min()) - top[0]) / 4 if own else 0.0,
                float(size[rest][at] - size[own].mean()) / 2 if own else 0.0,
                float(inside[at]),
            ]
        )  # fmt: skip
        best = self._scaled(fits, "q")[rest][at, N_QUALITY:] / 2
        return torch.cat([found, more, best])

    def word_parameters(self) -> list[nn.Parameter]:
        """What tells whether a thing is what words say."""
        parts = (self.straight, self.bent, self.words, self.bias)
        return [p for part in parts for p in part.parameters()]

    def tone_parameters(self) -> list[nn.Parameter]:
        """What words say by themselves, whatever is seen: "it" cannot be masked."""
        return [*self.mv_tone.parameters(), *self.ev_tone.parameters()]

    def ev_parameters(self) -> list[nn.Parameter]:
        """What only exhaustivity verification trains."""
        return [*self.ev_head.parameters(), *self.ev_tone.parameters()]

    def _scaled(self, values: Tensor, name: str) -> Tensor:
        mean, scale = getattr(self, f"{name}_mean"), getattr(self, f"{name}_scale")
        return ((values - mean) / scale).clamp(-4, 4)


def _tone(table: nn.Embedding, words: Tensor) -> Tensor:
    """Mean of what the words say by themselves, (N, _TONE); almost nothing when untrained."""
    counts = (words >= 0)[..., None]
    total: Tensor = (table(words.clamp_min(0)) * counts).sum(dim=1)
    return total / counts.sum(dim=1).clamp_min(1) * 4


def _any(chances: Tensor) -> Tensor:
    """Chance that any of several independent things is so."""
    return 1 - (1 - chances.clamp(max=0.9999)).log().sum().exp()


def _odds(chances: Tensor) -> Tensor:
    """Log-odds, kept finite."""
    return torch.logit(chances.clamp(1e-4, 1 - 1e-4))
