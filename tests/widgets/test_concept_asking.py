"""Questions in hand, as pure functions."""

from __future__ import annotations

import pytest

from samnb.engine.concepts.queue import Work
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.types import FrameMask, InputError, MvAnswer
from samnb.widgets.concept_asking import Asking, answered, reopened, stepped_back

YES, NO, FLAG = MvAnswer.ACCEPT, MvAnswer.REJECT, MvAnswer.FLAG_LABEL


def asking(n=3, task=ConceptTask.MV):
    masks = tuple(ConceptMask(f"k{i}", (FrameMask(0, f"m{i}"),)) for i in range(n))
    return Asking(Work("pair", "media", "cup", task, masks))


def test_masks_are_asked_about_one_after_the_other():
    now = answered(asking(), YES)
    assert now.mask.key == "k1" and not now.is_complete
    now = answered(answered(now, NO), YES)
    assert now.is_complete and now.mask is None
    assert now.by_key == {"k0": YES, "k1": NO, "k2": YES}


def test_an_answer_about_the_label_holds_for_the_masks_after_it():
    now = answered(answered(asking(), NO), FLAG)
    assert now.is_complete and now.by_key == {"k0": NO, "k1": FLAG, "k2": FLAG}


def test_there_is_no_answer_without_a_question():
    with pytest.raises(InputError, match="one for each of 1 masks"):
        answered(answered(asking(1), YES), YES)


def test_going_back_forgets_one_answer():
    now = answered(asking(), YES)
    assert stepped_back(now) == asking() == stepped_back(asking())


def test_what_is_taken_back_is_asked_from_its_last_answer_on():
    work = asking().work
    assert reopened(work, {"k0": YES, "k1": NO, "k2": YES}).answers == (YES, NO)
    assert reopened(work, {"k0": NO, "k1": FLAG, "k2": FLAG}).answers == (NO,), "one key gave it"
    assert reopened(work, {}).answers == ()


def test_exhaustivity_is_asked_about_all_masks_at_once():
    assert asking(2, ConceptTask.EV).mask is None
