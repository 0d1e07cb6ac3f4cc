import json
import math

import pytest

from samnb import cli
from samnb.comparison import Prices, Terms, compare
from samnb.comparison.engines import run_concepts
from samnb.comparison.people import people_seconds
from samnb.comparison.table import ROWS, spread
from samnb.store.db import Log
from samnb.types import InputError
from tests.comparison.flat import FlatSegmenter
from tests.engine.scene import ColourTracker


def run(folder, flat, **changes):
    settings = {"minutes": 1e6, "seeds": [0, 1], "terms": Terms(cycle=99)} | changes
    return compare(
        folder, world=flat, tracker=ColourTracker(rough=6, drift=1.0),
        segmenter=FlatSegmenter(flat), **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(flat, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return folder, run(folder, flat)


def events(path):
    log = Log(path)
    found = log.read()
    log.close()
    return found


def value(result, engine, metric, seed=0):
    table = result.metrics()
    rows = table[(table.seed == seed) & (table.engine == engine) & (table.metric == metric)]
    return rows.value.item()


def test_every_row_stands_beside_what_its_paper_says(done):
    frame = done[1].to_frame()
    assert list(frame.row) == list(ROWS)
    assert list(frame.columns) == ["row", "masklets", "SAM 2 paper", "concepts", "SAM 3 paper"]
    published = " ".join([*frame["SAM 2 paper"], *frame["SAM 3 paper"]])
    for figure in ("37.8 / 7.4 / 4.5", "100 / 23.25 / 19.04 %", "7 cycles", "5x on negatives",
                   "36% on positives", "2.2x on the mix", "4M phrases"):  # fmt: skip
        assert figure in published
    assert not (frame == "").any().any()


def test_both_engines_did_the_same_media_and_are_scored(done):
    for seed in (0, 1):
        assert value(done[1], "masklets", "items decided", seed) == 6
        assert value(done[1], "concepts", "items decided", seed) == 30
        assert value(done[1], "masklets", "J&F", seed) > 85
        assert value(done[1], "concepts", "cgF1", seed) > 50
        assert math.isnan(value(done[1], "masklets", "cgF1", seed))
        assert value(done[1], "masklets", "concepts per human hour", seed) == 0


def test_rates_are_counts_by_the_hours_of_the_log(done):
    folder, result = done
    hours = sum(people_seconds(events(folder / "concepts-1.samnb")).values()) / 3600
    assert value(result, "concepts", "items per human hour", 1) == pytest.approx(30 / hours)
    assert value(result, "concepts", "people's time", 1) == pytest.approx(60 * hours)


def test_the_selector_is_paid_for_finding_and_nobody_for_waiting(done):
    account = done[1].runs[0].accounts["masklets"]
    terms = Terms()
    assert account.roles["select"] == pytest.approx(6 * terms.pace.masklet.locate_s)
    # Twelve frames a masklet, watched at most once a verdict.
    n_verdicts = account.touches - 2 * 6
    assert account.roles["verify"] <= n_verdicts * 12 * terms.pace.masklet.view_s * 1.5


def test_a_second_call_adds_nothing_and_says_the_same(done, flat):
    folder, result = done
    before = {p.name: len(events(p)) for p in folder.glob("*.samnb")}
    again = run(folder, flat)
    assert {p.name: len(events(p)) for p in folder.glob("*.samnb")} == before
    assert again.to_dict() == result.to_dict()


def test_the_same_seed_gives_the_same_work(done, flat, tmp_path):
    twin = run(tmp_path, flat, seeds=[1])
    ours, theirs = done[1].runs[1].accounts, twin.runs[0].accounts
    for engine in ours:
        assert ours[engine].media == theirs[engine].media
        assert ours[engine].touches == theirs[engine].touches


def test_the_budget_ends_the_work_and_a_larger_one_goes_on(done, flat, tmp_path):
    short = run(tmp_path / "x.samnb", flat, seeds=[0], minutes=0.5)
    assert value(short, "masklets", "media") == 1
    assert value(short, "concepts", "items decided") == 10
    assert (tmp_path / "x-masklets-0.samnb").is_file()
    whole = run(tmp_path / "x.samnb", flat, seeds=[0])
    assert whole.runs[0].accounts["concepts"].media == done[1].runs[0].accounts["concepts"].media


def test_two_logs_are_compared_like_the_run_that_wrote_them(done, flat):
    folder, result = done
    paths = folder / "masklets-0.samnb", folder / "concepts-0.samnb"
    read = compare(*paths, world=flat)
    assert read.runs[0].accounts == result.runs[0].accounts
    unscored = compare(*(Log(p) for p in paths))
    assert math.isnan(unscored.runs[0].accounts["masklets"].quality.jf)
    assert "other media, people or budgets" in str(unscored)


def test_two_logs_of_one_engine_go_by_their_names(helped, alone, done):
    frame = compare(done[0] / "concepts-0.samnb", done[0] / "concepts-1.samnb").to_frame()
    assert list(frame.columns[1:4:2]) == ["concepts-0", "concepts-1"]
    assert len(set(compare(helped, alone).columns)) == 2


def test_a_verifier_s_leave_is_learned_within_the_budget(flat, tmp_path):
    path = tmp_path / "c.samnb"
    taught = []

    def teach(examples, *, parent, folder, seed, on_progress, cancel):
        from samnb.engine.concepts.trainers import NewVersion
        from tests.comparison.flat import FlatVerifier

        taught.append(len(examples))
        return NewVersion("done", 1, FlatVerifier(flat), folder / "judge")

    terms = Terms(minutes=1e6, cycle=2)
    run_concepts(path, flat, FlatSegmenter(flat), terms, trainer=teach)
    assert len(taught) >= 1
    kinds = [e.kind for e in events(path)]
    assert "routing_switched" in kinds and "model_promoted" in kinds


def test_costs_in_money_come_with_prices(done, flat):
    priced = run(done[0], flat, prices=Prices(people=36.0, machine=3.6))
    seconds = value(priced, "concepts", "people per verified mask")
    money = value(priced, "concepts", "people's cost per verified mask")
    assert money == pytest.approx(seconds / 100)


def test_it_comes_as_markdown_html_figure_and_json(done, tmp_path):
    result = done[1]
    text = result.to_markdown()
    assert "| primary annotator |" in text and "| J&F, % |" in text
    assert "±" in text and "limits" in text
    assert "<table" in result._repr_html_()
    result.figure().savefig(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 5000
    assert set(json.loads(json.dumps(result.to_dict()))["growth"]) == {"masklets", "concepts"}


def test_a_spread_is_a_mean_with_the_deviation_of_several():
    assert spread([1.0, 3.0]) == "2 ± 1.41"
    assert spread([1234.5]) == "1234"
    assert spread([math.nan]) == "-"


def test_what_means_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        compare(tmp_path, seeds=[])
    with pytest.raises(InputError, match="above 0"):
        compare(tmp_path, minutes=0)
    with pytest.raises(InputError, match="expected a project file"):
        compare(tmp_path / "a.samnb", tmp_path / "b.samnb")
    with pytest.raises(InputError, match="got one log"):
        compare([])


def test_the_command_reads_two_logs(done, tmp_path, capsys):
    logs = [str(done[0] / f"{name}-0.samnb") for name in ("masklets", "concepts")]
    table, figure = tmp_path / "t.md", tmp_path / "f.png"
    words = ["run", "compare", "--logs", *logs]
    assert cli.main([*words, "--markdown", str(table), "--figure", str(figure)]) == 0
    assert "37.8 / 7.4 / 4.5" in capsys.readouterr().out
    assert table.read_text().startswith("| row | masklets |") and figure.is_file()
    assert cli.main([*words, "--json"]) == 0
    assert {r["row"] for r in json.loads(capsys.readouterr().out)["rows"]} == set(ROWS)


def test_the_command_runs_both_engines(flat, tmp_path, capsys, monkeypatch):
    from samnb.comparison import run as module

    models = ColourTracker(rough=6, drift=1.0), FlatSegmenter(flat)
    monkeypatch.setattr(module, "_load", lambda *_: models)
    monkeypatch.setattr(module.Media, "world", lambda *_: flat)
    words = ["run", "compare", "--project", str(tmp_path / "p"), "--minutes", "0.5", "--seeds",
             "3", "--warmup", "0"]  # fmt: skip
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert "masklets, seed 3: 0/0.5" in printed.err and "people's time, min" in printed.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "expected one of the two"),
        (["--project", "x", "--seeds", "a"], "seeds: expected a list"),
        (["--project", "x", "--size", "big"], "size: expected HEIGHTxWIDTH"),
    ],
)
def test_bad_arguments_are_one_line(words, complaint, capsys):
    assert cli.main(["run", "compare", *words]) == 1
    assert complaint in capsys.readouterr().err
