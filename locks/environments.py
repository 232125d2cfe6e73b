"""Write envs/{cpu,gpu}.yaml, for `snakemake --sdm conda`, from the versions that locks/run.txt pins."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = "# Made from locks/run.txt by locks/compile: do not edit. The post-deploy script installs nwb-glm itself.\n"


def environment(gpu: bool) -> str:
    """Return the text of an environment file."""
    pins = [line.rstrip(" \\") for line in (ROOT / "locks" / "run.txt").read_text().splitlines() if line[0].isalnum()]
    if gpu:
        pins = [pin.replace("jax==", "jax[cuda12]==") if pin.startswith("jax==") else pin for pin in pins]
    lines = "".join(f'      - "{pin}"\n' for pin in pins)
    return f"{HEADER}channels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n{lines}"


if __name__ == "__main__":
    for name in ("cpu", "gpu"):
        (ROOT / "envs" / f"{name}.yaml").write_text(environment(gpu=name == "gpu"))
