"""The study file: what is accepted, and how each mistake is reported."""

import copy
import math

import pytest
import yaml

from nwbglm.errors import StudyError
from nwbglm.study import DataSettings, load_study, read_study
from nwbglm.study.fitting import parse_strengths
from nwbglm.study.quantities import parse_duration, parse_number, parse_size, write_duration, write_size

STUDIES = [
    "demo_head_direction", "demo_injected_current", "demo_trials", "head_direction", "injected_current", "trials",
    "worm_calcium",
]  # fmt: skip


@pytest.fixture
def config(repository):
    return yaml.safe_load((repository / "config" / "head_direction.yaml").read_text())


def mistakes(config) -> list[str]:
    with pytest.raises(StudyError) as error:
        read_study(config, where="study.yaml")
    head, *lines = str(error.value).splitlines()
    assert head.startswith("study.yaml: ") and f"{len(lines)} mistake" in head
    return [line.strip() for line in lines]


@pytest.mark.parametrize("name", STUDIES)
def test_studies_in_config_survive_a_dump(repository, name):
    study = load_study(repository / "config" / f"{name}.yaml")
    assert read_study(study.dump()) == study
    assert DataSettings.model_validate(study.data.dump()) == study.data


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10 ms", 0.01), ("0.8 s", 0.8), ("3min", 180.0), ("25ms", 0.025), ("1e-3 s", 0.001), ("2 h", 7200.0)],
)
def test_durations_are_exact_decimals(text, seconds):
    assert parse_duration(text) == seconds
    assert parse_duration(write_duration(seconds)) == seconds


@pytest.mark.parametrize("value", [10, 0.01, "10", "ten ms", "10 m", "", None, "1 s 2"])
def test_durations_need_a_unit(value):
    with pytest.raises(ValueError, match="number and a unit"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"), [("4 GB", 4 * 10**9), ("1.5 GB", 1_500_000_000), ("500MB", 5 * 10**8), ("2 MiB", 2**21)]
)
def test_sizes_are_whole_bytes(text, size):
    assert parse_size(text) == size
    assert parse_size(write_size(size)) == size
    assert write_size(1_500_000_000) == "1500 MB"


@pytest.mark.parametrize("value", [4, "4", "4 gb", "4 G", "much", None])
def test_sizes_need_a_unit(value):
    with pytest.raises(ValueError, match="such as '4 GB'"):
        parse_size(value)


def test_numbers_may_be_multiples_of_pi():
    assert parse_number("2 pi") == 2 * math.pi
    assert parse_number("-pi") == -math.pi
    assert parse_number("1e-6") == 1e-6
    with pytest.raises(ValueError, match="multiple of pi"):
        parse_number("2 tau")


def test_strengths_on_a_logarithmic_path():
    path = parse_strengths({"log": ["1e-6", 1, 7]})
    assert path == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1], rel=1e-11)
    assert parse_strengths(0.1) == (0.1,)
    with pytest.raises(ValueError, match="above 0"):
        parse_strengths({"log": [0, 1, 7]})


def test_all_mistakes_are_reported_at_once_with_their_paths(config):
    config["terms"]["coupling"]["basis"]["raised_cosine_log"]["nn"] = 3
    config["bin"] = 10
    config["signls"] = {}
    config["models"]["full"] = ["coupling", "headin"]
    config["models"][None] = []
    config["fit"]["folds"]["blocks"] = 1
    del config["signals"]["heading"]["period"]
    lines = mistakes(config)
    for path, hint in {
        "terms.coupling.basis.raised_cosine_log.nn": "did you mean 'n'?",
        "bin": "write a number and a unit",
        "signls": "did you mean 'signals'?",
        "models.full[1]": "did you mean 'heading'?",
        "models.None": "write it in quotes",
        "fit.folds": "one fold leaves nothing",
        "terms.heading.basis.cyclic_bspline": "give the signal a period",
    }.items():
        assert any(line.startswith(f"{path}: ") and hint in line for line in lines), (path, lines)
    assert len(lines) == 7


@pytest.mark.parametrize("key", [None, True, 140313, 20140313])
def test_names_that_yaml_does_not_read_as_text(config, key):
    config["recordings"][key] = {"nwb": "a.nwb"}
    (line,) = mistakes(config)
    assert line.startswith(f"recordings.{key}: ") and "quotes" in line


