"""The key map of the concept desks."""

from __future__ import annotations

import pytest

from samnb.events.concepts import ConceptTask
from samnb.types import EvAnswer, MvAnswer
from samnb.widgets.concept_keys import (
    KEYMAP,
    Want,
    act_of,
    button_words,
    chords_of,
    help_html,
    options,
)


@pytest.mark.parametrize("task", ConceptTask)
def test_a_key_means_one_thing_at_a_task(task):
    keys = [key for line in KEYMAP if task in line.tasks for key in line.keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("task", "answers"), [("mv", MvAnswer), ("ev", EvAnswer)])
def test_every_option_has_one_letter_and_its_number_in_the_paper_s_order(task, answers):
    lines = options(ConceptTask(task))
    assert [line.act.value for line in lines] == [a.value for a in answers]
    assert [line.keys[1] for line in lines] == [str(n) for n in range(1, len(lines) + 1)]
    assert all(button_words(line).endswith(f" · {line.keys[0].upper()}") for line in lines)


def test_one_letter_means_the_same_answer_at_both_desks():
    mv, ev = ({line.act: line.keys[0] for line in options(ConceptTask(t))} for t in ("mv", "ev"))
    assert {act: mv[act] for act in mv.keys() & ev.keys()} == {
        Want.ACCEPT: "y", Want.REJECT: "r", Want.WHOLE_IMAGE: "w", Want.FLAG_LABEL: "f",
    }  # fmt: skip


def test_a_key_without_a_meaning_stays_with_the_browser():
    keys, repeats = chords_of(ConceptTask.MV)
    assert "Tab" not in keys and "y" in keys and "y" not in repeats
    assert "Tab" in chords_of(ConceptTask.CORRECT)[0]
    assert act_of("u", ConceptTask.MV) is None
    assert act_of("u", ConceptTask.EV) is Want.REJECT_UNSEPARATED
    assert act_of("u", ConceptTask.CORRECT) is Want.TAKE_BACK


def test_the_key_page_leaves_out_what_a_picture_does_not_have():
    assert "ten frames back" in help_html(ConceptTask.EV, has_frames=True)
    page = help_html(ConceptTask.EV, has_frames=False)
    assert "ten frames back" not in page and "Ungroundable" in page
