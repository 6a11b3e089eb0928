"""Programs that want a pass they did not earn, or to get out. Plain data: nothing here is executed on import.

Each is judged by tests it cannot satisfy honestly. `control` says how the attack is shown to be real when
nothing stands against it: `exit` (a grader that trusts the exit status is fooled), `print` (one that trusts
the output is fooled), `answer` (run unprotected, the program gives the answer it wants), or none where
running it unprotected would harm the host or needs a peer that speaks our protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

ADD = ("assert add(2, 3) == 5", "assert add([1], [2]) == [1, 2]")
"""Tests for the programs that would cheat a grader; none of them adds."""

SECRET = ("assert add(40, 2) == 918273645",)
"""A test whose expected value can only be had by finding the test."""

ESCAPED = ("assert attempt() == 'escaped'",)
"""A test that holds only if the program reached what it should not."""


@dataclass(frozen=True, slots=True)
class Program:
    """One hostile program; `ends` are the outcomes it may have."""

    name: str
    family: str
    ends: str
    source: str
    tests: tuple[str, ...] = ADD
    control: str = ""

    @property
    def entry_point(self) -> str:
        return "attempt" if self.tests == ESCAPED else "add"


def _cheat(name: str, ends: str, source: str, control: str = "exit", tests: tuple[str, ...] = ADD) -> Program:
    return Program(name, "cheat", ends, source, tests, control)


_TOOLS = """
import ctypes, os, signal, socket, sys, time
def need(truth):
    if not truth: raise OSError('nothing there')
def call(name, *arguments):
    answer = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if answer < 0: raise OSError(ctypes.get_errno(), name)
    return answer
def exists(pid):
    try: os.kill(pid, 0)
    except PermissionError: pass
    except ProcessLookupError: return False
    return True
def is_open(fd):
    try: return bool(os.fstat(fd))
    except OSError: return False
"""


def _escape(name: str, body: str, control: str = "answer") -> Program:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    source = f"{_TOOLS}def attempt():\n{lines}    return 'escaped'\n"
    return Program(name, "escape", "fail", source, ESCAPED, control)


def _bomb(name: str, ends: str, source: str) -> Program:
    return Program(name, "bomb", ends, source)


# The encoding of our own channel, as an attacker who has read the code would write it.
_SPEAK = """
import os, struct
def enc(v):
    if v is None: return b'N'
    if v is True: return b'T'
    if v is False: return b'F'
    if type(v) is int: return b'i' + struct.pack('<q', v)
    if type(v) is str: return b's' + struct.pack('<I', len(v)) + v.encode()
    if type(v) is bytes: return b'b' + struct.pack('<I', len(v)) + v
    tag = {tuple: b't', list: b'l'}[type(v)]
    return tag + struct.pack('<I', len(v)) + b''.join(map(enc, v))
def frame(v):
    b = enc(v)
    return struct.pack('<I', len(b)) + b
def take():
    head = b''
    while len(head) < 4: head += os.read(3, 4 - len(head))
    left, body = struct.unpack('<I', head)[0], b''
    while left > len(body): body += os.read(3, left - len(body))
    return body
