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
def one_stop():
    """Within, the first Ctrl-C or SIGTERM is a KeyboardInterrupt; what follows cannot disturb the saving."""

    def stop(*_):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()  # no other may set a handler
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if main}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
