"""Reading many files in several processes.

They are fresh interpreters that talk through pipes, so that a script needs no `if __name__ == "__main__"`, and threads
of the caller do no harm. What they send is JSON: for each file a line with what was found, and one with the entry.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

Found = tuple[dict[str, Any], bytes]
"""What `loader.examine` gives."""
EACH = 250
"""Files that are worth a process of their own."""


def examine(files: Sequence[Path], vocabulary: Vocabulary) -> list[Found] | None:
    """`loader.examine` of all files, in their order; None where no processes can be started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    n = min(cores, len(files) // EACH)
    if n < 2 or not sys.executable or getattr(sys, "frozen", False):
        return None
    jobs = [{"files": list(map(str, files[i::n])), "vocabulary": asdict(vocabulary)} for i in range(n)]
    try:
        with ThreadPoolExecutor(n) as threads:
            shares = list(threads.map(_ask, jobs))
    except (OSError, ValueError, RuntimeError):
        return None
    found: list[Found] = [({}, b"")] * len(files)
    for i, share in enumerate(shares):
        found[i::n] = share
    return found


def _ask(job: dict[str, Any]) -> list[Found]:
    """What a process finds in its files. Raises RuntimeError where it ends early."""
    here = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {here!r}); from catalog.workers import serve; serve()"
    command, pipe = [sys.executable, "-P", "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
            found = [(json.loads(made), process.stdout.readline().rstrip(b"\n")) for made in process.stdout]
        except BaseException:
            process.kill()
            raise
    if process.returncode or len(found) != len(job["files"]):
        raise RuntimeError("a process that reads files has ended early")
    return found


def serve() -> None:
    """Be one of the processes: a job comes on standard input, what was found goes to standard output."""
    from .loader import examine
    from .store import vocabulary_from

    gc.disable()
    job = json.load(sys.stdin.buffer)
    vocabulary = vocabulary_from(job["vocabulary"])
    for file in job["files"]:
        made, entry = examine(Path(file), vocabulary)
        sys.stdout.buffer.write(json.dumps(made, ensure_ascii=False).encode() + b"\n" + entry + b"\n")
