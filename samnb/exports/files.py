"""Writing files so that nobody ever sees half of one, and reading mask pictures."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from samnb.masks.rle import BoolMask
from samnb.types import FormatError, InputError


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise ``InputError`` when something is there and must not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists already; overwrite=True (--overwrite) replaces it")


def write_file(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write a whole file under a temporary name beside it, then rename it.

    Raises:
        InputError: the file exists and ``overwrite`` is False, or it cannot be written.
    """
    refuse_existing(path, overwrite)
    with _as_input_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Fill a temporary folder inside the block; on success it becomes ``path``.

    With ``overwrite`` an existing folder is replaced as a whole.

    Raises:
        InputError: the folder exists and ``overwrite`` is False, or cannot be written.
    """
    refuse_existing(path, overwrite)
    with _as_input_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            os.chmod(draft, 0o777 & ~_umask())
            yield draft
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
                os.replace(path, old / "old")
                os.replace(draft, path)
                shutil.rmtree(old)
            else:
                os.replace(draft, path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


@contextmanager
def _as_input_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def save_indices(path: Path, indices: npt.NDArray[np.uint8], palette: bytes) -> None:
    """Save (H, W) uint8 object indices as a palette PNG; ``palette`` is RGB, 3 bytes each."""
    picture = Image.fromarray(indices)
    picture.putpalette(palette)
    picture.save(path, "PNG")


def save_binary(path: Path, mask: BoolMask) -> None:
    """Save (H, W) bool as a palette PNG of one bit per pixel: 0 black, 1 white."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(b"\x00\x00\x00\xff\xff\xff")
    picture.save(path, "PNG", bits=1)


def frame_files(folder: Path, suffixes: tuple[str, ...]) -> list[tuple[int, Path]]:
    """Files named by frame number, as (number, path), rising.

    Raises:
        FormatError: a name is not a number, or a number comes twice.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if not (path.stem.isascii() and path.stem.isdigit()):
            raise FormatError(
                f"{path}: expected a frame number as name, such as 00004{suffixes[0]}"
            )
        number = int(path.stem)
        if number in found:
            raise FormatError(f"{path}: frame {number} is there twice, see {found[number].name}")
        found[number] = path
    return sorted(found.items())


def folders(folder: Path) -> list[Path]:
    """Visible folders inside a folder, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
