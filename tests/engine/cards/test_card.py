import json
import re
from pathlib import Path

import pytest
import yaml

from samnb import cli
from samnb.engine.cards.card import card_of_file, make_card
from samnb.engine.cards.page import gaps
from samnb.engine.session import Session
from samnb.events import Event, ProjectCreated, decode
from samnb.types import InputError, LogError, Media, MediaKind, Point, Worker, WorkerKind
from tests.engine.concepts.world import Segmenter

DATA = Path(__file__).parents[2] / "data"


def head_of(page):
    return yaml.safe_load(page.split("---\n")[1])


# -- the text, by kind of project ----------------------------------------------------


def test_a_masklet_project_tells_of_sam_2_alone(verified):
    text = verified.card().methods
    assert "SAM 2 (Ravi et al., 2024)" in text and "SAM 3" not in text
    assert "1 object was targeted" in text and "`square@1`" in text
    assert "of 2 verdicts (2 by people), 1 said satisfactory, 1 unsatisfactory" in text
    assert "1 masklet with 6 masks is accepted" in text


def test_what_is_not_verified_is_not_called_so(session, media, dog):
    session.set_prompts(dog.id, 0, [Point(10, 10)])
    session.propagate(media.id)
    session.submit(dog.id)
    text = session.card().methods
    assert "No masklet has been verified by another worker." in text
    assert "No masklet is accepted, 0 rejected and 1 open." in text


def test_a_concept_project_tells_of_sam_3_alone(desk):
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["dog"])
    door.propose(Segmenter({}))
    desk("eva").answer_ev(pair.id, "accept")
    card = desk.session.card()
    assert "SAM 3 (Carion et al., 2025)" in card.methods and "SAM 2" not in card.methods
    assert "0 with masks (no mask), 1 verified negatives" in card.methods
    assert "carion2025sam3" in card.to_markdown() and "ravi2024" not in card.to_markdown()


def test_a_mixed_project_tells_of_both(verified, media):
    verified.concepts.add_pairs(media.id, ["dog"])
    card = verified.card()
    assert "SAM 2 (Ravi et al., 2024) and SAM 3 (Carion et al., 2025)" in card.methods
    assert {"sam2", "sam3", "video"} <= set(head_of(card.to_markdown())["tags"])


def test_an_empty_project_claims_nothing(session):
    card = session.card()
    assert "The project has no media yet." in card.methods
    assert head_of(card.to_markdown())["annotations_creators"] == ["no-annotation"]


def test_simulated_work_is_never_passed_off_as_peoples(tmp_path, tracker, frames_dir):
    who = Worker("sim", WorkerKind.SIMULATED)
    session = Session.open(tmp_path / "p.samnb", worker=who, tracker=tracker)
    session.add_item(session.add_media(frames_dir).id, "dog")
    card = session.card()
    session.close()
    assert "No person took part" in card.methods
    head = head_of(card.to_markdown())
    assert head["annotations_creators"] == ["machine-generated"]
    assert "simulated-annotators" in head["tags"]


# -- what is not known ---------------------------------------------------------------


def test_what_the_log_does_not_hold_is_said(verified):
    verified.add_known_media(Media("unseen-a", MediaKind.VIDEO, "a.mp4", "", (20, 30), 6, 6.0, 1.0))
    told = " ".join(gaps(verified.card().facts))
    for gap in ("licence", "exported", "`square@1`", "`a.mp4`"):
        assert gap in told
    assert head_of(verified.card().to_markdown())["license"] == "unknown"
    card = verified.card(licence="cc-by-4.0")
    assert head_of(card.to_markdown())["license"] == "cc-by-4.0"
    assert not any("licence" in gap for gap in gaps(card.facts))


def test_a_moved_file_is_said_to_be_missing_only_where_somebody_looked(verified, frames_dir):
    frames_dir.rename(frames_dir.with_name("elsewhere"))
    assert "Not at their recorded place" not in verified.card().to_markdown()
    assert "`frames`" in verified.card(has_file_check=True).to_markdown().split("recorded place")[1]


def test_no_name_note_or_path_of_a_person_is_on_a_pseudonymous_card(verified, tmp_path):
    card = verified.card()
    for text in (card.to_markdown(), card.methods, json.dumps(card.to_dict())):
        for secret in ("ana", "bo", "Secretname", "tail", str(tmp_path)):
            assert re.search(rf"\b{re.escape(secret)}\b", text) is None, secret


def test_the_address_of_a_database_is_not_published():
    body = ProjectCreated("postgresql://me:secret@host/cats?sslmode=require")
    card = make_card([Event(1, 0.0, "me", body)])
    assert card.facts.log.project == "cats" and "secret" not in card.to_markdown()


# -- forms ---------------------------------------------------------------------------


def test_the_same_log_gives_the_same_card(verified):
    first = verified.card().to_markdown()
    events, masks = verified.log.read(), verified.log.masks
    assert make_card(events, masks).to_markdown() == first
    assert verified.as_worker(verified.worker).card().to_markdown() == first


def test_a_card_is_written_once(verified, tmp_path):
    files = verified.card().write(tmp_path / "out")
    assert [f.name for f in files] == ["README.md", "methods.md", "card.json"]
    data = json.loads(files[2].read_text())
    assert data["masklets"]["masks"] == 6 and data["methods"] in files[1].read_text()
    with pytest.raises(InputError, match="exists already"):
        verified.card().write(tmp_path / "out")
    verified.card().write(tmp_path / "out", overwrite=True)


def test_a_notebook_shows_the_page_without_its_head(verified):
    assert verified.card()._repr_markdown_().startswith("# p\n")


def test_a_file_is_described_without_an_event(verified, tmp_path, capsys):
    before = len(verified.log.read())
    assert card_of_file(tmp_path / "p.samnb").to_dict() == verified.card().to_dict()
    assert len(verified.log.read()) == before
    with pytest.raises(LogError, match="no such project"):
        card_of_file(tmp_path / "nope.samnb")
    assert not (tmp_path / "nope.samnb").exists()


def test_the_shell_prints_or_writes(verified, tmp_path, capsys):
    project = str(tmp_path / "p.samnb")
    assert cli.main(["card", "--project", project]) == 0
    assert capsys.readouterr().out.startswith("---\npretty_name")
    assert cli.main(["card", "--project", project, "--json", "--names", "--check-files"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [w["name"] for w in data["workers"]] == ["ana", "Bo Secretname"]
    assert data["media"][0]["is_missing"] is False
    assert cli.main(["card", "--project", project, "--out", str(tmp_path / "o")]) == 0
    assert capsys.readouterr().out == "" and (tmp_path / "o" / "README.md").is_file()
    assert cli.main(["card", "--project", project, "--out", str(tmp_path / "o")]) == 1


def test_a_log_of_the_first_release_can_be_described():
    lines = [json.loads(line) for line in (DATA / "log_v1.jsonl").read_text().splitlines()]
    events = [
        Event(r["seq"], r["at_s"], r["worker_id"],
              decode(r["kind"], r["version"], json.dumps(r["body"])))
        for r in lines
    ]  # fmt: skip
    card = make_card(events)
    assert "2 objects were targeted" in card.methods and "1 masklet with 6 masks" in card.methods
    assert card.facts.masklets.deleted == 1
    assert card.facts.masklets.sources[0].disappearance_rate is None  # the masks are not here
