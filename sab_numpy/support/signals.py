"""Ctrl-C and SIGTERM: one KeyboardInterrupt, no traceback while NumPy loads (imported first by the package)."""

import contextlib
import os
import signal
import sys
import threading

NAME = os.path.basename(sys.argv[0]) if sys.argv else ""  # "-m" until the module of python -m is found
COMMAND = NAME in ("sab", "sab.exe") or NAME == "-m" and "sab_numpy" in sys.orig_argv
LOADING = COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler

if LOADING:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def loaded():
    """From now on Ctrl-C is a KeyboardInterrupt again: the command says what it saved."""
    if LOADING:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def handled(stop):
    """Within, Ctrl-C and SIGTERM call `stop` where they are not ignored; yields what handled them before."""
    main = threading.current_thread() is threading.main_thread()  # no other may set a handler
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if main}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def one_stop():
    """Within, the first Ctrl-C or SIGTERM is a KeyboardInterrupt; what follows cannot disturb the saving."""

    def stop(*_):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with handled(stop) as before:
        yield


@contextlib.contextmanager
def stop_waits():
    """Within, Ctrl-C and SIGTERM wait for the end."""
    came = []
    with handled(lambda number, _: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])
