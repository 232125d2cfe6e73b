# nwb-glm: from NWB recordings and one study file to a cross-validated comparison of encoding models.
#
#   snakemake --cores 2                                              the default study (profiles/default)
#   snakemake --cores 2 --configfile config/head_direction.yaml      another one, instead of it
#   snakemake --workflow-profile profiles/slurm                      on a cluster

from snakemake.utils import min_version

min_version("9.8")


include: "rules/common.smk"


pathvars:
    results=f"results/{study.study}",


wildcard_constraints:
    session=one_of([*study.recordings, *study.join]),
    term=one_of(study.terms),
    model=one_of(study.models),
    test=one_of(study.inference.tests),
    block=r"\d+-of-\d+",


localrules:
    all,
    figures,


onstart:
    print(
        f"nwb-glm: study '{study.study}' asks for {cost_of(study).text()}",
        file=sys.stderr,
    )
    for line in advice(study):
        print(f"nwb-glm: warning: {line}", file=sys.stderr)


onsuccess:
    from nwbglm.report.last_words import failed_figures, last_words

    say(last_words(study, RESULTS))
    if failed := failed_figures(study, RESULTS):
        raise WorkflowError(*failed, "the report is complete but for these figures")


onerror:
    from nwbglm.report.last_words import why_it_ended

    say([why_it_ended(Path(log).read_text(errors="replace"))])


include: "rules/recordings.smk"
include: "rules/data.smk"
include: "rules/features.smk"
include: "rules/fits.smk"
include: "rules/inference.smk"
include: "rules/comparison.smk"
include: "rules/report.smk"


stores = [
    expand(rules.tune_units.output.tuning, session=study.sessions),
    expand(
        rules.build_features.output.features,
        term=study.used_terms,
        session=study.sessions,
    ),
    expand(rules.split_rows.output.folds, session=study.sessions),
    expand(
        rules.predict_rates.output.predictions,
        model=study.models,
        session=study.sessions,
    ),
    rules.compare_models.input.binned,
    rules.compare_models.input.fits,
    rules.draw_comparison.output,
    expand(rules.draw_session.output, session=study.sessions),
]


rule all:
    default_target: True
    input:
        rules.build_report.output.index,
        stores,  # a store that was deleted is made again, whether the report needs it or not


rule figures:
    input:
        rules.draw_comparison.output,
        expand(rules.draw_session.output, session=study.sessions),
