"""How far something is: one line that is written over, and lines that stay."""

import shutil
import sys
import time

OWN = {"squared_error": "squared error", "bpc": "bits per character"}  # what some tasks measure beside accuracy


def clock(seconds):
    """Seconds as 1:02:03, or 2:03."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"


def left(done, total, seconds):
    """The time that the rest will take when `done` of `total` took so many seconds; "?" while nothing is done."""
    return clock((total - done) * seconds / done) if done and seconds else "?"


class Line:
    """The line: on a screen it is written over twice a second, elsewhere it is a new one every `pause` seconds.

    pause None: there only what stays is written.
    """

    def __init__(self, stream=None, pause=None):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.pause = 0.5 if self.live else pause
        self.shown = 0.0

    def write(self, text):
        """Say how far it is now, unless that was said a moment ago. `text` is a function: it may cost time."""
        now = time.perf_counter()
        if self.pause is not None and now - self.shown >= self.pause:
            self.shown = now
            self._print(text(), "" if self.live else "\n")

    def keep(self, text):
        """A line that stays."""
        self._print(text, "\n")

    def clear(self):
        if self.live:
            self._print("", "\r")

    def _print(self, text, end):
        width = shutil.get_terminal_size().columns - 1
        text = f"\r{text[:width]:{width}s}" if self.live else text
        print(text, end=end, file=self.stream, flush=True)


class Progress:
    """Print the progress of a Run: Progress(run)(state, row), as training.train calls it."""

    def __init__(self, run, stream=None):
        self.run, self.line, self.began = run, Line(stream), None

    def __call__(self, state, row):
        self.began = self.began or (time.perf_counter(), state.update)
        if row:
            self.line.keep(self.words(state, row["loss"], row))
        else:
            window = state.window
            self.line.write(lambda: self.words(state, window["loss"] / max(window["updates"], 1)))

    def words(self, state, loss, row=None):
        seconds, done = time.perf_counter() - self.began[0], state.update - self.began[1]
        accuracy = ""
        if row:
            own = "".join(f"  {said} {row[name]:.5f}" for name, said in OWN.items() if name in row)
            accuracy = f"  accuracy {100 * row['accuracy']:6.2f} %{own}  max|h| {row['max_abs_h']:.1f}"
        speed = done / seconds if seconds else 0.0
        rest = left(done, self.run.updates - self.began[1], seconds)
        return f"{state.update:7d}/{self.run.updates}  loss {loss:.5f}{accuracy}  {speed:.1f} updates/s  left {rest}"
