"""An AI proxy gateway whose translations are data.

As a library::

    from engine import Translator

    t = Translator.load()
    r = t.request(body, source="openai-chat", target="claude")
    r.body, r.path, r.headers, r.losses
"""

from engine.errors import ConfigError, Defect, EngineError, MappingError, Rejected, UpstreamError
from engine.translation.losses import Loss
from engine.translation.translated import Answer, Translated
from engine.translation.translator import Translator

__all__ = [
    "Answer",
    "ConfigError",
    "Defect",
    "EngineError",
    "Loss",
    "MappingError",
    "Rejected",
    "Translated",
    "Translator",
    "UpstreamError",
]
