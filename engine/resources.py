"""Where the shipped data lies: top-level folders in a checkout, package data in a wheel."""

from pathlib import Path

from engine.errors import Defect

_PACKAGE = Path(__file__).resolve().parent


def shipped(kind: str) -> Path:
    """The folder of shipped data named `kind`, such as "mappings" or "providers".

    Raises Defect when it is in neither place: the installation is broken.
    """
    # The package's own folder first: beside an installed package lie the folders of others.
    for folder in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind):
        if folder.is_dir():
            return folder
    raise Defect(f"no folder '{kind}' in this installation; install ai-proxy again")


def file_name(path: Path) -> str:
    """What messages and explanations call a file of data: a shipped one by its place among the
    shipped (``mappings/…``), any other by its path."""
    for kind in ("mappings", "providers"):
        if path.is_relative_to(shipped(kind)):
            return f"{kind}/{path.relative_to(shipped(kind))}"
    return str(path) if path.is_absolute() else f"./{path}"
