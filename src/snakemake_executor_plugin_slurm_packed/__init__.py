"""Snakemake's SLURM executor, with groups that cost one start: `executor: slurm-packed`.

The plugin for SLURM runs every member of a group as a job step with its own Snakemake, one after another: about two
seconds of CPU a member before it computes anything. Here a group is one Snakemake on the node, which runs its members
as on any machine: as many at once as the group has CPUs, as children of one parent that has imported what they need
(`nwbglm.forking`), and one that fails leaves its neighbours alone. Submission, status, cancelling and all settings are
the plugin's (`slurm-packed-...` instead of `slurm-...`).
"""

try:
    from .packed import Executor, ExecutorSettings, common_settings
except ImportError:  # Snakemake imports every executor that it finds, whichever one is asked for
    from .missing import Executor, ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
