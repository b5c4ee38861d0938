"""Compiling what requests will need behind the first answers, in a process beside the server.

    python -m engine.gateway.warming CONFIG

Making all programs anew takes some twelve seconds of CPU and a hundred MiB, which Python does not
give back. So a first start has it done beside it: that process keeps what it makes in the cache of
compiled mappings, where the server finds it, and ends, at the latest with the server. Where
nothing can be kept, or it fails, the server makes them itself.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

from engine.gateway import config
from engine.gateway.snapshot import load_translator
from engine.translation.translator import Translator
from engine.translation.warming import lacking, warm

# What answers requests goes first.
NICE = 10


def behind(translator: Translator, path: Path) -> None:
    """Compile what is not kept. For a thread of the server's own, as it waits. Raises MappingError
    when a shipped mapping does not hold."""
    formats = translator.formats.values()
    if lacking(formats):
        # its standard input is open as long as the server runs
        command = [sys.executable, "-P", "-m", __name__, str(path)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(command, stdin=pipe, stdout=nothing, stderr=nothing) as beside:
            beside.wait()
    warm(formats)


def main() -> None:
    """Compile everything that a configuration's server needs, and keep it."""
    os.nice(NICE)
    gc.disable()  # it ends soon
    threading.Thread(target=_ended_with_server, daemon=True).start()
    settings = config.load(Path(sys.argv[1]))
    warm(load_translator(settings, trusting=True).formats.values(), pause=0.0)


def _ended_with_server() -> None:
    # past Python's own buffer, whose lock would be missed at the end
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
