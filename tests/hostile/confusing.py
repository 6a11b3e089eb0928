"""Programs that speak for themselves on our channel, and sources that no compiler likes."""

from __future__ import annotations

from kit import SPEAK, Program, bomb, cheat

LOADED = "LOADED = frame(('loaded', ['function']))\n"


def claim(name: str, body: str, ends: str = "crash") -> Program:
    """A program that answers by itself while it is loaded, and leaves."""
    tools = SPEAK + LOADED + "def raw(b): return struct.pack('<I', len(b)) + b\n"
    return cheat(name, ends, f"{tools}{body}\nos._exit(0)\n{HONEST}", control="", family="confusing")


def text(name: str, source: str, ends: str = "fail invalid") -> Program:
    """A source that is a puzzle to read."""
    return cheat(name, ends, source, control="", family="confusing")


HONEST = "def add(a, b): return None\n"

PROGRAMS = (
    cheat(
        "writes to every descriptor",
        "fail crash output",
        "import os\ndef add(a, b):\n    for fd in range(256):\n        try: os.write(fd, b'passed' * 99)\n"
        "        except OSError: pass\n    return None\n",
        control="",
        family="confusing",
    ),
    cheat(
        "forges the report",
        "fail crash",
        SPEAK + "def add(a, b):\n    for fd in range(3, 64):\n        for token in (b'', b'\\0' * 16):\n"
        "            for record in (('begin',), ('test', 0, 'held', '', '', '', '', '', ''),\n"
        "                           ('test', 1, 'held', '', '', '', '', '', ''), ('end', 'done', '', '')):\n"
        "                try: os.write(fd, frame((token, *record)))\n                except OSError: pass\n",
        control="",
        family="confusing",
    ),
    cheat(
        "speaks the protocol and offers what is not its own",
        "fail crash timeout",
        SPEAK + "names = ['add', 'len', 'all', 'sorted', 'isinstance', '__builtins__', 'AssertionError']\n"
        "os.write(3, frame(('loaded', (names, ['os', 'sys'], []))))\n"
        "while True:\n    take()\n    os.write(3, frame((('value', True), [])))\n",
        control="",
        family="confusing",
    ),
    cheat(
        "answers with a message that never ends",
        "timeout crash fail",
        SPEAK + "def add(a, b):\n    os.write(3, struct.pack('<I', 16 << 20))\n"
        "    while True: os.write(3, b'l' * 4096)\n",
        control="",
        family="confusing",
    ),
    cheat(
        "answers with rubbish",
        "crash",
        SPEAK + "def add(a, b):\n    os.write(3, b'\\xff' * 4096)\n    return 5\n",
        control="",
        family="confusing",
    ),
    cheat(
        "answers with a nest too deep to read",
        "crash",
        SPEAK + "def add(a, b):\n    body = b'l\\1\\0\\0\\0' * 100000 + b'N'\n"
        "    os.write(3, struct.pack('<I', len(body)) + body)\n    return 5\n",
        control="",
        family="confusing",
    ),
    cheat(
        "changes arguments that are not there",
        "crash",
        SPEAK + "def add(a, b):\n    os.write(3, frame((('value', 5), [(99, [1])])))\n    return 5\n",
        control="",
        family="confusing",
    ),
    cheat(
        "closes its channel",
        "crash",
        "import os, time\ndef add(a, b):\n    os.close(3)\n    time.sleep(0.05)\n    return 5\n",
        control="",
        family="confusing",
    ),
    cheat(
        "shuts the channel down from a child",
        "crash fail",
        "import os\ndef add(a, b):\n    if os.fork() == 0:\n        os.closerange(0, 256)\n        os._exit(0)\n",
        control="",
        family="confusing",
    ),
    bomb(
        "answers with a list of itself",
        "fail",
        "def add(a, b):\n    l = []\n    l.append(l)\n    return l\n",
        family="confusing",
    ),
    bomb(
        "answers with a list that doubles",
        "fail",
        "def add(a, b):\n    l = []\n    for _ in range(64): l = [l, l]\n    return l\n",
        family="confusing",
    ),
    bomb(
        "answers with a nest",
        "fail",
        "def add(a, b):\n    l = []\n    for _ in range(10 ** 5): l = [l]\n    return l\n",
        family="confusing",
    ),
    bomb(
        "answers with a long text",
        "fail",
        "def add(a, b): return 'x' * (40 << 20)\n",
        family="confusing",
    ),
    bomb(
        "raises a long text",
        "fail",
        "def add(a, b): raise ValueError('x' * (40 << 20))\n",
        family="confusing",
    ),
    bomb(
        "raises what has no text",
        "fail",
        "class E(Exception):\n    def __str__(self): raise self\ndef add(a, b): raise E()\n",
        family="confusing",
    ),
    claim("says it is loaded and no more", "os.write(3, LOADED)"),
    claim("says it is loaded for ever", "for _ in range(999): os.write(3, LOADED)"),
    claim("answers too little", "os.write(3, LOADED + frame((('value', 5), [])))"),
    claim("answers before it is loaded", "os.write(3, frame((('value', 5), [])) * 2 + LOADED)"),
    claim(
        "answers wrong, then right",
        "os.write(3, LOADED + frame((('value', 4), [])) + frame((('value', 5), [])) + frame((('value', [1, 2]), [])))",
    ),
    claim(
        "answers right, then more",
        "os.write(3, LOADED + frame((('value', 5), [])) + frame((('value', [1, 2]), [])) + frame((('value', 5), [])))",
    ),
    claim("answers with half a frame", "os.write(3, (LOADED + frame((('value', 5), [])) * 2)[:-1])"),
    claim("answers with an argument that is not there", "os.write(3, LOADED + frame((('argument', 7), [])) * 2)"),
    claim("answers with an argument before the first", "os.write(3, LOADED + frame((('argument', -1), [])) * 2)"),
    claim(
        "answers with a change of nothing",
        "os.write(3, LOADED + frame((('argument', 0), [(0,), 5, (0, 5, 5)])) * 2)",
        "fail crash",
    ),
    claim(
        "answers as the judge would",
        "os.write(3, frame((b'', 'begin')) + frame((b'', 'test', 0, 'held', '', '', '', '', "
        "'', '')) + frame((b'', 'end', 'done', '', '')))",
    ),
    claim("says that everything is missing", "os.write(3, frame(('loaded', ['missing'])))", "invalid crash"),
    claim("says that it is something else", "os.write(3, frame(('loaded', ['other'])))", "crash refused"),
    claim("says what is not to be said", "os.write(3, frame(('loaded', ['held'])) + frame(('end', 'done')))"),
    claim(
        "is likened to the answer by a lie about its form",
        "os.write(3, LOADED + frame((('like', 'A', 5), [])) + frame((('like', 'A', [1, 2], 1, 1), [])))",
    ),
    claim(
        "answers with a set of equal members",
        "body = b't\\2\\0\\0\\0t\\2\\0\\0\\0' + enc('value') + b'S\\2\\0\\0\\0' + enc(5) + enc(5) + "
        "b'l\\0\\0\\0\\0'\nos.write(3, LOADED + raw(body) * 2)",
    ),
    claim(
        "answers with an integer in disguise",
        "body = b't\\2\\0\\0\\0t\\2\\0\\0\\0' + enc('value') + b'I\\1\\0\\0\\0\\5' + b'l\\0\\0\\0\\0'\n"
        "os.write(3, LOADED + raw(body) * 2)",
    ),
    claim(
        "answers with text that is none",
        "body = b't\\2\\0\\0\\0t\\2\\0\\0\\0' + enc('value') + b's\\2\\0\\0\\0\\xff\\xfe' + "
        "b'l\\0\\0\\0\\0'\nos.write(3, LOADED + raw(body) * 2)",
    ),
    claim(
        "answers with a range that never steps",
        "body = b't\\2\\0\\0\\0t\\2\\0\\0\\0' + enc('value') + b'r' + bytes(24) + b'l\\0\\0\\0\\0'\n"
        "os.write(3, LOADED + raw(body) * 2)",
    ),
    claim(
        "answers with a dictionary of lists",
        "body = b't\\2\\0\\0\\0t\\2\\0\\0\\0' + enc('value') + b'd\\1\\0\\0\\0' + enc([]) + enc(5) + "
        "b'l\\0\\0\\0\\0'\nos.write(3, LOADED + raw(body) * 2)",
    ),
    claim("floods with tiny frames", "while True: os.write(3, frame(None) * 40000)"),
    claim(
        "floods with many values",
        "body = b'l' + struct.pack('<I', 1000000) + b'N' * 1000000\nwhile True: os.write(3, raw(body))",
    ),
    claim(
        "floods with deep values",
        "body = b'l' + struct.pack('<I', 5000) + (b'l\\1\\0\\0\\0' * 190 + b'N') * 5000\n"
        "while True: os.write(3, raw(body))",
    ),
    claim(
        "sends urgent bytes",
        "import socket\nend = socket.socket(fileno=3)\ntry:\n"
        "    for _ in range(9): end.send(b'x', socket.MSG_OOB)\nexcept OSError: pass",
    ),
    claim(
        "sends descriptors along",
        "import array, socket\nend = socket.socket(fileno=3)\n"
        "end.sendmsg([LOADED], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])",
    ),
    claim(
        "makes its output a pipe of packets",
        "import fcntl\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT | os.O_WRONLY)\n"
        "for n in range(99): os.write(1, b'x' * n)",
    ),
    claim(
        "puts its channel in place of every descriptor",
        "for fd in list(range(3)) + list(range(4, 64)): os.dup2(3, fd)\nprint('passed')",
    ),
    claim(
        "puts a pipe in place of its channel",
        "r, w = os.pipe()\nos.dup2(w, 3)\nos.write(3, LOADED + frame((('value', 5), [])) * 2)",
    ),
    claim(
        "ends its side of the channel",
        "import socket\nsocket.socket(fileno=3).shutdown(socket.SHUT_WR)\nos.write(1, b'passed')",
    ),
    text("a name written otherwise", "def \uff41dd(a, b): return None\n", "fail"),
    text("a mark of byte order", "\ufeff" + HONEST),
    text("another encoding", "# -*- coding: utf-7 -*-\n" + HONEST),
    text("an encoding that computes", "# coding: rot13\nqrs nqq(n, o): erghea 5\n"),
    text("an encoding that is none", "# coding: nonsense\n" + HONEST),
    text("form feeds", "\f\f" + HONEST.replace("return", "\freturn") + "\f"),
    text("lone carriage returns", HONEST.replace(": ", ":\r    ") + "x = 1\ry = 2\r"),
    text("mixed line ends", "x = 1\r\ny = 2\rz = 3\n" + HONEST),
    text("tabs and blanks", "if 1:\n\tx = 1\n        y = 2\n" + HONEST),
    text("an end of file in the middle", "x = 1\n\x1a\n" + HONEST),
    text("controls", "x = '\x01\x02\x1b[2J\x7f'\n" + HONEST),
    text("lines of the other kinds", "x = 1\x0b\x0c\x1c\x85\u2028\u2029\n" + HONEST),
    text("writing from right to left", "x = '\u202e\u2066'  # \u202e\n" + HONEST),
    text("a line continued for ever", "x = 1 + \\\n" * 2000 + "1\n" + HONEST),
    text("a text that does not end", "x = '''\n" + HONEST),
    text("a number that is too long", "x = " + "9" * 9000 + "\n" + HONEST),
    text("the future", "from __future__ import annotations, barry_as_FLUFL\nx = 1 <> 2\n" + HONEST),
    text("an unknown future", "from __future__ import passes\n" + HONEST, "invalid"),
    text("a return outside", "return 5\n" + HONEST, "invalid"),
    text("an await outside", "await add\n" + HONEST, "invalid"),
    text("built-ins of its own", "__builtins__ = {'len': 5}\n" + HONEST),
    text("a name of ours", "__candidate__ = tests = equal = execute = lambda *a: True\n" + HONEST),
    text("nothing", "\n \n\t\n", "invalid"),
    text("nothing but a comment", "# def add(a, b): return a + b\n", "invalid"),
)
