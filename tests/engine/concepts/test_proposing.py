import pytest

from samnb.engine.concepts.proposing import DOUBLE, FAINT, STRUCK
from samnb.events.concepts import ConceptProposed
from samnb.language.ontologyfile import default_ontology
from samnb.models.verifier_weighing import Weighing
from samnb.types import EvAnswer, MvAnswer
from tests.engine.concepts.world import Segmenter, Verifier, square


def proposals(desk):
    events = desk.session.log.read()
    return {e.body.item_id: e.body for e in events if isinstance(e.body, ConceptProposed)}


def test_the_log_says_why_candidates_were_left_out(desk):
    (pair,) = desk().add_pairs(desk.media_id, ["cup"])
    desk().propose(Segmenter({"cup": [(0, 0.9), (0, 0.8), (1, 0.2)]}))
    body = proposals(desk)[pair.id]
    assert dict(body.left_out) == {FAINT: 1, DOUBLE: 1} and body.n_left_out == 1
    assert len(body.masks) == 1


def test_a_verifier_takes_the_place_of_presence(desk):
    cup, dog = desk().add_pairs(desk.media_id, ["cup", "dog"])
    model = Segmenter({"cup": [(0, 0.9)], "dog": [(1, 0.9)]}, {"cup": 0.3, "dog": 0.9})
    # Nothing is missing without a mask: the dog is not there. The cup is.
    judge = Verifier(ev={"cup": EvAnswer.REJECT, "dog": EvAnswer.ACCEPT})
    desk().propose(model, ev=judge)
    found = proposals(desk)
    assert [len(found[p.id].masks) for p in (cup, dog)] == [1, 0]
    assert found[cup.id].presence == pytest.approx(0.98)


def test_a_verifier_strikes_masks_out_and_the_log_says_so(desk):
    (cup,) = desk().add_pairs(desk.media_id, ["cup"])
    desk().propose(Segmenter({"cup": [(0, 0.9)]}), mv=Verifier(mv={"cup": MvAnswer.REJECT}))
    body = proposals(desk)[cup.id]
    assert body.masks == () and dict(body.left_out) == {STRUCK: 1}


def test_weighed_opinions_may_bring_a_candidate_in(desk):
    (cup,) = desk().add_pairs(desk.media_id, ["cup"])
    by = Weighing(0.0, 0.1, 1.0)
    desk().propose(Segmenter({"cup": [(0, 0.4)]}), mv=Verifier(), weighing=by)
    assert len(proposals(desk)[cup.id].masks) == 1


@pytest.fixture
def boats():
    """A model that knows boats and no canoes."""
    return Segmenter({"boat": [(2, 0.9)], "vehicle": [(0, 0.9)]})


def test_a_wider_phrase_is_asked_where_a_caption_s_phrase_finds_nothing(desk, boats):
    (canoe,) = desk().add_pairs(desk.media_id, ["red canoe"], origin="mined")
    desk().propose(boats, ontology=default_ontology())
    body = proposals(desk)[canoe.id]
    assert body.asked == "boat"
    assert (desk().mask(body.masks[0].mask_id) == square(2)).all()
    assert desk().pair(canoe.id).phrase == "red canoe"  # MV judges by the narrow one


def test_what_nobody_saw_in_the_picture_is_not_widened(desk, boats):
    (canoe,) = desk().add_pairs(desk.media_id, ["red canoe"])
    desk().propose(boats, ontology=default_ontology())
    assert (proposals(desk)[canoe.id].masks, proposals(desk)[canoe.id].asked) == ((), "")
