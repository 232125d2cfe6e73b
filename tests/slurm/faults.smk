# Small jobs with faults, for the executor alone: members of groups, a memory limit, a long job.
from pathlib import Path


rule all:
    input:
        expand("out/{part}.txt", part=["a", "b", "c", "d"]),


rule first:
    output:
        "first/{part}.txt",
    resources:
        mem_mb=400,
        runtime=5,
    shell:
        "echo {wildcards.part} > {output}"


rule second:
    input:
        "first/{part}.txt",
    output:
        "out/{part}.txt",
    resources:
        mem_mb=400,
        runtime=5,
    shell:
        "echo run {wildcards.part} >> runs.txt; test {wildcards.part} != b -o -e allowed; cp {input} {output}"


rule big:
    output:
        "big.txt",
    resources:
        mem_mb=lambda wildcards, attempt: 300 * attempt,
        runtime=5,
    shell:
        "python3 -c 'x = bytearray(450 << 20); x[::4096] = b\"1\" * len(x[::4096])'; echo whole > {output}"


rule long:
    output:
        "long.txt",
    resources:
        mem_mb=400,
        runtime=5,
    shell:
        "echo begun >> begun.txt; sleep 25; echo whole > {output}"


rule gpu:
    output:
        "gpu.txt",
    resources:
        mem_mb=400,
        runtime=5,
        gpu=1,
    shell:
        "echo $CUDA_VISIBLE_DEVICES > {output}"
