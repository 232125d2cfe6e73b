"""Study files that are damaged, hostile or too large: one sentence with the place and the mend, in no time."""

import copy
import glob
import json
import random
import re
import time

import fuzzed_studies
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbglm.errors import StudyError
from nwbglm.study import Study, configured_study, load_study, patterns, read_study
from nwbglm.study.expressions import parse
from nwbglm.study.loading import parse_yaml

PLAIN = b"""study: x
recordings: {good: {nwb: good.nwb}}
epochs: {use: {table: epochs}}
bin: 10 ms
signals: {sig: {from: sig}}
terms: {sig: {of: sig, basis: identity}}
models: {constant: [], sig: [sig]}
"""


@pytest.fixture
def config():
    return yaml.safe_load(PLAIN)


def refused(raw: bytes) -> str:
    """Read a study that must be refused, in time; return what is said."""
    began = time.process_time()
    with pytest.raises(StudyError) as error:
        read_study(parse_yaml(raw, "s.yaml"), "s.yaml")
    assert time.process_time() - began < 1
    return str(error.value)


@pytest.mark.parametrize(
    ("extra", "path", "lines"),
    [
        (b"bin: 20 ms\n", "bin", "4 and 8"),
        (b"fit:\n  folds: {blocks: 3}\n  folds: {blocks: 4}\n", "fit.folds", "9 and 10"),
        (b"figures: {window: {start: 0 s, 'start': 1 s}}\n", "figures.window.start", "8 and 8"),
        (b"join:\n  - {a: 1,\n     a: 2}\n", "join[0].a", "9 and 10"),
    ],
)
def test_a_name_that_stands_twice_is_a_mistake_with_both_lines(extra, path, lines):
    said = refused(PLAIN + extra)
    assert f"{path}: stands twice, in lines {lines}; keep one" in said


def test_a_study_with_one_of_two_names_taken_out_is_read():
    doubled = PLAIN + b"bin: 20 ms\n"
    assert "keep one" in refused(doubled)
    assert read_study(parse_yaml(doubled.replace(b"bin: 10 ms\n", b""), "s.yaml")).bin == 0.02


def test_all_doubles_are_reported_at_once():
    assert "2 names stand twice" in refused(PLAIN + b"study: y\nbin: 1 ms\n")


def test_merged_mappings_may_be_overridden():
    raw = PLAIN.replace(b"study: x", b"study: x\nfit: {<<: &base {nested: true}, nested: false}")
    assert not read_study(parse_yaml(raw, "s.yaml")).fit.nested


def test_snakemake_s_reading_is_checked_by_ours(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_bytes(PLAIN + b"bin: 20 ms\n")
    with pytest.raises(StudyError, match="bin: stands twice, in lines 4 and 8"):
        configured_study(yaml.safe_load(file.read_bytes()), [file])
    file.write_bytes(PLAIN)
    changed = {**yaml.safe_load(PLAIN), "seed": 5}  # --config seed=5
    assert configured_study(changed, [file]).seed == 5


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_a_study_in_another_encoding_is_a_sentence(encoding, tmp_path):
    text = "study: x\ndescription: Mäuse\n"
    said = refused(text.encode(encoding))
    assert "not UTF-8: byte 0x" in said and "save it as UTF-8" in said
    (tmp_path / "s.yaml").write_bytes(PLAIN + "description: Mäuse\n".encode("utf-8-sig"))
    assert parse_yaml(b"\xef\xbb\xbf" + PLAIN, "s.yaml")["study"] == "x"


def test_aliases_that_unfold_without_end_are_refused():
    bomb = b'a: &a0 ["l","l"]\n' + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 9)
    )
    assert "aliases (*name) included" in refused(PLAIN + bomb)
    merged = b"a: &a0 {k: 1}\n" + b"".join(
        b"a%d: &a%d {<<: [%s]}\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 9)
    )
    assert "aliases (*name) included" in refused(PLAIN + merged)


