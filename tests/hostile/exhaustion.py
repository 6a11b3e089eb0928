"""Programs that want more than they may have: of time, memory, output, files, and of the caller's own."""

from __future__ import annotations

from kit import bomb

PROGRAMS = (
    bomb("loops for ever", "timeout", "def add(a, b):\n    while True: pass\n"),
    bomb("loops for ever in C", "timeout", "def add(a, b): return sum(range(10 ** 14))\n"),
    bomb("loops for ever while loading", "timeout", "while True: pass\n"),
    bomb("never stops matching", "timeout", "import re\ndef add(a, b): return re.match('(a+)+b', 'a' * 64)\n"),
    bomb("sleeps", "timeout", "import time\ndef add(a, b): time.sleep(1000)\n"),
    bomb(
        "forks for ever",
        "timeout fail",
        "import os\ndef add(a, b):\n    while True:\n        try: os.fork()\n        except OSError: pass\n",
    ),
    bomb(
        "starts threads for ever",
        "timeout fail memory crash",
        "import threading, time\ndef add(a, b):\n    while True:\n"
        "        try: threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "        except RuntimeError: return None\n",
    ),
    bomb("eats memory at once", "memory", "def add(a, b): return len(bytearray(64 << 30))\n"),
    bomb(
        "eats memory in pieces",
        "memory",
        "kept = []\ndef add(a, b):\n    while True: kept.append(bytearray(1 << 20))\n",
    ),
    bomb("eats memory while loading", "memory", "kept = [bytearray(1 << 20) for _ in range(10 ** 6)]\n"),
    bomb("computes a huge number", "timeout memory", "def add(a, b): return 3 ** (10 ** 9)\n"),
    bomb("recurses without end", "fail crash", "def add(a, b): return add(a, b)\n"),
    bomb(
        "overruns the stack",
        "crash fail",
        "import sys\nsys.setrecursionlimit(10 ** 9)\n"
        "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\n"
        "def add(a, b): return A().x\n",
    ),
    bomb("dies by signal", "crash", "import ctypes\ndef add(a, b): return ctypes.string_at(0)\n"),
    bomb("aborts", "crash", "import os\ndef add(a, b): os.abort()\n"),
    bomb("floods its output", "output", "def add(a, b):\n    while True: print('x' * 1000)\n"),
    bomb("floods its errors", "output", "import sys\ndef add(a, b):\n    while True: sys.stderr.write('x' * 1000)\n"),
    bomb("floods its output while loading", "output", "import os\nwhile True: os.write(1, b'x' * 65536)\n"),
    bomb(
        "fills the disk",
        "fail",
        "def add(a, b):\n    n = 0\n    while True:\n        try:\n"
        "            with open(f'{n}', 'wb') as file: file.write(b'x' * (1 << 20))\n"
        "        except OSError: return n\n        n += 1\n",
    ),
    bomb(
        "makes files without end",
        "fail",
        "import os\ndef add(a, b):\n    n = 0\n    while True:\n"
        "        try: os.mkdir('d'); os.chdir('d'); n += 1\n        except OSError: return n\n",
    ),
    bomb("folds a huge text", "memory", "kept = 'a' * 10 ** 12\ndef add(a, b): return kept\n"),
    bomb("folds a huge power", "timeout memory", "kept = 10 ** 10 ** 8\ndef add(a, b): return kept\n"),
    bomb(
        "folds huge constants by the thousand",
        "fail invalid memory",
        "".join(f"x{n} = {chr(97 + n % 26) + str(n)!r} * 800\n" for n in range(12_000))
        + "def add(a, b): return None\n",
    ),
    bomb("nests parentheses", "invalid", "x = " + "(" * 5000 + ")" * 5000 + "\ndef add(a, b): return None\n"),
    bomb("nests signs", "invalid crash memory fail", "x = " + "-" * 90_000 + "1\ndef add(a, b): return None\n"),
    bomb("nests sums", "invalid crash memory fail", "x = 1" + "+1" * 90_000 + "\ndef add(a, b): return None\n"),
    bomb(
        "nests functions", "fail invalid crash memory", "x = " + "lambda: " * 1200 + "1\ndef add(a, b): return None\n"
    ),
    bomb(
        "nests attributes",
        "fail invalid crash memory",
        "x = lambda a: a" + ".b" * 90_000 + "\ndef add(a, b): return None\n",
    ),
    bomb("nests blocks", "invalid", "".join(" " * n + "if 1:\n" for n in range(200)) + " " * 200 + "pass\n"),
    bomb(
        "nests texts in texts",
        "invalid fail memory crash",
        "x = " + "f'{" * 150 + "1" + "}'" * 150 + "\ndef add(a, b): return None\n",
    ),
    bomb("has a source too large to compile ahead", "fail", "x = 1\n" * 60_000 + "def add(a, b): return None\n"),
    bomb(
        "answers with a nest of sets",
        "fail",
        "def add(a, b):\n    s = frozenset()\n    for n in range(90): s = frozenset({s, n})\n    return s\n",
    ),
    bomb(
        "answers with a nest of keys",
        "fail",
        "def add(a, b):\n    s = ()\n    for n in range(90): s = (frozenset({s, n}), n)\n    return {s: s}\n",
    ),
    bomb("answers with half a million nothings", "fail", "def add(a, b): return [None] * 500_000\n"),
    bomb("answers with a huge number", "fail", "def add(a, b): return 1 << (8 << 20)\n"),
    bomb(
        "opens all it can",
        "fail",
        "import os\ndef add(a, b):\n    kept = []\n    while True:\n        try: kept.append(os.dup(1))\n"
        "        except OSError: return len(kept)\n",
    ),
    bomb(
        "fills pipes",
        "fail",
        "import fcntl, os\ndef add(a, b):\n    n = 0\n    while True:\n        try:\n"
        "            r, w = os.pipe()\n            os.set_blocking(w, False)\n"
        "            fcntl.fcntl(w, 1031, 1 << 20)\n            n += os.write(w, bytes(1 << 20))\n"
        "        except OSError: return n\n",
    ),
    bomb(
        "sends descriptors in circles",
        "fail",
        "import array, socket\ndef add(a, b):\n    n = 0\n    try:\n        while True:\n"
        "            x, y = socket.socketpair()\n"
        "            x.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, "
        "array.array('i', [x.fileno(), y.fileno()]))])\n            n += 1\n"
        "    except OSError: return n\n",
    ),
    bomb(
        "asks for large stacks",
        "fail memory",
        "import threading, time\ndef add(a, b):\n    threading.stack_size(64 << 20)\n    try:\n"
        "        for _ in range(64): threading.Thread(target=time.sleep, args=(9,), "
        "daemon=True).start()\n    except RuntimeError: pass\n    return None\n",
    ),
    bomb(
        "rings a bell without end",
        "timeout",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
        "signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)\ndef add(a, b):\n    while True: pass\n",
    ),
    bomb(
        "spins in every process",
        "timeout",
        "import os\ndef add(a, b):\n    for _ in range(3):\n        try: os.fork()\n"
        "        except OSError: pass\n    while True: pass\n",
    ),
)
