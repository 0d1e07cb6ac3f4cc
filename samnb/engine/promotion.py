"""Which model a project works with: the version it promoted last, else the default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from samnb.engine.lineage import promoted_file
from samnb.store.db import Log

DEFAULT_MODEL: Final = "mobile"
"""The model of a project that has promoted none."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model to load.

    Attributes:
        name: as :func:`samnb.models.load_model` takes it.
        note: what its user should know, in one sentence; empty when there is nothing.
        is_fallback: whether a promoted version could not be used.
    """

    name: str
    note: str = ""
    is_fallback: bool = False


def versions_folder(url: str) -> Path | None:
    """The folder of a project's model versions, ``PROJECT.models`` beside its file; None
    for a database, which has no place on disk.

    Args:
        url: of the project's log.
    """
    if not url.startswith("sqlite:///"):
        return None
    file = Path(url.removeprefix("sqlite:///"))
    return file.with_name(f"{file.stem}.models")


def choose_model(log: Log) -> ModelChoice:
    """Choose the version that the project promoted last where its file is at hand, else
    the default with a note that says why. Nothing is loaded."""
    file = promoted_file(log.read())
    if file is None:
        return ModelChoice(DEFAULT_MODEL)
    folder = versions_folder(log.url)
    version = Path(file).stem
    if folder is None:
        why = "and a database does not say where its file is"
        remedy = "call use_promoted(session, folder=...) to work with it"
    elif not (folder / file).is_file():
        why = f"but {folder / file} is not there"
        remedy = "put the file back and open the project again to work with it"
    else:
        return ModelChoice(str(folder / file), f"The model is {version}, promoted by this project")
    return fall_back(version, why, remedy)


def fall_back(version: str, why: str, remedy: str) -> ModelChoice:
    """Choose the default where a promoted version cannot be used."""
    note = f"This project promoted {version}, {why}: the model is {DEFAULT_MODEL}; {remedy}"
    return ModelChoice(DEFAULT_MODEL, note, is_fallback=True)
