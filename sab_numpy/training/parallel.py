"""Several cores: the batch in parts, one process a part.

Threads would be shorter, but they wait for Python's lock at each of the many small products of a step.
"""

import os
import pickle
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
        self.cfg, self.loss, self.size, self.tape, self.question = cfg, loss, size, None, 0
        one_thread()
        self.cores = sorted(os.sched_getaffinity(0)) if pin and hasattr(os, "sched_getaffinity") else []
        self._start()

    def _start(self):
        self.others, context = [], get_context("spawn")
        for number in range(1, self.size):
            pipe, end = context.Pipe()
            process = context.Process(target=_work, args=(end, self.cfg, self.loss), daemon=True)
            self.others.append((pipe, process))
            process.start()
            end.close()
            if self.cores:
                os.sched_setaffinity(process.pid, {self.cores[number % len(self.cores)]})

    def loss_and_gradients(self, params, x, targets, mask=None):
        """What forward, `loss` and backward give for the whole batch, to rounding: (loss, grads).

        x (T, B, n_in) or (T, B); targets and mask as `loss` wants them, (T, B, ...): all are split along B.
        Raises ValueError for fewer sequences than processes, and what the parts raise. After a Ctrl-C the other
        processes are started anew.
        """
        size, B = self.size, x.shape[1]
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
        try:
            answers = self._ask(jobs)
        except KeyboardInterrupt:  # a pipe may hold an answer, or half of one
            self.close(kill=True)
            self.tape = None
            self._start()
            raise
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        loss, grads = answers[0]
        for value, more in answers[1:]:
            loss += value
            for name in grads:
                grads[name] += more[name]
        return loss, grads

    def _ask(self, jobs):
        """The answer to each of the jobs, or the exception that it ended in; the first is done here."""
        self.question += 1
        if self.cores:
            os.sched_setaffinity(0, self.cores[:1])
        try:
            for (pipe, _), job in zip(self.others, jobs[1:]):
                with suppress(OSError):  # of a process that is lost: see _answer
                    pipe.send((self.question, job))
            own, self.tape = _part(self.cfg, self.loss, self.tape, *jobs[0])
            return [own, *(_answer(pipe, self.question) for pipe, _ in self.others)]
        finally:
            if self.cores:
                os.sched_setaffinity(0, self.cores)

    def close(self, kill=False):
        """Let the other processes end."""
        for pipe, process in self.others:
            pipe.close()
            if kill:
                process.kill()
            process.join()
        self.others = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _part(cfg, loss, tape, params, x, targets, mask, share):
    """((share * loss, share * gradients), tape) of a part of the batch, or (what it raised, None).

    No loss and no gradients where no step of it counts.
    """
    try:
        if not share:
            return (0.0, {name: np.zeros_like(value) for name, value in params.items()}), tape
        y, tape = forward(params, x, cfg, reuse=tape)
        value, dy = loss(y, targets, mask)
        return (share * value, backward(share * dy, tape)), tape
    except Exception as error:
        return error, None


def _answer(pipe, question):
    try:
        while True:
            number, answer = pipe.recv()
            if number == question:
                return answer
    except (EOFError, OSError):
        return RuntimeError("a process of the Team has ended; make another Team")


def _work(pipe, cfg, loss):
    """What another process does: its parts, until the pipe is closed. Every answer has the number of its question."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that made the team
    one_thread()
    tape = None
    while True:
        try:
            number, job = pipe.recv()
        except EOFError:
            return
        answer, tape = _part(cfg, loss, tape, *job)
        try:
            pickle.loads(pickle.dumps(answer if isinstance(answer, Exception) else None))
        except Exception:  # one of the user's that cannot travel
            answer = RuntimeError(f"{type(answer).__name__}: {answer}")
        pipe.send((number, answer))
