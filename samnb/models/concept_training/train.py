"""Teach the image-text model on the synthetic concept world.

What the model is told is what decided pairs tell as well: views, phrases, and whether a
phrase names what the view shows. Attributes as such are never given.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from samnb.models.concept_net import PARTS, ConceptNet, phrase_log_probability
from samnb.models.concept_training.phrases import READS, Asked, PhraseBook, phrase_loss
from samnb.models.concept_training.samples import GOOD_IOU, Samples
from samnb.models.concept_training.settings import ConceptSettings
from samnb.models.training.common import cosine

Rows: TypeAlias = npt.NDArray[np.int64]
Pools: TypeAlias = Sequence[tuple[Rows, float]]

log = logging.getLogger(__name__)

GOOD_SHARE: Final = 0.65
"""Share of the views in a step that show a thing; the others teach what is none."""
DRAWN_IOU: Final = 0.3
"""A rough mask that overlaps a thing at least so much is to be drawn into that thing's."""
DECAY: Final = 0.998
"""What is kept is the mean of the weights over the last steps, older ones counting less by this
factor a step (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992)."""
_SAVED_EVERY: Final = 500


@dataclass(frozen=True, slots=True)
class Lessons:
    """The book as tensors, what of it each picture asks for, and what of the embedding each word
    reads, (words, DIM) of 0 and 1."""

    incidence: Tensor
    named: Tensor
    nearly: Tensor
    asked: Tensor | None
    reads: Tensor

    @classmethod
    def of(cls, net: ConceptNet, settings: ConceptSettings, asked: Sequence[Asked]) -> Lessons:
        """Write them down for a net's words."""
        book = PhraseBook()
        table = None
        if settings.hard_negatives is not None:
            table = torch.from_numpy(book.asked(asked, settings.hard_negatives))
        incidence = net.incidence([str(p) for p in book.phrases])
        parts = torch.tensor([[name in READS[word] for name in PARTS] for word in net.words])
        sizes = torch.tensor([size for size, _ in PARTS.values()])
        reads = parts.float().repeat_interleave(sizes, 1)
        return cls(
            incidence, torch.from_numpy(book.named), torch.from_numpy(book.nearly), table, reads
        )

    def named_loss(
        self, net: ConceptNet, embedding: Tensor, samples: Samples, rows: Rows
    ) -> Tensor:
        """:meth:`loss` of those views, (N, DIM), that show a thing."""
        shows = torch.from_numpy(samples.iou[rows] >= GOOD_IOU)
        things = torch.from_numpy(samples.thing[rows])[shows]
        pictures = torch.from_numpy(samples.picture[rows])[shows]
        log_p = phrase_log_probability(net.word_logits(embedding[shows]), self.incidence)
        return self.loss(log_p, things, pictures)

    def loss(self, log_p: Tensor, things: Tensor, pictures: Tensor) -> Tensor:
        """:func:`~.phrases.phrase_loss` of views (N, P) of things (N,) in pictures (N,)."""
        asked = None if self.asked is None else self.asked[pictures]
        return phrase_loss(log_p, self.named[things], self.nearly[:, things], asked)


def train_net(
    net: ConceptNet,
    samples: Samples,
    settings: ConceptSettings,
    asked: Sequence[Asked] = (),
    *,
    keep: Path | None = None,
) -> list[float]:
    """Teach masks, quality and words together; returns the loss of every step.

    Every step draws its views from the seed and its own number alone, so that a run that goes on
    from a checkpoint ends with the very weights of one that was never interrupted.

    Args:
        net: is changed.
        samples: views of all pictures.
        settings: steps and rates.
        asked: what each picture is asked for; read where ``settings.hard_negatives`` is given.
        keep: a checkpoint to go on from and to write; None keeps none.
    """
    lessons = Lessons.of(net, settings, asked)

    def loss(rows: Rows, rng: np.random.Generator) -> Tensor:
        views, truth = samples.views(rows), samples.masks(rows)
        turned = torch.from_numpy(rng.random(len(rows)) < 0.5)
        views[turned], truth[turned] = views[turned].flip(-1), truth[turned].flip(-1)
        views[:, :3] = _lit(views[:, :3], rng)
        seen = net(views)
        drawn = torch.from_numpy(samples.iou[rows]) > DRAWN_IOU
        mask = mask_loss(seen.mask[drawn], truth[drawn])
        iou = drawn_iou(seen.mask, truth, torch.from_numpy(samples.area[rows]))
        quality = F.binary_cross_entropy_with_logits(seen.quality, wanted_quality(iou))
        return mask + quality + lessons.named_loss(net, seen.embedding, samples, rows)

    course = _Course(settings.steps, settings.lr, settings.batch, (settings.seed, 12), keep)
    return course.run(net, _good_and_rest(samples), lessons, loss)


