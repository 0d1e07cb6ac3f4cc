import pytest
import torch

from samnb.models.mobile import build_architecture
from samnb.models.secondlook import _with_middle, look_again

SIDE = 64


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_architecture(SIDE).eval()


def maps(count):
    generator = torch.Generator().manual_seed(1)
    shapes = ((256, 4), (32, 16), (64, 8))
    top, *fine = (torch.randn(count, c, s, s, generator=generator) for c, s in shapes)
    return 0.1 * top, fine


def logits(*boxes):
    out = torch.full((len(boxes), 1, 16, 16), -5.0)
    for row, box in enumerate(boxes):
        if box is not None:
            out[row, 0, box[0] : box[1], box[0] : box[1]] = 5.0
    return out


def answer(model, monkeypatch, masks):
    """Let the decoder answer with given masks, and note the clicks it was shown."""
    shown = {}
    encode = model.sam_prompt_encoder.forward

    def listen(points, boxes, masks):
        shown["xy"], shown["labels"] = points
        return encode(points=points, boxes=boxes, masks=masks)

    monkeypatch.setattr(model.sam_prompt_encoder, "forward", listen)
    result = (masks, torch.full((len(masks), 1), 0.7), None, None)
    monkeypatch.setattr(model.sam_mask_decoder, "forward", lambda **_: result)
    return shown


@torch.no_grad()
def test_the_click_is_in_the_middle_of_the_first_mask(model, monkeypatch):
    first = logits((4, 9))
    shown = answer(model, monkeypatch, first)
    look_again(model, *maps(1), first, torch.tensor([True]))
    assert shown["labels"].tolist() == [[1]]
    # Cells 4..8, the middle one's centre, four pixels a cell.
    assert shown["xy"].tolist() == [[[26.0, 26.0]]]


@torch.no_grad()
def test_what_is_absent_or_empty_is_not_looked_at_again(model, monkeypatch):
    first = logits((4, 9), None)
    shown = answer(model, monkeypatch, logits((4, 8), (0, 9)))
    again, _, seen = look_again(model, *maps(2), first, torch.tensor([False, True]))
    assert shown["labels"].tolist() == [[-1], [-1]]
    assert seen.tolist() == [False, False]
    assert torch.equal(again, first)


@torch.no_grad()
def test_a_second_mask_that_overlaps_counts_and_another_thing_does_not(model, monkeypatch):
    first, second = logits((4, 9), (4, 7)), logits((4, 8), (0, 16))
    answer(model, monkeypatch, second)
    again, quality, seen = look_again(model, *maps(2), first, torch.tensor([True, True]))
    assert seen.tolist() == [True, False]
    assert torch.equal(again[0], second[0])
    assert torch.equal(again[1], first[1])
    assert quality.tolist() == pytest.approx([0.7, 0.7])


def test_a_correction_that_says_only_what_is_too_much_is_given_the_middle_of_the_rest():
    mask, side = logits((2, 14), (2, 14)), 4
    coords = torch.tensor([[[8.5, 8.5]], [[8.5, 8.5]]]) * side
    labels = torch.tensor([[0], [1]], dtype=torch.int32)
    where, what = _with_middle(coords, labels, mask, 16 * side)
    assert what.tolist() == [[0, 1], [1, -1]]
    x, y = (where[0, 1] / side).tolist()
    assert mask[0, 0, int(y), int(x)] > 0
    assert max(abs(x - 8.5), abs(y - 8.5)) >= 2, "away from what was clicked away"
    assert torch.equal(where[:, :1], coords)


def test_nothing_is_added_where_nothing_is_left_to_click_on():
    coords, labels = torch.tensor([[[8.0, 8.0]]]), torch.tensor([[0]], dtype=torch.int32)
    assert _with_middle(coords, labels, logits(None), 64)[1].tolist() == [[0, -1]]
