"""Ctrl-C works in the tests and in what they start, also where whoever runs them in the background has it ignored."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
