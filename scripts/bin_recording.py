"""Bring one recording to one time axis: counts, signals, epochs."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake, leave_out=snakemake.params.bad_sessions == "leave_out"):
    from nwbglm.audit import read_audit
    from nwbglm.binning import bin_recording
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings

    audit = read_audit(snakemake.input.audit)
    audit.raise_if_failed()
    session = snakemake.wildcards.session
    with open_recording(snakemake.input.nwb, session=session) as recording:
        binned = bin_recording(recording, DataSettings.model_validate(snakemake.params.data))
    store.write(
        binned.assign_attrs(session=session),
        snakemake.output.binned,
        "binned",
        recording=audit.recording,
        settings=snakemake.params.data,
        code=snakemake.params.code,
    )
