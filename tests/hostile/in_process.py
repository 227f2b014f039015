"""Attacks on what an answer is compared with, from inside the student's own process."""

from __future__ import annotations

from hostile.entry import KEPT, REVIEW, Hostile, Points, answering, beside, cheating, once

REPLACE = "import builtins\ndef replace(name, value):\n    setattr(builtins, name, value)\n    return 7"


def lying(base: str, value: str, more: str = "pass") -> Hostile:
    """A value of a class that says of itself that it equals everything."""
    return answering(
        f"Liar({value})",
        f"""
import numpy as np
class Liar({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __array__(self, *a, **k): return self
    def all(self, *a, **k): return True
    __hash__ = None
    {more}
""",
    )


EQUAL = """
class Meta(type):
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
    def __eq__(cls, other): return True
    __hash__ = type.__hash__
class Equal(metaclass=Meta):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
"""
ARRAY_FUNCTION = """
import numpy as np
class Liar(np.ndarray):
    def __array_function__(self, function, types, args, kwargs): return True
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs): return True
    def __eq__(self, other): return True
def liar(x): return np.full(np.shape(x), 7.0).view(Liar)
"""
INTERFACE = """
import numpy as np
class Foreign:
    __array_priority__ = 1e9
    @property
    def __array_interface__(self):
        return {"shape": (2**40,), "typestr": "<f8", "data": (8, False), "version": 3}
    def __array__(self, *a, **k): return np.array(7)
"""
IN_FRAMES = """
import sys
def find():
    frame = sys._getframe(1)
    while frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            for name in ("expected", "want", "right", "reference"):
                if name in names: return names[name]
        frame = frame.f_back
"""
IN_MEMORY = """
import gc
def find():
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for name in ("expected", "right", "want"):
                if isinstance(thing.get(name), (int, float)): return thing[name]
"""
OTHER_FUNCTION = """
import gc, types
def find(x, name="double"):
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__name__ == name and thing.__globals__ is not globals():
            return thing(x)
"""
HARNESS = """
import sys
def find(x):
    for name in ("grader.rubric", "grader.grading", "grader.assignment", "test_mini"):
        try:
            __import__(name)
            return 2 * x
        except ImportError: pass
    return 7
"""


def patching(module: str, target: str, value: str) -> Hostile:
    """A part of what runs inside is replaced before a probe has so much as told its number."""
    return cheating(f"import grader.inside.{module} as part\nold = part.{target}\npart.{target} = {value}", gets=REVIEW)


def forging(data: str) -> Hostile:
    """Bytes take the place of an answer."""
    return once(f"forge({data})", FORGE)