@pytest.mark.parametrize("name", ["a b", "-a", "a/b", "", "a.b"])
def test_names_that_paths_cannot_hold(config, name):
    config["models"][name] = ["heading"]
    (line,) = mistakes(config)
    assert "is no name" in line


def test_dangling_references(config):
    config["epochs"]["fit"]["within"] = "usee"
    config["epochs"]["train"] = {"within": "fit"}
    config["tuning"]["heading"]["of"] = "headng"
    lines = mistakes(config)
    assert any(line.startswith("epochs.fit.within: ") and "'use'" in line for line in lines)
    assert any("both `train` and `test`" in line for line in lines)
    assert any(line.startswith("tuning.heading.of: ") and "'heading'" in line for line in lines)


def test_epochs_that_lead_round_in_a_circle(config):
    config["epochs"] = {"use": {"within": "fit"}, "fit": {"within": "use"}}
    assert any("circle" in line for line in mistakes(config))


def test_choices_take_one_option(config):
    config["models"]["history"]["penalty"] = {"none": None, "ridge": {"strength": 1}}
    (line,) = mistakes(config)
    assert line.startswith("models.history.penalty: ") and "exactly one" in line


def test_patterns_make_one_session_a_file(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rat 1.nwb", "rat_2.nwb"):
        (tmp_path / name).touch()
    config["recordings"] = {"rats": {"nwb": "*.nwb"}}
    study = read_study(config)
    assert {name: recording.nwb.path for name, recording in study.recordings.items()} == {
        "rat-1": "rat 1.nwb",
        "rat_2": "rat_2.nwb",
    }
    (tmp_path / "rat-1.nwb").touch()
    assert any("would both be session 'rat-1'" in line for line in mistakes(config))
    config["recordings"] = {"rats": {"nwb": "nothing/*.nwb"}}
    assert any("no file matches" in line for line in mistakes(config))


def test_a_url_needs_its_hash(config):
    config["recordings"] = {"a": {"nwb": {"url": "https://example.org/a.nwb"}}}
    (line,) = mistakes(config)
    assert line.startswith("recordings.a.nwb: ") and "sha256" in line


def test_a_string_replaces_the_whole_source(config):
    config["recordings"]["Mouse32-140822"]["nwb"] = "elsewhere.nwb"
    source = read_study(config).recordings["Mouse32-140822"].nwb
    assert (source.path, source.url, source.made) == ("elsewhere.nwb", None, "")


def test_a_model_without_a_penalty_takes_that_of_fit(config):
    study = read_study(config)
    assert study.model_settings("full").penalty == study.fit.penalty
    assert study.model_settings("history").penalty.kind == "none"
    assert study.model_settings("coupling").penalty.strengths == (0.1,)


def test_files_that_are_no_study(tmp_path):
    file = tmp_path / "study.yaml"
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(file)
    file.write_text("a: [")
    with pytest.raises(StudyError, match="is not YAML"):
        load_study(file)
    file.write_text("- a")
    with pytest.raises(StudyError, match="not a mapping"):
        load_study(file)
    with pytest.raises(StudyError, match="empty"):
        read_study({})


def test_settings_are_immutable_values(config):
    study = read_study(copy.deepcopy(config))
    assert study == read_study(config)
    with pytest.raises(ValueError, match="frozen"):
        study.seed = 3


def test_streamed_recordings_have_no_hash(config):
    config["recordings"] = {
        "dandi": {"nwb": "dandi://000056/sub-1/a.nwb"},
        "far": {"nwb": {"url": "https://example.org/a.nwb", "stream": True}},
    }
    study = read_study(config)
    assert [recording.nwb.streamed for recording in study.recordings.values()] == [
        "dandi://000056/sub-1/a.nwb",
        "https://example.org/a.nwb",
    ]
    assert {recording.nwb.made for recording in study.recordings.values()} == {""}
    assert read_study(study.dump()) == study
    config["recordings"]["far"]["nwb"]["sha256"] = "0" * 64
    assert any("without sha256" in line for line in mistakes(config))
