"""Say what is in a recording, what the study takes of it, and what is wrong with it."""

from typing import TYPE_CHECKING

from nwbglm import log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.audit import audit_recording
    from nwbglm.study import DataSettings
    from nwbglm.study.places import place_of

    session = snakemake.wildcards.session
    audit = audit_recording(
        place_of(snakemake.config, session, snakemake.input.nwb),
        DataSettings.model_validate(snakemake.params.data),
        session=session,
    )
    audit.write(snakemake.output.audit, snakemake.output.page)
    if snakemake.params.bad_sessions == "stop":
        audit.raise_if_failed()
