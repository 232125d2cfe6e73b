"""The executor where the plugin for SLURM is not installed: it says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """No settings."""


class Executor(AbstractExecutor):
    """Says what is missing."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Refuse."""
        raise WorkflowError("the executor 'slurm-packed' needs the extra `slurm`: pip install 'nwbglm[slurm]'")
