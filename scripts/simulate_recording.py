"""Make a recording from known truth, as NWB, and keep the truth."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.simulate import simulate_recording

    source = snakemake.params.source
    truth = simulate_recording(source["kind"], snakemake.output.nwb, seed=source["seed"])
    store.write(truth, snakemake.output.truth, "truth", session=snakemake.wildcards.session, simulated=source)
