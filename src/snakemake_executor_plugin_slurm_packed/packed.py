"""The executor where the plugin for SLURM is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import snakemake_executor_plugin_slurm as plugin

common_settings = plugin.common_settings


@dataclass
class ExecutorSettings(plugin.ExecutorSettings):
    """Those of the plugin."""


class Executor(plugin.Executor):
    """Submits as the plugin does; what is submitted runs in one Snakemake."""

    def additional_general_args(self) -> str:
        """Return what every submitted Snakemake is told: to run jobs itself, and to go on beside a failed one."""
        return "--executor local --keep-going"

    def get_job_args(self, job: Any, **options: Any) -> str:
        """Return the arguments of one submitted Snakemake: it has what was asked for, not all that the node has."""
        asked = [f"{name}={int(job.resources[name])}" for name in ("mem_mb", "gpu") if job.resources.get(name)]
        own = super().get_job_args(job, cores=max(1, int(job.threads)), **options)
        return f"{own} --resources {' '.join(asked)}" if asked else own
