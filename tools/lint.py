"""The rules of the house that a machine can hold: `make lint`. Usage: lint.py BUILD_DIRECTORY

Each rule is a function that returns the problems it found, as lines of text. Uses the standard library only.
"""

import ast
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A folder of src/ includes itself and folders on lower floors.
FLOORS = {
    "base": 0, "source": 1, "column": 1, "net": 1, "rootio": 2, "recipe": 2, "dataset": 3, "model": 3, "serve": 4,
    "cli": 5,
}  # fmt: skip
# Folders with floors of their own inside, "" for what lies in none: a file includes its folder and lower ones.
INNER = {
    "source": {"": 0, "remote": 1, "http": 1},
    "model": {"": 0, "run": 1, "repository": 2},
    "serve": {"body": 0, "": 1, "tfaas": 2},
    "rootio": {
        "container": 0, "record": 1, "value": 2, "tree": 3, "ntuple": 3, "table": 4, "object": 5, "read": 5,
        "verify": 6,
    },
}  # fmt: skip
# What folders above see of it.
SEEN = {"source": {""}, "rootio": {"table"}}
# Beside the floors: a server's part must not know where data comes from.
FORBIDDEN = {"model": {"source", "rootio", "dataset"}, "serve": {"source", "rootio", "dataset"}}

UNSAFE = (
    "sprintf vsprintf strcpy strcat stpcpy atoi atol atoll atof gets strtok system popen alloca abort tmpnam mktemp"
)
LIBRARY_ONLY = "exit _exit quick_exit printf vprintf fprintf vfprintf puts fputs putchar putc fputc perror"

LONGEST_FUNCTION, LONGEST_FILE = 120, 600


def tracked(*patterns):
    """Files that git knows or would know, as paths."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def short(path):
    return str(path.relative_to(ROOT))


def without_comments(text):
    """C text with comments and the inside of strings blanked, line by line as long as before."""

    def blank(found):
        piece = found[0]
        if piece.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", piece)
        return piece[0] + re.sub(r"[^\n]", " ", piece[1:-1]) + piece[-1]

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


# ---- rules ----


def floors(build):
    problems = []
    for path in tracked("src/*.c", "src/*.h"):
        folder, inner = folder_of(short(path).removeprefix("src/"))
        if folder not in FLOORS:
            problems.append(f"{short(path)}: folder {folder} has no floor in tools/lint.py")
            continue
        if folder in INNER and inner not in INNER[folder]:
            problems.append(f"{short(path)}: lies in none of the folders that tools/lint.py gives {folder}/")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if found and not may_include(folder, inner, found[1]):
                own = f"{folder}/{inner}" if inner else folder
                problems.append(f"{short(path)}:{number}: {own} must not include {found[1]}")
    for path in tracked("python/*.c", "python/*.h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if found and found[1] in FLOORS:
                problems.append(f"{short(path)}:{number}: the extension module sees include/mlaas only")
    for path in tracked("backends/*.[ch]", "clients/c/*.[ch]", "wires/*.cc", "wires/*.hh"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r'\s*#\s*include\s+"[^"/]+/', line):
                problems.append(f"{short(path)}:{number}: includes include/mlaas and its own folder only")
    return problems


def folder_of(path):
    """The folder of src/ in which this lies, and the one inside that, "" where there is none."""
    folder, *inner, _ = path.split("/")
    return folder, inner[0] if inner else ""


def may_include(folder, inner, included):
    """Whether a file of src/`folder`, of its folder `inner` where it has floors inside, may include this."""
    other, other_inner = folder_of(included) if "/" in included else (folder, inner)
    if other in FORBIDDEN.get(folder, ()):
        return False
    if other != folder:
        return FLOORS.get(other, 99) < FLOORS[folder] and other_inner in SEEN.get(other, {other_inner})
    floors = INNER.get(folder)
    return not floors or other_inner == inner or floors.get(other_inner, 99) < floors[inner]


def circles(build):
    """Two files of one folder, or more, that need each other: X.c and X.h are one, and so is a module with itself."""
    problems = []
    for what, needs in (("includes", included()), ("imports", imported())):
        for circle in find_circles(needs):
            ties = [f"{one} {what} {other}" for one, other in zip(circle, circle[1:] + circle[:1])]
            problems.append(f"a circle, move what they share to a file below both: {', '.join(ties)}")
    return problems


def included():
    """Which file needs which, without their endings: by includes of src/, backends/, clients/ and wires/."""
    needs = {}
    for path in tracked("src/*.[ch]", "backends/*.[ch]", "clients/c/*.[ch]", "wires/*.cc", "wires/*.hh"):
        own = short(path.with_suffix(""))
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
            for place in (path.parent / name, ROOT / "src" / name):
                if place.is_file() and short(place.with_suffix("")) != own:
                    needs.setdefault(own, set()).add(short(place.with_suffix("")))
                    break
    return needs


def imported():
    """Which module of the package needs which, also where a function imports it. A package's __init__ hands names on:
    modules below name the module that they mean, so it is in no circle."""
    files = {module_of(path): path for path in tracked("python/mlaas/*.py")}
    return {name: {other for other in imports_of(path, files) if other != name} for name, path in files.items()}


def module_of(path):
    parts = path.relative_to(ROOT / "python").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path, modules):
    """Names of `modules` that this file imports: the deepest that a statement means."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                if f"{base}.{alias.name}" in modules:
                    yield f"{base}.{alias.name}"
                elif base in modules and alias.name != "_core":
                    yield base


