"""The part of a session that every loop shares: the log, the state, the media."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from samnb.engine.flow import fold
from samnb.engine.software import Software, software_here
from samnb.engine.state import ItemState, ProjectState
from samnb.events import (
    Body,
    Event,
    Looked,
    MediaAdded,
    MediaRelinked,
    MediaTagged,
    ProjectCreated,
    WorkerJoined,
)
from samnb.store.db import Log
from samnb.store.images import DEFAULT_FOLDER_FPS
from samnb.store.media import FrameCache, MediaReader, annotation_frames, open_media
from samnb.types import (
    InputError,
    LogConflictError,
    MaskId,
    Media,
    MediaError,
    MediaKind,
    MediaMissingError,
    Rle,
    Worker,
)

Subscriber: TypeAlias = Callable[[Sequence[Event]], None]
Clock: TypeAlias = Callable[[], float]

_ATTEMPTS: Final = 50
"""How often a write is retried when others append in between."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """How far the log on disk goes: there is nothing else to save."""

    seq: int
    at_s: float | None


def new_id() -> str:
    """Return a random id of 12 hexadecimal digits."""
    return uuid.uuid4().hex[:12]


class Core:
    """A worker's connection to one project.

    Args:
        log: where events and masks are kept.
        worker: who acts through this object.
        project: name and annotation rate for a project that is new.
        clock: returns the wall-clock time in seconds since the epoch.
        ids: returns a fresh id; pass a counter for runs that replay bit for bit.
        cache: decoded frames, bounded in bytes; shared between sessions if you like.
        owns_log: close the log together with this object; False where others work on it.
        software: versions to note in the log; None takes the installed ones.
    """

    def __init__(
        self,
        log: Log,
        *,
        worker: Worker,
        project: ProjectCreated,
        clock: Clock = time.time,
        ids: Callable[[], str] = new_id,
        cache: FrameCache | None = None,
        owns_log: bool = True,
        software: Software | None = None,
    ) -> None:
        self.log = log
        self.software = software_here() if software is None else software
        self._owns_log = owns_log
        self.worker = worker
        self.clock = clock
        self.new_id = ids
        self._cache = cache or FrameCache()
        self._lock = threading.RLock()
        self._state = ProjectState()
        self._saved_at_s: float | None = None
        self._subscribers: list[Subscriber] = []
        self._readers: dict[str, MediaReader] = {}
        self._grids: dict[str, tuple[int, ...]] = {}
        self.commit(lambda s: [] if s.project else [project])
        self.commit(self._join)

    def _join(self, state: ProjectState) -> list[Body]:
        who, software = self.worker, self.software
        is_known = state.workers.get(who.id) == who and state.software.get(who.id) == software
        return [] if is_known else [WorkerJoined(who, software)]

    # -- state -----------------------------------------------------------------

    @property
    def state(self) -> ProjectState:
        """The latest snapshot this session has folded; never changes under you."""
        return self._state

    @property
    def saved(self) -> SavedState:
        """How far the log goes and when it was last appended to from here."""
        return SavedState(self._state.seq, self._saved_at_s)

    def refresh(self) -> ProjectState:
        """Fold what others appended since, tell subscribers, return the state."""
        with self._lock:
            events = self.log.read(self._state.seq)
            if events:
                self._state = fold(self._state, events)
                self._saved_at_s = events[-1].at_s
            state = self._state
        self._tell(events)
        return state

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber(events)`` after every append, in the thread that appended.

        Returns:
            a function that ends the subscription.
        """
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for subscriber in tuple(self._subscribers):
                subscriber(events)

    def commit(
        self,
        make: Callable[[ProjectState], Sequence[Body]],
        *,
        masks: Iterable[Rle] = (),
    ) -> list[Event]:
        """Append what ``make`` returns for the newest state, in one transaction.

        ``make`` checks the rules and raises when they forbid the act; it is called
        again when somebody else appended in between, so that it always judges by
        what is really in the log.

        Raises:
            FlowError: from ``make``; nothing was written.
            LogConflictError: others kept appending for too long.
        """
        masks = tuple(masks)
        for _ in range(_ATTEMPTS):
            state = self.refresh()
            bodies = make(state)
            if not bodies:
                return []
            at_s = self.clock()
            with self._lock:
                try:
                    events = self.log.append(
                        bodies,
                        at_s=at_s,
                        worker_id=self.worker.id,
                        masks=masks,
                        after_seq=state.seq,
                    )
                except LogConflictError:
                    continue
                self._state = fold(self._state, events)
                self._saved_at_s = at_s
            self._tell(events)
            return events
        raise LogConflictError("log: too many writers at once; try again")

    def item(self, item_id: str) -> ItemState:
        """Return an item's state.

        Raises:
            InputError: no such item.
        """
        found = self._state.items.get(item_id)
        if found is None:
            raise InputError(f"item_id: expected an item of this project, got {item_id!r}")
        return found

    def mask(self, mask_id: MaskId) -> Rle:
        """Return one stored mask."""
        return self.log.masks([mask_id])[mask_id]

    def masks(self, mask_ids: Iterable[MaskId]) -> Mapping[MaskId, Rle]:
        """Return stored masks by id, read in as few queries as possible."""
        return self.log.masks(mask_ids)

    # -- media -----------------------------------------------------------------

    def add_media(self, path: str | Path) -> Media:
        """Make a file or folder part of the project; known content is found again.

        Raises:
            MediaError: the file cannot be used; the message says why and what to do.
        """
        reader = open_media(path, cache=self._cache)
        media = reader.media
        with self._lock:
            self._readers.setdefault(media.id, reader)
        self.commit(lambda s: _media_events(s, media))
        return self._state.media[media.id]

    def add_known_media(self, media: Media, tags: Mapping[str, str] | None = None) -> Media:
        """Make a medium part of the project whose file is not at hand."""

        def make(state: ProjectState) -> list[Body]:
            known = state.tags.get(media.id, {})
            fresh = tuple((k, v) for k, v in (tags or {}).items() if known.get(k) != v)
            bodies: list[Body] = [] if media.id in state.media else [MediaAdded(media)]
            return bodies + ([MediaTagged(media.id, fresh)] if fresh else [])

        self.commit(make)
        return self._state.media[media.id]

    def media(self, media_id: str) -> Media:
        """Return a medium's record.

        Raises:
            InputError: no such medium.
        """
        found = self._state.media.get(media_id)
        if found is None:
            raise InputError(f"media_id: expected a medium of this project, got {media_id!r}")
        return found

    def reader(self, media_id: str) -> MediaReader:
        """Return the open reader of a medium.

        Raises:
            MediaMissingError: the file has moved; ``relink`` finds it by its content.
            MediaError: the file there now has other content.
        """
        media = self.media(media_id)
        with self._lock:
            if media_id not in self._readers:
                if not media.path or not Path(media.path).exists():
                    raise MediaMissingError(
                        media.path or media.name,
                        "the file is not there",
                        "call relink(media_id, folder) with the folder it moved to",
                    )
                self._readers[media_id] = self._open_same(media, media.path)
            return self._readers[media_id]

    def _open_same(self, media: Media, path: str | Path) -> MediaReader:
        """Open a file that has to be the one a record speaks of."""
        # A folder has no rate of its own: the record keeps the one it was added with.
        rate_fps = media.fps if media.kind is MediaKind.FRAMES else DEFAULT_FOLDER_FPS
        reader = open_media(path, cache=self._cache, folder_fps=rate_fps)
        found = reader.media
        if media.is_unseen:
            # An annotation file tells the size and the number of frames, not the content.
            expected, got = (media.size_hw, media.n_frames), (found.size_hw, found.n_frames)
            problem = f"expected size and frames {expected} of {media.name}, got {got}"
            is_same = expected == got
        else:
            problem = "the content is not what the project was made with"
            is_same = found.id == media.id
        if not is_same:
            reader.close()
            remedy = "relink the original file, or add this one as a new medium"
            raise MediaError(str(path), problem, remedy)
        return reader

    def relink(self, media_id: str, where: str | Path) -> Media:
        """Find a moved file by its content and remember the new path.

        Args:
            media_id: the medium whose file is missing.
            where: the file itself, or a folder to search. A medium that only an
                annotation file told of needs the file itself.

        Raises:
            MediaError: the file has another size or number of frames than was told.
            MediaMissingError: nothing there has the recorded content.
        """
        from samnb.store.media import relink as find

        media = self.media(media_id)
        found = find(media, where)
        if media.is_unseen and Path(where).is_file():
            found = Path(where)
            self._open_same(media, found).close()
        if found is None:
            raise MediaMissingError(
                str(where), f"nothing here has the content of {media.name}", "try another folder"
            )
        path = str(Path(found).resolve())
        self.commit(lambda _s: [MediaRelinked(media_id, path)])
        return self._state.media[media_id]

    def annotation_frames(self, media_id: str) -> tuple[int, ...]:
        """Frame numbers to annotate, at the project's annotation rate."""
        if media_id not in self._grids:
            project = self._state.project
            rate = project.annotation_fps if project else 6.0
            media = self.media(media_id)
            is_here = bool(media.path) and Path(media.path).exists()
            # Without the file the mean rate is all there is to know about its times.
            subject = self.reader(media_id) if is_here else media
            grid = annotation_frames(subject, rate)
            if not is_here:
                return grid
            self._grids[media_id] = grid
        return self._grids[media_id]

    def look(self, media_id: str, item_id: str | None, frame_idx: int) -> None:
        """Remember what is on the screen, so that a later session opens there."""
        body = Looked(media_id, item_id, frame_idx)
        self.commit(lambda _s: [body])

    def close(self) -> None:
        """Close the files, and the log where it is this object's own; nothing is lost."""
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
            if self._owns_log:
                self.log.close()


def _media_events(state: ProjectState, media: Media) -> list[Body]:
    known = state.media.get(media.id)
    if known is None:
        return [MediaAdded(media)]
    return [] if known.path == media.path else [MediaRelinked(media.id, media.path)]