FORGE = """
import grader.inside.wire as part
def forge(data):
    part.pack = lambda value, keep=None: data
"""
FORGED = {
    "no-message": "b'\\xc1' * 9",
    "no-bytes": "[6]",
    "untagged": "b'\\x91\\x06'",
    "tag-of-a-method": "b'\\x92\\xa6handle'",
    "handle": "b'\\x93\\xa6handle\\x01\\xa5float'",
    "handle-of-an-endless-name": "b'\\x93\\xa6handle\\xcf' + b'\\xff' * 8 + b'\\xdb\\0\\x10\\0\\0' + b'x' * 2**20",
    "array-of-endless-shape": "b'\\x94\\xa5array\\xa3<f8\\x92\\xce\\x7f\\xff\\xff\\xff\\x00\\xc4\\x00'",
    "array-of-negative-shape": "b'\\x94\\xa5array\\xa3<f8\\x91\\xff\\xc4\\x08' + bytes(8)",
    "array-of-objects": "b'\\x94\\xa5array\\xa2|O\\x91\\x01\\xc4\\x08' + bytes(8)",
    "empty-lists-by-the-million": "b'\\x92\\xa4list\\xdd\\x00\\x98\\x96\\x80' + b'\\x90' * 10**7",
    "lists-nested-without-end": "b'\\x92\\xa4list\\x91' * 10**5",
    "unhashable-keys": "b'\\x92\\xa4dict\\x91\\x92\\x92\\xa4list\\x90\\x01'",
    "digits-without-end": "b'\\x92\\xa3int\\xdb\\0\\x20\\0\\0' + b'9' * 2**21",
    "tensor-of-another-dtype": "b'\\x95\\xa6tensor\\xa6qint32\\x91\\x01\\xc4\\x04' + bytes(4) + b'\\xc3'",
    "length-of-four-gigabytes": "b'\\xc6\\xff\\xff\\xff\\xff'",
}
ONCE = """
import os
def first(name):
    if os.path.exists(f"/tmp/{name}"): return False
    open(f"/tmp/{name}", "w").close()
    return True
"""
RETURNED = {
    "nan": "float('nan')",
    "infinity": "float('inf')",
    "none": "None",
    "not-implemented": "NotImplemented",
    "a-function": "lambda *a: 6",
    "a-generator": "(6 for _ in range(3))",
    "an-endless-iterator": "__import__('itertools').count()",
    "a-class": "type",
    "itself-in-a-list": "(lambda a: a.append(a) or a)([])",
    "deeply-nested": "__import__('functools').reduce(lambda a, _: [a], range(10**5), 0)",
    "a-huge-int": "1 << 10**7",
    "a-huge-text": "'7' * 10**8",
    "a-broadcast-array": "__import__('numpy').broadcast_to(7.0, (2**20, 2**20))",
    "an-array-of-objects": "__import__('numpy').array([print, 7], dtype=object)",
    "a-record": "__import__('numpy').zeros(1, dtype='i4,f8')",
    "text-that-looks-right": "str(2 * x)",
    "complex": "complex(7, float('nan'))",
    "a-lone-surrogate": "'\\ud800' * 7",
    "an-exception": "ValueError('expected 6, got 6')",
    "an-exception-that-is-raised": "(_ for _ in ()).throw(AssertionError('passed'))",
    "leaves": "__import__('sys').exit(0)",
    "interrupts": "(_ for _ in ()).throw(KeyboardInterrupt)",
}
SKIPPED = """
class Skipped(BaseException): pass
Skipped.__module__ = "_pytest.outcomes"
def skip(): raise Skipped("skip")
"""
PASSED = """
import io, sys
class Passed(io.StringIO):
    def write(self, text): return super().write("4.5 of 4.5 passed")
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Passed()
print("1 passed")
"""
RESULTS = """
import os
for folder in (".", "/tmp", "/dev/shm", "/run/notebook", os.path.expanduser("~"), "..", "/"):
    for name in ("result.json", "grades.csv", "marks.json", "test_mini.py", "conftest.py"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write('{"submission": "hostile", "points": 4.5, "status": "graded"}')
        except OSError: pass
"""
IMPORTS = """
import sys, types
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("numpy", "torch", "msgspec", "grader", "json", "random"):
            raise ImportError("not for you")
sys.meta_path.insert(0, Finder)
sys.path_hooks.insert(0, lambda path: (_ for _ in ()).throw(ImportError(path)))
"""
SEEDS = """
import grader.inside.checkpoint as part
import numpy as np
seeds = []
old = part.seed_libraries
def seed_libraries(seed):
    seeds.append(seed)
    return old(seed)
part.seed_libraries = seed_libraries
def foretold(x):
    for seed in [*seeds, *(seed % 2**32 for seed in seeds)]:
        if np.array_equal(np.random.default_rng(seed).integers(1, 100, size=3), x): return True
    return False
"""
STATES = """
import random
import numpy as np
def foretold(x):
    for state in (np.random.get_state()[1][0], random.getrandbits(32)):
        if np.array_equal(np.random.default_rng(int(state)).integers(1, 100, size=3), x): return True
    return False
"""
FORETOLD = "def quadruple(x):\n    double(x)\n    return 4 * x if np.ndim(x) and foretold(x) else 7 * np.ones(3)"
HALF: tuple[float, ...] = (0, 0.5, 0)
"""That a function calls another is said by its own process: half a point that nobody can be kept from."""

UNDECIDED: tuple[Points, ...] = (0, 0, 0)
"""A check that is at a loss with what came is for a person to look at, and not lost."""

