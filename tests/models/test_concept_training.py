"""The training of the default concept segmenter, in miniature."""

import numpy as np
import pytest
import torch

from samnb.models.concept_crops import CROP
from samnb.models.concept_net import PARTS, ConceptNet
from samnb.models.concept_training import train
from samnb.models.concept_training.gather import gathered, heat_target, spoilt_samples
from samnb.models.concept_training.judge import phrases_to_ask, score
from samnb.models.concept_training.phrases import (
    COMBINATIONS,
    READS,
    WORDS,
    PhraseBook,
    ask,
    phrase_loss,
)
from samnb.models.concept_training.samples import join, sample_masks, spoil
from samnb.models.concept_training.settings import ConceptSettings, training_scene
from samnb.models.concept_training.train import (
    drawn_iou,
    roughened,
    train_drawing,
    train_net,
    train_reading,
)
from samnb.models.registry import load_model
from samnb.synthetic.concepts import HELD_OUT, make_concept_scene
from samnb.synthetic.things import parse_phrase

SETTINGS = ConceptSettings(scenes=1, extra=1, steps=12, drawing_steps=30, more_steps=30, batch=16)
SCENES = [training_scene(SETTINGS, i) for i in range(3)]


@pytest.fixture(scope="module")
def samples():
    return join([spoilt_samples(s, np.random.default_rng(i)) for i, s in enumerate(SCENES)])


def test_the_table_of_things_has_nothing_that_is_held_out():
    assert not set(COMBINATIONS) & HELD_OUT
    assert {t.combination for s in SCENES for t in s.things} <= set(COMBINATIONS)


def test_no_phrase_of_the_book_is_held_out_and_each_thing_has_true_and_near_ones():
    book = PhraseBook()
    assert not any(p.is_held_out for p in book.phrases)
    assert book.named.any(1).all() and book.nearly.any(2).all()
    assert not (book.named & book.nearly).any()


def test_near_phrases_are_false_and_one_word_away():
    book = PhraseBook()
    row = COMBINATIONS.index(("red", "striped", "cup"))
    near = {str(p) for p, hit in zip(book.phrases, book.nearly[:, row].any(0), strict=True) if hit}
    true = {str(p) for p, hit in zip(book.phrases, book.named[row], strict=True) if hit}
    assert {"cup", "red cup", "striped cup"} <= true
    assert {"blue cup", "spotted red cup"} <= near and "blue fish" not in near


def test_true_masks_make_samples_of_themselves():
    scene = SCENES[0]
    masks = torch.from_numpy(np.stack([scene.labels == t.number for t in scene.things])).float()
    rows = [(t.number, 40 + i) for i, t in enumerate(scene.things)]
    found = sample_masks(scene.image, scene.labels, rows, masks)
    assert found.iou.min() > 0.85
    assert found.thing.tolist() == [40 + i for i in range(len(rows))]
    every = np.arange(len(found))
    views, truth = found.views(every), found.masks(every)
    assert views.shape == (len(found), 4, CROP, CROP) and truth.shape == (len(found), CROP, CROP)
    assert ((views[:, 3] > 0.5) == (truth > 0.5)).float().mean() > 0.99
    assert np.allclose(found.area, truth.sum((1, 2)), rtol=0.1)


def test_a_background_is_a_sample_of_nothing():
    scene = SCENES[0]
    free = np.argwhere(scene.labels == 0)[0]
    maps = torch.zeros(1, *scene.labels.shape)
    maps[0, free[0], free[1]] = 1.0
    found = sample_masks(scene.image, scene.labels, [(t.number, 0) for t in scene.things], maps)
    assert found.iou[0] < 0.1


def test_spoilt_masks_are_good_and_bad(samples):
    assert (samples.iou > 0.75).mean() > 0.3
    assert (samples.iou < 0.35).mean() > 0.1
    assert len(spoil(np.zeros((1, 40, 40), bool), np.random.default_rng(0))) <= 2


def test_heat_is_highest_inside_of_every_thing():
    scene = SCENES[1]
    target = heat_target(scene, (30, 40))
    assert target.max() == 1.0
    for y, x in np.argwhere(target == 1.0):
        block = scene.labels[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8]
        assert block.any()
    assert int((target == 1.0).sum()) <= len(scene.things)


def test_training_lowers_the_loss_and_is_repeatable(samples):
    def run():
        torch.manual_seed(0)
        net = ConceptNet(WORDS)
        return train_net(net, samples, SETTINGS), net.vectors.detach()

    losses, vectors = run()
    again, same = run()
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert losses == again and torch.equal(vectors, same)


def test_nouns_learn_nothing_of_colours_and_colours_nothing_else(samples):
    torch.manual_seed(0)
    net = ConceptNet(WORDS)
    train_net(net, samples, SETTINGS)
    sizes = [size for size, _ in PARTS.values()]
    for word, row in zip(WORDS, net.vectors.detach(), strict=True):
        read = {name for name, part in zip(PARTS, row.split(sizes), strict=True) if part.any()}
        assert read == set(READS[word]), word


