"""The engine page as widgets."""

from __future__ import annotations

from samnb.widgets.dashboards.engine import LOOPS, STAGES
from tests.widgets.conftest import is_shown
from tests.widgets.dashboards.work import click


def test_every_stage_has_a_row_in_its_loop(engine, media):
    page = engine()
    assert set(page.rows) == {stage.key for stage in STAGES}
    assert {stage.loop for stage in STAGES} == set(LOOPS)
    assert is_shown(page.rows["propagate"].button) and not is_shown(page.rows["verify"].button)
    assert "Nothing is running" in page.now.value and page.stop.disabled


def test_a_stage_is_started_watched_and_told_of(engine, open_project, media, later):
    click(open_project("ana"), media.id)
    page = engine()
    row = page.rows["propagate"]
    assert row.left.value == "<b>1</b> objects lack frames"
    row.button.click()
    assert "done: 6 frames tracked" in row.text.value
    assert row.left.value == "<b>0</b> objects lack frames"
    assert not row.button.disabled and not is_shown(row.bar)
    assert "samnb-end-done" in page.history.value


def test_an_error_stands_at_its_stage_in_plain_words(engine, media):
    page = engine()
    page.rows["mine"].button.click()
    assert 'role="alert"' in page.rows["mine"].text.value
    assert "captions: expected a folder" in page.rows["mine"].text.value
    assert "samnb-end-failed" in page.history.value


def test_running_what_waits_starts_only_that(engine, open_project, media, monkeypatch):
    click(open_project("ana"), media.id)
    page = engine()
    asked = []
    monkeypatch.setattr(page.jobs, "start", asked.append)
    page.rounds["masklets"].click()
    page.rounds["concepts"].click()
    assert asked == [["auto", "propagate"], []]


def test_settings_reach_the_stages(engine, media):
    page = engine()
    assert not is_shown(page.settings)
    page.more.click()
    assert is_shown(page.settings)
    page.fields["target"].value = 10.0
    page.fields["segmenter"].value = "facebook/sam3"
    assert page.bench.settings.target == 0.1
    assert page.bench.settings.segmenter == "facebook/sam3"


def test_an_empty_project_takes_media_and_refuses_bad_paths(engine, frames_dir):
    page = engine()
    assert is_shown(page.no_media) and "0 media" in page.n_media.value
    page.path.value = "/nowhere/clip.mp4"
    page._add_media()
    assert "/nowhere/clip.mp4" in page.banner.words.value and is_shown(page.banner.widget)
    page.path.value = str(frames_dir)
    page._add_media()
    assert not is_shown(page.no_media) and not is_shown(page.banner.widget)
    assert page.rows["auto"].left.value == "<b>1</b> media without any"


def test_a_medium_that_cannot_be_read_is_told_at_its_stage(engine, open_project, media, frames_dir):
    click(open_project("ana"), media.id)
    for path in frames_dir.iterdir():
        path.unlink()
    page = engine()
    assert (
        "frames" in page.rows["propagate"].left.value
        and "<b>0</b>" in page.rows["propagate"].left.value
    )
    assert page.rows["track"].left.value == "<b>1</b> objects with annotators"