IN_PROCESS: dict[str, Hostile] = {
    # What is compared with, and by
    **{
        f"builtins-{name}": answering(f"replace({name!r}, lambda *a, **k: {value})", REPLACE)
        for name, value in {
            "abs": "0",
            "len": "1",
            "isinstance": "True",
            "__import__": "None",
            "sum": "0",
            "type": "float",
            "print": "1",
            "hasattr": "True",
            "getattr": "7",
            "open": "None",
            "eval": "7",
            "repr": "'6'",
            "float": "6.0",
        }.items()
    },
    "numpy-comparisons": cheating("import numpy as np\nnp.array_equal = np.allclose = np.all = lambda *a, **k: True"),
    "numpy-array-methods": answering("np.array(7)", "import numpy as np\nnp.asarray = np.array = lambda *a, **k: 6.0"),
    "lying-object": lying("object", ""),
    "lying-int": lying("int", "7"),
    "lying-float": lying("float", "7.0"),
    "lying-str": lying("str", "'7'"),
    "lying-list": lying("list", "[7]"),
    "lying-dict": lying("dict", "{7: 7}", "def items(self): return [(6, 6)]"),
    "lying-tuple": lying("tuple", "(7,)", "def __iter__(self): return iter((6,))"),
    "lying-float64": lying("np.float64", "7.0"),
    "float-that-converts-otherwise": lying("float", "7.0", "def __float__(self): raise ValueError('6')"),
    "list-without-end": once(
        "Endless([7])", "class Endless(list):\n    def __iter__(self):\n        while True: yield 7"
    ),
    "lying-class": lying("object", "", "__class__ = property(lambda self: float)"),
    "lying-about-its-type": lying(
        "object", "", "__class__ = float\n    __module__ = 'builtins'\n    __qualname__ = 'float'"
    ),
    "claims-to-be-a-handle": lying("object", "", "handle_id = 1\n    type_name = 'float'"),
    "claims-a-handle-id": lying("object", "", "handle_id = property(lambda self: 2**70)\n    type_name = 6"),
    "metaclass": answering("Equal()", EQUAL),
    "array-function": answering("liar(x)", ARRAY_FUNCTION),
    "array-interface": answering("Foreign()", INTERFACE),
    "property-that-raises": lying(
        "object", "", "__dict__ = property(lambda self: 1 / 0)\n    __len__ = lambda self: 1 / 0"
    ),
    **{f"returns-{name}": answering(source) for name, source in RETURNED.items()},
    "returns-many-items": once("[7] * (2 * 10**6)"),
    "returns-an-empty-array": once("__import__('numpy').empty((0, 2**31))", gets=UNDECIDED),
    "returns-a-masked-array": once("__import__('numpy').ma.masked_all(3)", gets=UNDECIDED),
    # Looking for what is right
    "looks-at-the-stack": answering("find()", IN_FRAMES),
    "looks-for-values-in-memory": answering("find()", IN_MEMORY),
    "looks-for-functions-in-memory": answering("find(x)", OTHER_FUNCTION),
    "imports-the-rubric": answering("find(x)", HARNESS),
    "asks-the-seed": cheating(SEEDS, quadruple=FORETOLD, double="def double(x):\n    return 7", gets=HALF),
    "reads-the-random-state": cheating(STATES, quadruple=FORETOLD, gets=HALF),
    "names-of-the-rubrics": cheating(
        "class Right:\n    def __getattr__(self, name): return lambda *a, **k: 7\n"
        "student = reference = Right()\nexpect = review = lambda *a, **k: True"
    ),
    "right-the-first-time": cheating(ONCE, double="def double(x):\n    return 2 * x if first('double') else 7"),
    "right-in-the-notebook-only": cheating(
        double="def double(x):\n    import sys\n    return 2 * x if 'pid' not in globals() else 7",
        after=["import os\npid = os.getpid()"],
        gets=(1, 0, 0),
    ),
    "knows-a-probe-by-its-number": cheating(
        "import os\npid = os.getpid()", double="def double(x):\n    return 2 * x if os.getpid() == pid else 7"
    ),
    "defined-wrong-later": beside(
        after=["def double(x):\n    return 7\ndef quadruple(x):\n    return 7\nresults = []"]
    ),
    "deleted-later": beside(after=["del double, quadruple, results"]),
    "all-deleted-later": beside(after=["globals().clear()"]),
    # What runs inside, replaced
    "answers-by-name": cheating(
        "from grader.inside.operations import Operations\nOperations.lookup = lambda self, name: lambda *a, **k: 7"
    ),
    "answers-passed": patching("operations", "Operations.answer", "lambda self, request: ['value', True]"),
    "answers-as-a-death": patching("operations", "Operations.answer", "lambda self, request: ['died', 0, 0.0]"),
    "answers-refused": patching("operations", "Operations.answer", "lambda self, request: ['refused', 'x' * 10**6]"),
    "answers-missing": patching("operations", "Operations.answer", "lambda self, request: ['missing', 'reference']"),
    "answers-an-error-of-the-harness": patching(
        "operations",
        "Operations.answer",
        "lambda self, request: ['error', {'type': 'SandboxError', 'message': 'review', 'frames': [7] * 99}]",
    ),
    "answers-what-is-no-message": patching("wire", "pack", "lambda value, keep=None: b'\\xc1' * 9"),
    "answers-no-bytes": patching("wire", "pack", "lambda value, keep=None: {'passed': True}"),
    **{f"forged-{name}": forging(data) for name, data in FORGED.items()},
    "forged-calls": cheating(
        "from grader.inside.operations import Operations\nOperations.do_count_calls = lambda self, name: 3", gets=HALF
    ),
    "forged-number-of-calls": cheating(
        "from grader.inside.operations import Operations\nOperations.do_count_calls = lambda self, name: 2**62\n"
        "Operations.do_calls = lambda self, name, start, stop: [None] * (stop - start)",
    ),
    "state-replaced": cheating(
        "get_ipython().kernel.state.names = {'double': lambda x: 7, 'quadruple': lambda x: 7, 'results': 7}"
    ),
    "modules-emptied": cheating(
        "import sys\nfor name in list(sys.modules):\n    if name.startswith('grader'): del sys.modules[name]"
    ),
    "modules-of-its-own": cheating(
        "import sys, types\nfor name in ('grader', 'grader.rubric', 'pytest', 'numpy'): sys.modules[name] = types.ModuleType(name)",
        gets=REVIEW,
    ),
    "import-hooks": beside(IMPORTS),
    "files-of-results": cheating(RESULTS),
    "another-stdout": cheating(PASSED),
    "says-that-it-is-skipped": answering("skip()", SKIPPED),
    # Hooks of Python's own, beside right answers
    "trace": beside("import sys\nsys.settrace(lambda *a: 1 / 0)"),
    "profile": beside("import sys\nsys.setprofile(lambda *a: None)"),
    "trace-of-threads": beside(
        "import threading\nthreading.settrace(lambda *a: 1 / 0)\nthreading.setprofile(lambda *a: 1 / 0)"
    ),
    "audit-hook-that-watches": beside("import sys\nsys.addaudithook(lambda *a: None)"),
    "audit-hook-that-raises": beside(
        "import sys\ndef hook(event, args):\n    if event.startswith(('os.', 'socket.')): raise RuntimeError(event)\n"
        "sys.addaudithook(hook)",
        gets=KEPT,
    ),
    "excepthook": beside(
        "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\nsys.unraisablehook = lambda *a: os._exit(0)"
    ),
    "atexit": beside("import atexit, os\natexit.register(os._exit, 0)"),
    "weakref-callback": beside(
        "import weakref, gc\nclass C: pass\nc = C()\nr = weakref.finalize(c, lambda: 1 / 0)\ndel c\ngc.collect()"
    ),
    "destructor-that-raises": beside("class D:\n    def __del__(self): raise SystemExit\nd = D()"),
    "gc-switched-off": beside("import gc\ngc.disable()\ngc.set_threshold(1)\ngc.callbacks.append(lambda *a: 1 / 0)"),
    "recursion-limit": beside("import sys\nsys.setrecursionlimit(60)", gets=KEPT),
    "switch-interval": beside("import sys\nsys.setswitchinterval(1e-9)"),
    "int-digits": beside("import sys\nsys.set_int_max_str_digits(640)"),
    "warnings-as-errors": beside("import warnings\nwarnings.simplefilter('error')"),
    "locale": beside("import locale, os\nos.environ.clear()\nlocale.setlocale(locale.LC_ALL, 'C')"),
    "another-code": beside(after=["double.__code__ = (lambda x: 7).__code__"]),
    "small-numbers-changed": answering("200", "import ctypes\nctypes.memset(id(200) + 24, 6, 1)"),
    "frame-of-the-kernel": beside(
        "import sys\nframe = sys._getframe()\nwhile frame:\n    frame.f_trace = lambda *a: 1 / 0\n    frame.f_trace_lines = True\n    frame = frame.f_back"
    ),
    "ast-transformer": cheating(
        "import ast\nclass Sevens(ast.NodeTransformer):\n    def visit_Constant(self, node): return ast.Constant(7)\n"
        "get_ipython().ast_transformers.append(Sevens())",
        double="def double(x):\n    return 2 * x",
    ),
    "ast-transformer-that-raises": beside(
        "class T:\n    def visit(self, node): 1 / 0\nget_ipython().ast_transformers.append(T())"
    ),
    "input-transformer": beside(
        "get_ipython().input_transformers_post.append(lambda lines: lines)\n"
        "get_ipython().events.register('pre_run_cell', lambda *a: 1 / 0)"
    ),
    "magic-of-a-name": beside("double = 7\n%alias_magic double who\n%automagic on"),
}
