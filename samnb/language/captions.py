"""Captions that the user already has: a column of a table, text files, alt texts.

What a picture shows is often known before any model looks at it. These captions take the place
of a :class:`~samnb.models.concepts.Captioner`, and the log names where each came from.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from samnb.models.base import Image
from samnb.types import FormatError, InputError, Media, MediaMissingError, ModelError


class GivenCaptions:
    """Captions by file: several for one file are joined to one text.

    A medium is looked up by its path, then by the end of its path, then by its file name, then
    by the name without its ending; where that fits files with different captions, the caption
    is not guessed.

    Args:
        captions: caption or captions by path, file name or name without ending.
        source: where they came from, for the log, such as ``captions.csv:alt``.
    """

    def __init__(self, captions: Mapping[str, str | Sequence[str]], source: str = "given") -> None:
        self.source = source
        self._texts: dict[str, str] = {}
        self._by_end: dict[str, set[str]] = {}
        for key, value in captions.items():
            text = _joined([value] if isinstance(value, str) else value)
            if not text:
                continue
            path = _posix(key)
            self._texts[path] = text
            parts = PurePath(path).parts
            for n in range(1, len(parts) + 1):
                end = "/".join(parts[-n:])
                for known in {end, str(PurePath(end).with_suffix("")) if n == 1 else end}:
                    self._by_end.setdefault(known, set()).add(text)

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, media: Media) -> str | None:
        """Return a medium's caption; None where there is none.

        Raises:
            InputError: its name fits several files with different captions.
        """
        path = _posix(media.path)
        if path in self._texts:
            return self._texts[path]
        parts = PurePath(path).parts or (media.name,)
        ends = ["/".join(parts[-n:]) for n in range(len(parts), 0, -1)]
        for end in dict.fromkeys((*ends, media.name, PurePath(media.name).stem)):
            found = self._by_end.get(end, set())
            if len(found) == 1:
                return next(iter(found))
            if found:
                raise InputError(
                    f"{media.name}: expected one caption in {self.source}, got {len(found)} for "
                    f"{end!r}; give captions by a longer part of the path"
                )
        return None

    def at(self, media: Media, frame_idx: int) -> str:
        """Return the caption of a frame: what is said of a video holds on all of them.

        Raises:
            InputError: there is no caption for it, or several fit.
        """
        text = self.find(media)
        if text is None:
            raise InputError(
                f"{media.name}: expected a caption in {self.source}, got none among {len(self)}"
            )
        return text


class FrameCaptions:
    """Captions of videos by frame, such as a model wrote elsewhere.

    Args:
        captions: for each file name, captions by frame number; a caption holds until the
            next one begins.
        source: where they came from, for the log.

    Raises:
        InputError: a file without a caption from its first frame on.
    """

    def __init__(
        self, captions: Mapping[str, Mapping[int, str]], source: str = "given by frame"
    ) -> None:
        for name, texts in captions.items():
            if 0 not in texts:
                raise InputError(f"{name}: expected a caption from frame 0 on, got none")
        self.source = source
        self._texts = {name: dict(sorted(texts.items())) for name, texts in captions.items()}

    def at(self, media: Media, frame_idx: int) -> str:
        """Return the caption of a frame of a video.

        Raises:
            InputError: there is no caption for the medium.
        """
        texts = self._texts.get(media.name)
        if texts is None:
            raise InputError(f"{media.name}: expected captions in {self.source}, got none")
        return texts[max(idx for idx in texts if idx <= frame_idx)]


class PictureCaptions:
    """Captions by the pictures themselves, behind :class:`~samnb.models.concepts.Captioner`.

    Made pictures know their caption; this hands it out when the engine asks.

    Args:
        pairs: pictures, (H, W, 3) uint8 RGB, with their captions.
        source: where they came from, for the log, such as ``synthetic``.
    """

    def __init__(self, pairs: Iterable[tuple[Image, str]], source: str = "given") -> None:
        self._source = source
        self._texts = {_fingerprint(image): text for image, text in pairs}

    @property
    def name(self) -> str:
        """Where the captions came from."""
        return self._source

    def caption(self, image: Image) -> str:
        """Return the caption of a picture that is known, pixel by pixel.

        Raises:
            ModelError: the picture is not one of those given.
        """
        text = self._texts.get(_fingerprint(image))
        if text is None:
            raise ModelError(
                f"{self._source}: expected one of {len(self._texts)} known pictures, got another "
                f"of {image.shape[1]}x{image.shape[0]} px"
            )
        return text


def read_caption_table(
    path: str | Path, *, file_column: str = "file_name", caption_column: str = "caption"
) -> GivenCaptions:
    """Read captions from a column of a CSV or TSV file; a file may have several rows.

    Args:
        path: table with a header; comma, semicolon or tab divide the columns.
        file_column: column with the pictures' paths or names.
        caption_column: column with captions or alt texts; empty ones are passed over.

    Raises:
        MediaMissingError: there is no such file.
        FormatError: a column is missing, or the file is not UTF-8 text.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MediaMissingError(
            str(path), "there is no such file", "give the path of a table of captions"
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected UTF-8 text, got other bytes ({error})") from error
    header = text.splitlines()[0] if text else ""
    divider = max(",;\t", key=header.count)
    rows = csv.DictReader(text.splitlines(keepends=True), delimiter=divider)
    columns = tuple(rows.fieldnames or ())
    for wanted in (file_column, caption_column):
        if wanted not in columns:
            raise FormatError(f"{path}: expected a column {wanted!r}, got {list(columns)}")
    found: dict[str, list[str]] = {}
    for row in rows:
        name, caption = row[file_column], row[caption_column]
        if name and caption:
            found.setdefault(name.strip(), []).append(caption)
    return GivenCaptions(found, f"{path.name}:{caption_column}")


def read_sidecars(folder: str | Path, *, suffix: str = ".txt") -> GivenCaptions:
    """Read captions from text files beside the pictures: ``cat.txt`` or ``cat.jpg.txt``.

    Args:
        folder: searched with its subfolders.
        suffix: ending of the text files.

    Raises:
        MediaMissingError: there is no such folder.
        FormatError: a file is not UTF-8 text.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MediaMissingError(
            str(folder), "there is no such folder", "give the folder with pictures and texts"
        )
    found = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise FormatError(f"{path}: expected UTF-8 text, got other bytes ({error})") from error
        found[str(path)[: -len(suffix)]] = text
    return GivenCaptions(found, f"{folder.name}/*{suffix}")


def _joined(texts: Iterable[str]) -> str:
    """Join captions to one text in which each is a sentence of its own."""
    cleaned = [" ".join(t.split()) for t in texts]
    return " ".join(t if t.endswith((".", "!", "?")) else f"{t}." for t in cleaned if t)


def _posix(path: str) -> str:
    return path.strip().replace("\\", "/").removeprefix("./")


def _fingerprint(image: Image) -> str:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.name != "uint8":
        raise InputError(
            f"image: expected (H, W, 3) uint8, got {tuple(image.shape)} {image.dtype.name}"
        )
    digest = hashlib.sha256(f"{image.shape}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
