"""``python -m engine`` is ``ai-proxy``."""

from engine.cli import main

main()
