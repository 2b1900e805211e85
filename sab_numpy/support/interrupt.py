"""Ctrl-C while a `sab` command still loads NumPy ends it without a traceback. The package's face imports this first."""

import os
import signal
import sys

NAME = os.path.basename(sys.argv[0]) if sys.argv else ""  # "-m" until the module of python -m is found
COMMAND = NAME in ("sab", "sab.exe") or NAME == "-m" and "sab_numpy" in sys.orig_argv
LOADING = COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler

if LOADING:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def loaded():
    """From now on Ctrl-C is a KeyboardInterrupt again: the command says what it saved."""
    if LOADING:
        signal.signal(signal.SIGINT, signal.default_int_handler)
