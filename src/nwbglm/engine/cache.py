"""The compilation cache: what was compiled once for a shape is read from disk by every later job."""

from __future__ import annotations

from pathlib import Path

import jax

__all__ = ["enable"]


def enable(path: str | Path) -> None:
    """Keep compiled programs in this folder, small ones too (ours are small and many jobs share them)."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_enable_xla_caches", "")  # with it, an entry is found in this folder only
