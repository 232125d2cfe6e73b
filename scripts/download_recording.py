"""Download a recording once, and check its hash."""

from typing import TYPE_CHECKING

from nwbglm import log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.download import download

    download(snakemake.params.source["url"], snakemake.params.source["sha256"], snakemake.output.nwb)
