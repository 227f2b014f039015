"""Purity: functions, methods and magics that change none of the objects given to them."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_EFFECT = _words(
    """
    abs ascii bin bool bytearray bytes callable chr complex dir display divmod exit float format getattr hasattr
    hash hex id input int isinstance issubclass iter len memoryview object oct open ord pow print quit range repr
    round slice str super type
    """
)
"""Builtins."""

CONSUMING = _words(
    """
    all any dict enumerate filter frozenset list map max min reversed set sorted sum tuple zip
    """
)
"""Builtins that use iterators up, and change nothing else."""

ITERATORS = _words(
    """
    accumulate batched buffers chain children combinations count csv cycle DictReader enumerate filter finditer glob
    groupby islice iter iterdir iterrows itertuples map modules named_modules named_parameters nditer ndenumerate
    ndindex open pairwise parameters permutations product reader repeat reversed scandir walk zip
    """
)
"""Functions and methods whose result can be gone through only once."""

UNSURE = _words(
    """
    __builtins__ __import__ breakpoint compile eval exec get_ipython globals importlib locals pickle runpy vars
    """
)
"""Names through which code can define and change anything."""

METHODS = _words(
    """
    abs all any argmax argmin argsort astype bool clamp clip clone conj copy count cos cpu cumprod cumsum data_ptr
    detach diff dim dot double endswith eq exp expand expand_as find flatten float floor format ge get half imag
    index int isalpha isdigit isfinite isinf isnan item items join keys le ljust log log10 log1p log2 long lower
    lstrip lt matmul max mean median min mm mul ndimension ne nonzero norm numel numpy permute pow prod ravel real
    relu repeat replace reshape rjust round rstrip sigmoid sign sin size softmax split splitlines sqrt square
    squeeze startswith std strip sub sum swapaxes t tanh title to tobytes tolist topk transpose type unsqueeze upper
    values var view view_as where zfill
    """
)
"""Of arrays, tensors, strings and dictionaries. None of them changes its object."""

SHOWING = _words(
    """
    add_subplot annotate axhline axis axvline bar barh boxplot colorbar contour contourf errorbar fill_between grid
    hist imshow legend matshow plot plot_surface quiver scatter semilogx semilogy set_aspect set_title set_xlabel
    set_xlim set_xticks set_ylabel set_ylim set_yticks show subplots_adjust suptitle text tick_params tight_layout
    """
)
"""Of figures. What is drawn is shown, and looked up by no check."""

FILLING = _words(
    """
    add append clear discard extend insert pop popitem remove reverse setdefault sort update
    """
)
"""Of containers: they change the container, and nothing else."""

PURE_PACKAGES = _words(
    """
    cmath itertools math numpy operator scipy statistics string torch typing
    """
)
DRAWING = _words(
    """
    IPython altair bokeh ipywidgets matplotlib matplotlib_inline plotly pprint seaborn tqdm
    """
)
"""Packages that show things. A figure lasts as long as its cell; only settings outlive it."""
WITHOUT_TORCH = _words(
    """
    matplotlib numpy pandas scipy seaborn sklearn
    """
)
"""Packages in common use that do not build on PyTorch. All others that are installed may."""
PROCESS_WIDE = _words(
    """
    __future__ builtins decimal gc locale logging multiprocessing os random resource shutil signal site subprocess
    sys threading unittest warnings
    """
)
"""Packages whose settings reach code that does not name them."""

CHANGES_ARGUMENTS = re.compile(
    r".*_|shuffle|fill_diagonal|put\w*|place|copyto|setflags|resize|backward|step|apply_along_axis|einsum_path|out|"
    r"clip_grad\w*|(?:kaiming|xavier|uniform|normal|init)\w*_|vectorize|nditer|swap_tensors|\w*parameters_to\w*"
)
"""Functions of the pure packages that are not."""
SETTING = re.compile(
    r"seed|manual_seed\w*|set_\w+|set|seterr\w*|setstate|use|use_\w+|enable\w*|disable\w*|rc|rcdefaults|rc_\w+|style|"
    r"rcParams|update|reset_\w+|filterwarnings|simplefilter|resetwarnings|register\w*|switch_backend|ion|ioff|"
    r"__enter__|__exit__"
)
"""Functions that change what their package does later, be it in the middle of an expression."""
NEVER_RAISES = re.compile(
    r"seed|manual_seed|set_printoptions|filterwarnings|simplefilter|set_theme|set_style|set_default_dtype"
)
"""Functions that do what they are told when it is a constant."""

WRITES_FILES = re.compile(
    r"open|save\w*|dump\w*|write\w*|to_(?:csv|pickle|json|excel|parquet|file)|tofile|mkdir|makedirs|remove|unlink|"
    r"rename|replace_file|copy(?:file|tree|2)|rmtree|touch|urlretrieve|extractall"
)
READS_FILES = re.compile(
    rf"{WRITES_FILES.pattern}|load\w*|read\w*|genfromtxt|fromfile|imread|exists|is_file|glob|listdir"
)
FILES = "<files>"
"""Stands for all that is kept in files, as if it were a variable."""

NO_EFFECT_MAGICS = _words(
    """
    autosave check config doctest_mode history lsmagic magic matplotlib pinfo pinfo2 pip pprint precision psearch
    quickref who who_ls whos xmode
    """
)
EXTENSIONS = frozenset(("grader", "autoreload", "tensorboard"))
"""What `%load_ext` may load without an effect on the code."""
SHOWN_CELLS = _words(
    """
    HTML SVG html javascript js latex markdown svg
    """
)
"""Cell magics that only show something."""
TIMED_CELLS = _words(
    """
    capture memit prun time timeit
    """
)
"""Cell magics that run their cell as Python."""
TIMED_LINES = _words(
    """
    memit prun time timeit
    """
)
