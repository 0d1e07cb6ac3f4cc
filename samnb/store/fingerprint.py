"""Ids by content: a fingerprint that does not read gigabytes.

A file of at most 4 MiB is hashed whole. Of a larger one 64 blocks of 64 KiB are
hashed, spread evenly from the very first byte to the very last, together with its
size. Two different recordings differ in their headers, tables and nearly every
compressed byte, so they differ in the fingerprint. What it cannot see is a change
that keeps the size and falls between the blocks; a person does not make one by
accident. A folder is known by the fingerprints of its frames in order; the names
only serve for ordering.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from samnb.types import MediaError, MediaMissingError

N_BLOCKS, BLOCK_BYTES = 64, 64 * 1024
"""What is read of a large single file: 4 MiB."""
N_FRAME_BLOCKS, FRAME_BLOCK_BYTES = 3, 8 * 1024
"""What is read of each file in a folder of frames: 24 KiB."""


def fingerprint_file(
    path: str | Path, *, n_blocks: int = N_BLOCKS, block_bytes: int = BLOCK_BYTES
) -> str:
    """Return 32 hex digits that identify the content of a file.

    Args:
        path: the file.
        n_blocks: number of blocks read of a file larger than all of them together.
        block_bytes: length of one block.

    Raises:
        MediaMissingError: there is no such file.
        MediaError: the file cannot be read.
    """
    return _digest_file(Path(path), n_blocks, block_bytes).hex()


def fingerprint_files(paths: Sequence[str | Path]) -> str:
    """Return 32 hex digits that identify a sequence of frame files, in this order.

    Raises:
        MediaMissingError: one of the files does not exist.
        MediaError: one of the files cannot be read.
    """
    total = hashlib.blake2b(b"samnb folder 1", digest_size=16)
    for path in paths:
        total.update(_digest_file(Path(path), N_FRAME_BLOCKS, FRAME_BLOCK_BYTES))
    return total.hexdigest()


def _digest_file(path: Path, n_blocks: int, block_bytes: int) -> bytes:
    digest = hashlib.blake2b(b"samnb file 1", digest_size=16)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            digest.update(size.to_bytes(8, "little"))
            if size <= n_blocks * block_bytes:
                file.seek(0)
                digest.update(file.read())
            else:
                for i in range(n_blocks):
                    file.seek((size - block_bytes) * i // (n_blocks - 1))
                    digest.update(file.read(block_bytes))
    except FileNotFoundError as error:
        raise MediaMissingError(
            str(path), "there is no such file", "check the path or relink the medium"
        ) from error
    except OSError as error:
        raise MediaError(
            str(path),
            f"the file cannot be read ({error.strerror})",
            "check its permissions and the disk",
        ) from error
    return digest.digest()
