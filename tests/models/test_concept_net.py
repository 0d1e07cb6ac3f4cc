import numpy as np
import pytest
import torch

from samnb.models.concept_crops import CROP
from samnb.models.concept_net import (
    DIM,
    PARTS,
    UNKNOWN,
    ConceptNet,
    log_not,
    phrase_log_probability,
)

WORDS = ("cup", "red", "blue")


@pytest.fixture
def net():
    torch.manual_seed(0)
    return ConceptNet(WORDS).eval()


@pytest.fixture
def views():
    return torch.rand(3, 4, CROP, CROP, generator=torch.Generator().manual_seed(1))


def test_views_give_embeddings_quality_and_masks(net, views):
    seen = net(views)
    assert seen.embedding.shape == (3, DIM)
    assert seen.quality.shape == (3,)
    assert seen.mask.shape == (3, CROP, CROP)


def test_who_looks_twice_sees_a_view_and_its_mirror_image_alike(net, views):
    with torch.no_grad():
        seen, back = net.look_twice(views), net.look_twice(views.flip(-1))
        one, other = net(views), net(views.flip(-1))
    assert torch.allclose(seen.mask, back.mask.flip(-1), atol=1e-4)
    assert torch.allclose(seen.embedding, back.embedding, atol=1e-4)
    assert torch.allclose(seen.quality, (one.quality + other.quality) / 2, atol=1e-5)


def test_a_view_is_judged_alone(net, views):
    with torch.no_grad():
        whole, one = net(views), net(views[1:2])
    assert torch.allclose(whole.embedding[1], one.embedding[0], atol=1e-4)


def part(embedding, name):
    at = sum(size for size, _ in list(PARTS.values())[: list(PARTS).index(name)])
    return embedding[:, at : at + PARTS[name][0]]


def test_surface_and_shape_know_no_colours_and_colour_knows_no_shape(net, views):
    one = views.clone()
    one[:, :3, : CROP // 3] = -1.0
    # Red and blue change places in such a way that a gray film would show no difference.
    other, shift = one.clone(), torch.full((CROP, CROP), 0.1)
    other[:, 0] += shift / 0.299
    other[:, 2] -= shift / 0.114
    turned = one.clone()
    turned[:, :3] = one[:, :3].rot90(2, (2, 3))
    with torch.no_grad():
        plain, hue, upside_down = (_under_whole_mask(net, v) for v in (one, other, turned))
    for name in ("surface", "shape"):
        assert torch.allclose(part(plain, name), part(hue, name), atol=1e-3)
    assert not torch.allclose(part(plain, "colour"), part(hue, "colour"), atol=1e-2)
    assert torch.allclose(part(plain, "colour"), part(upside_down, "colour"), atol=1e-3)
    assert not torch.allclose(part(plain, "shape"), part(upside_down, "shape"), atol=1e-3)


def _under_whole_mask(net, views):
    """The embedding with everything inside of the mask, whatever would be drawn."""
    judged = torch.zeros(len(views), net.sizes[-1])
    drawn = torch.full((len(views), CROP, CROP), 20.0)
    net.drawer.forward = lambda _views: (drawn, judged)
    return net(views).embedding


def test_no_views_give_nothing(net):
    assert len(net(torch.zeros(0, 4, CROP, CROP)).quality) == 0


def test_the_probability_of_a_phrase_is_the_product_over_its_words(net):
    embedding = torch.randn(2, DIM, generator=torch.Generator().manual_seed(2))
    words = net.word_logits(embedding).sigmoid()
    found = net.log_probability(embedding, ["red cup", "cup", "the blue cups"]).exp()
    assert torch.allclose(found[:, 0], words[:, 1] * words[:, 0])
    assert torch.allclose(found[:, 1], words[:, 0])
    assert torch.allclose(found[:, 2], words[:, 2] * words[:, 0])


def test_words_nobody_taught_and_no_words_at_all_make_a_phrase_unlikely(net):
    embedding = torch.randn(2, DIM)
    known, odd, empty = net.log_probability(embedding, ["cup", "tin cup", "..."]).exp().T
    assert torch.allclose(odd, known * UNKNOWN)
    assert torch.allclose(empty, torch.full((2,), UNKNOWN))


def test_the_order_of_words_does_not_matter(net):
    embedding = torch.randn(2, DIM)
    one, two = net.log_probability(embedding, ["red blue cup", "blue red cup"]).T
    assert torch.equal(one, two)


def test_new_words_leave_what_is_known_as_it_is(net, views):
    grown = net.with_words(["tin"])
    with torch.no_grad():
        embedding = net(views).embedding
        assert torch.equal(grown(views).embedding, embedding)
        known = grown.word_logits(embedding)[:, :3]
        assert torch.allclose(known, net.word_logits(embedding), atol=1e-6)
    assert grown.words == (*WORDS, "tin") and net.words == WORDS
    grown.vectors.data.add_(1.0)
    assert not torch.equal(grown.vectors[:3], net.vectors)


def test_the_logarithm_of_the_opposite_is_finite_at_both_ends():
    p = torch.tensor([0.0, -1e-9, -0.7, -80.0])
    assert torch.isfinite(log_not(p)).all()
    assert float(log_not(torch.tensor(np.log(0.25)))) == pytest.approx(np.log(0.75))


def test_incidence_multiplies_as_it_counts():
    logits = torch.zeros(1, 3)
    table = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    found = phrase_log_probability(logits, table).exp()
    assert torch.allclose(found, torch.tensor([[0.25, UNKNOWN**2]]))


def test_a_phrase_is_as_well_known_as_its_least_known_word(net):
    assert net.pictures_behind("the red cups") == float("inf")
    assert net.pictures_behind("tin cup") == net.pictures_behind("...") == 0.0
    grown = net.with_words(["tin", "wax"], is_wide=True)
    grown.exemplars[3] = 5.0
    assert grown.pictures_behind("red tin") == 5.0 and grown.pictures_behind("red cup") > 5
    assert grown.pictures_behind("wax tin") == 0.0


def test_a_net_with_learned_words_keeps_them_when_it_gets_more(net, views):
    wide = net.with_words(["tin"], is_wide=True)
    wide.rules[3] = 0.5
    wide.exemplars[3] = 4.0
    grown = wide.with_words(["wax"])
    assert grown.exemplars.tolist() == [-1.0, -1.0, -1.0, 4.0, 0.0]
    with torch.no_grad():
        one, two = wide(views).embedding, grown(views).embedding
        assert torch.equal(one, two) and one.shape[1] > DIM
        assert torch.allclose(wide.word_logits(one), grown.word_logits(two)[:, :4], atol=1e-5)
