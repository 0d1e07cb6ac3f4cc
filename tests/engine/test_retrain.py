import threading

import pytest

from samnb.engine import lineage
from samnb.engine.dataset import REPLAY_CLIPS
from samnb.engine.retrain import models_folder, retrain, use_promoted
from samnb.events import (
    ModelEvaluated,
    ModelKeptAside,
    ModelPromoted,
    TrainingEnded,
    TrainingStarted,
)
from samnb.models.trainable import FinetuneSettings
from samnb.types import FlowError, InputError, WorkerKind
from tests.engine.scene import ColourTracker
from tests.engine.verified import (
    Decree,
    add_verified,
    load_decree,
    open_session,
    truth_clip,
)

TRAINING = (TrainingStarted, TrainingEnded, ModelEvaluated, ModelPromoted, ModelKeptAside)


@pytest.fixture
def session(tmp_path, clock):
    session = open_session(tmp_path / "p.samnb", ColourTracker(rough=0, drift=1.0), clock)
    yield session
    session.close()


@pytest.fixture
def media(session, tmp_path):
    return add_verified(session, tmp_path, 3)


def bodies(session):
    return [e.body for e in session.log.read() if isinstance(e.body, TRAINING)]


def cycle(session, media, drift=0.0, **kw):
    trainer = kw.pop("trainer", Decree(drift))
    kw = {"replay": (), "timer": lambda: 0.0, **kw}
    return retrain(session, held_out=[media[0].id], trainer=trainer, **kw)


def test_a_better_version_becomes_the_session_s_model(session, media):
    result = cycle(session, media)
    assert result.status == "promoted" and session.tracker.name == result.model
    assert result.new["jf"] == 1.0 > result.old["jf"]
    assert result.reason.startswith("held-out J&F 0.")


def test_a_worse_version_is_kept_aside_with_the_reason(session, media):
    old = session.tracker
    result = cycle(session, media, drift=3.0)
    assert result.status == "kept aside" and session.tracker is old
    assert "J&F did not rise" in result.reason
    assert (models_folder(session) / f"{result.model}.safetensors").is_file()
    assert lineage.promoted_file(session.log.read()) is None


def test_an_equal_version_is_not_better(session, media):
    assert cycle(session, media, drift=1.0).status == "kept aside"


def test_the_log_tells_the_whole_cycle(session, media):
    result = cycle(session, media, seed=5)
    started, ended, old, new, promoted = bodies(session)
    assert (started.base, started.seed, started.resumes) == ("colour@1", 5, "")
    assert len(started.train) == 4 and len(started.held_out) == 2
    assert started.snapshot_id == result.snapshot.id
    assert dict(started.settings) == dict(FinetuneSettings().pairs())
    assert (ended.status, ended.steps, ended.model) == ("done", 3, result.model)
    assert ended.curve == ((1, 1.0), (2, 0.5), (3, 1 / 3)) == result.curve
    assert (old.model, new.model) == ("colour@1", result.model)
    assert dict(new.metrics)["objects"] == 2.0
    assert (promoted.over, promoted.file) == ("colour@1", f"{result.model}.safetensors")
    assert len({b.run_id for b in bodies(session)}) == 1


def test_the_machine_signs_for_its_own_time(session, media):
    cycle(session, media)
    (event, *_) = [e for e in session.log.read() if isinstance(e.body, TRAINING)]
    assert session.state.workers[event.worker_id].kind is WorkerKind.MODEL


def test_the_trainer_gets_the_training_part_only(session, media):
    trainer = Decree()
    settings = FinetuneSettings(steps=7)
    cycle(session, media, trainer=trainer, settings=settings, seed=4)
    (call,) = trainer.calls
    assert {c.key for c in call["clips"]} == {media[1].id, media[2].id}
    assert call["settings"] is settings and call["seed"] == 4


def test_a_cancelled_run_goes_on_where_it_stopped(session, media):
    cancel, told = threading.Event(), []

    def stop(progress):
        if progress.done == 2:
            cancel.set()

    trainer = Decree()
    cut = cycle(session, media, trainer=trainer, on_progress=stop, cancel=cancel)
    assert cut.status == "cancelled" and bodies(session)[-1].status == "cancelled"
    assert session.tracker.name == "colour@1"
    whole = cycle(session, media, trainer=trainer, on_progress=told.append)
    assert whole.status == "promoted"
    assert [p.done for p in told if p.stage == "train"] == [3]
    started = [b for b in bodies(session) if isinstance(b, TrainingStarted)]
    assert started[1].resumes == started[0].run_id
    assert not list(models_folder(session).glob("*.ckpt")), "the checkpoint has served"


