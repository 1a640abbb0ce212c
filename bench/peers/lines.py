"""How the peers in Python talk: a line of JSON in, a line of JSON out; see torch.ts."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch


def timed(work: Callable[[], None]) -> dict[str, float]:
    """Seconds on the wall, and of the processor with all threads together."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return {
        "seconds": time.perf_counter() - start,
        "processorSeconds": time.process_time() - used,
    }


def serve(load: Callable[[dict], Any], actions: dict[str, Callable[[Any, dict], dict]]) -> None:
    """Answers until the input ends: {"do": "load"} makes the case, the others get it."""
    case = None
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        answer: dict[str, object] = {}
        if ask["do"] == "load":
            case = load(ask)
        else:
            answer = actions[ask["do"]](case, ask)
        print(json.dumps(answer), flush=True)
