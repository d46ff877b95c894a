"""The service under a profiler, all its threads: which functions take the CPU of a request.

`python -m bench.profiled FILE serve ...`: as the command of the service. The event loop is profiled
from SIGUSR1 on, so that the start is left out; FILE gets the figures when SIGINT comes.
"""

import cProfile
import json
import pstats
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from app import cli


def run(path: Path, arguments: list[str]) -> None:
    """Serve until interrupted, then write what took the time."""
    # Time on the CPU: what waits for the database, or for another thread, takes none.
    loop = cProfile.Profile(time.thread_time)
    profiles = [loop]

    def begin(*_: Any) -> None:
        # A profiler sees its own thread only; this is called as each thread begins.
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.enable()

    threading.setprofile(begin)
    signal.signal(signal.SIGUSR1, lambda *_: loop.enable())
    try:
        cli.app(arguments, standalone_mode=False)
    except KeyboardInterrupt:
        pass
    finally:
        threading.setprofile(None)
        loop.disable()
        path.write_text(json.dumps(figures(profiles)), encoding="utf-8")


def figures(profiles: list[cProfile.Profile]) -> list[tuple[str, int, float, float]]:
    """Each function: how often, the seconds of its own, and those with what it called."""
    found: dict[str, tuple[int, float, float]] = {}
    for profile in profiles:
        profile.create_stats()
        if not profile.stats:
            continue
        for place, (_, calls, own, below, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
            name = _name(*place)
            before = found.get(name, (0, 0.0, 0.0))
            found[name] = (before[0] + calls, before[1] + own, before[2] + below)
    return [(name, *values) for name, values in found.items()]


def _name(path: str, line: int, function: str) -> str:
    """The last parts of the path, with no folder of this machine in it."""
    if path == "~":
        return function.strip("<>")
    return f"{'/'.join(Path(path).parts[-2:])}:{line} {function}"


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
