import pytest

from samnb.engine.concepts import mining
from samnb.engine.concepts.acts import Drawn
from samnb.events.concepts import NegativesChecked, PairOrigin, PhrasesMined
from samnb.language.captions import GivenCaptions
from samnb.language.chunks import Chunk
from samnb.language.records import policy_stage
from tests.engine.concepts.world import Segmenter, square


def by_comma(caption):
    return [Chunk(part.strip()) for part in caption.split(",")]


CAPTION = GivenCaptions({"a.png": "two red cups, it, a dog's tail"}, "alt text")


def bodies(desk, kind):
    return [e.body for e in desk.session.log.read() if isinstance(e.body, kind)]


def test_phrases_are_mined_cleaned_and_told(desk):
    mined = mining.mine(desk(), CAPTION, chunker=by_comma, held_out_share=0.0)
    (body,) = bodies(desk, PhrasesMined)
    assert "red cup" in body.kept and "it" in [phrase for phrase, _ in body.dropped]
    assert mined.n_pairs == len(body.kept) and mined.n_dropped == len(body.dropped)
    assert {p.origin for p in desk().state.pairs.values()} == {PairOrigin.MINED}
    assert mining.mine(desk(), CAPTION, chunker=by_comma).n_media == 0  # once per picture


def test_held_out_media_are_chosen_by_their_content():
    ids = [f"media {n}" for n in range(400)]
    share = sum(mining.is_held_out(i, 0.25) for i in ids) / 400
    assert 0.18 < share < 0.32
    assert not mining.is_held_out("x", 0.0) and mining.is_held_out("x", 1.0)


@pytest.fixture
def cup(desk):
    """A verified positive."""
    door = desk()
    door.set_rules(apart="off")
    (pair,) = door.add_pairs(desk.media_id, ["red cup"])
    door.propose_masks(pair.id, [Drawn(square(0))])
    door.answer_mv(pair.id, "accept")
    door.answer_ev(pair.id, "accept")
    return pair


class Proposer:
    name = "fixed"

    def propose(self, phrase, image=None):
        return ("blue cup", "green cup", "red dog")


def test_only_what_fools_the_model_becomes_a_hard_negative(desk, cup):
    # Fires on the positive's square for "blue cup", elsewhere for "green cup", never for the dog.
    model = Segmenter({"blue cup": [(0, 0.9)], "green cup": [(2, 0.9)]})
    mined = mining.mine_negatives(desk(), model, proposers=[Proposer()])
    (body,) = bodies(desk, NegativesChecked)
    assert [phrase for phrase, _ in body.kept] == ["blue cup"]
    assert {phrase for phrase, _ in body.dropped} == {"green cup", "red dog"}
    assert all(reason for _, reason in body.dropped)
    assert mined.n_pairs == 1
    pair = desk().state.find(desk.media_id, "blue cup")
    assert (pair.origin, pair.parent_phrase) == (PairOrigin.HARD_NEGATIVE, "red cup")


def test_what_the_model_gets_wrong_is_worth_mining_next(desk, cup):
    door = desk()
    (dog,) = door.add_pairs(desk.media_id, ["dog"])
    door.propose_masks(dog.id, [])
    door.answer_ev(dog.id, "reject")
    door.correct(dog.id, drawn=[Drawn(square(1))])
    assert mining.hardest(door.state) == [("dog", 1.0), ("red cup", 0.0)]
    found = mining.standings(door.state)
    assert (found["dog"].score, found["red cup"].score, found["dog"].n_instances) == (0.0, 1.0, 1)


def test_phrases_that_were_refused_are_not_asked_again(desk):
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["red cup"])
    door.propose_masks(pair.id, [])
    desk("eva").answer_ev(pair.id, "ungroundable")
    mining.mine(door, CAPTION, chunker=by_comma)
    (body,) = bodies(desk, PhrasesMined)
    assert "red cup" not in body.kept


def test_a_user_s_own_list_and_stages_are_heeded(desk):
    short = policy_stage("short", lambda phrase: "too short" if len(phrase) < 4 else "")
    caption = GivenCaptions({"a.png": "two red cups, a bottle, a cat"}, "alt text")
    mining.mine(desk(), caption, chunker=by_comma, restricted={"bottle": "seen too often"},
                stages=[short])  # fmt: skip
    (body,) = bodies(desk, PhrasesMined)
    assert body.kept == ("red cup",)
    assert dict(body.dropped) == {"a cat.": "too short", "a bottle": "seen too often"}
