"""The environments for conda users are those of the lock, and the locks name no index."""

import importlib.util
import re

import pytest
import yaml


def load(repository):
    spec = importlib.util.spec_from_file_location("environments", repository / "locks" / "environments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_environments_are_made_from_the_lock(repository, name):
    text = (repository / "envs" / f"{name}.yaml").read_text()
    assert text == load(repository).environment(gpu=name == "gpu"), "run locks/environments.py"
    pins = next(item["pip"] for item in yaml.safe_load(text)["dependencies"] if isinstance(item, dict))
    assert any(re.match(r"jax(\[cuda12\])?==" if name == "gpu" else r"jax==", pin) for pin in pins)
    assert (repository / "envs" / f"{name}.post-deploy.sh").is_file()


@pytest.mark.parametrize("name", ["run", "dev", "oldest"])
def test_locks_pin_with_hashes_and_name_no_index(repository, name):
    text = (repository / "locks" / f"{name}.txt").read_text()
    assert "://" not in text and "--index" not in text
    for entry in re.split(r"\n(?=\w)", text.strip()):
        assert "==" in entry and "--hash=sha256:" in entry, entry.splitlines()[0]


def test_every_pin_of_run_is_that_of_dev(repository):
    def pins(name):
        return set(re.findall(r"^(\w[^ ;\\]*)", (repository / "locks" / f"{name}.txt").read_text(), re.MULTILINE))

    assert pins("run") <= pins("dev")
    assert not {pin for pin in pins("run") if pin.startswith(("nemos", "pynapple"))}