@pytest.mark.parametrize("circle", [b"a: &a [*a]\n", b"a: &a {b: {c: [*a]}}\n", b"a: &a {? [*a] : 1}\n"])
def test_an_alias_inside_of_what_it_names(circle):
    assert "stands inside what it names" in refused(PLAIN + circle)


@pytest.mark.parametrize(
    "deep", [b"a: " + b"[" * 3000, b"a: " + b"{a: " * 500, b"\n".join(b" " * i + b"a:" for i in range(99))]
)
def test_text_that_is_nested_too_deep(deep):
    assert "nested deeper than 40 levels" in refused(deep)


@pytest.mark.parametrize(
    "value", [b"0x_", b"2020-99-99", b"0b_", b"1" * 5000, b"!!python/name:os.system ''", b"[1", b"\x01"]
)
def test_values_that_are_none(value):
    said = refused(PLAIN + b"seed: " + value + b"\n")
    assert "is not YAML" in said or "seed" in said


def test_text_without_end_is_not_read(tmp_path):
    (tmp_path / "big.yaml").write_bytes(b"# " + b"x" * 2**21)
    with pytest.raises(StudyError, match="longer than 1024 kB"):
        load_study(tmp_path / "big.yaml")
    with pytest.raises(StudyError, match="longer than 1024 kB"):
        load_study("/dev/zero")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("bin", "1e400 s"),
        ("bin", "1e-400 s"),
        ("bin", "1e999999999 s"),
        ("fit.memory", "1e9999 GB"),
        ("seed", 2**70),
        ("seed", -1),
        ("signals.sig.period", float("inf")),
        ("signals.sig.period", float("nan")),
        ("signals.sig.period", [1]),
        ("signals.sig.column", 10**12),
        ("fit.tolerance", float("inf")),
        ("fit.folds.blocks", 10**9),
        ("fit.penalty.ridge.strength.log", [1e-6, 1, 10**9]),
        ("fit.penalty.ridge.strength.log", [None, 1, 3]),
        ("fit.penalty.ridge.strength", [1e300]),
        ("fit.penalty.ridge.strength", list(range(5000))),
        ("unit_blocks", 10**9),
        ("tuning.sig.bins", 10**9),
    ],
)
def test_numbers_out_of_range_are_mistakes_with_their_path(config, path, value):
    config["tuning"] = {"sig": {"of": "sig"}}
    config["fit"] = {"folds": {}, "penalty": {"ridge": {"strength": {}}}}
    if path.split(".")[0] != "fit" or "ridge" not in path:
        config["fit"].pop("penalty")
    holder = config
    *way, last = path.split(".")
    for key in way:
        holder = holder[key]
    holder[last] = value
    with pytest.raises(StudyError) as error:
        read_study(config, "s.yaml")
    assert path.removesuffix(".log") in str(error.value)


def test_every_number_of_a_study_has_a_range():
    open_ended = []

    def walk(node, path):
        if isinstance(node, dict):
            if node.get("type") in ("integer", "number"):
                low = {"minimum", "exclusiveMinimum"} & node.keys()
                high = {"maximum", "exclusiveMaximum"} & node.keys()
                if not (low and high):
                    open_ended.append(path)
            for key, inner in node.items():
                walk(inner, f"{path}/{key}")
        elif isinstance(node, list):
            for i, inner in enumerate(node):
                walk(inner, f"{path}/{i}")

    walk(json.loads(json.dumps(Study.model_json_schema(by_alias=True))), "")
    assert not open_ended


@pytest.mark.parametrize(
    ("terms", "hint"),
    [
        ({"raised_cosine_log": {"n": 4, "window": "25 ms"}}, "use 0.02 s or 0.03 s"),
        ({"lags": {"window": "4 ms"}}, "use 0.01 s"),
        ({"bspline": {"n": 4, "window": "1 h"}}, "at most 100000 are taken"),
    ],
)
def test_windows_are_held_against_the_bin(config, terms, hint):
    config["terms"]["sig"]["basis"] = terms
    with pytest.raises(StudyError) as error:
        read_study(config, "s.yaml")
    (line,) = str(error.value).splitlines()[1:]
    assert line.strip().startswith("terms.sig.basis.") and hint in line
    if found := re.findall(r"([\d.]+ s)(?: or|$)", line.split("use ")[-1]):
        config["terms"]["sig"]["basis"][next(iter(terms))]["window"] = found[0]
        read_study(config, "s.yaml")


