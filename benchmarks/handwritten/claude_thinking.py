"""How Claude is asked to think: modes, budgets, efforts."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.common import CLAUDE, Body, Losses, inside

_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 1000000,
}


def own_effort(request: Body, own: Body | None) -> Any:
    kept = inside(inside(request.get("native"), CLAUDE), "output_config")
    effort = inside(kept, "effort")
    return inside(own.get("output_config"), "effort") if effort is None and own else effort


def mode_of(
    request: Body,
    limits: Body,
    vendor: str,
    spoken: list[Body],
    most: int,
    own: str | None,
) -> str | None:
    """The thinking mode to ask for: one the model has, nearest to what the client wants."""
    asked, effort, budget = request.get("thinking"), request.get("effort"), request.get("budget")
    if asked == "adaptive" and limits["adaptive"]:
        return "adaptive"
    if asked == "between_tools" and limits["between"]:
        return "between_tools"
    if asked in ("disabled", "between_tools") or (
        not asked and (effort == "none" or (budget == 0 and budget is not None))
    ):
        if limits["disabled"] != "no" and (asked or limits["adaptive"]):
            return "disabled"
        return "between_tools" if limits["between"] else None
    if asked or (effort and not own) or budget is not None:
        roomy = most > 1024 and limits["budgets"]
        if asked == "enabled" and roomy:
            return "disabled" if _unsigned(spoken, vendor) else "enabled"
        if limits["adaptive"]:
            return "adaptive"
        if roomy and not _unsigned(spoken, vendor):
            return "enabled"
        if asked:
            return "disabled"
    if request.get("show_thinking") and limits["disabled"] == "no":
        return "adaptive"  # it thinks anyway: let it be seen
    return None


def _unsigned(spoken: list[Body], vendor: str) -> bool:
    """Whether results come whose calls lost the thinking that led to them."""
    if len(spoken) < 2 or not any(part["type"] == "result" for part in spoken[-1]["parts"]):
        return False
    return not any(
        part["type"] == "thinking" and inside(part.get("signature"), "vendor") == vendor
        for part in spoken[-2]["parts"]
    )


def thought(request: Body, mode: str, most: int, lost: Losses) -> Body:
    made: Body = {"type": mode}
    if mode == "enabled":
        budget, effort = request.get("budget"), request.get("effort")
        if effort is not None and effort not in _BUDGETS:
            lost.append("effort")
        if budget is not None and budget > 0:
            tokens = min(max(budget, 1024), most - 1)
            if tokens != budget:
                lost.append("budget")
        else:
            tokens = min(_BUDGETS.get(effort or "", 16384), most - 1)
        made["budget_tokens"] = tokens
    if mode in ("enabled", "adaptive"):
        shown = request.get("show_thinking")
        if shown is not None:
            made["display"] = "summarized" if shown else "omitted"
    return made


def effort_of(
    request: Body, limits: Body, mode: str | None, own: str | None, lost: Losses
) -> str | None:
    if (mode == "disabled" and limits["disabled"] == "to-high") or mode == "between_tools":
        kept = inside(inside(inside(request.get("native"), CLAUDE), "output_config"), "effort")
        if kept in ("low", "medium", "high"):
            return str(kept)
        if kept is not None:
            lost.append("effort")
            return "high"
    if own is not None:
        return own
    if not limits["adaptive"] or mode in ("enabled", "between_tools"):
        return None
    effort, budget = request.get("effort"), request.get("budget")
    if effort == "none":
        if mode != "disabled":
            lost.append("effort")
            return "low"
    elif effort == "minimal":
        lost.append("effort")
        return "low"
    elif effort == "xhigh":
        if limits["xhigh"]:
            return "xhigh"
        lost.append("effort")
        return "high"
    elif effort is not None:
        return str(effort)
    if budget is not None and budget > 0:
        asked = request.get("thinking")
        if not asked or mode == asked:
            lost.append("budget")
        for bound, word in ((4096, "low"), (12288, "medium"), (24576, "high")):
            if budget <= bound:
                return word
        return "xhigh" if limits["xhigh"] else "high"
    return None
