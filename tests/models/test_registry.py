"""From what the user names to models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_helpers import KEY, prompt, spec
from server import Endpoint

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import ModelSpec, Price
from colt_llvm.models.check import preflight
from colt_llvm.models.registry import connect, example, load_models
from colt_llvm.models.specs import spec_from_dict, spec_to_dict

GOOD = """
[endpoint.here]
base_url = "http://127.0.0.1:8000/v1"
key_variable = "HERE_KEY"

[[model]]
name = "big"
endpoint = "here"
parameters = 7e10
price = { input = 2.0, output = 8.0 }
options = { temperature = 0.5 }

[[model]]
name = "tiny"
kind = "openai"
base_url = "https://example.com/v1"
parameters = 1_000_000_000
"""


def refused(tmp_path: Path, text: str) -> str:
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_models(str(file), {})
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def model_with(line: str) -> str:
    return f'[[model]]\nname = "m"\nparameters = 1e9\nbase_url = "http://127.0.0.1:1/v1"\n{line}\n'


def test_reads_models_and_their_endpoints(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(GOOD)
    big, tiny = load_models(str(tmp_path / "models.toml"), {})
    assert (big.base_url, big.key_variable, big.kind) == ("http://127.0.0.1:8000/v1", "HERE_KEY", "openai")
    assert big.price == Price(2.0, 2.0, 8.0), "cached input costs as much as input where nothing is said"
    assert big.options == {"temperature": 0.5}
    assert (tiny.name, tiny.parameters, tiny.key_variable) == ("tiny", 1e9, None)


def test_the_example_is_a_file_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(example())
    assert len(load_models(str(tmp_path / "example.toml"), {})) == 4
    assert "INVENTED" in example()


def test_names_embedded_and_random_models_and_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "colt-llvm").mkdir()
    (tmp_path / "colt-llvm" / "models.toml").write_text(GOOD)
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    specs = load_models("embedded/nano, random,tiny", environment)
    assert [(one.name, one.kind) for one in specs] == [
        ("embedded/nano", "embedded"),
        ("random", "random"),
        ("tiny", "openai"),
    ]


@pytest.mark.parametrize("named", ["", ",", "gpt", "embedded/huge", "random,random", "nothing.toml"])
def test_refuses_names_that_are_none(named: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_models(named, {"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "[[model]]"),
        ("model = 3", "[[model]]"),
        ("[[model", "TOML"),
        ("[[modle]]", "did you mean model?"),
        (model_with("parametres = 3"), "did you mean parameters?"),
        (model_with("price = { inptu = 1 }"), "did you mean input?"),
        (model_with("price = 3"), "price is a table"),
        (model_with("price = { input = -1 }"), "0 or more"),
        (model_with("price = { input = nan }"), "price.input"),
        (model_with("concurrency = 0"), "concurrency"),
        (model_with("concurrency = 1.5"), "whole number"),
        (model_with("timeout_seconds = inf"), "timeout_seconds"),
        (model_with("max_output_tokens = 99999"), "too little room for the prompt"),
        (model_with('structured = "yaml"'), "schema"),
        (model_with('kind = "opanai"'), "did you mean openai?"),
        (model_with('kind = "replay"'), "replay:RUN"),
        (model_with('endpoint = "there"'), "[endpoint.there]"),
        (model_with("options = { stream = true }"), "options.stream"),
        (model_with(f'api_key = "{KEY}"'), "key_variable"),
        (model_with(f'key_variable = "{KEY}"'), "never the key"),
        (model_with(f'options = {{ api_key = "{KEY}" }}'), "key_variable"),
        (model_with("").replace("http:", "file:"), "http or https"),
        (model_with("").replace("127", f"me:{KEY}@127"), "base_url"),
        (model_with("").replace("/v1", f"/v1?key={KEY}"), "base_url"),
        (model_with("").replace("1e9", "0"), "above 0"),
        (model_with("").replace("1e9", '"7B"'), "7e9"),
        (model_with("").replace('"m"', '"a,b"'), "without spaces"),
        (model_with("") + model_with(""), "twice"),
        ('[endpoint.x]\nurl = "http://a/v1"\n' + model_with(""), "unknown key"),
        ("[endpoint.x]\n" + model_with(""), "give base_url"),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str) -> None:
    if said == "twice":
        (tmp_path / "models.toml").write_text(text)
        with pytest.raises(UsageError, match=said):
            load_models(str(tmp_path / "models.toml"), {})
        return
    message = refused(tmp_path, text)
    assert said in message
    assert KEY not in message


@pytest.mark.parametrize(
    "one",
    [
        spec(options={"temperature": 0.5}, structured="json", model="x"),
        ModelSpec("random", "random", 1.0),
        ModelSpec("s", "scripted", 1.0, options={"answers": ["{}"]}),
    ],
)
def test_a_specification_survives_json(one: ModelSpec) -> None:
    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(one)))) == one


def test_a_missing_key_names_its_variable_before_anything_is_asked() -> None:
    for environment in ({}, {"TEST_KEY": "  "}):
        with pytest.raises(UsageError, match=r"\$TEST_KEY is not set"):
            connect(spec(), environment)
        with pytest.raises(UsageError, match=r"\$TEST_KEY is not set"):
            preflight([spec()], environment)


def test_a_random_model_repeats_itself_and_knows_its_passes() -> None:
    model = connect(ModelSpec("random", "random", 1.0))
    answers = [model.ask(prompt(number), 1.0).text for number in range(20)]
    assert answers == [model.ask(prompt(number), 1.0).text for number in range(20)]
    assert len(set(answers)) > 10
    for answer in map(json.loads, answers):
        assert set(answer["passes"]) <= {"licm", "gvn", "sroa"}
        assert answer["next_model"] in ("small", "large")


def test_embedded_policies_answer_under_their_name() -> None:
    for one in load_models("embedded/nano,embedded/small,embedded/base", {}):
        model = connect(one)
        assert model.spec.name == one.name
        assert json.loads(model.ask(prompt(), 1.0).text)["passes"]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        yield server


def test_preflight_lets_a_good_key_pass_and_asks_an_endpoint_once(endpoint: Endpoint) -> None:
    specs = [spec("a", endpoint.url), spec("b", endpoint.url), ModelSpec("random", "random", 1.0)]
    preflight(specs, {"TEST_KEY": KEY})
    assert endpoint.listed == 1
    assert endpoint.total == 0


def test_preflight_names_the_variable_of_a_refused_key(endpoint: Endpoint) -> None:
    with pytest.raises(UsageError, match=r"\$TEST_KEY") as caught:
        preflight([spec(url=endpoint.url)], {"TEST_KEY": "wrong-key-0123456789"})
    assert "wrong-key" not in str(caught.value)


def test_preflight_leaves_an_endpoint_that_is_down_to_the_calls() -> None:
    preflight([spec(url="http://127.0.0.1:1/v1")], {"TEST_KEY": KEY})