def test_a_study_that_costs_too_much_is_refused_until_its_limit_is_raised(config):
    config["models"] = {f"m{i}": [] for i in range(5000)}
    began = time.process_time()
    with pytest.raises(StudyError, match=r"limits\.jobs: the study asks for 10009 jobs") as error:
        read_study(config)
    assert time.process_time() - began < 1
    wanted = yaml.safe_load(re.search(r"\((limits: .*)\)", str(error.value))[1])
    read_study({**config, **wanted})  # the advice, followed
    config["models"] = {"all": ["sig"]}
    config["terms"]["sig"] = {"of": "sig", "basis": {"lags": {"window": "900 s"}}}
    with pytest.raises(StudyError, match=r"limits\.columns: the study asks for 90000 features in one model"):
        read_study(config)


def test_patterns_find_what_glob_finds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.nwb", "sub/b.nwb", "sub/deep/c.nwb", ".hidden/d.nwb", "sub/.e.nwb", "sub/f.txt", "ü [1].nwb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wild = "*.nwb **/*.nwb sub/* sub/** ** */*.nwb sub/*/c.nwb ?.nwb [a-b].nwb no/*.nwb ./*.nwb .h*/*.nwb **/deep/* ü*"
    for pattern in [*wild.split(), f"{tmp_path}/**/*.nwb"]:
        wanted = {one.removeprefix("./").rstrip("/") for one in glob.glob(pattern, recursive=True)} - {""}
        found = {one.rstrip("/") for one in patterns.find_files(pattern, "x.nwb")} - {""}
        assert found == wanted, pattern


def test_patterns_look_at_a_bounded_number_of_files(tmp_path, monkeypatch):
    for i in range(30):
        (tmp_path / f"{i}.nwb").touch()
    (tmp_path / "round").symlink_to(tmp_path)
    monkeypatch.setattr(patterns, "MOST_SEEN", 500)
    with pytest.raises(ValueError, match="more than 500 files and folders; begin it with the folder"):
        patterns.find_files(f"{tmp_path}/**/*.nwb*", "all.nwb")
    assert len(patterns.find_files(f"{tmp_path}/*.nwb", "all.nwb")) == 30  # the advice, followed


@pytest.mark.parametrize("path", ["epochs.use", "units", "signals.sig", "blank.b"])
def test_expressions_are_read_with_the_study(config, path):
    config |= {"units": {}, "blank": {"b": {"events": "ttl", "before": "1 s"}}}
    config["signals"]["sig"]["resample"] = "events"
    holder = config
    for key in path.split("."):
        holder = holder[key]
    for bad, hint in {
        "9**9**9 > 1": "Pow",
        "rate >": "cannot be read",
        "rate is 1": "is",
        "f(rate)": "function",
    }.items():
        holder["where"] = bad
        with pytest.raises(StudyError) as error:
            read_study(copy.deepcopy(config))
        assert f"{path}.where: " in str(error.value) and hint in str(error.value)
    holder["where"] = "rate > 1"
    read_study(config)


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_an_expression_selects_or_is_a_sentence(rng):
    fuzzed_studies.try_expression(fuzzed_studies.expression(rng))


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_is_an_expression_or_is_a_sentence(text):
    fuzzed_studies.try_expression(text)


def test_mutated_studies_are_read_or_are_a_sentence(repository):
    made = fuzzed_studies.studies(repository / "config", random.Random(1))
    outcomes = [fuzzed_studies.try_study(next(made)) for _ in range(400)]
    assert {"valid", "is refused"} == set(outcomes)


def test_a_backtick_inside_of_a_text_stays_one():
    assert parse("location == '`a`' and `Spike Quality` > 1").names == {"location", "Spike Quality"}
