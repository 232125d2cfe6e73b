#!/usr/bin/env bash
# Snakemake runs this once after it has made the environment, in the folder where it was started: the checkout.
set -euo pipefail
pip install --no-deps --no-build-isolation --editable .
