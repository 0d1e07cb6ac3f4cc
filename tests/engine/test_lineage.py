import math

import pytest

from samnb.engine import lineage, stats
from samnb.engine.retrain import retrain
from samnb.types import Point
from tests.engine.scene import ColourTracker
from tests.engine.verified import Decree, add_verified, open_session


@pytest.fixture
def session(tmp_path, clock):
    session = open_session(tmp_path / "p.samnb", ColourTracker(rough=0, drift=1.0), clock)
    yield session
    session.close()


@pytest.fixture
def media(session, tmp_path):
    return add_verified(session, tmp_path, 3)


def annotate(session, medium, clock, corrections):
    """Ana clicks the ball once, corrects some frames, hands it in; Bo accepts."""
    item = session.add_item(medium.id, "ball")
    session.set_prompts(item.id, 0, (Point(12, 14),))
    session.propagate(medium.id, [item.id])
    for frame in range(1, corrections + 1):
        clock.now_s += 2
        session.set_prompts(item.id, frame, (Point(12 + 3 * frame, 14),))
    clock.now_s += 1
    session.submit(item.id)
    session.as_worker("bo").judge(item.id, "satisfactory")
    session.refresh()
    return item.id


@pytest.fixture
def grown(session, media, clock):
    """One masklet with the first model, a promotion, one with the second, a failure to
    get better."""
    before = annotate(session, media[1], clock, corrections=4)
    held_out = [media[0].id]
    first = retrain(session, held_out=held_out, trainer=Decree(0.0), timer=clock, replay=())
    clock.now_s += 1000
    after = annotate(session, media[2], clock, corrections=1)
    second = retrain(session, held_out=held_out, trainer=Decree(2.0), timer=clock, replay=())
    return before, after, first, second


def test_every_run_is_a_row(session, grown):
    _, _, first, second = grown
    table = lineage.versions(session)
    assert list(table["status"]) == ["promoted", "kept aside"]
    assert list(table["version"]) == [first.model, second.model]
    assert list(table["base"]) == ["colour@1", first.model]
    assert list(table["n_train"]) == [5, 6] and list(table["n_held_out"]) == [2, 2]
    assert table["new_jf"][0] == 1.0 > table["old_jf"][0]
    assert list(table["proposals"]) == [1, 0]
    assert "did not rise" in table["reason"][1] and math.isnan(table["replay_loss"][0])


def test_a_proposal_leads_back_to_the_data_behind_its_model(session, grown):
    before, after, first, second = grown
    table = lineage.lineage(session).set_index("item")
    assert table.loc[before, "version"] == "colour@1" and table.loc[before, "run"] == ""
    row = table.loc[after]
    assert (row["version"], row["run"], row["base"]) == (first.model, first.run_id, "colour@1")
    assert row["snapshot"] == first.snapshot.id and row["trained_on"] == 5
    assert row["used_by"] == second.run_id
    assert table.loc[before, "used_by"] == f"{first.run_id}, {second.run_id}"
    assert row["verdict"] == "satisfactory"


def test_effort_falls_with_a_better_version(session, grown):
    _, _, first, _ = grown
    table = stats.effort(session)
    assert list(table["model"]) == ["colour@1", first.model]
    assert list(table["clicks"]) == [5.0, 2.0] and list(table["active_s"]) == [9.0, 3.0]


def test_a_log_without_training_gives_empty_tables(session):
    assert lineage.versions(session).empty and lineage.lineage(session).empty
    assert lineage.promoted_file(session.log.read()) is None


def test_a_run_that_was_cut_off_counts_with_the_one_that_goes_on(session, media):
    import threading

    cancel = threading.Event()
    seconds = iter([0.0, 30.0, 0.0, 12.0])

    def stop(progress):
        if progress.done == 2:
            cancel.set()

    kw = {"held_out": [media[0].id], "trainer": Decree(), "timer": lambda: next(seconds),
          "replay": ()}  # fmt: skip
    retrain(session, on_progress=stop, cancel=cancel, **kw)
    retrain(session, **kw)
    table = lineage.versions(session)
    assert list(table["status"]) == ["cancelled", "promoted"]
    assert list(table["seconds_s"]) == [30.0, 42.0]
