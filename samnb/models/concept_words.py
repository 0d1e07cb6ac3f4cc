"""New words for ``concept`` from a few exemplars, in closed form.

What was decided holds exemplars of each word: the views of decided instances whose phrase has the
word. A rule tells them from every other view by Fisher's linear discriminant, with one covariance
for all words: that comes from thousands of views, so only the mean of the exemplars has to come
from the few there are. It reads the embedding and what the embedding is made from, since the
embedding was made for other words.

What a rule says of a picture that it was learned from is worth nothing. So each picture is also
judged by the rule of the others (leaving one out only moves the mean, which costs nothing), and
those answers tell whether the word can be learned, and how likely it is (Platt, in: Advances in
Large Margin Classifiers, 1999). A word that others' exemplars do not find is not learned: no vector
is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from samnb.metrics.calibration import area_under_curve
from samnb.models.concept_lessons import Lesson
from samnb.models.concept_net import DIM, TAUGHT, ConceptNet
from samnb.models.concept_text import learn_words, split_words

MIN_PICTURES: Final = 3
"""Pictures with an exemplar that a word needs."""
MIN_AREA: Final = 0.65
"""Area under the curve on pictures left out below which a word counts as not learned: half of it
is chance."""
_RIDGE: Final = 1.0  # of the features' variance
_POSITIVE: Final = 0.25  # share of exemplars in the calibration, as among phrases that are asked
_SLOPE: Final = 3.0  # logit of a mean exemplar, before anything is known
_VIEWS: Final = 4.0  # what a picture counts for against that


@dataclass(frozen=True, slots=True, eq=False)
class WordRule:
    """A word as it was learned.

    Attributes:
        weights: (DIM + WIDTH,) float32.
        bias: with ``embedding @ weights`` the logit that the word fits.
        pictures: how many had an exemplar.
        area: under the curve, on pictures left out.
    """

    weights: Tensor
    bias: float
    pictures: int
    area: float


@dataclass(frozen=True, slots=True, eq=False)
class _Views:
    """All views of all lessons, scaled.

    Attributes:
        scaled: (N, DIM + WIDTH) float64, mean 0 and spread 1.
        picture: (N,) int64, whose view it is.
    """

    scaled: Tensor
    mean: Tensor
    spread: Tensor
    picture: Tensor
    factor: Tensor


def new_words(net: ConceptNet, lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Words that the net was not taught and that some decided instance has."""
    phrases = [
        phrase
        for lesson in lessons
        for column, phrase in enumerate(lesson.phrases)
        if bool((lesson.target[:, column] == 1).any())
    ]
    return learn_words(phrases, {word: at for at, word in enumerate(taught_words(net))})


def taught_words(net: ConceptNet) -> tuple[str, ...]:
    """Words that the net was taught, those learned later left out."""
    if not net.is_wide:
        return net.words
    return tuple(w for w, n in zip(net.words, net.exemplars.tolist(), strict=True) if n == TAUGHT)


@torch.no_grad()
def learn_rules(net: ConceptNet, lessons: Sequence[Lesson]) -> dict[str, WordRule]:
    """Learn the words of decided pairs that the net was not taught.

    Args:
        net: whose eyes to use.
        lessons: decided pairs, a picture each.

    Returns:
        a rule for each word that can be told from the rest.
    """
    words = new_words(net, lessons)
    if not words:
        return {}
    views = _gather(net, lessons)
    known = {word: at for at, word in enumerate((*taught_words(net), *words))}
    found = {word: _rule(views, *_named(lessons, word, known)) for word in words}
    return {word: rule for word, rule in found.items() if rule is not None}


@torch.no_grad()
def with_rules(net: ConceptNet, rules: Mapping[str, WordRule]) -> ConceptNet:
    """Return a copy that has these words too.

    A word that was learned from more pictures before stays as it was: not every picture is looked
    at again.

    Args:
        net: stays as it is.
        rules: see :func:`learn_rules`.
    """
    if not rules:
        return net
    grown = net.with_words([word for word in rules if word not in net.words], is_wide=True)
    index = {word: at for at, word in enumerate(grown.words)}
    for word, rule in rules.items():
        at = index[word]
        if float(grown.exemplars[at]) <= rule.pictures:
            grown.vectors[at] = rule.weights[:DIM].to(grown.vectors.device)
            grown.rules[at] = rule.weights[DIM:].to(grown.vectors.device)
            grown.bias[at] = rule.bias
            grown.exemplars[at] = float(rule.pictures)
    return grown


