"""The published schemas accept what is in use and refuse what the parsers refuse."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from unishare.cli.schema import FORMATS, schema
from unishare.toolchain.recipes.catalog import PACKAGE_CATALOG

FILES = {
    "library": sorted((PACKAGE_CATALOG / "libraries").glob("*.toml")),
    "app": sorted((PACKAGE_CATALOG / "apps").glob("*/app.toml")),
    "language": sorted((PACKAGE_CATALOG / "languages").glob("*/language.toml")),
}


def published(name: str) -> dict[str, Any]:
    done = CliRunner().invoke(schema, [name])
    assert done.exit_code == 0
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_each_is_a_schema_that_allows_no_unknown_keys(name: str) -> None:
    found = published(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["additionalProperties"] is False


@pytest.mark.parametrize("name", FILES)
def test_the_catalogues_files_fit(name: str) -> None:
    validator = jsonschema.Draft202012Validator(published(name))
    assert FILES[name]
    for file in FILES[name]:
        content = tomllib.loads(file.read_text())
        validator.validate(content)
        assert not validator.is_valid({**content, "surprise": 1})


def test_an_unknown_format_names_the_known_ones() -> None:
    done = CliRunner().invoke(schema, ["nothing"])
    assert done.exit_code == 2
    assert all(name in done.stderr for name in FORMATS)