def test_a_run_can_be_begun_anew(session, media):
    cancel = threading.Event()
    trainer = Decree()
    cycle(session, media, trainer=trainer, cancel=cancel, on_progress=lambda _p: cancel.set())
    told = []
    cycle(session, media, trainer=trainer, resume=False, on_progress=told.append)
    assert [p.done for p in told if p.stage == "train"] == [1, 2, 3]


def test_other_data_or_settings_are_another_run(session, media):
    tags = []
    for kw in ({}, {"seed": 1}, {"settings": FinetuneSettings(steps=9)}):
        trainer = Decree(drift=3.0)
        cycle(session, media, trainer=trainer, **kw)
        tags.append(trainer.calls[0]["tag"])
    assert len(set(tags)) == 3


def test_cancelling_while_measuring_loses_no_training(session, media):
    cancel = threading.Event()

    def stop(progress):
        if progress.stage == "measure old":
            cancel.set()

    trainer = Decree()
    cut = cycle(session, media, trainer=trainer, cancel=cancel, on_progress=stop)
    assert cut.status == "cancelled" and not isinstance(bodies(session)[-1], ModelEvaluated)
    told = []
    assert cycle(session, media, trainer=trainer, on_progress=told.append).status == "promoted"
    assert not [p for p in told if p.stage == "train"]


def test_a_failure_is_written_down_and_passed_on(session, media):
    with pytest.raises(RuntimeError, match="out of memory"):
        cycle(session, media, trainer=Decree(fails=True))
    ended = bodies(session)[-1]
    assert (ended.status, ended.detail) == ("failed", "RuntimeError: out of memory")


def test_a_version_that_forgets_the_replay_clips_is_kept_aside(session, media):
    trainer = Decree()
    clip = truth_clip(session, media[1])
    plain = trainer.__call__

    def forgetful(*args, **kw):
        trained = plain(*args, **kw)
        fresh = trained.tracker.open

        def open_it(frames):
            trained.tracker.drift = 5.0 if frames is clip.frames else 0.0
            return fresh(frames)

        trained.tracker.open = open_it
        return trained

    result = cycle(session, media, trainer=forgetful, replay=[clip])
    assert result.status == "kept aside" and "it forgets" in result.reason
    assert result.new_replay["jf"] < result.old_replay["jf"] - 0.01
    measured = [b.data for b in bodies(session) if isinstance(b, ModelEvaluated)]
    assert measured == ["held_out", "held_out", "replay", "replay"]
    assert trainer.calls[0]["replay"] == [], "what is rehearsed is not measured"


def test_made_up_clips_are_rehearsed_where_none_are_given(session, media):
    trainer = Decree(0.0)
    result = cycle(session, media, trainer=trainer, replay=None)
    keys = [clip.key for clip in trainer.calls[0]["replay"]]
    assert len(keys) == REPLAY_CLIPS // 2 and all(key.startswith("synthetic:") for key in keys)
    assert result.old_replay["objects"] > 0


def test_half_of_the_replay_clips_are_rehearsed(session, media):
    trainer = Decree()
    clips = [truth_clip(session, medium) for medium in media]
    cycle(session, media, trainer=trainer, replay=clips)
    assert trainer.calls[0]["replay"] == [clips[1]]
    counted = [dict(b.metrics)["objects"] for b in bodies(session)
               if isinstance(b, ModelEvaluated) and b.data == "replay"]  # fmt: skip
    assert counted == [4.0, 4.0]


def test_cycle_after_cycle_starts_from_the_promoted_version(session, media):
    for drift in (0.75, 0.5, 0.25):
        assert cycle(session, media, drift=drift).status == "promoted"
    table = lineage.versions(session)
    assert list(table["base"])[1:] == list(table["version"])[:-1]
    assert table["new_jf"].is_monotonic_increasing


def test_another_session_takes_up_the_promoted_version(session, media, tmp_path):
    model = cycle(session, media).model
    other = open_session(tmp_path / "p.samnb")
    assert use_promoted(other, load=load_decree).name == model == other.tracker.name
    other.close()


def test_without_a_promotion_the_model_stays(session, media):
    cycle(session, media, drift=3.0)
    assert use_promoted(session, load=load_decree).name == "colour@1"


def test_too_little_is_refused_before_anything_is_written(session):
    with pytest.raises(FlowError, match="at least two media"):
        retrain(session, trainer=Decree())
    assert bodies(session) == []


def test_versions_lie_beside_the_project(session, media, tmp_path):
    assert models_folder(session) == tmp_path / "p.models"
    result = cycle(session, media, folder=tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / f"{result.model}.safetensors").is_file()


def test_a_database_needs_a_folder_for_its_versions(session, monkeypatch):
    monkeypatch.setattr(session.log, "url", "postgresql://host/db")
    with pytest.raises(InputError, match="folder: expected one"):
        models_folder(session)
