"""Several cores, or machines: the batch in parts, one process a part.

Threads would be shorter, but they wait for Python's lock at each of the many small products of a step.
"""

import math
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from contextlib import contextmanager, suppress
from multiprocessing import get_context

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.core.tape import State
from sab_numpy.support.signals import stop_waits
from sab_numpy.support.threads import one_thread
from sab_numpy.training.models import model

LOST = "a process that shared the batch has ended: killed, or no memory?"


class Team:
    """`size` processes, this one among them, that work out one loss and its gradients, each from its part of the batch.

        with Team(cfg, 2) as team:
            loss, grads, _ = team.loss_and_gradients(params, x, targets)

    loss     a function (y, targets) -> (loss, dy), a mean in which all sequences count alike; with a mask, its third
             argument, a mean over what that counts
    carried  a function tape -> State, of what the next batch goes on from
    pin      each process stays on a core of its own (on Linux): faster where nothing else runs, slower beside others
    Of several processes each computes with one thread, and `seconds` is the processor time of the others; then NumPy
    only, functions that can be imported, and `if __name__ == "__main__":` in a script, as for all multiprocessing.
    """

    def __init__(self, cfg, size, loss=softmax_cross_entropy, carried=None, pin=False):
        if size < 1:
            raise ValueError(f"size: expected at least one process, found {size}")
        self.size, self.work, self.tape, self.others, self.seconds = size, (cfg, loss, carried), None, [], 0.0
        if size > 1:
            one_thread()
        self.cores = sorted(os.sched_getaffinity(0)) if pin and hasattr(os, "sched_getaffinity") else []

    def _start(self):
        context = get_context("spawn")
        for number in range(1, self.size):
            pipe, end = context.Pipe()
            process = context.Process(target=_work, args=(end, self.work), daemon=True)
            process.start()
            end.close()
            self.others.append((pipe, process))
            if self.cores:
                os.sched_setaffinity(process.pid, {self.cores[number % len(self.cores)]})

    def loss_and_gradients(self, params, x, targets, mask=None, state=None):
        """What forward, `loss` and backward give for the whole batch, to rounding: (loss, grads, what is carried).

        x (T, B, n_in) or (T, B); targets and mask as `loss` wants them, (T, B, ...): all are split along B, and so
        is the State to go on from. Raises ValueError for fewer sequences than processes, what the parts raise, and
        ChildProcessError where a process was lost; the next call starts another.
        """
        size, B = self.size, x.shape[1]
        if size > 1 and namespace(x) is not np:
            raise ValueError("x: several processes are for NumPy: a GPU takes the whole batch at once")
        if size > B:
            raise ValueError(f"x: expected at least {size} sequences, one a process, found {B}")
        ends = [B * i // size for i in range(size + 1)]
        jobs = []
        for part in map(slice, ends, ends[1:]):
            its_mask = None if mask is None else mask[:, part]
            share = (part.stop - part.start) / B if mask is None else float((its_mask != 0).sum() / (mask != 0).sum())
            jobs.append((params, x[:, part], targets[:, part], its_mask, state and _cut(state, part), share))
        answers = self._ask(jobs)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        loss, grads, carried = answers[0]
        for value, more, _ in answers[1:]:
            loss += value
            for name in more:
                grads[name] += more[name]
        return loss, grads, carried if size == 1 else _joined([answer[2] for answer in answers])

    def _ask(self, jobs):
        """The answer to each of the jobs, or the exception that it ended in; the first is done here."""
        if self.cores:
            os.sched_setaffinity(0, self.cores[:1])
        try:
            if not self.others:
                self._start()
            for (pipe, _), job in zip(self.others, jobs[1:]):
                pipe.send(job)
            own, self.tape = _part(*self.work, self.tape, *jobs[0])
            answers, seconds = zip((own, 0.0), *(pipe.recv() for pipe, _ in self.others))
            self.seconds += sum(seconds)
            return answers
        except BaseException as error:  # a pipe may hold an answer, or half of one
            self.tape = None
            self.close(kill=True)
            if isinstance(error, (EOFError, OSError)):
                raise ChildProcessError(LOST) from None
            raise
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


class Ranks(Team):
    """A Team of the processes that mpiexec started: rank 0 has it, the others work for it (`world`)."""

    def __init__(self, cfg, comm, loss=softmax_cross_entropy, carried=None):
        super().__init__(cfg, comm.size, loss, carried)
        self.comm = comm

    def _ask(self, jobs):
        params = jobs[0][0]
        like = {name: value.shape for name, value in params.items()}, np.result_type(*params.values())
        with stop_waits():  # a turn that ended here alone would leave the other ranks in it
            try:
                job = self.comm.scatter([(self.work, like, *job[1:]) for job in jobs])
                turns, self.tape = _turn(self.comm, self.tape, *job, params=params)
            except RuntimeError:  # MPI's; as a rule mpiexec ends us before
                raise ChildProcessError(LOST) from None
        answers, seconds = zip(*turns)
        self.seconds += sum(seconds[1:])
        return answers


def _turn(comm, tape, work, like, *job, params=None):
    """What every rank does for one loss: (at rank 0: what _work sends, of all of them; tape).

    The parameters, which rank 0 has, and the sum of the gradients travel as one buffer each: together that is what
    Allreduce does, and all ranks compute with the same bits. The sum is in the answer of rank 0.
    """
    began, (shapes, dtype) = time.process_time(), like
    buffer = _flat(params) if params else np.empty(sum(map(math.prod, shapes.values())), dtype)
    comm.Bcast(buffer)
    answer, tape = _part(*work, tape, params or _shaped(buffer, shapes), *job)
    failed = isinstance(answer, Exception)
    grads = np.zeros_like(buffer) if failed else _flat({name: answer[1][name] for name in shapes})
    total = np.empty_like(buffer)
    comm.Reduce(grads, total)
    first = {} if params is None else _shaped(total, shapes)
    answer = _that_travels(answer) if failed else (answer[0], first, answer[2])
    return comm.gather((answer, time.process_time() - began)), tape


def _flat(arrays):
    """All values, one array after the other."""
    return np.concatenate([value.ravel() for value in arrays.values()])


def _shaped(flat, shapes):
    """The arrays that _flat has put together."""
    parts = np.split(flat, np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts)}


