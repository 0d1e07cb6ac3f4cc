"""Logs written by released versions replay for ever."""

import json
from pathlib import Path

import pytest

from samnb.engine.flow import fold
from samnb.engine.state import ProjectState
from samnb.events import KINDS, Event, decode

DATA = Path(__file__).parent / "data"


def lines_of(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def body_of(line):
    return decode(line["kind"], line["version"], json.dumps(line["body"]))


def test_a_log_of_version_1_replays_to_the_same_state():
    events = [
        Event(line["seq"], line["at_s"], line["worker_id"], body_of(line))
        for line in lines_of("log_v1.jsonl")
    ]
    state = fold(ProjectState(), events)
    (media,) = state.media.values()
    dog, cat = state.items_of(media.id)
    stone = state.items_of(media.id, with_deleted=True)[2]
    assert (dog.step.value, len(dog.frames), dog.frames[3].origin) == ("accepted", 6, "brush")
    assert (cat.step.value, cat.item.name, cat.item.phase) == ("verify", "tabby", 2)
    assert [v.kind.value for v in cat.verdicts] == ["unsatisfactory"]
    assert cat.frames[5].origin == "absent" and len(cat.proposals) == 2
    assert stone.is_deleted and state.workers.keys() == {"ana", "bo"}


@pytest.mark.parametrize("line", lines_of("bodies_v1.jsonl"), ids=lambda line: line["kind"])
def test_every_kind_of_version_1_can_be_read(line):
    assert isinstance(body_of(line), KINDS[line["kind"]])
