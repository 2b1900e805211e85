"""One stop: Ctrl-C and SIGTERM are a KeyboardInterrupt, the first time."""

import contextlib
import signal
import threading


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
