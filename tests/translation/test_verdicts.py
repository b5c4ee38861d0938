"""Verdicts: what is said of a probe follows from what came back, and from what was told."""

from typing import Any

from engine.translation.crossings import Crossing
from engine.translation.losses import Loss
from engine.translation.probes import Place, Probe
from engine.translation.reasons import Reason, Reasons
from engine.translation.verdicts import Compared, Verdict, says, verdict

PLACE = Place("request", "request", "request", "", {"a": 1}, {"a": 1}, {})
PROBE = Probe(PLACE, "b", 2, {"a": 1, "b": 2}, {"a": 1})
PLAIN = Crossing(wire={"a": 1}, find_back=lambda: {"a": 1})


def _loss(path: str, kind: str = "dropped") -> Loss:
    return Loss(path, f"no form for {path}", "", kind, "request")


def _verdict(
    back: dict[str, Any], *losses: Loss, wire: Any = None, plain: tuple[Loss, ...] = ()
) -> Verdict:
    crossing = Crossing(wire=wire, find_losses=lambda: list(losses), find_back=lambda: back)
    compared = Compared.canonical(PROBE, crossing, "acme")
    before = Crossing(wire={"a": 1}, find_losses=lambda: list(plain), find_back=lambda: {"a": 1})
    return verdict(PROBE, crossing, before, lambda: PLAIN, compared, Reasons([]))


def test_what_comes_back_as_it_was_said_is_exact() -> None:
    assert _verdict({"a": 1, "b": 2}) == ("exact", ())


def test_what_comes_back_with_a_loss_is_changed() -> None:
    state, reasons = _verdict({"a": 1, "b": 2}, _loss("b"))
    assert (state, reasons) == ("changed", (Reason("no form for b", "dropped"),))


def test_what_is_gone_with_a_loss_is_lost_but_for_what_stands_in_for_it() -> None:
    assert _verdict({"a": 1}, _loss("b"))[0] == "lost"
    assert _verdict({"a": 1}, _loss("b", "emulated"))[0] == "changed"


def test_a_loss_that_was_there_before_is_no_reason() -> None:
    assert _verdict({"a": 1, "b": 2}, _loss("a"), plain=(_loss("a"),)) == ("exact", ())


def test_what_the_place_loses_its_field_loses_with_it() -> None:
    told = _verdict({"a": 1}, _loss("a"), plain=(_loss("a"),))
    assert told == ("lost", (Reason("no form for a", "dropped"),))


def test_what_is_gone_without_a_word_is_named() -> None:
    read = _verdict({"a": 1}, wire={"a": 1})
    assert read == ("lost", (Reason("read on purpose; nothing is sent for it"),))
    other = _verdict({"a": 1, "b": 3}, wire={"a": 1, "b": 3})
    assert other == ("changed", (Reason("2 comes back as 3"),))
    elsewhere = _verdict({"a": 1, "c": 2}, wire={"a": 1, "c": 2})
    assert elsewhere == ("changed", (Reason("comes back as c 2"),))
    nowhere = _verdict({"a": 1}, wire={"c": 2})
    assert nowhere == ("changed", (Reason("b does not come back"),))


def test_a_format_to_itself_is_compared_in_its_own_words() -> None:
    before = Crossing(said={"model": "m"}, wire={"model": "n"})
    crossing = Crossing(said={"model": "m", "b": [1, 2]}, wire={"model": "n", "b": [1, 3]})
    compared = Compared.in_own_words(crossing, before)
    assert compared.wanted == {"b[0]": 1, "b[1]": 2}
    assert compared.gone == ["b[1]"]


def test_a_document_says_what_it_has_whatever_else_it_has() -> None:
    assert says({"a": 1, "b": 2}, {"a": 1}, "request")
    assert not says({"a": 1}, {"a": 2}, "request")
