"""The card of a project: facts, a methods text and a Markdown page, from the log alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from samnb.engine.cards.facts import gather_facts
from samnb.engine.cards.methods import methods_text
from samnb.engine.cards.page import card_page
from samnb.engine.cards.records import CardFacts
from samnb.engine.effort import Masks, Source
from samnb.engine.history import read_history
from samnb.engine.state import ProjectState
from samnb.store.db import Log
from samnb.types import InputError, LogError

PAGE, METHODS, FACTS = "README.md", "methods.md", "card.json"
"""Files that :meth:`ProjectCard.write` makes; a hub shows the first."""
_PACKAGES: Final = ("numpy", "scipy", "pandas")


@dataclass(frozen=True, slots=True)
class ProjectCard:
    """What a project says about itself; prints, and shows in a notebook, as its page.

    Attributes:
        facts: every figure, as records.
    """

    facts: CardFacts

    @property
    def methods(self) -> str:
        """Paragraphs for the methods section of a paper."""
        return methods_text(self.facts)

    def to_markdown(self) -> str:
        """The dataset card, with the YAML head that dataset hubs read."""
        return card_page(self.facts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the facts under their names, and ``methods``."""
        facts: dict[str, Any] = json.loads(json.dumps(asdict(self.facts)))
        return facts | {"methods": self.methods}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write ``README.md`` (the card), ``methods.md`` and ``card.json`` into a folder.

        Args:
            folder: made when missing.
            overwrite: replace files that are there.

        Raises:
            InputError: a file is there already, or cannot be written; nothing was written
                in the first case.
        """
        place = Path(folder).expanduser()
        texts = {
            place / PAGE: self.to_markdown(),
            place / METHODS: self.methods + "\n",
            place / FACTS: json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n",
        }
        there = [path for path in texts if path.exists()]
        if there and not overwrite:
            raise InputError(
                f"{there[0]}: exists already; overwrite=True (--overwrite) replaces it"
            )
        try:
            place.mkdir(parents=True, exist_ok=True)
            for path, text in texts.items():
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{place}: cannot be written: {error.strerror or error}") from error
        return tuple(texts)

    def __str__(self) -> str:
        return self.to_markdown()

    def _repr_markdown_(self) -> str:
        return self.to_markdown().split("---\n", 2)[2].lstrip()  # a notebook shows no YAML


def make_card(
    source: Source,
    masks: Masks | None = None,
    *,
    is_pseudonymous: bool = True,
    licence: str | None = None,
    missing: Collection[str] | None = None,
    software: Mapping[str, str] | None = None,
) -> ProjectCard:
    """Describe a project from its log: the same log gives the same card.

    Args:
        source: a session, a log, or events.
        masks: for events alone: returns masks by id.
        is_pseudonymous: people are numbered, not named; models keep their names.
        licence: of the data, as dataset hubs name it ("cc-by-4.0"); the log knows none.
        missing: ids of media whose files somebody looked for in vain, see
            :func:`missing_media`; None when nobody looked.
        software: version by package to be named as what made the card; None takes the
            installed ones.
    """
    events, masks_of = read_history(source, masks)
    facts = gather_facts(
        events,
        masks_of,
        is_pseudonymous=is_pseudonymous,
        licence=licence,
        missing=missing,
        software=installed() if software is None else software,
    )
    return ProjectCard(facts)


def card_of_file(
    project: str | Path,
    *,
    is_pseudonymous: bool = True,
    licence: str | None = None,
    has_file_check: bool = False,
) -> ProjectCard:
    """Describe a project that nobody has open; nothing is written into its log.

    Args:
        project: project file, or a database URL.
        is_pseudonymous: see :func:`make_card`.
        licence: see :func:`make_card`.
        has_file_check: look for the media and say which are not there.

    Raises:
        LogError: no such project.
    """
    if "://" not in str(project) and not Path(project).expanduser().is_file():
        raise LogError(f"{project}: no such project file")
    log = Log(project)
    try:
        missing = missing_media(read_history(log)[0].project) if has_file_check else None
        return make_card(log, is_pseudonymous=is_pseudonymous, licence=licence, missing=missing)
    finally:
        log.close()


def missing_media(state: ProjectState) -> set[str]:
    """Ids of media that are not at their recorded place: a fact of this machine, not of
    the log."""
    return {m.id for m in state.media.values() if not m.path or not Path(m.path).exists()}


def installed() -> dict[str, str]:
    """Versions of samnb and of the packages that compute a card's figures."""
    from samnb import __version__

    return {"samnb": __version__, **{name: metadata.version(name) for name in _PACKAGES}}
