"""Several cores: the batch in parts, one process a part.

Threads would be shorter, but they wait for Python's lock at each of the many small products of a step.
"""

import os
import signal
from contextlib import suppress
from multiprocessing import get_context

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.backward import backward
from sab_numpy.core.forward import forward
from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.support.threads import one_thread


class Team:
    """`size` processes, this one among them, that work out one loss and its gradients, each from its part of the batch.

        with Team(cfg, 2) as team:
            loss, grads = team.loss_and_gradients(params, x, targets)

    loss     a function (y, targets, mask) -> (loss, dy) that can be imported, a mean over what counts
    pin      each process stays on a core of its own (on Linux): faster where nothing else runs, slower beside others
    NumPy only. A script that makes a Team needs `if __name__ == "__main__":`, as all of Python's multiprocessing.
    Each process computes with one thread.
    """

    def __init__(self, cfg, size, loss=softmax_cross_entropy, pin=False):
        if size < 1:
            raise ValueError(f"size: expected at least one process, found {size}")
        self.cfg, self.loss, self.tape, self.others = cfg, loss, None, []
        one_thread()
        self.cores = sorted(os.sched_getaffinity(0)) if pin and hasattr(os, "sched_getaffinity") else []
        context = get_context("spawn")
        for number in range(1, size):
            pipe, end = context.Pipe()
            process = context.Process(target=_work, args=(end, cfg, loss), daemon=True)
            process.start()
            end.close()
            if self.cores:
                os.sched_setaffinity(process.pid, {self.cores[number % len(self.cores)]})
            self.others.append((pipe, process))

    def loss_and_gradients(self, params, x, targets, mask=None):
        """What forward, `loss` and backward give for the whole batch, to rounding: (loss, grads).

        x (T, B, n_in) or (T, B); targets and mask as `loss` wants them, (T, B, ...): all are split along B.
        Raises ValueError for fewer sequences than processes, and what the parts raise.
        """
        size, B = 1 + len(self.others), x.shape[1]
        if namespace(x) is not np:
            raise ValueError("x: a Team is for NumPy: a GPU takes the whole batch at once")
        if size > B:
            raise ValueError(f"x: expected at least {size} sequences, one a process, found {B}")
        ends = [B * i // size for i in range(size + 1)]
        jobs = []
        for part in map(slice, ends, ends[1:]):
            its_mask = None if mask is None else mask[:, part]
            share = (part.stop - part.start) / B if mask is None else float((its_mask != 0).sum() / (mask != 0).sum())
            jobs.append((params, x[:, part], targets[:, part], its_mask, share))
        if self.cores:
            os.sched_setaffinity(0, self.cores[:1])
        for (pipe, _), job in zip(self.others, jobs[1:]):
            with suppress(OSError):  # of a process that is lost: see _answer
                pipe.send(job)
        try:
            loss, grads, self.tape = _part(self.cfg, self.loss, self.tape, *jobs[0])
        finally:
            answers = [_answer(pipe) for pipe, _ in self.others]
            if self.cores:
                os.sched_setaffinity(0, self.cores)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            loss += answer[0]
            for name, value in answer[1].items():
                grads[name] += value
        return loss, grads

    def close(self):
        """Let the other processes end."""
        for pipe, process in self.others:
            pipe.close()
            process.join()
        self.others = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _part(cfg, loss, tape, params, x, targets, mask, share):
    """(share * loss, share * gradients, tape) of one part of the batch; nothing where no step of it counts."""
    if not share:
        return 0.0, {name: np.zeros_like(value) for name, value in params.items()}, tape
    y, tape = forward(params, x, cfg, reuse=tape)
    value, dy = loss(y, targets, mask)
    return share * value, backward(share * dy, tape), tape


def _answer(pipe):
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return RuntimeError("a process of the Team has ended; make another Team")


def _work(pipe, cfg, loss):
    """What another process does: its parts, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that made the team
    one_thread()
    tape = None
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            value, grads, tape = _part(cfg, loss, tape, *job)
            pipe.send((value, grads))
        except Exception as error:
            tape = None
            pipe.send(error)
