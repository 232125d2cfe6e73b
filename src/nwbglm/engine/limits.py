"""Byte limits of the engine in one table: how much is worked on at once. They may move the last digits of sums."""

PREPARED_NUMBERS = 2**17
"""Numbers that are standardised at once: few calls for few features, and still in cache."""

SCANNED_BYTES = 64 * 2**20
"""Features that are made or read at once where they are not in memory."""

GRAM_BYTES = 2**27
"""Hessians that are summed in one pass over features that are made again."""

HESSIAN_BYTES = 2**27
"""Hessians on working sets that one pass adds up."""

MODEL_BYTES = 2**28
"""Hessians of the fits that are worked on at once where a penalty has corners."""

METRIC_BYTES = 2**28
"""Factorised Hessians of single fits that are kept at once."""
