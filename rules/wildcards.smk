# What jobs depend on, as functions of their wildcards: asked only where a job is planned.


def every_session(wildcards):
    """All sessions, named only where a job over all of them is planned: a list of files would cost every start."""
    return study.sessions


def every_recording(wildcards):
    return list(study.recordings)


def every_binned(wildcards):
    return [*study.recordings, *study.join]


def members(wildcards):
    """The recordings of a session: itself, or those that it joins."""
    return study.members(wildcards.session)


def made_files(wildcards):
    """Those of a session's recordings that the workflow puts there; the user's are known by their content.

    No job has the path of a user's file among its inputs or parameters: scripts take it from the configuration, so that
    data that were moved are the same data.
    """
    return [
        f"<results>/recordings/{name}.nwb"
        for name in members(wildcards)
        if study.recordings[name].nwb.made
    ]


def contents(wildcards):
    """What each of a session's recordings holds: the address of a streamed one, a fingerprint of the user's file.

    Stages behind the audit hang on it and not on the path: a recording that was moved is the same, one that was
    replaced, be it by an older one, is not.
    """
    sources = {name: study.recordings[name].nwb for name in members(wildcards)}
    return {
        name: source.streamed
        or (fingerprint(source.path, ".snakemake/nwbglm.json") if source.path else "")
        for name, source in sources.items()
    }


def truth_path(wildcards):
    """The truth of a simulated recording; joined ones differ in theirs."""
    if wildcards.session in study.join:
        return []
    made = study.recordings[wildcards.session].nwb.made
    return f"<results>/truth/{wildcards.session}.zarr.zip" if made == "simulate" else []


def term_settings(wildcards):
    return study.terms[wildcards.term].dump()


def model_settings(wildcards):
    """A model's settings with `fit`'s penalty where it names none."""
    return study.model_settings(wildcards.model).dump()


def controlled(wildcards):
    """The model that a control is about."""
    return study.inference.controls[wildcards.control].model


def tested(wildcards):
    """The model that a test is about."""
    return study.inference.tests[wildcards.test].model


def model_terms(wildcards):
    return study.models[wildcards.model].terms


def shown_of_session(wildcards):
    """What the figures of one session depend on: none of them is drawn anew where another session is added."""
    return study.shown_of(wildcards.session, shown_dump)
