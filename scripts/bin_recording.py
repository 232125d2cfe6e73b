"""Bring one recording to one time axis: counts, signals, epochs."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.binning import bin_recording
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings
    from nwbglm.study.places import place_of
    from nwbglm.verdict import read_verdict

    place = place_of(snakemake.config, snakemake.wildcards.session, snakemake.input.nwb)
    audit = read_verdict(snakemake.input.audit).at(place)
    if audit.failure is not None:
        raise store.Excluded(str(audit.failure))
    session, settings = snakemake.wildcards.session, DataSettings.model_validate(snakemake.params.data)
    with open_recording(audit.source, session=session, external=settings.audit.external_links) as recording:
        binned = bin_recording(recording, settings)
    audit.raise_if_changed()
    store.write(
        binned.assign_attrs(session=session),
        snakemake.output.binned,
        "binned",
        recording=audit.recording,
        settings=snakemake.params.data,
        code=snakemake.params.code,
    )