def train_drawing(
    net: ConceptNet, samples: Samples, settings: ConceptSettings, *, keep: Path | None = None
) -> list[float]:
    """Go on with masks alone, from proposals and from rougher masks than are ever proposed.

    Most rough masks that :func:`train_net` sees come from true ones, and who sees these learns to
    keep to them. Arguments and result as of :func:`train_net`.
    """
    lessons = Lessons.of(net, settings, ())
    named = dict(net.named_parameters())
    for name, value in named.items():
        value.requires_grad_(name.startswith("drawer."))

    def loss(rows: Rows, rng: np.random.Generator) -> Tensor:
        views, truth = samples.views(rows), samples.masks(rows)
        turned = torch.from_numpy(rng.random(len(rows)) < 0.5)
        views[turned], truth[turned] = views[turned].flip(-1), truth[turned].flip(-1)
        rough = roughened(views[:, 3], rng)
        views = torch.cat([_lit(views[:, :3], rng), rough[:, None]], 1)
        views = views.contiguous(memory_format=torch.channels_last)
        return mask_loss(net.drawer(views)[0], truth)

    is_shown = samples.iou > DRAWN_IOU
    is_proposed = samples.picture < settings.scenes
    pools = [(np.flatnonzero(is_shown & m), 0.5) for m in (is_proposed, ~is_proposed)]
    course = _Course(settings.drawing_steps, settings.lr, settings.batch, (settings.seed, 16), keep)
    losses = course.run(net, [p for p in pools if len(p[0])], lessons, loss)
    for value in named.values():
        value.requires_grad_(True)
    return losses


def train_reading(
    net: ConceptNet,
    samples: Samples,
    settings: ConceptSettings,
    asked: Sequence[Asked] = (),
    *,
    keep: Path | None = None,
) -> list[float]:
    """Go on with quality and words alone, on masks drawn once: words take longer to learn than
    masks do, and a step costs half. Arguments and result as of :func:`train_net`."""
    lessons = Lessons.of(net, settings, asked)
    drawn = _drawn(net, samples)
    for value in net.drawer.parameters():
        value.requires_grad_(False)

    def loss(rows: Rows, rng: np.random.Generator) -> Tensor:
        cover = torch.from_numpy(drawn.cover[rows]).float()[:, None] / 255
        colours = samples.views(rows)[:, :3]
        turned = torch.from_numpy(rng.random(len(rows)) < 0.5)
        colours[turned], cover[turned] = colours[turned].flip(-1), cover[turned].flip(-1)
        colours = _lit(colours, rng).contiguous(memory_format=torch.channels_last)
        embedding, whole = net.read(net.pool_drawn(colours, cover, drawn.judged[rows]))
        quality = F.binary_cross_entropy_with_logits(whole, wanted_quality(drawn.iou[rows]))
        return quality + lessons.named_loss(net, embedding, samples, rows)

    rate, batch = settings.lr / 2, settings.batch + settings.batch // 2
    course = _Course(settings.more_steps, rate, batch, (settings.seed, 15), keep)
    losses = course.run(net, _good_and_rest(samples), lessons, loss)
    for value in net.drawer.parameters():
        value.requires_grad_(True)
    return losses


def _good_and_rest(samples: Samples) -> Pools:
    is_good = samples.iou >= GOOD_IOU
    return ((np.flatnonzero(is_good), GOOD_SHARE), (np.flatnonzero(~is_good), 1 - GOOD_SHARE))