def find_circles(needs):
    """One circle for each knot of names that need each other, as a list of names; the shortest through its first."""
    problems, done = [], set()
    for start in sorted(needs):
        if start in done:
            continue
        before, queue = {}, [start]
        for name in queue:  # by breadth, so the first way back is the shortest
            for other in sorted(needs.get(name, ())):
                if other not in before:
                    before[other] = name
                    queue.append(other)
        if start not in before:
            continue
        circle = [start]
        while before[circle[-1]] != start:
            circle.append(before[circle[-1]])
        circle[1:] = reversed(circle[1:])
        problems.append(circle)
        done.update(circle)
    return problems


def formatting(build):
    files = [str(path) for path in tracked("*.c", "*.h", "wires/*.cc", "wires/*.hh")]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    return [
        line.replace(str(ROOT) + "/", "") + " (make format)"
        for line in done.stderr.splitlines()
        if "clang-format-violations" in line
    ]


def exported_symbols(build):
    promised = set()
    of_plugins = {ROOT / "include/mlaas/backend.h", ROOT / "include/mlaas/wire.h"}
    for path in set(tracked("include/mlaas/*.h")) - of_plugins:
        text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*", "", without_comments(path.read_text()), flags=re.M)
        promised |= set(re.findall(r"MLAAS_API\b[^;()]*?\b(\w+)\s*\(", text.replace("MLAAS_NODISCARD", "")))
    library = build / "src/libmlaas.so"
    listing = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in listing.splitlines()} - {"_init", "_fini"}
    problems = [
        f"libmlaas.so exports {name}, which no header of include/mlaas promises" for name in exported - promised
    ]
    problems += [f"include/mlaas promises {name}, which libmlaas.so does not export" for name in promised - exported]
    problems += [f"{name} does not begin with mlaas_" for name in exported | promised if not name.startswith("mlaas_")]
    return sorted(problems)


def banned_calls(build):
    problems = []
    for path in tracked("src/*.c", "src/*.h", "python/*.c", "python/*.h"):
        words = UNSAFE.split()
        if not short(path).startswith(("src/cli/", "python/core/guard.c")):  # which end commands
            words += LIBRARY_ONLY.split()
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(words) + r")\s*\(")
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            for found in pattern.finditer(line):
                problems.append(f"{short(path)}:{number}: {found[1]} is banned here")
    return problems


