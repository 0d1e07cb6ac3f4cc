"""The engine page: start, pause and watch the stages of both loops."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import ipywidgets

from samnb.engine.session import Session
from samnb.types import SamnbError
from samnb.widgets.buttons import show_if
from samnb.widgets.dashboards.concept_stages import CONCEPT_STAGES
from samnb.widgets.dashboards.page import Dashboard, empty, group, growth_text
from samnb.widgets.dashboards.reports import PAIR_WORDS
from samnb.widgets.dashboards.running import ACTIVE, ENDED, Job, Jobs, Status
from samnb.widgets.dashboards.stages import MASKLET_STAGES, Bench, Left, Settings, Stage
from samnb.widgets.dashboards.tables import steps_html
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.lanes import STEP_WORDS

LOOPS: Final = {"masklets": "Masklet loop (SAM 2)", "concepts": "Concept loop (SAM 3)"}
STAGES: Final = (*MASKLET_STAGES, *CONCEPT_STAGES)
WORKER: Final = "engine"
"""Signs what the page starts, as a model: people may verify everything that comes of it."""
NO_MEDIA: Final = (
    "No media yet",
    "Add a video, an image or a folder of frames with the field above; the stages below have "
    "something to do then.",
)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What the page shows of the log."""

    left: Mapping[str, Left]
    steps: Mapping[str, str]
    growth: str
    n_media: int


