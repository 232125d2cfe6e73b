"""The executor where the plugin for SLURM is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

common_settings = plugin.common_settings
LIMITED = ("mem_mb", "gpu")
"""Resources of a group that its members share."""
MENDS = {
    "invalid partition": "name one of `sinfo -o %P` as slurm_partition in the profile",
    "invalid account": "name one of `sacctmgr show assoc user=$USER format=account,partition` as slurm_account",
    "node configuration is not available": "no node of that partition has what the job asks for: with `fit: {gpus: 1}` "
    "the profile must name the GPU partition for fit_model; else it is memory or CPUs (`sinfo -o '%P %c %m %G'`)",
    "invalid generic resource": "the cluster knows no such GPU: see `sinfo -o '%P %G'`, and gpu_model in the profile",
    "time limit": "the partition allows less time (`sinfo -o '%P %l'`): smaller group-components, or another partition",
}
"""What to do, by what SLURM says of a job that it refuses (in lower case)."""


@dataclass
class ExecutorSettings(plugin.ExecutorSettings):
    """Those of the plugin."""


class Executor(plugin.Executor):
    """Submits as the plugin does; what is submitted runs in one Snakemake."""

    def additional_general_args(self) -> str:
        """Return what every submitted Snakemake is told: to run jobs itself, and to go on beside a failed one."""
        return "--executor local --keep-going"

    def get_job_args(self, job: Any) -> str:
        """Return the arguments of one submitted Snakemake: it has what was asked for, not all that the node has."""
        asked = [f"{name}={job.resources[name]}" for name in LIMITED if isinstance(job.resources.get(name), int)]
        limits = f" --resources {' '.join(asked)}" if asked else ""
        return f"{super().get_job_args(job)} --cores {max(1, int(job.threads))}{limits}"  # the last --cores counts

    def run_job(self, job: Any) -> None:
        """Submit a job; whatever goes wrong is that job's failure: the plugin's own thread would say nothing."""
        try:
            super().run_job(job)
        except Exception as error:
            self.logger.debug("submission failed", exc_info=True)
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"could not be submitted: {error}")

    def _report_job_error_threadsafe(self, job_info: Any, msg: str) -> None:
        super()._report_job_error_threadsafe(job_info, with_mend(msg))


def with_mend(message: str) -> str:
    """Add to what SLURM says of a refused job what to change, where that is known."""
    mends = [mend for said, mend in MENDS.items() if said in message.lower()]
    return message + "".join(f"\n    -> {mend}" for mend in mends)