def _gather(net: ConceptNet, lessons: Sequence[Lesson]) -> _Views:
    wide = net if net.is_wide else net.with_words((), is_wide=True).eval()
    rows = torch.cat([wide.read(lesson.pooled)[0].cpu() for lesson in lessons]).double()
    mean, spread = rows.mean(0), rows.std(0).clamp_min(1e-3)
    scaled = (rows - mean) / spread
    covariance = scaled.T @ scaled / len(scaled) + _RIDGE * torch.eye(scaled.shape[1]).double()
    sizes = torch.tensor([len(lesson.pooled) for lesson in lessons])
    picture = torch.repeat_interleave(torch.arange(len(lessons)), sizes)
    return _Views(scaled, mean, spread, picture, torch.linalg.cholesky(covariance))


def _named(
    lessons: Sequence[Lesson], word: str, known: Mapping[str, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """For each view: is it an exemplar, is that known, and was the word asked for there?"""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for lesson in lessons:
        own = [at for at, p in enumerate(lesson.phrases) if word in split_words(p, known)]
        target = lesson.target[:, own].cpu()
        is_one = (target == 1).any(1)
        is_known = is_one | ~(target == -1).any(1)
        parts.append((is_one, is_known, torch.full((len(target),), bool(own))))
    one, two, three = zip(*parts, strict=True)
    return torch.cat(one), torch.cat(two), torch.cat(three)


def _rule(views: _Views, is_one: Tensor, is_known: Tensor, is_asked: Tensor) -> WordRule | None:
    pictures = views.picture[is_one].unique().tolist()
    rest = is_known & ~is_one
    if len(pictures) < MIN_PICTURES or not bool((rest & is_asked).any()):
        return None
    # Each picture counts once, however many views of its instances there are.
    means = {at: views.scaled[is_one & (views.picture == at)].mean(0) for at in pictures}
    total, others = torch.stack(list(means.values())).sum(0), views.scaled[rest].sum(0)

    def line(without: int | None) -> tuple[Tensor, float]:
        """1 at the mean of the exemplars, -1 at that of the rest; one picture left out of both."""
        own = total - means[without] if without in means else total
        own = own / (len(means) - (without in means))
        here = views.scaled[rest & (views.picture == (-1 if without is None else without))]
        other = (others - here.sum(0)) / max(int(rest.sum()) - len(here), 1)
        across = torch.cholesky_solve((own - other)[:, None], views.factor)[:, 0]
        gain = 2.0 / float(((own - other) @ across).clamp_min(1e-9))
        return across * gain, -float((own + other) @ across) * gain / 2

    asked = is_known & is_asked
    scores = torch.zeros(len(is_one), dtype=torch.float64)
    for at in views.picture[asked].unique().tolist():
        here = views.picture == at
        across, shift = line(at)
        scores[here] = views.scaled[here] @ across + shift
    area = area_under_curve(scores[asked].numpy(), is_one[asked].numpy())
    if not area >= MIN_AREA:
        return None
    slope, constant = _platt(scores[asked], is_one[asked], len(pictures))
    across, shift = line(None)
    weights = slope * across / views.spread
    bias = slope * shift + constant - float(weights @ views.mean)
    return WordRule(weights.float(), bias, len(pictures), area)


def _platt(scores: Tensor, is_one: Tensor, n_pictures: int) -> tuple[float, float]:
    """Slope and constant of the logit, where exemplars have a fixed share of what counts."""
    weights = torch.where(
        is_one, _POSITIVE / is_one.sum(), (1 - _POSITIVE) / (~is_one).sum()
    ).double()
    weights = weights * n_pictures * _VIEWS
    rows = torch.stack([scores, torch.ones_like(scores)], 1)
    begin = torch.tensor([_SLOPE, 0.0], dtype=torch.float64)
    pull = torch.diag(torch.tensor([1.0, 1e-3], dtype=torch.float64))
    found = begin.clone()
    for _ in range(50):  # Newton; steps are kept short until it is near
        chance = (rows @ found).sigmoid()
        slope = rows.T @ (weights * (chance - is_one.double())) + pull @ (found - begin)
        bend = (rows.T * (weights * chance * (1 - chance))) @ rows + pull
        step = torch.linalg.solve(bend, slope)
        found = found - step * min(1.0, 2.0 / max(float(step.abs().max()), 1e-9))
        if float(step.abs().max()) < 1e-9:
            break
    return float(found[0].clamp_min(0.0)), float(found[1])