class EngineRoom(Dashboard):
    """The stages of both loops with what waits, what runs, and what came of it.

    Stages run one after the other on a thread of their own. A pause holds a stage between
    two pieces of work, a stop ends it there; what was finished is in the log either way.

    Args:
        session: of a worker that is a model, such as :data:`WORKER`; else whoever opens the
            page would count as maker of what it tracks, and could not verify it.
        where: the project, for people.
        note: something that is true of the whole page.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        session: Session,
        *,
        where: str | Path = "",
        note: str = "",
        runners: RunnerFactory = Thread,
        later: Later = after,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("Engine", str(where), note=note, runners=runners, later=later)
        self.session = session
        self._heavy = runners("samnb-stages", lambda error: self.do(lambda: self.fail(error)))
        self.bench = Bench(session)
        self.jobs = Jobs(self.bench, STAGES, self._heavy, self._jobs_changed, clock)
        self.body.children = (
            self._control_bar(),
            self._media_bar(),
            self._settings_panel(),
            *self._loop_panels(),
            self._history_panel(),
        )
        self.widget.add_class("samnb-engine")
        self._show_jobs()
        self.start()

    # -- building --------------------------------------------------------------------

    def _control_bar(self) -> ipywidgets.Box:
        self.now = ipywidgets.HTML().add_class("samnb-in-hand")
        self.pause = _button("Pause", "Hold the stage at work", lambda: self.jobs.pause())
        self.go_on = _button("Continue", "Let the paused stage go on", lambda: self.jobs.go_on())
        self.stop = _button("Stop", "End the stage at work, drop those that wait; "
                            "what was finished is kept", lambda: self.jobs.stop())  # fmt: skip
        self.pause.add_class("samnb-pause")
        self.go_on.add_class("samnb-go-on")
        self.stop.add_class("samnb-stop")
        bar = ipywidgets.Box([self.now, self.pause, self.go_on, self.stop])
        return bar.add_class("samnb-queue")

    def _media_bar(self) -> ipywidgets.Box:
        self.path = ipywidgets.Text(
            placeholder="path of a video, image or folder", description="Add media"
        )
        add = _button("Add", "Make this file or folder part of the project", self._add_media)
        self.n_media = ipywidgets.HTML().add_class("samnb-faint")
        self.no_media = empty(*NO_MEDIA)
        show_if(self.no_media, False)
        line = group([self.path, add, self.n_media]).add_class("samnb-filters")
        return ipywidgets.Box([line, self.no_media]).add_class("samnb-parts")

    def _settings_panel(self) -> ipywidgets.Box:
        given = Settings()
        wide = {"description_width": "160px"}
        self.fields: dict[str, Any] = {
            "segmenter": ipywidgets.Text(given.segmenter, description="Segmenter"),
            "captions": ipywidgets.Text(
                given.captions,
                description="Captions",
                placeholder="folder of .txt, a .csv, or a captioner",
            ),
            "grid": ipywidgets.BoundedIntText(
                given.grid, min=1, max=64, description="Grid clicks per side"
            ),
            "n_masklets": ipywidgets.BoundedIntText(
                given.n_masklets, min=1, max=500, description="Auto masklets, at most"
            ),
            "steps": ipywidgets.BoundedIntText(
                given.steps, min=1, max=100000, description="Training steps"
            ),
            "target": ipywidgets.BoundedFloatText(
                100 * given.target, min=0.1, max=50.0, description="Target error, %"
            ),
            "audit_rate": ipywidgets.BoundedFloatText(
                100 * given.audit_rate, min=0.0, max=99.0, description="Audited, %"
            ),
            "seed": ipywidgets.BoundedIntText(given.seed, min=0, max=10**6, description="Seed"),
        }
        for field in self.fields.values():
            field.style = wide
            field.observe(lambda _c: self._set(), "value")
        inside = ipywidgets.Box(list(self.fields.values())).add_class("samnb-settings")
        self.settings = ipywidgets.Box([inside])
        self.more = _button("Settings", "Show or hide what stages go by", self._flip_settings)
        show_if(self.settings, False)
        return ipywidgets.Box([self.more, self.settings]).add_class("samnb-part")

    def _loop_panels(self) -> list[ipywidgets.Box]:
        self.rows = {stage.key: _Row(stage, self._start) for stage in STAGES}
        self.steps = {loop: ipywidgets.HTML() for loop in LOOPS}
        self.rounds = {}
        panels = []
        for loop, title in LOOPS.items():
            self.rounds[loop] = _button(
                "Run what waits",
                "Start every stage of this loop that has something to do, retraining left out",
                partial(self._round, loop),
            ).add_class(f"samnb-round-{loop}")
            bar = ipywidgets.Box([ipywidgets.HTML(f"<h3>{title}</h3>"), self.rounds[loop]])
            rows = [self.rows[s.key].widget for s in STAGES if s.loop == loop]
            panel = ipywidgets.Box([bar.add_class("samnb-part-bar"), self.steps[loop], *rows])
            panels.append(panel.add_class("samnb-panel"))
        return [ipywidgets.Box(panels).add_class("samnb-loops")]

    def _history_panel(self) -> ipywidgets.HTML:
        self.history = ipywidgets.HTML().add_class("samnb-ends")
        return self.history

    # -- listening ---------------------------------------------------------------------

    def _start(self, key: str) -> None:
        self.do(lambda: self.jobs.start([key]))

    def _round(self, loop: str) -> None:
        def start() -> None:
            stages = [s for s in STAGES if s.loop == loop and s.is_in_loop and s.run is not None]
            self.jobs.start([s.key for s in stages if _left(s, self.session).n])

        self.do(start)

    def _flip_settings(self) -> None:
        show_if(self.settings, self.settings.layout.display == "none")

    def _set(self) -> None:
        values = {name: field.value for name, field in self.fields.items()}
        for name in ("target", "audit_rate"):
            values[name] /= 100
        self.bench.settings = replace(self.bench.settings, **values)

    def _add_media(self) -> None:
        path, self.path.value = str(self.path.value).strip(), ""
        if path:

            def add() -> None:
                self.session.add_media(path)
                self.do(lambda: self.tell(None))
                self.look()

            self.work.post(add)

    def _jobs_changed(self) -> None:
        self.page.post_latest("jobs", self._show_jobs)
        if self.jobs.current is None:
            self.work.post_latest("look", self.look)

    # -- looking -----------------------------------------------------------------------

    def look(self) -> None:
        """Count what is left for every stage."""
        session = self.session
        state = session.refresh()
        pairs = session.concepts.state
        counts = pairs.counts()
        items = [s for s in state.items.values() if not s.is_deleted]
        steps = {
            "masklets": steps_html(
                [(words, sum(s.step is step for s in items)) for step, words in STEP_WORDS.items()],
                label="objects at each step",
            ),
            "concepts": steps_html(
                [(words, counts[step]) for step, words in PAIR_WORDS.items()],
                label="pairs at each step",
            ),
        }
        left = {stage.key: _left(stage, session) for stage in STAGES}
        saved = session.saved
        found = _Look(left, steps, growth_text(saved.seq, saved.at_s), len(state.media))
        self.do(lambda: self._show(found))

    def _show(self, now: _Look) -> None:
        self.status.value = html.escape(now.growth)
        for loop, text in now.steps.items():
            self.steps[loop].value = text
        for key, left in now.left.items():
            self.rows[key].show_left(left)
        self.n_media.value = f"{now.n_media} media in the project"
        show_if(self.no_media, now.n_media == 0)

    def _show_jobs(self) -> None:
        jobs = self.jobs.jobs
        for key, job in jobs.items():
            self.rows[key].show_job(job)
        current = self.jobs.current
        names = {stage.key: stage.name for stage in STAGES}
        status = jobs[current].status if current is not None else Status.IDLE
        n_waiting = sum(job.status is Status.WAITING for job in jobs.values())
        after_it = f", {n_waiting} more to come" if n_waiting else ""
        self.now.value = (
            "Nothing is running" if current is None
            else f"<b>{html.escape(names[current])}</b> · {status.value}{after_it}"
        )  # fmt: skip
        self.pause.disabled = status is not Status.RUNNING
        self.go_on.disabled = status is not Status.PAUSED
        self.stop.disabled = status not in (Status.RUNNING, Status.PAUSED)
        ends = "".join(
            f'<li class="samnb-end-{job.status.name.lower()}"><b>{html.escape(names[key])}</b> '
            f"{job.status.value} after {job.seconds_s:.1f} s: {html.escape(job.text)}</li>"
            for key, job in self.jobs.ends
        )
        self.history.value = f"<h3>What ran</h3><ul>{ends}</ul>" if ends else ""

    def close(self) -> None:
        """Stop the stage at work after its present piece, and take the page away; the
        session stays open."""
        self.jobs.stop()
        self._heavy.close()
        super().close()


class _Row:
    """One stage on the page."""

    def __init__(self, stage: Stage, start: Callable[[str], None]) -> None:
        self.stage = stage
        self.words = ipywidgets.HTML(
            f"<b>{html.escape(stage.name)}</b><br>"
            f'<span class="samnb-faint">{html.escape(stage.what)}</span>'
        ).add_class("samnb-stage-words")
        self.left = ipywidgets.HTML().add_class("samnb-stage-left")
        self.button = _button("Start", f"Start: {stage.name}", lambda: start(stage.key))
        show_if(self.button, stage.run is not None)
        self.bar = ipywidgets.IntProgress(min=0, max=1).add_class("samnb-progress")
        self.text = ipywidgets.HTML().add_class("samnb-stage-text")
        line = ipywidgets.Box([self.words, self.left, self.button]).add_class("samnb-stage-line")
        self.widget = ipywidgets.Box([line, self.bar, self.text]).add_class("samnb-stage-row")
        self.widget.add_class(f"samnb-stage-{stage.key}")

    def show_left(self, left: Left) -> None:
        """Say what waits."""
        self.left.value = f"<b>{left.n}</b> {html.escape(left.words)}"

    def show_job(self, job: Job) -> None:
        """Draw how it stands."""
        is_active = job.status in ACTIVE
        self.button.disabled = is_active
        show_if(self.bar, is_active and job.total > 0)
        self.bar.max, self.bar.value = max(job.total, 1), job.done
        kind = {Status.FAILED: "error", Status.DONE: "done"}.get(job.status, "info")
        role = "alert" if job.status is Status.FAILED else "status"
        words = f"{job.status.value}: {job.text}" if job.text else job.status.value
        show_if(self.text, is_active or job.status in ENDED)
        self.text.value = f'<div role="{role}" class="samnb-{kind}">{html.escape(words)}</div>'


def _left(stage: Stage, session: Session) -> Left:
    """What is left for a stage; one medium that cannot be read must not blank the page."""
    try:
        return stage.left(session)
    except SamnbError as error:
        return Left(0, str(error))


def _button(words: str, tooltip: str, act: Callable[[], object]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=words, tooltip=tooltip).add_class("samnb-button")
    button.on_click(lambda _b: act())
    return button
