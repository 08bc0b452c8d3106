"""What a person sees while something runs: a bar on a terminal or in a notebook, plain lines elsewhere.

Knows nothing of training. `make(None)` chooses; False is silent; a callable gets a dict for every event instead.
"""

from __future__ import annotations

import sys
import time

from ._units import show_bytes

BAR_WIDTH = 24
REDRAW_SECONDS = 0.1


def in_notebook() -> bool:
    """True inside a Jupyter kernel (not in a terminal IPython)."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def clock_text(seconds: float) -> str:
    seconds = int(seconds + 0.5)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def rate_text(rate: float, unit: str) -> str:
    for limit, scale, prefix in ((1e6, 1e6, "M"), (1e3, 1e3, "k")):
        if rate >= limit:
            return f"{rate / scale:.3g} {prefix}{unit}/s"
    return f"{rate:.3g} {unit}/s"


def values_text(values: dict) -> str:
    parts = (f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items())
    return " ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def costs_text(name: str, costs: dict) -> str:
    """One line on what reading has cost: mlaas.Dataset.source, for people."""
    words = [
        f"{_counted(costs['requests'], 'request')} for {_counted(costs['ranges'], 'range')}",
        f"{show_bytes(costs['bytes'])} asked for",
        f"{show_bytes(costs['delivered'])} delivered",
    ]
    more = (("hits", "range", " fetched ahead"), ("retries", "request", " sent again"))
    words += [_counted(costs[key], noun) + behind for key, noun, behind in more if costs[key]]
    if costs["failovers"]:
        words.append(_counted(costs["failovers"], "change") + " of replica")
    return f"{name}: {', '.join(words)}"


class Step:
    """One thing with a known length (or None). `update` adds what was done; `close` ends it and prints the result."""

    def __init__(self, owner: "Progress", label: str, total: int | None, unit: str):
        self.owner, self.label, self.total, self.unit = owner, label, total, unit
        self.done = 0
        self.values: dict = {}
        self.start = self.drawn = time.monotonic()
        self.closed = False

    def update(self, count: int = 0, **values):
        self.done += count
        self.values.update(values)
        now = time.monotonic()
        if now - self.drawn >= REDRAW_SECONDS:
            self.drawn = now
            self.owner._draw(self, now)

    def at(self, done: int, total: int | None = None, **values):
        """As update, with an absolute position: what the C library's callbacks give."""
        if total:
            self.total = total
        self.update(done - self.done, **values)

    def line(self, now: float) -> str:
        seconds = max(now - self.start, 1e-9)
        parts = [self.label]
        if self.total:
            share = min(self.done / self.total, 1.0)
            filled = int(share * BAR_WIDTH)
            parts.append(f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}")
        if self.done:
            parts.append(rate_text(self.done / seconds, self.unit))
            if self.total and self.done < self.total:
                parts.append("ETA " + clock_text((self.total - self.done) * seconds / self.done))
        return " ".join(parts + ([values_text(self.values)] if self.values else []))

    def summary(self) -> str:
        seconds = max(time.monotonic() - self.start, 1e-9)
        text = f"{self.label}: "
        if self.done:
            text += f"{self.done} {self.unit} in {seconds:.1f} s ({rate_text(self.done / seconds, self.unit)})"
        else:
            text += f"{seconds:.1f} s"
        return text + (", " + values_text(self.values) if self.values else "")

    def drop(self):
        """Nothing came of it: no result is printed."""
        if not self.closed:
            self.closed = True
            self.owner._clear()

    def close(self, **values):
        if not self.closed:
            self.closed = True
            self.values.update(values)
            self.owner._finish(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.drop()


class Progress:
    """Base: silent. Subclasses draw."""

    def step(self, label: str, total: int | None = None, unit: str = "events") -> Step:
        return Step(self, label, total, unit)

    def say(self, text: str):
        """One line for the reader."""

    def warn(self, text: str):
        self.say("warning: " + text)

    def insist(self, text: str):
        """One line for the reader, who also gets it with --quiet: what was lost, or asked for."""
        self.say(text)

    def _draw(self, step: Step, now: float):
        pass

    def _finish(self, step: Step):
        pass

    def _clear(self):
        pass


class Quiet(Progress):
    """--quiet: no progress, and on standard error what has to be said all the same."""

    def insist(self, text):
        print(text, file=sys.stderr, flush=True)


class Lines(Progress):
    """One line when a step is over: files, pipes, batch systems."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout

    def say(self, text):
        print(text, file=self.stream, flush=True)

    def _finish(self, step):
        self.say(step.summary())


class Bar(Lines):
    """A bar that is redrawn in place."""

    def __init__(self, stream=None, columns: int = 110):
        super().__init__(stream)
        self.columns, self.open = columns, False

    def say(self, text):
        self._clear()
        super().say(text)

    def _draw(self, step, now):
        self.stream.write("\r" + step.line(now)[: self.columns].ljust(self.columns))
        self.stream.flush()
        self.open = True

    def _clear(self):
        if self.open:
            self.stream.write("\r" + " " * self.columns + "\r")
            self.stream.flush()
            self.open = False


class Notebook(Progress):
    """One display area that is replaced: no growing output in a cell."""

    def __init__(self):
        from IPython.display import display

        self.lines = []
        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def _show(self, extra=""):
        text = "\n".join(self.lines[-40:] + ([extra] if extra else []))
        self.handle.update({"text/plain": text}, raw=True)

    def say(self, text):
        self.lines.append(text)
        self._show()

    def _draw(self, step, now):
        self._show(step.line(now))

    def _finish(self, step):
        self.say(step.summary())

    def _clear(self):
        self._show()


class Calls(Progress):
    """Hands every event to a function as a dict: {"event": "progress" | "done" | "message", ...}."""

    def __init__(self, function):
        self.function = function

    def say(self, text):
        self.function({"event": "message", "text": text})

    def _report(self, event, step):
        self.function({"event": event, "label": step.label, "done": step.done, "total": step.total, **step.values})

    def _draw(self, step, now):
        self._report("progress", step)

    def _finish(self, step):
        self._report("done", step)


def make(choice=None) -> Progress:
    """None: what suits the place; True: lines; False: silent; a Progress: itself; a callable: gets the events."""
    if isinstance(choice, Progress):
        return choice
    if choice is False:
        return Progress()
    if callable(choice):
        return Calls(choice)
    if choice is None and in_notebook():
        return Notebook()
    if choice is None and sys.stdout.isatty():
        return Bar()
    return Lines()
