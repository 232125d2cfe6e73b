# nwb-glm: from NWB recordings and one study file to a cross-validated comparison of encoding models.
#   snakemake --cores 2                                              the default study (profiles/default)
#   snakemake --cores 2 --configfile config/head_direction.yaml      another one, instead of it
#   snakemake --workflow-profile profiles/slurm                      on a cluster

from snakemake.utils import min_version

min_version("9.8")


include: "rules/common.smk"
include: "rules/wildcards.smk"
include: "rules/resources.smk"


pathvars:
    results=f"results/{study.study}",


wildcard_constraints:
    session=one_of([*study.recordings, *study.join]),
    term=one_of(study.terms),
    model=one_of(study.models),
    test=one_of(study.inference.tests),
    control=one_of(study.inference.controls),
    block=r"\d+-of-\d+",


localrules:
    all,
    figures,
    download_recording,  # compute nodes need no internet


include: "rules/recordings.smk"
include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/fits.smk"
include: "rules/inference.smk"
include: "rules/worth.smk"
include: "rules/controls.smk"
include: "rules/comparison.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/ending.smk"


rule all:
    default_target: True
    input:
        rules.build_report.output.index,
        stores,  # a store that was deleted is made again, whether the report needs it or not


rule figures:
    input:
        rules.draw_comparison.output,
        expand(rules.draw_session.output, session=every_session),
