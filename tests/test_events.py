import dataclasses
import json

import pytest

from samnb import events as ev
from samnb.events import concepts as cev
from samnb.types import (
    Box,
    EvAnswer,
    FrameMask,
    Item,
    LogError,
    MaskPrompt,
    Media,
    MediaKind,
    MvAnswer,
    Point,
    Proposal,
    Role,
    Stroke,
    Verdict,
    VerdictKind,
    Worker,
    WorkerKind,
)

CONCEPT_MASK = cev.ConceptMask("k", (FrameMask(0, "h", True, 0.9),), 0.8, True, "k0", "mobile@1")
MEDIA = Media("m", MediaKind.VIDEO, "a.mp4", "/x/a.mp4", (4, 6), 9, 24.0, 0.375)
PROPOSAL = Proposal(
    "p", "i", "ana", "mobile", (FrameMask(0, "h", True, 0.9, 0.8, None),),
    ((0, Point(1.5, 2.0, 0)), (0, Box(0, 0, 3, 3)), (4, MaskPrompt("h"))), None,
)  # fmt: skip
BODIES = [
    ev.ProjectCreated("demo", 6.0, 3),
    ev.WorkerJoined(Worker("ana", WorkerKind.SIMULATED, "Ana")),
    ev.MediaAdded(MEDIA),
    ev.MediaRelinked("m", "/y/a.mp4"),
    ev.MediaTagged("m", (("environment", "Indoor"),)),
    ev.ItemAdded(Item("i", "m", 1, "dog")),
    ev.ItemRenamed("i", "chien"),
    ev.ItemDeleted("i"),
    ev.FrameEdited("i", 4, "brush", (MaskPrompt("h"),), "h", Stroke(((0.5, 1.0),), 3.0, True)),
    ev.FrameEdited("i", 4, "points", (Point(1, 2), Box(0, 0, 2, 2)), "h", clicks=2),
    ev.PropagationStarted("r", "m", ("i",), 8, 0, "mobile"),
    ev.FrameTracked("r", 4, (ev.TrackedMask("i", "h", 0.5, 0.6, 0.7),)),
    ev.PropagationEnded("r", "cancelled"),
    ev.Undone("i", 3),
    ev.Redone("i", 3),
    ev.Looked("m", None, 4),
    ev.Claimed("i", Role.VERIFIER, 12.0),
    ev.Released("i"),
    ev.Submitted(PROPOSAL),
    ev.Judged(Verdict("p", "i", "bo", VerdictKind.REJECT, "blurred", 4, 2.5)),
    ev.Reopened("i", "again"),
    ev.FailuresSampled(("i",), ("j", "k"), 0.25, 7),
    ev.Imported(PROPOSAL, "a.json", True, 41),
    ev.TrainingStarted("r", "mobile@1", "5e", ("p",), ("q",), (("steps", "30"),), 7, "r0"),
    ev.TrainingEnded("r", "done", 30, 61.5, "mobile@2", "mobile-2.safetensors", ((10, 0.5),)),
    ev.ModelEvaluated("r", "mobile@2", "held_out", (("jf", 0.75), ("objects", 4.0))),
    ev.ModelPromoted("r", "mobile@2", "mobile@1", "mobile-2.safetensors", "J&F 0.75 over 0.7"),
    ev.ModelKeptAside("r", "mobile@3", "mobile@2", "mobile-3.safetensors", "J&F 0.7 under 0.75"),
    cev.ConceptRulesSet(3, 1, cev.Apart.PAIR, False, 7),
    cev.ClipChecked("m", "easy", False, "1 phrase is left", (("phrases", 1.0),)),
    cev.FrameSampled("m", 12, "m2", "crowded"),
    cev.PairDropped("i", "whole scene", "a masklet covers 97 % of the frame"),
    cev.PhrasesMined("m", "tiny@1", "A dog.", ("dog",), (("it", "names nothing"),), 4),
    cev.NegativesChecked("m", "dog", "ontology", "concept@1", (("cat", 0.7),), (("cow", "no"),)),
    cev.PairAdded(Item("i", "m", 1, phrase="dog"), cev.PairOrigin.HARD_NEGATIVE, "cat", "x", True),
    cev.ConceptProposed(
        "i",
        "p",
        (CONCEPT_MASK,),
        0.9,
        "concept@1",
        0.4,
        2,
        (("a double of a better one", 2),),
        "animal",
    ),
    cev.MvAnswered("i", "p", (cev.MaskAnswer("k", MvAnswer.REJECT, (0.1, 0, 0.9, 0, 0)),), "v@1"),
    cev.EvAnswered("i", "p", EvAnswer.UNGROUNDABLE, ("k",), (0.5, 0.5, 0, 0, 0, 0), "v@1"),
    cev.Corrected(
        "i", cev.ConceptTask.CONFIRM, ("k",), ("k1",), (CONCEPT_MASK,), (CONCEPT_MASK,),
        False, True, 3
    ),
    cev.PairRefused("i", cev.ConceptTask.EV, "blue"),
    cev.PairRouted(
        "i", cev.ConceptTask.MV, "p", "v@1", (cev.RouteChoice("k", cev.Route.AUDIT, 0.97),),
        0.1, 0.08
    ),
    cev.RoutingSwitched(
        cev.ConceptTask.EV, cev.RoutingMode.ON, "v@1", 0.1, 0.05, (("accept", 0.9),),
        (("accept", 0.08),), "exact binomial", 3, "asked for", (("n", "200"),),
    ),
    cev.PairClaimed("i", cev.ConceptTask.CORRECT, 12.0),
    cev.PairReleased("i", cev.ConceptTask.MV),
    cev.AnswerUndone("i", 9),
    cev.PairReopened("i", cev.ConceptStep.EV, "again"),
    cev.PairImported("i", ((CONCEPT_MASK,), ()), (True, False), (True, True), "gold_a.json"),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=[ev.kind_of(b) for b in BODIES])
