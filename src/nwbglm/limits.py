"""Byte limits in one table: from which size on an array is made, read, held or written in pieces.

None of them changes a number: what is made in pieces is the same to the last bit. What may change last digits is the
study's (``fit.memory``), or the engine's own (`engine.limits`).
"""

WHOLE_BYTES = 256 * 2**20
"""Counts, responses and features of a term up to this are made whole; larger ones piece by piece, when asked for."""

PIECE_ROWS = 65536
"""Rows that are read, or whose functions are evaluated, at once."""

HELD_BYTES = 64 * 2**20
"""Rows of a stored array that are held, so that its chunks are not decompressed for every slice; one chunk at least."""

PREDICTED_BYTES = 64 * 2**20
"""Features that are in memory at once where rates are predicted."""

GATHERED_BYTES = 32 * 2**20
"""Windows that are gathered at once where a series is convolved."""

CHUNK_BYTES = 4 * 2**20
"""A chunk of a stored variable, before compression."""

IN_MEMORY_BYTES = 200 * 2**20
"""Datasets above go to their zip file through a temporary directory: half the peak memory."""

STREAM_BYTES = 256 * 2**20
"""Variables above are written piece by piece, made as they are written where they are lazy."""

PIECE_BYTES = 32 * 2**20
"""A piece of a variable in one column of chunks, as it is written."""
