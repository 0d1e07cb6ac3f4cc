"""The log: one SQLite file per project, or a PostgreSQL database by URL.

Three tables. ``events`` is the truth and is append-only by trigger; ``masks``
keeps every mask once under its content hash; ``meta`` names the layout. There is
no other state: what a session knows it has folded from ``events``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from samnb.events import VERSION, Body, Event, decode, encode, item_ids_of, kind_of
from samnb.types import LogConflictError, LogError, MaskId, Rle

_METADATA: Final = sa.MetaData()
_EVENTS: Final = sa.Table(
    "events",
    _METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    # Set when the event is about one item; events about several name them in the body.
    sa.Column("item_id", sa.Text, nullable=True, index=True),
    sa.Column("body", sa.Text, nullable=False),
)
_MASKS: Final = sa.Table(
    "masks",
    _METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
)
_LAYOUT: Final = "1"
_META: Final = sa.Table(
    "meta",
    _METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


def _append_only(table: sa.Table) -> None:
    """Make the database itself refuse to change or delete a row of ``table``."""
    for verb in ("UPDATE", "DELETE"):
        name = f"{table.name}_no_{verb.lower()}"
        sa.event.listen(
            table,
            "after_create",
            sa.DDL(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            ).execute_if(dialect="sqlite"),
        )
    sa.event.listen(
        table,
        "after_create",
        sa.DDL(
            "CREATE OR REPLACE FUNCTION samnb_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
        ).execute_if(dialect="postgresql"),
    )
    sa.event.listen(
        table,
        "after_create",
        sa.DDL(
            f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
            f"ON {table.name} EXECUTE FUNCTION samnb_append_only()"
        ).execute_if(dialect="postgresql"),
    )


_append_only(_EVENTS)
_append_only(_MASKS)

_SQLITE_VARIABLES: Final = 500
"""Ids asked for in one SELECT; SQLite limits the number of bound variables."""


class Log:
    """Append and read events and masks. Safe to share between threads.

    Args:
        target: path of the project file (made when missing), or a database URL.
        mask_cache: how many masks to keep in memory after reading them.

    Raises:
        LogError: the file is not a samnb project or the database cannot be reached.
    """

    def __init__(self, target: str | Path, *, mask_cache: int = 20_000) -> None:
        text = str(target)
        if "://" not in text and Path(text).is_dir():
            raise LogError(f"{text}: is a folder; name the project file inside it")
        self.url = text if "://" in text else f"sqlite:///{Path(text).expanduser().resolve()}"
        self._cache: OrderedDict[MaskId, Rle] = OrderedDict()
        self._cache_limit = mask_cache
        self._lock = threading.Lock()
        try:
            self._engine = sa.create_engine(self.url)
            self._writer = self._engine.execution_options(samnb_write=True)
            if self._engine.dialect.name == "sqlite":
                _tune_sqlite(self._engine)
            _METADATA.create_all(self._engine)
            self._check_layout()
        except DatabaseError as error:
            raise LogError(f"{text}: cannot be used as a samnb project: {error.orig}") from error
        except (SQLAlchemyError, ImportError) as error:
            raise LogError(f"{text}: cannot be opened: {error}") from error

    def _check_layout(self) -> None:
        with self._writer.begin() as connection:
            self._lock_writers(connection)
            found = connection.execute(
                sa.select(_META.c.value).where(_META.c.key == "layout")
            ).scalar()
            if found is None:
                connection.execute(_META.insert().values(key="layout", value=_LAYOUT))
            elif found != _LAYOUT:
                raise LogError(f"{self.url}: table layout {found}, this samnb knows {_LAYOUT}")

    def _lock_writers(self, connection: sa.Connection) -> None:
        # SQLite's BEGIN IMMEDIATE (see _tune_sqlite) already admits one writer at a time.
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7264251)"))

    def append(
        self,
        bodies: Sequence[Body],
        *,
        at_s: float,
        worker_id: str,
        masks: Iterable[Rle] = (),
        after_seq: int | None = None,
    ) -> list[Event]:
        """Append events and their masks in one transaction.

        Args:
            bodies: what happened, in order.
            at_s: when, in seconds since the epoch.
            worker_id: who did it.
            masks: masks that the bodies refer to; those already stored are skipped.
            after_seq: the last event the caller knew; None to append wherever the log is.

        Returns:
            the events with their sequence numbers.

        Raises:
            LogConflictError: the log had moved past ``after_seq``; nothing was written.
            LogError: the database refused.
        """
        new_masks = {rle.id: rle for rle in masks}
        try:
            with self._writer.begin() as connection:
                self._lock_writers(connection)
                last = connection.execute(sa.select(sa.func.max(_EVENTS.c.seq))).scalar() or 0
                if after_seq is not None and after_seq != last:
                    raise LogConflictError(
                        f"log: expected to follow event {after_seq}, is at {last}"
                    )
                if new_masks:
                    self._insert_masks(connection, new_masks)
                events = [
                    Event(last + n, at_s, worker_id, body) for n, body in enumerate(bodies, 1)
                ]
                if events:
                    connection.execute(_EVENTS.insert(), [_row(event) for event in events])
        except SQLAlchemyError as error:
            raise LogError(f"{self.url}: cannot append: {error}") from error
        return events

    def _insert_masks(self, connection: sa.Connection, masks: dict[MaskId, Rle]) -> None:
        known = set(self._select_masks(connection, list(masks)))
        rows = [
            {"id": key, "height": rle.size_hw[0], "width": rle.size_hw[1], "counts": rle.counts}
            for key, rle in masks.items()
            if key not in known
        ]
        if rows:
            connection.execute(_MASKS.insert(), rows)

    @staticmethod
    def _select_masks(connection: sa.Connection, ids: Sequence[MaskId]) -> dict[MaskId, Rle]:
        found: dict[MaskId, Rle] = {}
        for at in range(0, len(ids), _SQLITE_VARIABLES):
            query = sa.select(_MASKS).where(_MASKS.c.id.in_(ids[at : at + _SQLITE_VARIABLES]))
            for row in connection.execute(query):
                found[row.id] = Rle((row.height, row.width), row.counts)
        return found

    def read(self, after_seq: int = 0) -> list[Event]:
        """Return all events after ``after_seq``, in order.

        Raises:
            LogError: an event cannot be decoded or the database cannot be read.
        """
        query = sa.select(_EVENTS).where(_EVENTS.c.seq > after_seq).order_by(_EVENTS.c.seq)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        except SQLAlchemyError as error:
            raise LogError(f"{self.url}: cannot read: {error}") from error
        return [
            Event(row.seq, row.at_s, row.worker_id, decode(row.kind, row.version, row.body))
            for row in rows
        ]

    def masks(self, ids: Iterable[MaskId]) -> dict[MaskId, Rle]:
        """Return the stored masks with these ids.

        Raises:
            LogError: an id is not stored.
        """
        wanted = list(dict.fromkeys(ids))
        with self._lock:
            found = {key: self._cache[key] for key in wanted if key in self._cache}
        missing = [key for key in wanted if key not in found]
        if missing:
            with self._engine.connect() as connection:
                fresh = self._select_masks(connection, missing)
            lost = [key for key in missing if key not in fresh]
            if lost:
                raise LogError(f"{self.url}: {len(lost)} masks are not stored, first {lost[0]}")
            found |= fresh
        with self._lock:
            for key, rle in found.items():
                self._cache[key] = rle
                self._cache.move_to_end(key)
            while len(self._cache) > self._cache_limit:
                self._cache.popitem(last=False)
        return found

    def close(self) -> None:
        """Release the connections; the log can be opened again at any time."""
        self._engine.dispose()


def _row(event: Event) -> dict[str, Any]:
    items = item_ids_of(event.body)
    return {
        "seq": event.seq,
        "at_s": event.at_s,
        "worker_id": event.worker_id,
        "kind": kind_of(event.body),
        "version": VERSION,
        "item_id": items[0] if len(items) == 1 else None,
        "body": encode(event.body),
    }


def _tune_sqlite(engine: sa.Engine) -> None:
    """Write-ahead log, and transactions that take the write lock at their start.

    Python's driver opens transactions lazily, which would let two processes read the
    same last sequence number; SQLAlchemy's documented cure is to emit BEGIN ourselves.
    """

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        is_write = connection.get_execution_options().get("samnb_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
