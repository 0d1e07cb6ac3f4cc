import multiprocessing
import os
import sqlite3

import pytest
import sqlalchemy as sa

from samnb.events import ItemRenamed, Undone
from samnb.store.db import Log
from samnb.types import LogConflictError, LogError, Rle

RLE = Rle((2, 3), "06")
TARGETS = ["sqlite"] + (["postgresql"] if os.environ.get("SAMNB_TEST_POSTGRESQL") else [])


@pytest.fixture(params=TARGETS)
def target(request, tmp_path):
    """A fresh log's address: a file, or a schema of the PostgreSQL named by the variable."""
    if request.param == "sqlite":
        yield tmp_path / "p.samnb"
        return
    url = os.environ["SAMNB_TEST_POSTGRESQL"]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in ("events", "masks", "meta"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()
    yield url


@pytest.fixture
def log(target):
    log = Log(target)
    yield log
    log.close()


def put(log, n=1, **kw):
    return log.append([ItemRenamed("i", str(k)) for k in range(n)], at_s=1.5, worker_id="ana", **kw)


def test_events_come_back_in_order_with_their_signature(log):
    put(log, 3)
    events = log.read()
    assert [e.seq for e in events] == [1, 2, 3]
    assert [e.body.name for e in events] == ["0", "1", "2"]
    assert {(e.at_s, e.worker_id) for e in events} == {(1.5, "ana")}


def test_reading_goes_on_where_it_stopped(log):
    put(log, 3)
    assert [e.seq for e in log.read(after_seq=2)] == [3]


def test_a_mask_is_stored_once(log, target):
    put(log, masks=[RLE, RLE])
    put(log, masks=[RLE])
    assert Log(target).masks([RLE.id]) == {RLE.id: RLE}


def test_many_masks_are_read_in_several_queries(log, target):
    rles = [Rle((1, n), "x") for n in range(1, 1200)]
    put(log, masks=rles)
    other = Log(target)
    assert len(other.masks(r.id for r in rles)) == 1199
    other.close()


def test_an_unknown_mask_is_an_error(log):
    with pytest.raises(LogError, match="1 masks are not stored"):
        log.masks(["nope"])


def test_a_write_based_on_old_news_is_refused_whole(log):
    put(log)
    with pytest.raises(LogConflictError):
        put(log, masks=[RLE], after_seq=0)
    assert len(log.read()) == 1
    with pytest.raises(LogError):
        log.masks([RLE.id])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET kind = 'x'",
        "DELETE FROM events",
        "UPDATE masks SET counts = ''",
        "DELETE FROM masks",
    ],
)
def test_the_database_itself_refuses_to_forget(log, statement):
    put(log, masks=[RLE])
    engine = sa.create_engine(log.url)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_a_file_that_is_no_project_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello, this is certainly not a database file at all" * 40)
    with pytest.raises(LogError, match=r"notes\.txt: cannot be used"):
        Log(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(LogError, match="is a folder"):
        Log(tmp_path)


def test_another_layout_is_refused(tmp_path):
    path = tmp_path / "p.samnb"
    Log(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    with pytest.raises(LogError, match="layout 99"):
        Log(path)


def _writer(url, n):
    log = Log(url)
    for k in range(n):
        log.append([Undone("i", k)], at_s=0.0, worker_id=str(os.getpid()))
    log.close()


def test_two_processes_share_one_numbering(tmp_path):
    path = tmp_path / "p.samnb"
    Log(path).close()
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_writer, args=(str(path), 40)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    log = Log(path)
    assert [e.seq for e in log.read()] == list(range(1, 81))
    log.close()
