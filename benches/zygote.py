"""A warm interpreter as forge's workers are one, that copies itself without walls, pipes or verdicts: the limit.

Started with the interpreter, flags and environment of forge's own workers, warmed by the same code. Reads its
programs as one line of JSON, then one line for each turn; answers each with a line. A copy either ends at once
(`raw`) or compiles and runs one text and ends; its exit status is all that is known of it.

It copies itself by the bare system call, because Python's hooks around a fork cost more than the fork.
"""

import ctypes
import json
import os
import resource
import sys
import time

CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
CHILD_ENDED = 17
clone = ctypes.PyDLL(None).syscall
clone.argtypes = [ctypes.c_long] * 6
clone.restype = ctypes.c_long


def warm(path: str) -> None:
    """Does what forge's workers do before they serve: the one place that knows their code."""
    with open(path, encoding="utf-8") as file:
        names: dict[str, object] = {"__name__": "driver"}
        exec(compile(file.read(), "<driver>", "exec"), names)
    for step, arguments in (("warm", (False,)), ("settle", ())):
        call = names.get(step)
        if not callable(call):
            sys.exit(f"{path} has no function {step}: adapt {__file__}")
        call(*arguments)


def run(text: str) -> None:
    """Compiles and runs one text in this process, and ends it."""
    status = 1
    try:
        exec(compile(text, "<candidate>", "exec"), {"__name__": "candidate"})
        status = 0
    finally:
        os._exit(status)


def turn(texts: list[str], mark: str, raw: bool) -> dict[str, object]:
    """Judges the texts one after the other."""
    passed = 0
    each = []
    for place, text in enumerate(texts):
        began = time.perf_counter()
        process = clone(CLONE, CHILD_ENDED, 0, 0, 0, 0)
        if process == 0:
            if raw:
                os._exit(0)
            run(f"{text}\n# {mark} {place}\n")
        if process < 0:
            sys.exit("the host refuses to copy a process")
        passed += os.waitpid(process, 0)[1] == 0
        each.append(time.perf_counter() - began)
    return {"passed": passed, "each": each}


def used() -> float:
    """CPU seconds of this process and of its copies that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Obeys until its input ends."""
    start = json.loads(sys.stdin.readline())
    texts: list[str] = start["programs"]
    warm(start["driver"])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        before = used()
        answer = turn([texts[place] for place in order["programs"]], order["mark"], start["raw"])
        print(json.dumps({**answer, "cpu": used() - before}), flush=True)


main()
