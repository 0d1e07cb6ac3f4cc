"""Draw a finer mask from a view and a rough one: a small U-Net.

Source of the layout: Ronneberger, Fischer and Brox, MICCAI 2015.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS: Final = (24, 48, 96, 128)
"""Channels at a half, a quarter, an eighth and a sixteenth of a view's side."""
JUDGED: Final = 3 * WIDTHS[3] + 2 * WIDTHS[2] + 3
"""Numbers by which a drawing is judged."""


class Drawer(nn.Module):
    """Colours and a rough mask in, a fine mask and what it is to be judged by out."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.down1 = nn.Sequential(conv(4, one, 2), conv(one, one))
        self.down2 = nn.Sequential(conv(one, two, 2), conv(two, two))
        self.down3 = nn.Sequential(conv(two, three, 2), conv(three, three))
        self.down4 = nn.Sequential(conv(three, four, 2), conv(four, four))
        self.across4, self.across3 = nn.Conv2d(four, 64, 1), nn.Conv2d(three, 64, 1)
        self.up3 = conv(64, 48)
        self.across2 = nn.Conv2d(two, 48, 1)
        self.up2 = conv(48, 24)
        self.across1 = nn.Conv2d(one, 24, 1)
        self.up1 = conv(24, 16)
        self.up0 = nn.Sequential(conv(16 + 4, 12), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Draw (N, 4, s, s) views, s a multiple of 16.

        Returns:
            (N, s, s) mask logits, and (N, JUDGED) numbers by which they are judged.
        """
        f1 = self.down1(views)
        f2 = self.down2(f1)
        f3 = self.down3(f2)
        f4 = self.down4(f3)
        u3 = self.up3(F.relu(_twice(self.across4(f4)) + self.across3(f3)))
        u2 = self.up2(F.relu(_twice(u3) + self.across2(f2)))
        u1 = self.up1(F.relu(_twice(u2) + self.across1(f1)))
        rough = views[:, 3:]
        # What is learned is the difference from the rough mask.
        mask = self.up0(torch.cat([_twice(u1), views], 1)) + torch.logit(rough, eps=0.02)
        cover = mask.detach().sigmoid()
        m3 = F.avg_pool2d(cover, 8)
        around = (F.max_pool2d(m3, 3, 1, 1) - m3).clamp_min(0)
        m4 = F.avg_pool2d(m3, 2)
        shared = torch.minimum(cover, rough).sum((1, 2, 3))
        either = torch.maximum(cover, rough).sum((1, 2, 3)).clamp_min(1.0)
        unsure = (cover * (1 - cover)).mean((1, 2, 3))
        facts = torch.stack([cover.mean((1, 2, 3)), shared / either, unsure], 1)
        parts = [mean_under(f4, m4), f4.mean((2, 3)), f4.amax((2, 3)), mean_under(f3, m3),
                 mean_under(f3, around), facts]  # fmt: skip
        return mask[:, 0], torch.cat(parts, 1)


def conv(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, normalised and rectified."""
    one = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
    return nn.Sequential(one, nn.BatchNorm2d(n_out), nn.ReLU())


def mean_under(features: Tensor, cover: Tensor) -> Tensor:
    """Mean of (N, C, h, w) features, weighted with (N, 1, h, w), to (N, C)."""
    return (features * cover).sum((2, 3)) / cover.sum((2, 3)).clamp_min(0.1)


def _twice(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
