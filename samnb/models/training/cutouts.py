"""Teacher masks: MobileSAM at 1024 px looks at pictures, its masks teach the small model.

Every picture is clicked on a jittered grid. The three masks of each click are kept for
distillation (`clicks`), and the distinct, stable ones become cut-outs (`objects`) from which clips
with exact masks are composed. Results are cached, one file per picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

log = logging.getLogger(__name__)

TEACHER_SIZE = 1024
MASK_SIDE = 256
PICTURE_SIDE = 720
PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)

Picture = NDArray[np.uint8]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TaughtPicture:
    """A picture and what the teacher saw in it.

    Attributes:
        name: unique name; the part before the first ``@`` names the photo or video it is from.
        image: (H, W, 3) uint8 RGB.
        xy: (P, 2) float32, clicks, x first, as a fraction of width and height.
        clicks: (P, 3, 256, 256) bool, the three masks of each click; the square covers the picture.
        ious: (P, 3) float32, the quality that the teacher predicts for each mask.
        objects: (K, H, W) bool, distinct stable masks at picture resolution.
    """

    name: str
    image: Picture
    xy: NDArray[np.float32]
    clicks: Masks
    ious: NDArray[np.float32]
    objects: Masks

    @property
    def source(self) -> str:
        """The photo or video this picture was taken from."""
        return self.name.split("@", 1)[0]

    def save(self, path: Path) -> None:
        """Write to a compressed `.npz`, masks as bits."""
        np.savez_compressed(
            path,
            image=self.image,
            xy=self.xy,
            clicks=np.packbits(self.clicks, axis=-1),
            ious=self.ious,
            objects=np.packbits(self.objects, axis=-1),
        )

    @classmethod
    def load(cls, path: Path) -> TaughtPicture:
        """Read what `save` wrote; the name is the file's stem."""
        with np.load(path) as data:
            image = data["image"]
            width = image.shape[1]
            return cls(
                name=path.stem,
                image=image,
                xy=data["xy"],
                clicks=np.unpackbits(data["clicks"], axis=-1).astype(bool),
                ious=data["ious"],
                objects=np.unpackbits(data["objects"], axis=-1, count=width).astype(bool),
            )


def to_model_input(image: Picture, size: int) -> torch.Tensor:
    """Squeeze an RGB picture (H, W, 3) uint8 to (3, size, size) float32, normalised."""
    small = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return _normalised(small).contiguous()


def _normalised(image: Image.Image) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    mean = torch.tensor(PIXEL_MEAN)[:, None, None]
    return (pixels - mean) / torch.tensor(PIXEL_STD)[:, None, None]


