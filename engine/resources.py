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
