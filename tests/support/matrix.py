"""The fidelity matrix of the shipped mappings, measured once."""

from functools import cache

from engine.resources import shipped
from engine.translation.fidelity import Matrix
from engine.translation.probes import Probes
from engine.translation.translator import Translator


@cache
def matrix() -> Matrix:
    """All of it, without the providers of the tests."""
    return Matrix(Translator.load(), Probes(shipped("mappings")))


def few(kind: str, place: str, *fields: str) -> Probes:
    """The probes of one place only, or of some of its fields."""
    probes = Probes(shipped("mappings"))
    probes.all = [
        probe
        for probe in probes.all
        if (probe.place.kind, probe.place.name) == (kind, place)
        and (not fields or probe.field in fields)
    ]
    return probes
