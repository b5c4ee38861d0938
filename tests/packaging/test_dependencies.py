"""docs/dependencies.md, pyproject.toml and the changelog agree."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def project() -> dict[str, Any]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(table, dict)
    return table


def declared(requirements: list[str]) -> dict[str, str]:
    """Lower bound by package name."""
    found = [re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)(; .*)?", line) for line in requirements]
    assert all(found), f"not of the form name>=version: {requirements}"
    return {match[1]: match[2] for match in found if match}


def documented(heading: str) -> dict[str, str]:
    """Lower bound by package name, from the table below the heading; each row gives a reason."""
    page = (ROOT / "docs/dependencies.md").read_text()
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| (.+) \|$", section, re.MULTILINE)
    assert all(reason.strip() for _, _, reason in rows)
    return {name: version for name, version, _ in rows}


def test_every_runtime_dependency_is_documented_with_its_bound() -> None:
    assert documented("Needed to run") == declared(project()["dependencies"])


def test_every_development_dependency_is_documented_with_its_bound() -> None:
    assert documented("Needed to develop") == declared(project()["optional-dependencies"]["dev"])


def test_the_changelog_names_the_version() -> None:
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", project()["version"]]