def test_a_body_survives_the_log(body):
    assert ev.decode(ev.kind_of(body), ev.VERSION, ev.encode(body)) == body


def test_every_kind_is_covered_here():
    assert {type(b) for b in BODIES} == set(ev.KINDS.values())


def test_bodies_are_frozen_and_hashable():
    for body in BODIES:
        assert dataclasses.fields(body)
        hash(body)


def test_a_newer_log_is_refused_with_advice():
    with pytest.raises(LogError, match=r"newer samnb.*update"):
        ev.decode("undone", ev.VERSION + 1, "{}")


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("nonsense", "{}", "unknown event kind 'nonsense'"),
        ("undone", "{", "cannot be read"),
        ("undone", json.dumps({"item_id": "i"}), "cannot be read"),
        ("undone", json.dumps({"item_id": "i", "op_seq": 1, "new": 2}), "cannot be read"),
    ],
)
def test_a_broken_line_is_named(kind, text, says):
    with pytest.raises(LogError, match=says):
        ev.decode(kind, ev.VERSION, text)


def test_an_upcast_lifts_an_old_body(monkeypatch):
    monkeypatch.setattr(ev, "VERSION", 2)
    monkeypatch.setitem(ev.UPCASTS, ("undone", 1), lambda d: {"item_id": d["item"], "op_seq": 7})
    assert ev.decode("undone", 1, '{"item": "i"}') == ev.Undone("i", 7)


def test_item_ids_name_what_an_event_is_about():
    assert ev.item_ids_of(BODIES[10]) == ("i",)
    assert ev.item_ids_of(ev.Submitted(PROPOSAL)) == ("i",)
    assert ev.item_ids_of(ev.FailuresSampled(("i",), ("j", "k"), 0.25, 7)) == ("i", "j", "k")
    assert ev.item_ids_of(ev.MediaRelinked("m", "p")) == ()