def shrink(image: Picture, side: int) -> Picture:
    """Scale a picture down so that its longer side is at most `side`."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    target = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(image).resize(target, Image.Resampling.LANCZOS))


def read_pictures(
    paths: Iterable[Path], frames_per_video: int, crops: int, rng: np.random.Generator
) -> Iterator[tuple[str, Picture]]:
    """Read photos, and frames spread evenly over videos, each with `crops` random crops.

    Yields (name, (H, W, 3) uint8 RGB). Video frames come as ``clip@f0042``, crops end in ``c0``.

    Raises:
        FileNotFoundError: if a path does not exist.
    """
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such photo or video")
        if path.suffix.lower() in {".mp4", ".mov", ".mkv", ".webm"}:
            whole = [(f"{path.stem}@f{i:04d}", im) for i, im in _video(path, frames_per_video)]
            cropped = max(1, len(whole) // 3) if crops else 0
            chosen = [int(i) for i in rng.choice(len(whole), size=cropped, replace=False)]
        else:
            whole = [(f"{path.stem}@", np.asarray(Image.open(path).convert("RGB")))]
            chosen = [0]
        yield from whole
        for index in chosen:
            name, image = whole[index]
            for number in range(crops if len(whole) == 1 else 1):
                yield f"{name}c{number}", _crop(image, rng)


def _video(path: Path, count: int) -> list[tuple[int, Picture]]:
    import av

    with av.open(str(path)) as container:
        total = container.streams.video[0].frames
        wanted = {int(i) for i in np.linspace(0, max(total - 1, 0), count)}
        frames = container.decode(video=0)
        return [(i, f.to_ndarray(format="rgb24")) for i, f in enumerate(frames) if i in wanted]


def _crop(image: Picture, rng: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    part = rng.uniform(0.4, 0.65)
    h, w = int(height * part), int(width * part)
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return np.ascontiguousarray(image[top : top + h, left : left + w])


class Teacher:
    """MobileSAM at 1024 px: SAM's own preprocessing, the picture scaled and padded to a square."""

    def __init__(self, model: Any) -> None:
        """Wrap the `SAM2Base` that `init_mobile(..., object_scores=False)` returns."""
        self.model = model.eval()

    @torch.no_grad()
    def encode(self, image: Picture) -> tuple[list[torch.Tensor], tuple[int, int]]:
        """Encode a picture (H, W, 3); returns the feature maps and its (h, w) inside the square."""
        size = self.model.image_size
        height, width = image.shape[:2]
        scale = size / max(height, width)
        h, w = round(height * scale), round(width * scale)
        resized = Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR)
        padded = F.pad(_normalised(resized), (0, size - w, 0, size - h))[None]
        return self.model.forward_image(padded)["backbone_fpn"], (h, w)

    @torch.no_grad()
    def click(
        self, maps: list[torch.Tensor], valid_hw: tuple[int, int], xy: NDArray[np.float32]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Click at `xy` (P, 2), fractions of the picture, one click per prompt.

        Returns mask logits (P, 3, h/4, w/4), cut to the picture, and predicted IoUs (P, 3).
        """
        h, w = valid_hw
        logits, ious = [], []
        for start in range(0, len(xy), 6):
            part = torch.from_numpy(xy[start : start + 6]) * torch.tensor([w, h])
            n = len(part)
            points = {
                "point_coords": part[:, None].float(),
                "point_labels": torch.ones(n, 1, dtype=torch.int32),
            }
            out = self._heads([m.expand(n, -1, -1, -1) for m in maps], points)
            logits.append(out[0])
            ious.append(out[1])
        masks = torch.cat(logits)[:, :, : -(-h // 4), : -(-w // 4)]
        return masks, torch.cat(ious)

    def _heads(
        self, maps: list[torch.Tensor], points: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # The full head would also blow the masks up to 1024 px, which nobody reads here.
        model = self.model
        sparse, dense = model.sam_prompt_encoder(
            points=(points["point_coords"], points["point_labels"]), boxes=None, masks=None
        )
        masks, ious, _, _ = model.sam_mask_decoder(
            image_embeddings=maps[-1],
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=False,
            high_res_features=maps[:2],
        )
        return masks, ious


def grid_clicks(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A jittered `side` x `side` grid of clicks, (side**2, 2) float32 in 0..1, x first."""
    steps = (np.arange(side) + 0.5) / side
    xy = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    xy = xy + rng.uniform(-0.4, 0.4, xy.shape) / side
    return np.clip(xy, 0.01, 0.99).astype(np.float32)


def teach(
    teacher: Teacher, name: str, picture: Picture, side: int, rng: np.random.Generator
) -> TaughtPicture:
    """Click a picture on a grid of `side` x `side` and keep what the teacher says."""
    xy = grid_clicks(side, rng)
    maps, valid = teacher.encode(picture)
    logits, ious = teacher.click(maps, valid, xy)
    small = shrink(picture, PICTURE_SIDE)
    squares = F.interpolate(logits, (MASK_SIDE, MASK_SIDE), mode="bilinear", align_corners=False)
    keep = distinct_masks(logits, ious)
    objects = torch.zeros(0, *small.shape[:2])
    if keep:  # there may be no thing in a picture
        stable = logits.flatten(0, 1)[keep][None]
        objects = F.interpolate(stable, small.shape[:2], mode="bilinear", align_corners=False)[0]
    return TaughtPicture(
        name=name,
        image=small,
        xy=xy,
        clicks=(squares > 0).numpy(),
        ious=ious.numpy().astype(np.float32),
        objects=(objects > 0).numpy(),
    )


def distinct_masks(
    logits: torch.Tensor,
    ious: torch.Tensor,
    *,
    min_iou: float = 0.86,
    min_stability: float = 0.9,
    area: tuple[float, float] = (0.002, 0.45),
    overlap: float = 0.7,
) -> list[int]:
    """Choose good masks that differ from each other, best first.

    Args:
        logits: (P, 3, h, w) mask logits.
        ious: (P, 3) predicted quality.
        min_iou: least predicted quality.
        min_stability: least IoU between the mask thresholded at +1 and at -1.
        area: least and greatest share of the picture.
        overlap: of two masks with a greater IoU the better one is kept.

    Returns:
        Indices into the flattened (P * 3) masks.
    """
    flat = logits.flatten(0, 1)
    scores = ious.flatten()
    masks = flat > 0
    share = masks.float().mean((1, 2))
    inner, outer = (flat > 1).sum((1, 2)).float(), (flat > -1).sum((1, 2)).float()
    stable = inner / outer.clamp_min(1) > min_stability
    good = stable & (scores > min_iou) & (share > area[0]) & (share < area[1])
    kept: list[int] = []
    for index in torch.argsort(scores, descending=True).tolist():
        if not good[index]:
            continue
        mask = masks[index]
        if all(_iou(mask, masks[k]) < overlap for k in kept):
            kept.append(index)
    return kept


def count_borders(mask: Masks) -> int:
    """How many of the picture's four borders a mask (H, W) touches."""
    return sum(bool(e.any()) for e in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _iou(a: torch.Tensor, b: torch.Tensor) -> float:
    union = (a | b).sum().item()
    return (a & b).sum().item() / union if union else 1.0


def build_cache(
    teacher: Teacher,
    pictures: Iterable[tuple[str, Picture]],
    folder: Path,
    *,
    side: int,
    seed: int,
    on_progress: Callable[[str, int], None] | None = None,
) -> int:
    """Teach every picture that is not in `folder` yet; returns the number of cut-outs in it.

    Each picture has its own random stream, so an interrupted run ends with the same files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, picture in pictures:
        path = folder / f"{name}.npz"
        if path.exists():
            total += len(TaughtPicture.load(path).objects)
            continue
        rng = np.random.default_rng([seed, *name.encode()])
        taught = teach(teacher, name, picture, side, rng)
        part = path.with_suffix(".part.npz")
        taught.save(part)
        part.replace(path)
        total += len(taught.objects)
        log.info("%s: %d cut-outs, %d in all", name, len(taught.objects), total)
        if on_progress is not None:
            on_progress(name, total)
    return total


def load_cache(folder: Path, held_out: Sequence[str] = ()) -> tuple[list[TaughtPicture], ...]:
    """Read a cache; returns (training pictures, held-out pictures), split by source name.

    Raises:
        FileNotFoundError: if the folder holds no taught pictures.
    """
    files = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(".part.npz"))
    if not files:
        raise FileNotFoundError(f"{folder}: no taught pictures; run the cutouts step first")
    pictures = [TaughtPicture.load(p) for p in files]
    held = set(held_out)
    train = [p for p in pictures if p.source not in held]
    return train, [p for p in pictures if p.source in held]
