"""Configuration mistakes are all named at once, with where and what would have been right."""

from pathlib import Path

import pytest
from pydantic import PositiveInt

from models.errors import ConfigError
from models.settings import Settings, config_path, digest, load_settings, parse_settings, read_yaml


class Example(Settings):
    """A form to fill."""

    learning_rate: float = 0.1
    layers: PositiveInt = 2


def test_every_mistake_is_listed_and_a_misspelt_key_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(Example, {"lerning_rate": 1, "layers": -1}, "a.yaml")
    message = str(caught.value)
    assert "2 wrong settings" in message
    assert "did you mean 'learning_rate'?" in message
    assert "layers = -1" in message
    assert "where: a.yaml" in message
    assert "allowed: keys: learning_rate, layers" in message


def test_a_yaml_mistake_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(ConfigError, match="Not valid YAML") as caught:
        read_yaml(path)
    assert "line 3" in caught.value.where


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"- 1\n", "mapping"), (b"", "mapping"), (b"a: \xff\xfe\n", "Cannot read")],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_settings(Example, path)


def test_a_name_is_looked_up_and_the_nearest_one_suggested(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "daian.yaml").write_text("layers: 3\n")
    assert config_path("models", "daian", tmp_path).name == "daian.yaml"
    with pytest.raises(ConfigError, match="'dayan'") as caught:
        config_path("models", "dayan", tmp_path)
    assert "'daian'" in caught.value.do
    assert "daian" in caught.value.allowed


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("layers: 3\n")
    assert load_settings(Example, config_path("models", str(path), tmp_path)).layers == 3


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
