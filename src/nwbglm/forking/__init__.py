"""Jobs as children of one parent that has imported what they need, so that a job costs its work and not its start.

Snakemake starts a Python for every script, and most of a small job is that start: 1 to 2 s of imports. Where many jobs
run under one Snakemake (a machine, or an allocation of a cluster), `install` lets scripts run in children of a parent
process instead: the parent imports what a script names at its head, once, and forks for each job. All else stays with
Snakemake: the script that it writes, the log, exit status, what it measures of a job. Scripts in a conda environment,
an environment module or a container are started as ever.
"""

from .runner import install

__all__ = ["install"]