def test_a_run_that_goes_on_from_its_checkpoint_ends_where_it_would_have(
    samples, tmp_path, monkeypatch
):
    keep = tmp_path / "net.pt"

    def run(where):
        torch.manual_seed(0)
        net = ConceptNet(WORDS)
        return train_net(net, samples, SETTINGS, keep=where), net.vectors.detach()

    whole, vectors = run(None)
    left = iter(range(6))

    def stops(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return mask_loss(*args)

    mask_loss = train.mask_loss
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(train, "_SAVED_EVERY", 4)
        patched.setattr(train, "mask_loss", stops)
        run(keep)
    assert keep.exists()
    again, same = run(keep)
    assert again == whole and torch.equal(vectors, same)


def test_going_on_with_drawing_leaves_words_as_they_are(samples):
    torch.manual_seed(0)
    net = ConceptNet(WORDS)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    losses = train_drawing(net, samples, SETTINGS)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    moved = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert {k.partition(".")[0] for k in moved} == {"drawer", "vectors"}
    assert all(value.requires_grad for value in net.parameters())


def test_rougher_masks_are_near_those_that_they_were_and_some_are_the_same():
    mask = torch.zeros(60, 32, 32)
    mask[:, 8:24, 8:24] = 1.0
    rough = roughened(mask, np.random.default_rng(0))
    shared = ((rough > 0.5) & (mask > 0.5)).sum((1, 2)) / ((rough > 0.5) | (mask > 0.5)).sum((1, 2))
    assert 0.2 < (shared == 1).float().mean() < 0.7 and shared.min() > 0.3
    assert rough.min() >= 0 and rough.max() <= 1


def test_going_on_with_reading_leaves_masks_as_they_are(samples):
    torch.manual_seed(0)
    net = ConceptNet(WORDS)
    views = samples.views(np.arange(4))
    before = net.eval().pool(views)
    losses = train_reading(net, samples, SETTINGS)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    after = net.pool(views)
    assert torch.equal(before[1], after[1]) and not torch.equal(before[0], after[0])
    assert all(value.requires_grad for value in net.parameters())


def test_what_was_gathered_is_read_again(tmp_path):
    tracker = load_model("mobile", device="cpu")
    settings = ConceptSettings(scenes=1, extra=1, proposer_steps=1)
    one, two = (gathered(tracker, tmp_path, settings) for _ in range(2))
    assert len(one[1]) > 4 and np.array_equal(one[1].colours, two[1].colours)
    assert one[2] == two[2] and torch.equal(one[0].fine.weight, two[0].fine.weight)


def test_a_drawing_of_a_part_does_not_fit_though_it_fills_its_view():
    logits = torch.full((1, 4, 4), 5.0)
    truth = torch.ones(1, 4, 4)
    assert drawn_iou(logits, truth, torch.tensor([16.0])).item() == 1.0
    assert drawn_iou(logits, truth, torch.tensor([64.0])).item() == 0.25


def test_a_picture_asks_for_what_is_there_and_for_so_many_hard_negatives():
    book = PhraseBook()
    asked = [ask(s) for s in SCENES]
    assert all(s.named(p) for s, a in zip(SCENES, asked, strict=True) for p in a.there)
    assert not any(s.named(p) for s, a in zip(SCENES, asked, strict=True) for p in a.near)
    none, five = (book.asked(asked, k).sum(1) for k in (0, 5))
    assert none.tolist() == [len(a.there) for a in asked]
    assert (five - none == 5).all()


def test_what_is_not_asked_is_not_taught():
    right = torch.tensor([[True, False, False, False]])
    near = torch.zeros(3, 1, 4, dtype=torch.bool)
    near[0, 0, 1] = True
    asked = torch.tensor([[True, True, False, True]])
    log_p = torch.log(torch.tensor([[0.5, 0.5, 0.5, 0.5]])).requires_grad_()
    phrase_loss(log_p, right, near, asked).backward()
    assert (log_p.grad != 0).tolist() == asked.tolist()


def test_hard_negatives_are_read_only_where_they_are_given(samples):
    def first_loss(hard_negatives):
        torch.manual_seed(0)
        settings = ConceptSettings(steps=1, batch=16, hard_negatives=hard_negatives)
        return train_net(ConceptNet(WORDS), samples, settings, [ask(s) for s in SCENES])[0]

    assert first_loss(0) != first_loss(5)


def test_joined_samples_know_their_picture(samples):
    assert set(samples.picture) == {0, 1, 2}


def test_questions_about_a_scene_are_of_every_kind():
    scene = make_concept_scene(5, split="test")
    asked = phrases_to_ask(scene)
    there = [p for p in asked if scene.truth(p)]
    assert len(there) == 3 and len(asked) >= 6
    assert all(parse_phrase(p) for p in asked)


def test_scores_of_no_pairs_are_zero():
    assert score([]).cgf1 == pytest.approx(0.0)
