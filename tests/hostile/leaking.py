"""Programs that look for what is not theirs: the tests, other programs, what those left."""

from __future__ import annotations

from kit import SECRET, cheat, escape

PROGRAMS = (
    cheat(
        "searches the frames for the tests",
        "fail",
        "import re, sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_globals.values()) + list(frame.f_locals.values()):\n"
        "            found = re.search(r'== (\\d{9})', repr(value))\n"
        "            if found: return int(found[1])\n        frame = frame.f_back\n",
        tests=SECRET,
        control="exit",
        family="leaking",
    ),
    cheat(
        "searches the collector for the tests",
        "fail",
        "import gc, re\ndef add(a, b):\n    for thing in gc.get_objects():\n"
        "        if type(thing) in (list, tuple, dict):\n"
        "            found = re.search(r'== (\\d{9})\\b', str(thing)[:100000])\n"
        "            if found: return int(found[1])\n",
        tests=SECRET,
        control="",
        family="leaking",
    ),
    cheat(
        "searches its memory for the tests",
        "fail crash invalid",
        "import ctypes, re\ndef add(a, b):\n    here = id(add)\n    for page in range(-2000, 2000):\n"
        "        try: text = ctypes.string_at((here & ~4095) + page * 4096, 4096)\n        except Exception: continue\n"
        "        found = re.search(rb'== (9\\d{8})\\b', text)\n        if found: return int(found[1])\n",
        tests=SECRET,
        control="",
        family="leaking",
    ),
    cheat(
        "searches files for the tests",
        "fail",
        "import os, re\ndef add(a, b):\n    for root in ('/proc/self', '/proc/1', '/tmp', '/dev/shm', '.', '/proc'):\n"
        "        for name in ('mem', 'cmdline', 'environ', 'maps', 'fd/3', 'fd/4', 'cwd'):\n"
        "            try: text = open(f'{root}/{name}', 'rb').read(1 << 20)\n            except OSError: continue\n"
        "            found = re.search(rb'== (9\\d{8})', text)\n            if found: return int(found[1])\n",
        tests=SECRET,
        control="exit",
        family="leaking",
    ),
    escape("marks a directory for the next", "os.setxattr('/tmp', 'user.mark', b'1')", ""),
    cheat(
        "searches the frames for what is expected",
        "fail",
        "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in frame.f_code.co_consts:\n"
        "            if type(value) is int and value > 10 ** 8: return value\n"
        "        frame = frame.f_back\n",
        tests=SECRET,
        family="leaking",
    ),
    cheat(
        "searches the traceback for what is expected",
        "fail",
        "def add(a, b):\n    try: raise KeyError\n"
        "    except KeyError as error: frame = error.__traceback__.tb_frame\n    while frame:\n"
        "        for value in frame.f_code.co_consts:\n"
        "            if type(value) is int and value > 10 ** 8: return value\n"
        "        frame = frame.f_back\n",
        tests=SECRET,
        family="leaking",
    ),
    cheat(
        "searches all of its writable memory",
        "fail crash memory timeout invalid",
        "import ctypes, re\ndef add(a, b):\n    top = id(add) & ~0xfff\n    for page in range(0, 3000):\n"
        "        for here in (top + page * 4096, top - page * 4096):\n"
        "            size = ctypes.CDLL(None).mincore(ctypes.c_void_p(here), 4096, "
        "ctypes.create_string_buffer(1))\n            if size: continue\n"
        "            found = re.search(rb'== (9\\d{8})\\b|\\x69(\\xed\\xaa\\xbb\\x36)', "
        "ctypes.string_at(here, 4096))\n            if found: return int(found[1] or 918273645)\n",
        tests=SECRET,
        control="",
        family="leaking",
    ),
    cheat(
        "reads from every descriptor",
        "fail timeout crash",
        "import os, re\ndef add(a, b):\n    for fd in range(4, 64):\n"
        "        try: text = os.read(fd, 1 << 16)\n        except OSError: continue\n"
        "        found = re.search(rb'9\\d{8}', text)\n        if found: return int(found[0])\n",
        tests=SECRET,
        control="",
        family="leaking",
    ),
    cheat(
        "asks the collector who refers to it",
        "fail",
        "import gc, re\ndef add(a, b):\n    waiting, seen = [add], set()\n"
        "    while waiting and len(seen) < 3000:\n        thing = waiting.pop()\n"
        "        if id(thing) in seen: continue\n        seen.add(id(thing))\n"
        "        found = re.search(r'== (9\\d{8})', repr(thing)[:9999]) if type(thing) in "
        "(str, list, tuple) else None\n        if found: return int(found[1])\n"
        "        waiting += [t for t in gc.get_referrers(thing) if t is not waiting][:50]\n",
        tests=SECRET,
        control="",
        family="leaking",
    ),
)
