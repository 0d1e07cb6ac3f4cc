"""A kernel killed in the middle of a propagation loses nothing that was on the screen."""

import signal
import subprocess
import sys
from pathlib import Path

from samnb.engine.session import Session

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = """
import sys
from samnb.engine.session import Session
from samnb.types import Point
from tests.squares import SquareTracker

session = Session.open(sys.argv[1], worker="ana", tracker=SquareTracker(), annotation_fps=100.0)
media = session.add_media(sys.argv[2])
item = session.add_item(media.id, "dog")
session.set_prompts(item.id, 0, [Point(10, 10)])
session.look(media.id, item.id, 0)

def report(done, total):
    if done == 3:
        print(item.id, flush=True)
        sys.stdin.readline()  # the propagation hangs here until the process is killed

session.propagate(media.id, on_progress=report)
"""


def test_a_killed_kernel_loses_nothing(tmp_path, frames_dir):
    project = tmp_path / "p.samnb"
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(project), str(frames_dir)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    item_id = worker.stdout.readline().strip()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdin.close()
    worker.stdout.close()

    again = Session.open(project, worker="ana")
    item = again.item(item_id)
    assert sorted(item.frames) == [0, 1, 2]
    assert again.state.cursors["ana"].item_id == item_id
    assert again.undo(item_id, 2), "the unfinished propagation can be undone"
    assert sorted(again.item(item_id).frames) == [0]
    again.close()