"""

CHEATS = (
    _cheat("exits while loading", "crash", "import os\nos._exit(0)\n"),
    _cheat("calls sys.exit while loading", "invalid", "import sys\nsys.exit(0)\n"),
    _cheat("exits when called", "crash", "import os\ndef add(a, b): os._exit(0)\n"),
    _cheat("calls sys.exit when called", "crash", "import sys\ndef add(a, b): sys.exit(0)\n"),
    _cheat(
        "exits in a thread",
        "crash",
        "import os, threading, time\n"
        "def add(a, b):\n    threading.Thread(target=os._exit, args=(0,)).start()\n    time.sleep(5)\n",
    ),
    _cheat("exits at the end", "fail", "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return None\n"),
    _cheat(
        "hides the exception", "fail", "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): pass\n"
    ),
    _cheat(
        "exits by signal handler",
        "crash fail",
        "import os, signal\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "def add(a, b):\n    while True: pass\n",
    ),
    _cheat(
        "replaces itself by another program",
        "fail crash",
        "import os\ndef add(a, b): os.execv('/bin/true', ['true'])\n",
    ),
    _cheat("prints that it passed", "fail", "def add(a, b):\n    print('passed')\n", "print"),
    _cheat(
        "equals everything",
        "fail",
        "class Any:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef add(a, b): return Any()\n",
    ),
    _cheat(
        "equals everything, as an int",
        "fail",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def add(a, b): return Any(7)\n",
    ),
    _cheat(
        "equals everything, as a str",
        "fail",
        "class Any(str):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def add(a, b): return Any('x')\n",
    ),
    _cheat(
        "equals everything, inside a list",
        "fail",
        "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return [Any(), Any()]\n",
        tests=("assert add([1], [2]) == [1, 2]",),
    ),
    _cheat(
        "equals everything, as a list whose class lies about itself",
        "fail",
        "class Any(list):\n    __module__ = 'builtins'\n    def __eq__(self, other): return True\n"
        "    __class__ = list\ndef add(a, b): return Any()\n",
    ),
    _cheat(
        "hash of a subclass tells a set otherwise",
        "fail",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return hash(5)\n"
        "def add(a, b): return Any(0)\n",
        tests=("assert add(2, 3) in {5}",),
    ),
    _cheat(
        "patches the interpreter's functions",
        "fail",
        "import builtins\nbuiltins.sorted = lambda *a, **k: [1, 2]\nbuiltins.len = lambda x: 2\n"
        "def add(a, b): return [9]\n",
        tests=("assert sorted(add([1], [2])) == [1, 2]", "assert len(add([1], [2])) == 2"),
    ),
    _cheat(
        "replaces modules",
        "fail",
        "import math, sys\nclass Lies:\n    def isclose(self, *a, **k): return True\n"
        "    def __getattr__(self, name): return lambda *a, **k: True\n"
        "sys.modules['math'] = Lies()\ndef add(a, b): return 0.0\n",
        tests=("import math\nassert math.isclose(add(2, 3), 5.0)",),
    ),
    _cheat(
        "patches a module that it imports",
        "fail",
        "import math\nmath.isclose = lambda *a, **k: True\ndef add(a, b): return 0.0\n",
        tests=("assert math.isclose(add(2, 3), 5.0)",),
    ),
    _cheat(
        "traces the tests",
        "fail",
        "import os, sys\n"
        "def tracer(frame, event, arg):\n    if event == 'exception': os._exit(0)\n    return tracer\n"
        "sys.settrace(tracer)\nframe = sys._getframe()\n"
        "while frame: frame.f_trace = tracer; frame = frame.f_back\ndef add(a, b): return None\n",
    ),
    _cheat(
        "raises the end of an iteration",
        "fail",
        "def add(a, b): raise StopIteration\n",
        tests=("assert all(map(lambda n: add(n, n) == 2 * n, range(9)))",),
    ),
    _cheat(
        "searches the frames for the tests",
        "fail",
        "import re, sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_globals.values()) + list(frame.f_locals.values()):\n"
        "            found = re.search(r'== (\\d{9})', repr(value))\n"
        "            if found: return int(found[1])\n        frame = frame.f_back\n",
        tests=SECRET,
        control="exit",
    ),
    _cheat(
        "searches the collector for the tests",
        "fail",
        "import gc, re\ndef add(a, b):\n    for thing in gc.get_objects():\n"
        "        if type(thing) in (list, tuple, dict):\n"
        "            found = re.search(r'== (\\d{9})\\b', str(thing)[:100000])\n"
        "            if found: return int(found[1])\n",
        tests=SECRET,
        control="",
    ),
    _cheat(
        "searches its memory for the tests",
        "fail crash invalid",
        "import ctypes, re\ndef add(a, b):\n    here = id(add)\n    for page in range(-2000, 2000):\n"
        "        try: text = ctypes.string_at((here & ~4095) + page * 4096, 4096)\n        except Exception: continue\n"
        "        found = re.search(rb'== (9\\d{8})\\b', text)\n        if found: return int(found[1])\n",
        tests=SECRET,
        control="",
    ),
    _cheat(
        "searches files for the tests",
        "fail",
        "import os, re\ndef add(a, b):\n    for root in ('/proc/self', '/proc/1', '/tmp', '/dev/shm', '.', '/proc'):\n"
        "        for name in ('mem', 'cmdline', 'environ', 'maps', 'fd/3', 'fd/4', 'cwd'):\n"
        "            try: text = open(f'{root}/{name}', 'rb').read(1 << 20)\n            except OSError: continue\n"
        "            found = re.search(rb'== (9\\d{8})', text)\n            if found: return int(found[1])\n",
        tests=SECRET,
        control="exit",
    ),
    _cheat(
        "writes to every descriptor",
        "fail crash output",
        "import os\ndef add(a, b):\n    for fd in range(256):\n        try: os.write(fd, b'passed' * 99)\n"
        "        except OSError: pass\n    return None\n",
        control="",
    ),
    _cheat(
        "forges the report",
        "fail crash",
        _SPEAK + "def add(a, b):\n    for fd in range(3, 64):\n        for token in (b'', b'\\0' * 16):\n"
        "            for record in (('begin',), ('test', 0, 'held', '', '', '', '', '', ''),\n"
        "                           ('test', 1, 'held', '', '', '', '', '', ''), ('end', 'done', '', '')):\n"
        "                try: os.write(fd, frame((token, *record)))\n                except OSError: pass\n",
        control="",
    ),
    _cheat(
        "speaks the protocol and offers what is not its own",
        "fail crash timeout",
        _SPEAK + "names = ['add', 'len', 'all', 'sorted', 'isinstance', '__builtins__', 'AssertionError']\n"
        "os.write(3, frame(('loaded', (names, ['os', 'sys'], []))))\n"
        "while True:\n    take()\n    os.write(3, frame((('value', True), [])))\n",
        control="",
    ),
    _cheat(
        "answers with a message that never ends",
        "timeout crash fail",
        _SPEAK + "def add(a, b):\n    os.write(3, struct.pack('<I', 16 << 20))\n"
        "    while True: os.write(3, b'l' * 4096)\n",
        control="",
    ),
    _cheat(
        "answers with rubbish",
        "crash",
        _SPEAK + "def add(a, b):\n    os.write(3, b'\\xff' * 4096)\n    return 5\n",
        control="",
    ),
    _cheat(
        "answers with a nest too deep to read",
        "crash",
        _SPEAK + "def add(a, b):\n    body = b'l\\1\\0\\0\\0' * 100000 + b'N'\n"
        "    os.write(3, struct.pack('<I', len(body)) + body)\n    return 5\n",
        control="",
    ),
    _cheat(
        "changes arguments that are not there",
        "crash",
        _SPEAK + "def add(a, b):\n    os.write(3, frame((('value', 5), [(99, [1])])))\n    return 5\n",
        control="",
    ),
    _cheat(
        "closes its channel",
        "crash",
        "import os, time\ndef add(a, b):\n    os.close(3)\n    time.sleep(0.05)\n    return 5\n",
        control="",
    ),
    _cheat(
        "shuts the channel down from a child",
        "crash fail",
        "import os\ndef add(a, b):\n    if os.fork() == 0:\n        os.closerange(0, 256)\n        os._exit(0)\n",
        control="",
    ),
    _cheat(
        "goes on in a child after it died",
        "crash fail",
        "import os, time\nif os.fork():\n    os._exit(0)\ndef add(a, b): return None\n",
        control="exit",
    ),
)

BOMBS = (
    _bomb("loops for ever", "timeout", "def add(a, b):\n    while True: pass\n"),
    _bomb("loops for ever in C", "timeout", "def add(a, b): return sum(range(10 ** 14))\n"),
    _bomb("loops for ever while loading", "timeout", "while True: pass\n"),
    _bomb("never stops matching", "timeout", "import re\ndef add(a, b): return re.match('(a+)+b', 'a' * 64)\n"),
    _bomb("sleeps", "timeout", "import time\ndef add(a, b): time.sleep(1000)\n"),
    _bomb(
        "catches everything and goes on",
        "timeout",
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ndef add(a, b):\n    while True:\n        try:\n"
        "            while True: pass\n        except BaseException: pass\n",
    ),
    _bomb(
        "forks for ever",
        "timeout fail",
        "import os\ndef add(a, b):\n    while True:\n        try: os.fork()\n        except OSError: pass\n",
    ),
    _bomb(
        "leaves daemons behind",
        "fail",
        "import os, time\ndef add(a, b):\n    for _ in range(4):\n        if os.fork() == 0:\n            os.setsid()\n"
        "            if os.fork() == 0:\n                time.sleep(1000)\n            os._exit(0)\n    return None\n",
    ),
    _bomb(
        "starts threads for ever",
        "timeout fail memory crash",
        "import threading, time\ndef add(a, b):\n    while True:\n"
        "        try: threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "        except RuntimeError: return None\n",
    ),
    _bomb("eats memory at once", "memory", "def add(a, b): return len(bytearray(64 << 30))\n"),
    _bomb(
        "eats memory in pieces",
        "memory",
        "kept = []\ndef add(a, b):\n    while True: kept.append('x' * (1 << 20) + str(len(kept)))\n",
    ),
    _bomb("eats memory while loading", "memory", "kept = [bytearray(1 << 20) for _ in range(10 ** 6)]\n"),
    _bomb("computes a huge number", "timeout memory", "def add(a, b): return 3 ** (10 ** 9)\n"),
    _bomb("recurses without end", "fail crash", "def add(a, b): return add(a, b)\n"),
    _bomb(
        "overruns the stack",
        "crash fail",
        "import sys\nsys.setrecursionlimit(10 ** 9)\n"
        "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\n"
        "def add(a, b): return A().x\n",
    ),
    _bomb("dies by signal", "crash", "import ctypes\ndef add(a, b): return ctypes.string_at(0)\n"),
    _bomb("aborts", "crash", "import os\ndef add(a, b): os.abort()\n"),
    _bomb("floods its output", "output", "def add(a, b):\n    while True: print('x' * 1000)\n"),
    _bomb("floods its errors", "output", "import sys\ndef add(a, b):\n    while True: sys.stderr.write('x' * 1000)\n"),
    _bomb("floods its output while loading", "output", "import os\nwhile True: os.write(1, b'x' * 65536)\n"),
    _bomb(
        "fills the disk",
        "fail",
        "def add(a, b):\n    n = 0\n    while True:\n        try:\n"
        "            with open(f'{n}', 'wb') as file: file.write(b'x' * (1 << 20))\n"
        "        except OSError: return n\n        n += 1\n",
    ),
    _bomb(
        "makes files without end",
        "fail",
        "import os\ndef add(a, b):\n    n = 0\n    while True:\n"
        "        try: os.mkdir('d'); os.chdir('d'); n += 1\n        except OSError: return n\n",
    ),
    _bomb("answers with a list of itself", "fail", "def add(a, b):\n    l = []\n    l.append(l)\n    return l\n"),
    _bomb(
        "answers with a list that doubles",
        "fail",
        "def add(a, b):\n    l = []\n    for _ in range(64): l = [l, l]\n    return l\n",
    ),
    _bomb(
        "answers with a nest",
        "fail",
        "def add(a, b):\n    l = []\n    for _ in range(10 ** 5): l = [l]\n    return l\n",
    ),
    _bomb("answers with a long text", "fail", "def add(a, b): return 'x' * (40 << 20)\n"),
    _bomb("raises a long text", "fail", "def add(a, b): raise ValueError('x' * (40 << 20))\n"),
    _bomb(
        "raises what has no text",
        "fail",
        "class E(Exception):\n    def __str__(self): raise self\ndef add(a, b): raise E()\n",
    ),
)

ESCAPES = (
    _escape("reads the users", "open('/etc/passwd').read()"),
    _escape("reads the home of root", "os.listdir(os.path.expanduser('~root'))\nos.stat('/root/.profile')", ""),
    _escape("reads the processes", "os.listdir('/proc/self')"),
    _escape("reads the kernel's settings", "os.listdir('/sys/kernel')"),
    _escape("reads its environment", "os.environ['PATH']"),
    _escape("reads the caller's files", "open(os.environ.get('SENTINEL') or '/SENTINEL').read()"),
    _escape("sees installed packages", "sys.path.append(os.environ.get('PACKAGES', ''))\nimport pytest"),
    _escape("writes to the library", "open(os.path.join(os.path.dirname(os.__file__), 'x.py'), 'w')", ""),
    _escape("writes to the root", "open('/escaped', 'w')", ""),
    _escape("deletes the library", "os.remove(os.__file__)", ""),
    _escape("opens a socket", "socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()"),
    _escape("opens a local socket", "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()"),
    _escape("looks up a name", "socket.getaddrinfo('localhost', 80)"),
    _escape("signals its parent", "need(os.getppid() > 0)\nos.kill(os.getppid(), 0)"),
    _escape("looks for other processes", "need(any(exists(pid) for pid in range(2, 5000)))"),
    _escape("attaches to its parent", "call('ptrace', 16, os.getppid() or 2, 0, 0)", ""),
    _escape("makes a user namespace", "call('unshare', 0x10000000)"),
    _escape("makes a namespace by clone", "call('syscall', 56, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)", ""),
    _escape("makes a namespace by the newer clone", "call('syscall', 435, 0, 0) or os._exit(0)", ""),
    _escape("mounts", "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)", ""),
    _escape("changes its root", "os.chroot('/tmp')", ""),
    _escape("becomes root", "os.setuid(0)", ""),
    _escape("loads a kernel program", "call('syscall', 321, 0, None, 0)", ""),
    _escape("makes a submission ring", "call('syscall', 425, 1, ctypes.create_string_buffer(256))", ""),
    _escape("makes a shared segment", "call('shmget', 77, 4096, 0o1666)"),
    _escape("keeps a key", "call('syscall', 248, b'user', b'k', b'v', 1, -4)", ""),
    _escape("calls what the filter does not know", "call('syscall', 0x40000000 + 39)", ""),
    _escape("runs another program", "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'true'], check=True)"),
    _escape("runs the interpreter again", "import subprocess\nsubprocess.run([sys.executable, '-c', ''], check=True)"),
    _escape("opens a device", "os.open('/dev/full', os.O_RDWR)"),
    _escape("makes a device", "os.mknod('disk', 0o60666, os.makedev(8, 0))", ""),
    _escape("sets the clock", "time.clock_settime(time.CLOCK_REALTIME, 0)", ""),
    _escape("lifts its limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", ""),
    _escape("holds on to a descriptor", "need(any(is_open(fd) for fd in range(4, 1024)))", ""),
    _escape("marks a directory for the next", "os.setxattr('/tmp', 'user.mark', b'1')", ""),
)

PROGRAMS = CHEATS + BOMBS + ESCAPES
