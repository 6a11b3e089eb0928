"""Programs that want to go on after their job has ended."""

from __future__ import annotations

from kit import bomb, cheat

FORK = "import os, signal, sys, threading, time\n"

PROGRAMS = (
    cheat(
        "exits in a thread",
        "crash",
        "import os, threading, time\n"
        "def add(a, b):\n    threading.Thread(target=os._exit, args=(0,)).start()\n    time.sleep(5)\n",
        family="surviving",
    ),
    cheat(
        "exits at the end",
        "fail",
        "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return None\n",
        family="surviving",
    ),
    cheat(
        "exits by signal handler",
        "crash fail",
        "import os, signal\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "def add(a, b):\n    while True: pass\n",
        family="surviving",
    ),
    cheat(
        "goes on in a child after it died",
        "crash fail",
        "import os, time\nif os.fork():\n    os._exit(0)\ndef add(a, b): return None\n",
        control="exit",
        family="surviving",
    ),
    bomb(
        "catches everything and goes on",
        "timeout",
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ndef add(a, b):\n    while True:\n        try:\n"
        "            while True: pass\n        except BaseException: pass\n",
        family="surviving",
    ),
    bomb(
        "leaves daemons behind",
        "fail",
        "import os, time\ndef add(a, b):\n    for _ in range(4):\n        if os.fork() == 0:\n            os.setsid()\n"
        "            if os.fork() == 0:\n                time.sleep(1000)\n            os._exit(0)\n    return None\n",
        family="surviving",
    ),
    bomb(
        "a child that hears no signal",
        "fail",
        FORK + "def add(a, b):\n    if os.fork() == 0:\n        os.setsid()\n        for n in range(1, 65):\n"
        "            try: signal.signal(n, signal.SIG_IGN)\n"
        "            except (OSError, ValueError): pass\n        time.sleep(600)\n",
        "surviving",
        "no-namespaces",
    ),
    bomb(
        "a child that is always a new one",
        "fail",
        FORK + "def add(a, b):\n    if os.fork() == 0:\n        for _ in range(2000):\n            try:\n"
        "                if os.fork(): os._exit(0)\n            except OSError: pass\n"
        "        time.sleep(600)\n",
        "surviving",
        "no-namespaces",
    ),
    bomb(
        "a child that holds every descriptor",
        "fail",
        FORK + "def add(a, b):\n    if os.fork() == 0:\n        time.sleep(600)\n",
        "surviving",
        "no-namespaces",
    ),
    bomb(
        "a child that writes on",
        "fail output crash",
        FORK + "def add(a, b):\n    if os.fork() == 0:\n        while True:\n"
        "            for fd in (1, 2, 3): os.write(fd, b'x' * 99)\n            time.sleep(0.01)\n",
        "surviving",
        "no-namespaces",
    ),
    bomb(
        "a child that goes on reading",
        "fail crash timeout",
        FORK + "def add(a, b):\n    if os.fork() == 0:\n        while True: os.read(3, 1)\n",
        "surviving",
        "no-namespaces",
    ),
    bomb(
        "a thread that goes on",
        "fail output",
        FORK + "def add(a, b):\n    def work():\n        while True: time.sleep(0.001)\n"
        "    threading.Thread(target=work).start()\n",
        "surviving",
    ),
    bomb(
        "a thread that prints on",
        "fail output",
        FORK + "def add(a, b):\n    def work():\n        while True: os.write(1, b'x' * 999)\n"
        "    threading.Thread(target=work).start()\n    time.sleep(0.05)\n",
        "surviving",
    ),
    bomb(
        "a timer that goes off later",
        "fail crash",
        FORK + "def add(a, b):\n    signal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.001)\n",
        "surviving",
    ),
    bomb(
        "an object that objects to its end",
        "fail crash",
        FORK + "class Clinging:\n    def __del__(self):\n        while True: os.write(1, b'')\n"
        "kept = Clinging()\ndef add(a, b): return None\n",
        "surviving",
    ),
    bomb(
        "an exit that waits",
        "fail",
        FORK + "import atexit\natexit.register(time.sleep, 600)\ndef add(a, b): return None\n",
        "surviving",
    ),
    bomb(
        "a generator that does not close",
        "fail timeout crash",
        FORK + "def endless():\n    while True:\n        try: yield\n        except GeneratorExit: pass\n"
        "kept = endless()\nnext(kept)\ndef add(a, b): return None\n",
        "surviving",
    ),
    bomb(
        "stops itself",
        "timeout",
        FORK + "def add(a, b): os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)\n",
        "surviving",
    ),
)
