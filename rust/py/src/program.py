"""Runs a source as a program of its own. Executed in the driver's namespace, before any candidate exists."""

import builtins
import io
import sys
import typing

if typing.TYPE_CHECKING:
    from driver import describe, execute, new_module, stderr, stdout

BROKEN_PIPE = 120
"""The status of a program whose last output cannot be written, as Python itself has it."""


def run_program(code):
    """The exit status of a program, and name and text of the exception that ended it, if one did."""
    data = io.BufferedReader(io.FileIO(0, closefd=False))
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(data, encoding="utf-8", errors="surrogateescape")
    names = new_module("__main__")
    names["__builtins__"] = builtins
    builtins.exit = builtins.quit = sys.exit
    try:
        execute(code, names)
        ended = 0, None
    except BaseException as error:
        ended = unhandled(error)
    try:
        finish()
    except BaseException as error:
        ended = unhandled(error)
    return ended if flushed() or ended[0] else (BROKEN_PIPE, None)


def unhandled(error):
    """What an exception that nobody has caught makes of a program."""
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            return 0, None
        if isinstance(code, int):
            status = code & 0xFF
            return status, ("SystemExit", str(code)) if status else None
        print(code, file=sys.stderr)
        return 1, ("SystemExit", str(code)[:2000])
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    name, _, _, text = describe(error)
    return 1, (name, text)


def finish():
    """What Python does at the end of a program: waits for its threads, and calls what it has registered."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    atexit = sys.modules.get("atexit")
    if atexit is not None:
        atexit._run_exitfuncs()


def flushed():
    """Brings out what was printed; whether that was possible."""
    for stream in (sys.stdout, stdout, sys.stderr, stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            return False
    return True
