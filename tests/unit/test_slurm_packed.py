"""What the executor for SLURM adds: a mend to what SLURM says."""

import pytest

packed = pytest.importorskip("snakemake_executor_plugin_slurm_packed.packed", reason="needs the extra `slurm`")


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("sbatch: error: invalid partition specified: nowhere", "sinfo -o %P"),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", "GPU partition"),
        ("Batch job submission failed: Invalid account or account/partition combination specified", "sacctmgr"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "group-components"),
    ],
)
def test_what_slurm_refuses_is_said_with_what_to_change(said, mend):
    assert said in packed.with_mend(said) and mend in packed.with_mend(said)


def test_what_is_not_known_is_left_as_it_is():
    assert packed.with_mend("the disk is full") == "the disk is full"
