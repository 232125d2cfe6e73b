"""Tables in an archive: one file instead of dozens, a tenth of the size, the same bytes for the same tables."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

TABLES_BYTES = 16 * 2**20
"""Room for the tables of all sessions together; a study of few sessions has all of them in its report."""
BEGINNING = (1980, 1, 1, 0, 0, 0)


def pack(tables: Mapping[str, str], room: int) -> tuple[bytes, dict[str, int]]:
    """Pack tables by file name, smallest first, until there is no room.

    Parameters
    ----------
    tables
        Text by name.
    room
        Bytes that the archive may have.

    Returns
    -------
    archive
        A zip file.
    left
        Bytes of the tables that found no room, by name.
    """
    buffer = io.BytesIO()
    left: dict[str, int] = {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in sorted(tables.items(), key=lambda item: (len(item[1]), item[0])):
            data = text.encode("utf-8", "backslashreplace")
            if left or buffer.tell() + _least(data) > room:
                left[name] = len(data)
                continue
            entry = zipfile.ZipInfo(name, BEGINNING)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue(), left


def _least(data: bytes) -> int:
    """Return about how many bytes are needed: tables of numbers shrink to a third."""
    return len(data) // 3
