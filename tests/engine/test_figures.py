import pandas as pd
import pytest

from samnb.engine import figures
from samnb.engine.phasestats import PhaseRow, PhaseTable

NAN = float("nan")


@pytest.fixture
def table():
    aligned = {"all": 0.9, "small": NAN, "medium": 0.8, "large": 1.0}
    counts = dict.fromkeys(aligned, 10)
    empty = dict.fromkeys(aligned, NAN)
    return PhaseTable(
        (
            PhaseRow("phase 1", 1, 2, 20, 8.0, 1.0, 4.0, empty, dict.fromkeys(aligned, 0), 1.0),
            PhaseRow("phase 3", 3, 2, 20, 1.0, 0.2, 2.5, aligned, counts, 8.0),
        )
    )


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def test_phases_stand_beside_the_paper_s(table):
    speed, edited, clicks, aligned = figures.plot_phases(table).axes
    assert heights(speed) == pytest.approx([1.0, 8.0, 1.0, 8.4])
    assert heights(edited) == pytest.approx([100, 20, 100, 19.04])
    assert heights(clicks) == pytest.approx([4.0, 2.5, 4.8, 2.68])
    assert heights(aligned)[0] == pytest.approx(90) and len(heights(aligned)) == 8


def test_a_notebook_shows_a_figure_by_itself(table):
    assert figures.plot_phases(table)._repr_png_().startswith(b"\x89PNG")


def test_curves_have_a_row_per_mode():
    rows = [("offline", a, n, 0.5 + n / 10, 3 * n, 9.0 * n) for a in ("refine", "redraw")
            for n in (1, 2)]  # fmt: skip
    curves = pd.DataFrame(rows, columns=["mode", "arm", "n_prompted", "jf", "clicks", "time_s"])
    by_frames, by_time = figures.plot_curves(curves).axes
    assert [line.get_label() for line in by_frames.lines] == ["refine", "redraw"]
    assert list(by_time.lines[0].get_xdata()) == [9.0, 18.0]
    assert list(by_time.lines[0].get_ydata()) == pytest.approx([60.0, 70.0])


def test_acceptance_adds_up_to_a_hundred():
    table = pd.DataFrame(
        [("phase 3", 0.5, 0.3, 0.2)],
        columns=["group", "satisfactory_rate", "unsatisfactory_rate", "reject_rate"],
    )
    (axes,) = figures.plot_acceptance(table).axes
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(100)


def test_throughput_counts_up():
    table = pd.DataFrame({"start_s": [0.0, 60.0], "masks": [4, 6], "accepted": [1, 2]})
    masks, accepted = figures.plot_throughput(table).axes
    assert heights(masks) == [4, 6]
    assert list(accepted.lines[0].get_ydata()) == [1, 3]


def test_effort_over_versions():
    table = pd.DataFrame(
        {"model": ["a", "b"], "clicks": [9.0, 5.0], "edited_frames": [3, 2], "active_s": [20, 11]}
    )
    clicks, _, seconds = figures.plot_effort(table).axes
    assert list(clicks.lines[0].get_ydata()) == [9.0, 5.0]
    assert seconds.get_title() == "seconds per masklet"
