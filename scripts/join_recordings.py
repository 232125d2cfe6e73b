"""Join recordings of the same units into one session."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.binning.join import join_recordings

    parts, left_out = store.read_included(snakemake.input.binned)
    if not parts:
        raise store.Excluded("; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
    joined = join_recordings(
        parts, session=snakemake.wildcards.session, match=snakemake.params.match, left_out=left_out
    )
    store.write(
        joined,
        snakemake.output.binned,
        "binned",
        recording=[store.provenance(part)["recording"] for part in parts],
        inputs=store.seals(snakemake.input, snakemake.output.binned),
        settings={"match": snakemake.params.match},
        code=snakemake.params.code,
    )
