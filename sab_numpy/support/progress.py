"""One line that says how far a run is, and a line that stays for every validation."""

import sys
import time


def clock(seconds):
    """Seconds as 1:02:03, or 2:03."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"


class Progress:
    """Print the progress of a Run: Progress(run)(state, row), as training.train calls it."""

    def __init__(self, run, stream=None):
        self.run, self.stream, self.began, self.shown = run, stream or sys.stderr, None, 0.0
        self.live = self.stream.isatty()

    def __call__(self, state, row):
        now = time.perf_counter()
        self.began = self.began or (now, state.update)
        if row is None and not (self.live and now - self.shown > 0.5):
            return
        speed = (state.update - self.began[1]) / (now - self.began[0]) if now > self.began[0] else 0.0
        left = clock((self.run.updates - state.update) / speed) if speed else "?"
        window, counted = state.window, max(state.window["updates"], 1)
        loss = row["loss"] if row else window["loss"] / counted
        accuracy = f"  accuracy {100 * row['accuracy']:6.2f} %  max|h| {row['max_abs_h']:.1f}" if row else ""
        print(
            f"\r{state.update:7d}/{self.run.updates}  loss {loss:.5f}{accuracy}  {speed:.1f} updates/s  left {left}"
            + " " * 8,
            end="\n" if row else "",
            file=self.stream,
            flush=True,
        )
        self.shown = now
