# In: nothing (a simulation), an address, or the user's file. Out: <results>/recordings/{session}.nwb, <results>/audit/


rule simulate_recording:
    output:
        nwb=ensure("<results>/recordings/{session}.nwb", non_empty=True),
        truth="<results>/truth/{session}.zarr.zip",
    log:
        "<results>/logs/simulate_recording/{session}.log",
    benchmark:
        "<results>/benchmarks/simulate_recording/{session}.tsv"
    wildcard_constraints:
        session=one_of(sessions("simulate")),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("simulate_recording"),
        runtime=minutes("simulate_recording"),
    params:
        source=lambda wildcards: study.recordings[wildcards.session].nwb.simulate.dump(),
        code=digest("simulate_recording"),
    script:
        "../scripts/simulate_recording.py"


rule download_recording:
    output:
        nwb=ensure("<results>/recordings/{session}.nwb", non_empty=True),
    log:
        "<results>/logs/download_recording/{session}.log",
    benchmark:
        "<results>/benchmarks/download_recording/{session}.tsv"
    wildcard_constraints:
        session=one_of(sessions("download")),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("download_recording"),
        runtime=minutes("download_recording"),
    params:
        source=lambda wildcards: study.recordings[wildcards.session].nwb.dump(),
    script:
        "../scripts/download_recording.py"


rule audit_recording:
    input:
        nwb=made_files,
    output:
        audit="<results>/audit/{session}.json",
        page="<results>/audit/{session}.html",
    log:
        "<results>/logs/audit_recording/{session}.log",
    benchmark:
        "<results>/benchmarks/audit_recording/{session}.tsv"
    wildcard_constraints:
        session=one_of(study.recordings),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("audit_recording"),
        runtime=minutes("audit_recording"),
    params:
        contents=contents,
        data=study.data.dump(),
        bad_sessions=study.bad_sessions,
        code=digest("audit_recording"),
    script:
        "../scripts/audit_recording.py"
