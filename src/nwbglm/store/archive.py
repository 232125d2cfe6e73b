"""The zip file under a store: sealed when it is written, so that damage is noticed wherever it is.

Every entry has a checksum, which is compared whenever the entry is read. The list of entries has none in a zip file,
and zarr takes an entry that is not listed for one that was never written (it reads as zeros): the seal, a digest of
the list in the file's comment, tells such a loss. Entries are stored as they are, in sorted order, with fixed dates:
equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ZipStore

from ..errors import StoreError

SUFFIX = ".zarr.zip"
MAKE_AGAIN = "delete it and run the same command again: it is made anew"
DAMAGE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What `zipfile` raises on damaged files; a flipped flag passes for encryption or a compression it does not know."""


class Archive(ZipStore):
    """A zarr store in one zip file, whose damage is a `StoreError` that names the file."""

    def _sync_open(self) -> None:
        try:
            super()._sync_open()
            with self._lock:
                sealed = self._zf.comment == seal(self._zf.infolist())
        except DAMAGE as error:
            raise damaged(self.path, str(error)) from error
        except OSError as error:
            raise unreadable(self.path, error) from error
        if not sealed:
            raise damaged(self.path, "its list of contents is not the one that was written")

    def _get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        try:
            return super()._get(key, prototype, byte_range)
        except DAMAGE as error:
            raise damaged(self.path, f"{key}: {error}") from error
        except OSError as error:
            raise unreadable(self.path, error) from error

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List a folder in sorted order; the parent's order is that of a set, another in each process."""
        for name in sorted([name async for name in super().list_dir(prefix)]):
            yield name

    def verify(self) -> None:
        """Read every entry, raise `StoreError` at the first that is not as it was written, and close the file."""
        if not self._is_open:
            self._sync_open()
        try:
            with self._lock:
                broken = self._zf.testzip()
        except DAMAGE as error:
            raise damaged(self.path, str(error)) from error
        except OSError as error:
            raise unreadable(self.path, error) from error
        finally:
            self.close()
        if broken is not None:
            raise damaged(self.path, f"{broken}: its checksum is wrong")


def seal_of(path: str | os.PathLike[str]) -> str:
    """Return a store's seal, a digest of all that is in it, without reading it; '' where the file has none.

    Raises
    ------
    StoreError
        The file is no zip file, or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode("ascii", "replace").partition(" ")[2]
    except DAMAGE as error:
        raise damaged(Path(path), str(error)) from error
    except OSError as error:
        raise unreadable(Path(path), error) from error


def seals(paths: Iterable[str | os.PathLike[str]], beside: str | os.PathLike[str]) -> dict[str, str]:
    """Return the seals of the stores among some files, by their paths below the folder that holds `beside`, too.

    The same for results that were moved or renamed: nothing above the folder of results is in it.
    """
    stores = [Path(path) for path in paths if str(path).endswith(SUFFIX)]
    if not stores:
        return {}
    results = os.path.commonpath([os.path.abspath(path) for path in (*stores, beside)])
    if results == os.path.dirname(os.path.abspath(beside)):  # made from others of its kind
        results = os.path.dirname(results)
    return {Path(os.path.relpath(path, results)).as_posix(): seal_of(path) for path in stores}


def damaged(path: Path, seen: str) -> StoreError:
    """Return the error of a file that is not as it was written."""
    return StoreError(f"is damaged ({seen})", where=str(path), mend=MAKE_AGAIN)


def unreadable(path: Path, error: OSError) -> StoreError:
    """Return the error of a file that the system does not let us read."""
    seen = f"cannot be read ({error.strerror or error})"
    return StoreError(seen, where=str(path), mend="check its permissions and the disk, then run the same command again")


def seal(entries: Iterable[zipfile.ZipInfo]) -> bytes:
    """Return the digest of a list of entries: names, places, sizes, checksums."""
    lines = [
        f"{one.filename} {one.header_offset} {one.file_size} {one.compress_size} {one.CRC} {one.compress_type}"
        for one in entries
    ]
    return b"nwbglm " + hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest().encode()


def zip_whole(entries: Iterable[tuple[str, bytes]], path: Path) -> None:
    """Zip entries, given in sorted order, without compression and with fixed dates, and seal them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key, content in entries:
            info = zipfile.ZipInfo(key, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
        archive.comment = seal(archive.infolist())
