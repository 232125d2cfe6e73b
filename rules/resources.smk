# What jobs ask for: memory by the size of what they read, and time.

from os.path import getsize, isfile


def memory_for_recordings(base, factor):
    """Megabytes for a job that reads recordings, which are not all among its inputs."""

    def megabytes(wildcards, input, attempt):
        paths = [study.recordings[name].nwb.path for name in members(wildcards)]
        bytes_ = sum(getsize(path) for path in paths if path and isfile(path))
        return int(attempt * (base + factor * (input.size_mb + bytes_ / 2**20)))

    return megabytes


def memory(base, factor):
    """Megabytes for a job: a base, and a multiple of its inputs' size; more at each attempt."""
    return lambda wildcards, input, attempt: int(
        attempt * (base + factor * input.size_mb)
    )


def memory_beside_features(base, held):
    """Megabytes for a job that holds at most so many of its features, however large their stores are."""

    def megabytes(wildcards, input, attempt):
        features = sum(map(getsize, input.features)) / 2**20
        apart = sum(map(getsize, input.get("others", []))) / 2**20  # opened, not held
        others = input.size_mb - features - apart
        return int(attempt * (base + 60 * others + min(60 * features, held)))

    return megabytes


def minutes(base):
    """Minutes for a job; more at each attempt."""
    return lambda wildcards, attempt: base * attempt