def headers_alone(build):
    compilers = [
        ["gcc", "-x", "c", "-std=c11", "-pedantic-errors"],
        ["clang", "-x", "c", "-std=c11", "-pedantic-errors"],
        ["clang++", "-x", "c++", "-std=c++11", "-pedantic-errors"],
    ]

    def compile_alone(job):
        compiler, path = job
        text = f"#include <mlaas/{path.name}>\n#include <mlaas/{path.name}>\nint main(void);\n"
        command = [*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(ROOT / "include"), "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        return [f"{short(path)} alone with {' '.join(compiler)}: {done.stderr.strip()}"] if done.returncode else []

    jobs = [(compiler, path) for compiler in compilers for path in tracked("include/mlaas/*.h")]
    with ThreadPoolExecutor(2) as pool:
        return [problem for problems in pool.map(compile_alone, jobs) for problem in problems]


def lengths(build):
    problems = []
    for path in tracked(
        "src/*.c",
        "src/*.h",
        "include/*.h",
        "python/*.c",
        "python/*.py",
        "fuzz/*.c",
        "tools/*.py",
        "backends/*.c",
        "wires/*.cc",
        "wires/*.hh",
        "clients/*.c",
        "clients/*.h",
        "clients/*.py",
    ):
        lines = path.read_text().splitlines()
        if len(lines) > LONGEST_FILE:
            problems.append(f"{short(path)}: {len(lines)} lines; {LONGEST_FILE} are the most")
        if path.suffix in (".c", ".cc"):
            problems += long_functions(path, lines)
    return problems


def long_functions(path, lines):
    """Functions in our format begin at column 0 and end with a brace in column 0."""
    problems, start = [], None
    for number, line in enumerate(lines, 1):
        if re.match(r"\w[^=;]*\(", line) and start is None:
            start = number
        elif line.startswith("}"):
            if start and number - start + 1 > LONGEST_FUNCTION:
                problems.append(f"{short(path)}:{start}: {number - start + 1} lines; {LONGEST_FUNCTION} are the most")
            start = None
        elif line.endswith(";") and not line.startswith((" ", "\t")):
            start = None
    return problems


def first_comment(build):
    """Every C file of ours opens by saying what it is for."""
    paths = tracked("src/*.c", "src/*.h", "include/*.h", "python/*.c", "fuzz/*.c", "wires/*.cc", "wires/*.hh")
    return [f"{short(path)}: does not open with a comment" for path in paths if not path.read_text().startswith("/*")]


def clean_text(build):
    problems = []
    for path in tracked():
        if path.suffix in (".root", ".png", ".pdf", ".gz", ".npz", ".bin") or path.name == "lint.py":
            continue
        try:
            lines = path.read_text().split("\n")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            place = f"{short(path)}:{number}"
            if re.search(r"(^|[\s\"'=(`])/(work|root|tmp/setup)/", line):
                problems.append(f"{place}: a path of one machine")
            if line != line.rstrip() and path.suffix in (".c", ".h", ".cc", ".hh", ".py", ".sh", ".build"):
                problems.append(f"{place}: blanks at the end of the line")
            if re.match(r" *\t", line) and path.suffix in (".c", ".h", ".cc", ".hh", ".py", ".build"):
                problems.append(f"{place}: a tab")
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                problems.append(f"{place}: a conflict marker")
    return problems


def python_style(build):
    files = [str(path) for path in tracked("*.py")]
    check = subprocess.run(
        [".venv/bin/ruff", "check", "--quiet", "--output-format=concise", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    style = subprocess.run([".venv/bin/ruff", "format", "--check", *files], cwd=ROOT, capture_output=True, text=True)
    problems = (check.stdout + check.stderr).splitlines()
    return problems + [f"{line} (make format)" for line in style.stdout.splitlines() if line.startswith("Would")]


def python_types(build):
    if not (ROOT / "python/mlaas").is_dir():
        return []
    done = subprocess.run(
        [".venv/bin/mypy", "--config-file", "mypy.ini", "python/mlaas"], cwd=ROOT, capture_output=True, text=True
    )
    return [] if done.returncode == 0 else done.stdout.splitlines() + done.stderr.splitlines()


def shell_syntax(build):
    scripts = [path for path in tracked(".ci/run", "*.sh")]
    problems = []
    for path in scripts:
        done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
        problems += done.stderr.splitlines()
    return problems


def generated_pages(build):
    command = build / "src/cli/mlaas"
    if not command.exists():
        return []
    problems = []
    for kind, name in (("markdown", "docs/cli.md"), ("params", "docs/params.md")):
        page = subprocess.run([str(command), "--page", kind], capture_output=True, text=True).stdout
        written = ROOT / name
        if not written.exists() or written.read_text() != page:
            problems.append(f"{name} is not what the tables in the code say (make docs)")
    return problems


def links(build):
    """Files that our pages point to exist."""
    problems = []
    for path in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                problems.append(f"{short(path)}: points to {target}, which is not there")
    return problems


RULES = [
    floors, circles, formatting, exported_symbols, banned_calls, headers_alone, lengths, first_comment, clean_text,
    python_style, python_types, shell_syntax, generated_pages, links,
]  # fmt: skip


def main(build):
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for rule, problems in zip(RULES, pool.map(lambda rule: rule(build), RULES)):
            name = rule.__name__.replace("_", " ")
            print(f"{'FAILED' if problems else 'ok':6} {name}")
            for problem in problems[:40]:
                print(f"       {problem}")
            if len(problems) > 40:
                print(f"       and {len(problems) - 40} more")
            failed += bool(problems)
    print(f"lint: {len(RULES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")))