@contextmanager
def world():
    """The communicator of the processes that mpiexec started, at rank 0; None where it is the only one.

    The other ranks work for it until it leaves, and end here. Raises ValueError where mpi4py cannot speak with them.
    """
    size, rank = next(
        (
            (int(os.environ[size]), int(os.environ[size.replace("SIZE", "RANK")]))
            for size in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
            if size in os.environ
        ),
        (1, 0),
    )
    if size == 1:
        yield None
        return
    try:
        with warnings.catch_warnings():  # of another MPI: the sizes tell
            warnings.simplefilter("ignore")
            from mpi4py import MPI
        comm = MPI.COMM_WORLD
        trouble = comm.size != size and f"mpi4py has another MPI ({MPI.get_vendor()[0]}) and finds {comm.size}"
    except (ImportError, RuntimeError):
        trouble = "mpi4py or its MPI is missing"
    if trouble and rank:  # rank 0 says it
        sys.exit(2)
    if trouble:
        raise ValueError(f'mpiexec started {size} processes, and {trouble}: pip install "sab_numpy[mpi]"')
    if rank:
        sys.exit(_serve(comm))
    try:
        yield comm
    finally:
        with suppress(RuntimeError):  # a rank is lost
            comm.scatter([None] * size)


def _serve(comm):
    """What the other ranks do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _prepare()
    tape = None
    try:
        while job := comm.scatter(None):
            _, tape = _turn(comm, tape, *job)
    except BaseException as error:  # the others would wait for ever
        lost = isinstance(error, RuntimeError)  # MPI's
        said = f"sab train: {LOST} the same command with --resume goes on" if lost else traceback.format_exc()
        print(said, file=sys.stderr)
        comm.Abort(1)


def _cut(state, part):
    """The State of a part of the batch."""
    h, c, memory = state
    return State(h[part], c[part], None if memory is None else memory[:, part])


def _joined(states):
    """The State of the whole batch; None of parts that have none."""
    if states[0] is None:
        return None
    h, c, memory = zip(*states)
    return State(np.concatenate(h), np.concatenate(c), None if memory[0] is None else np.concatenate(memory, 1))


def _part(cfg, loss, carried, tape, params, x, targets, mask, state, share):
    """((share * loss, share * gradients, carried), tape) of a part of the batch, or (what it raised, None)."""
    try:
        y, tape = model(cfg).forward(params, x, cfg, state=state, reuse=tape)
        after = carried(tape) if carried else None
        if not share:  # no step of it counts
            return (0.0, {name: np.zeros_like(value) for name, value in params.items()}, after), tape
        value, dy = loss(y, targets) if mask is None else loss(y, targets, mask)
        return (share * value, model(cfg).backward(share * dy, tape), after), tape
    except Exception as error:
        return error, None


def _work(pipe, work):
    """What another process does: its parts, until the pipe is closed, or whoever made the team is gone."""
    _prepare()
    tape = None
    with suppress(EOFError, OSError):
        while True:
            job, began = pipe.recv(), time.process_time()
            answer, tape = _part(*work, tape, *job)
            answer = _that_travels(answer) if isinstance(answer, Exception) else answer
            pipe.send((answer, time.process_time() - began))


def _prepare():
    """Make this process one that works for another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that made the team
    one_thread()
    np.seterr(over="ignore", invalid="ignore")  # who asks looks at the result


def _that_travels(error):
    """The exception, or what it said, if it is one of the user's that cannot be sent."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