@dataclass(frozen=True, slots=True)
class _Course:
    """So many steps, and where they are kept."""

    steps: int
    lr: float
    batch: int
    seed: tuple[int, int]
    keep: Path | None

    def run(
        self,
        net: ConceptNet,
        pools: Pools,
        lessons: Lessons,
        loss_of: Callable[[Rows, np.random.Generator], Tensor],
    ) -> list[float]:
        """Take the steps that the checkpoint does not have yet; leaves the mean of the weights.

        Args:
            net: is changed, where it asks for gradients.
            pools: rows of views and which share of a step's views is drawn from them.
            lessons: what words may read.
            loss_of: loss of some rows.
        """
        free = [value for value in net.parameters() if value.requires_grad]
        optimizer = torch.optim.AdamW(free, lr=self.lr, weight_decay=0.01)
        decay = min(DECAY, 1 - 10 / max(self.steps, 20))
        with torch.no_grad():
            net.vectors.mul_(lessons.reads)
        mean = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        parts: dict[str, Any] = {"net": net, "mean": mean, "optimizer": optimizer}
        losses = self._resume(parts)
        net.train()
        for step in range(len(losses), self.steps):
            rng = np.random.default_rng([*self.seed, step])
            torch.manual_seed(int(rng.integers(2**31)))
            for group in optimizer.param_groups:
                group["lr"] = self.lr * cosine(step / self.steps)
            drawn = [rng.choice(pool, round(share * self.batch)) for pool, share in pools]
            rows = np.concatenate(drawn)
            loss = loss_of(rows, rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(free, 5.0)
            optimizer.step()
            with torch.no_grad():
                net.vectors.mul_(lessons.reads)
            mean.update_parameters(net)
            losses.append(float(loss.detach()))
            if (step + 1) % 100 == 0:
                log.info("step %d of %d: %.4f", step + 1, self.steps, np.mean(losses[-100:]))
            if (step + 1) % _SAVED_EVERY == 0:
                self._save(parts, losses)
        net.load_state_dict(mean.module.state_dict())
        net.eval()
        return losses

    def _resume(self, parts: dict[str, Any]) -> list[float]:
        if self.keep is None or not self.keep.exists():
            return []
        held = torch.load(self.keep)
        for name, part in parts.items():
            part.load_state_dict(held[name])
        return list(held["losses"])

    def _save(self, parts: dict[str, Any], losses: list[float]) -> None:
        if self.keep is None:
            return
        part_file = self.keep.with_suffix(".part")
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({"losses": losses, **state}, part_file)
        part_file.replace(self.keep)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Masks as the net draws them: (N, CROP, CROP) uint8 in 0..255, what they are judged by, and
    how well they fit."""

    cover: npt.NDArray[np.uint8]
    judged: Tensor
    iou: Tensor


@torch.no_grad()
def _drawn(net: ConceptNet, samples: Samples) -> _Drawn:
    net.eval()
    covers, judged, ious = [], [], []
    for rows in np.array_split(np.arange(len(samples)), max(1, len(samples) // 64)):
        views = samples.views(rows).contiguous(memory_format=torch.channels_last)
        mask, by = net.drawer(views)
        covers.append((mask.sigmoid() * 255).round().to(torch.uint8).numpy())
        judged.append(by)
        ious.append(drawn_iou(mask, samples.masks(rows), torch.from_numpy(samples.area[rows])))
    return _Drawn(np.concatenate(covers), torch.cat(judged), torch.cat(ious))


def _lit(colours: Tensor, rng: np.random.Generator) -> Tensor:
    """Views in some other light."""
    gain = rng.uniform(0.85, 1.15, (len(colours), 1, 1, 1)).astype(np.float32)
    return ((colours + 1) * torch.from_numpy(gain) - 1).clamp(-1, 1)


def roughened(masks: Tensor, rng: np.random.Generator) -> Tensor:
    """Make soft masks (N, h, w) rougher, each in a way of its own: coarse, bent, with a piece
    taken away or added; a third are left as they are."""
    n, h, w = masks.shape
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij"
    )
    made = masks.clone()
    for at, kind in enumerate(rng.random(n)):
        one = masks[at : at + 1, None]
        if kind < 0.2:
            cell = int(rng.choice([4, 8]))
            coarse = F.avg_pool2d(one, cell)
            made[at] = F.interpolate(coarse, size=(h, w), mode="bilinear")[0, 0]
        elif kind < 0.4:
            bent = torch.from_numpy(rng.normal(0, 0.08, (1, 2, 5, 5)).astype(np.float32))
            shift = F.interpolate(bent, size=(h, w), mode="bicubic", align_corners=True)[0]
            grid = torch.stack([columns + shift[0], rows + shift[1]], -1)[None]
            made[at] = F.grid_sample(one, grid, align_corners=True)[0, 0]
        elif kind < 0.67:
            x, y = rng.uniform(-0.7, 0.7, 2)
            reach = rng.uniform(0.1, 0.4, 2)
            spot = ((columns - x) / reach[0]) ** 2 + ((rows - y) / reach[1]) ** 2 < 1
            made[at] = masks[at].masked_fill(spot, float(kind < 0.5))
    return made


def drawn_iou(logits: Tensor, truth: Tensor, area: Tensor) -> Tensor:
    """IoU of drawn masks (N, h, w) with things (N, h, w) of (N,) cells in all, to (N,)."""
    drawn = (logits.detach() > 0).float()
    inter = (drawn * truth).sum((1, 2))
    return inter / (drawn.sum((1, 2)) + area - inter).clamp_min(1.0)


def wanted_quality(iou: Tensor) -> Tensor:
    """The quality that a drawing is worth: 0 below an IoU of 0.35, 1 from 0.85 on."""
    return ((iou - 0.35) / 0.5).clamp(0, 1)


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy plus dice, mean over masks (N, h, w); 0 for none."""
    if len(logits) == 0:
        return logits.sum()
    bce = F.binary_cross_entropy_with_logits(logits, truth)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    return 2 * bce + dice.mean()
