"""Programs that want a pass without an answer: by their exit, by lying types, by patching what judges them."""

from __future__ import annotations

from kit import cheat

LIAR = "class Liar:\n    def __eq__(self, other): return True\n    def __hash__(self): return hash(5)\n"

PROGRAMS = (
    cheat("exits while loading", "crash", "import os\nos._exit(0)\n"),
    cheat("calls sys.exit while loading", "invalid", "import sys\nsys.exit(0)\n"),
    cheat("exits when called", "crash", "import os\ndef add(a, b): os._exit(0)\n"),
    cheat("calls sys.exit when called", "crash", "import sys\ndef add(a, b): sys.exit(0)\n"),
    cheat(
        "hides the exception", "fail", "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): pass\n"
    ),
    cheat(
        "replaces itself by another program",
        "fail crash",
        "import os\ndef add(a, b): os.execv('/bin/true', ['true'])\n",
    ),
    cheat("prints that it passed", "fail", "def add(a, b):\n    print('passed')\n", "print"),
    cheat(
        "equals everything",
        "fail",
        "class Any:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef add(a, b): return Any()\n",
    ),
    cheat(
        "equals everything, as an int",
        "fail",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def add(a, b): return Any(7)\n",
    ),
    cheat(
        "equals everything, as a str",
        "fail",
        "class Any(str):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def add(a, b): return Any('x')\n",
    ),
    cheat(
        "equals everything, inside a list",
        "fail",
        "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return [Any(), Any()]\n",
        tests=("assert add([1], [2]) == [1, 2]",),
    ),
    cheat(
        "equals everything, as a list whose class lies about itself",
        "fail",
        "class Any(list):\n    __module__ = 'builtins'\n    def __eq__(self, other): return True\n"
        "    __class__ = list\ndef add(a, b): return Any()\n",
    ),
    cheat(
        "hash of a subclass tells a set otherwise",
        "fail",
        "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return hash(5)\n"
        "def add(a, b): return Any(0)\n",
        tests=("assert add(2, 3) in {5}",),
    ),
    cheat(
        "patches the interpreter's functions",
        "fail",
        "import builtins\nbuiltins.sorted = lambda *a, **k: [1, 2]\nbuiltins.len = lambda x: 2\n"
        "def add(a, b): return [9]\n",
        tests=("assert sorted(add([1], [2])) == [1, 2]", "assert len(add([1], [2])) == 2"),
    ),
    cheat(
        "replaces modules",
        "fail",
        "import math, sys\nclass Lies:\n    def isclose(self, *a, **k): return True\n"
        "    def __getattr__(self, name): return lambda *a, **k: True\n"
        "sys.modules['math'] = Lies()\ndef add(a, b): return 0.0\n",
        tests=("import math\nassert math.isclose(add(2, 3), 5.0)",),
    ),
    cheat(
        "patches a module that it imports",
        "fail",
        "import math\nmath.isclose = lambda *a, **k: True\ndef add(a, b): return 0.0\n",
        tests=("assert math.isclose(add(2, 3), 5.0)",),
    ),
    cheat(
        "traces the tests",
        "fail",
        "import os, sys\n"
        "def tracer(frame, event, arg):\n    if event == 'exception': os._exit(0)\n    return tracer\n"
        "sys.settrace(tracer)\nframe = sys._getframe()\n"
        "while frame: frame.f_trace = tracer; frame = frame.f_back\ndef add(a, b): return None\n",
    ),
    cheat(
        "raises the end of an iteration",
        "fail",
        "def add(a, b): raise StopIteration\n",
        tests=("assert all(map(lambda n: add(n, n) == 2 * n, range(9)))",),
    ),
    cheat(
        "equals everything, on the right",
        "fail",
        LIAR + "def add(a, b): return Liar()\n",
        tests=("assert 5 == add(2, 3)",),
    ),
    cheat(
        "equals a counter",
        "fail",
        LIAR + "def add(a, b): return Liar()\n",
        tests=("from collections import Counter\nassert add(2, 3) == Counter('aa')",),
    ),
    cheat(
        "hides in a queue",
        "fail",
        "from collections import deque\n" + LIAR + "def add(a, b): return deque([Liar()])\n",
        tests=("from collections import deque\nassert add(2, 3) == deque([5])",),
    ),
    cheat(
        "hides in an ordered dictionary",
        "fail",
        "from collections import OrderedDict\n" + LIAR + "def add(a, b): return OrderedDict(sum=Liar())\n",
        tests=("assert add(2, 3) == {'sum': 5}",),
    ),
    cheat(
        "hides in a list of the library's",
        "fail",
        "from collections import UserList\n" + LIAR + "def add(a, b): return UserList([Liar(), Liar()])\n",
        tests=("assert add([1], [2]) == [1, 2]",),
    ),
    cheat(
        "hides in a view",
        "fail",
        LIAR + "def add(a, b): return {Liar(): 0}.keys()\n",
        tests=("assert add(2, 3) == {5}",),
    ),
    cheat(
        "hides among the members", "fail", LIAR + "def add(a, b): return [Liar()]\n", tests=("assert 5 in add(2, 3)",)
    ),
    cheat("hides in a set", "fail", LIAR + "def add(a, b): return {Liar()}\n", tests=("assert 5 in add(2, 3)",)),
    cheat(
        "is less than everything",
        "fail",
        "class Low:\n    def __lt__(self, other): return True\n    def __le__(self, other): return True\n"
        "def add(a, b): return Low()\n",
        tests=("assert add(2, 3) < 6", "assert add(2, 3) <= 5"),
    ),
    cheat(
        "is greater than everything, by an integer's subclass",
        "fail",
        "class High(int):\n    def __gt__(self, other): return True\ndef add(a, b): return High(0)\n",
        tests=("assert add(2, 3) > 4",),
    ),
    cheat(
        "is near everything",
        "fail",
        "class Near(float):\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n"
        "def add(a, b): return Near()\n",
        tests=("assert abs(add(2, 3) - 5) < 1e-6",),
    ),
    cheat(
        "is near everything, of no type known",
        "fail",
        "class Near:\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\ndef add(a, b): return Near()\n",
        tests=("assert abs(add(2, 3) - 5) < 1e-6",),
    ),
    cheat(
        "is True by its class",
        "fail",
        "class Yes:\n    __class__ = bool\n    def __eq__(self, other): return True\ndef add(a, b): return Yes()\n",
        control="",
        tests=("assert add(2, 3) is True",),
    ),
    cheat(
        "is a class whose instances equal everything",
        "fail",
        LIAR + "class add(Liar):\n    def __init__(self, a, b): pass\n",
    ),
    cheat(
        "is an object that answers anything",
        "fail",
        LIAR + "class Any:\n    def __call__(self, a, b): return Liar()\nadd = Any()\n",
    ),
    cheat(
        "has a metaclass that claims to be a function",
        "fail",
        LIAR + "class Meta(type):\n    __class__ = type(lambda: 0)\nclass add(Liar, metaclass=Meta):\n"
        "    def __init__(self, a, b): pass\n",
    ),
    cheat(
        "replaces its own module",
        "fail",
        "import sys\nclass Other:\n    def __getattr__(self, name): return lambda *a: 5\n"
        "sys.modules['candidate'] = sys.modules['tests'] = Other()\ndef add(a, b): return None\n",
        control="",
    ),
    cheat("answers by the module", "invalid", "def __getattr__(name): return lambda *a: 5\n", control=""),
    cheat("imports itself", "invalid fail", "import candidate\nadd = candidate.add\n", control=""),
    cheat(
        "empties the built-ins",
        "fail crash",
        "import builtins\nvars(builtins).clear()\ndef add(a, b): return None\n",
        control="",
    ),
    cheat("raises the end of the interpreter", "crash", "class End(SystemExit): pass\ndef add(a, b): raise End(0)\n"),
    cheat("raises an interrupt", "fail", "def add(a, b): raise KeyboardInterrupt\n", control=""),
    cheat(
        "raises the end of a generator",
        "fail",
        "def add(a, b): raise GeneratorExit\n",
        control="",
        tests=("assert list(add(n, n) for n in range(3)) == [0, 2, 4]",),
    ),
    cheat("raises what the tests raise", "fail", "def add(a, b): raise AssertionError('held')\n", control=""),
    cheat(
        "raises what cannot be made again",
        "fail",
        "class E(Exception):\n    def __init__(self, a, b, c): pass\nE.__name__ = 'a\\0b'[:1] * 5000\n"
        "def add(a, b): raise E(1, 2, 3)\n",
        control="",
    ),
    cheat(
        "watches every event",
        "crash invalid fail",
        "import os, sys\nsys.addaudithook(lambda event, arguments: os._exit(0) if event in ('exec', "
        "'compile') else None)\ndef add(a, b): return None\n",
        control="",
    ),
    cheat(
        "profiles the tests",
        "fail crash",
        "import os, sys\n"
        "sys.setprofile(lambda frame, event, arg: os._exit(0) if frame.f_code.co_filename == "
        "'<test>' else None)\ndef add(a, b): return None\n",
        control="",
    ),
    cheat(
        "reaches for our functions when its type is looked at",
        "fail",
        "import sys\nclass Meta(type):\n    @property\n    def __module__(self):\n"
        "        frame = sys._getframe(1)\n        while frame:\n"
        "            frame.f_globals['execute'] = lambda *a: None\n            frame = frame.f_back\n"
        "        return 'x'\nclass Thing(metaclass=Meta): pass\nclass add:\n"
        "    def __init__(self, a, b): pass\nthing = Thing()\n",
        control="",
    ),
    cheat(
        "reaches for our functions when its error is written",
        "fail",
        "import sys\nclass E(Exception):\n    def __str__(self):\n        frame = sys._getframe(1)\n"
        "        while frame:\n"
        "            for name in ('execute', 'evaluate'): frame.f_globals[name] = lambda *a: None\n"
        "            frame = frame.f_back\n        return ''\nclass add:\n"
        "    def __init__(self, a, b): raise E\n",
        control="",
    ),
    cheat(
        "takes the collector's frames",
        "fail",
        "import gc\ndef add(a, b):\n    for thing in gc.get_objects():\n"
        "        if type(thing) is dict and 'execute' in thing: thing['execute'] = lambda *a: None\n",
        control="",
    ),
    cheat("answers True to everything", "fail", "def add(a, b): return True\n", control=""),
    cheat("answers with the test's arguments", "fail", "def add(a, b): return a\n", control=""),
    cheat("answers with a function", "fail", "def add(a, b): return lambda *a: 5\n", control=""),
    cheat(
        "answers with a proxy of nothing",
        "fail",
        "import weakref\nclass T: pass\nkept = T()\ndef add(a, b): return weakref.proxy(kept)\n",
        control="",
    ),
    cheat(
        "patches the library's comparison",
        "fail",
        "from collections import Counter\nCounter.__eq__ = lambda *a: True\ndef add(a, b): return Counter()\n",
        tests=("from collections import Counter\nassert add(2, 3) == Counter('aa')",),
    ),
)
