"""`sab walk`: the backward pass of one test sequence of a trained model, told in words."""

from sab_numpy.cli import options
from sab_numpy.core.forward import forward
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.explore.walk import walk
from sab_numpy.support.text import table
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained


def say(event):
    """One event in words."""
    kind, start, end, slot, weight, norm, total = event
    if kind == "loss":
        return f"  loss: y_{start} gives credit {norm:.3g}"
    if kind == "local":
        return f"  local: credit {norm:.3g} from step {start}"
    if kind == "skip":
        return (
            f"  skip: {norm:.3g} to the state of step {end} (slot {slot}, weight {weight:.2f}), "
            f"which now has {total:.3g}"
        )
    if kind == "cut":
        return f"--- cut: nothing passes from step {start} to step {end} ---"
    return f"--- not visited: no credit reaches steps {end} to {start} ---"


def tell(events, x, answers, targets):
    """Lines of text: a heading a step, then what happens there. x, answers, targets (T,)."""

    def heading(t):
        right = "right" if answers[t] == targets[t] else f"should say {targets[t]}"
        return f"step {t}: reads {x[t]}, says {answers[t]} ({right})"

    told, given = None, {}
    for event in events:
        if event.kind == "skip":
            given[event.end] = event.total
        if event.kind == "local" and event.start != told:  # nothing but skips brought the walk here
            yield f"{heading(event.start)}\n  recalled later: credit {given[event.start]:.3g} from skips"
        here = event.end if event.kind in ("local", "loss") else event.start
        if event.kind not in ("cut", "not visited") and here != told:
            told = here
            yield heading(here)
        yield say(event)


def summary(events, T):
    """One paragraph about a whole walk."""
    walked = {event.end for event in events if event.kind in ("loss", "local", "skip")}
    skips = [event for event in events if event.kind == "skip"]
    count = {kind: sum(event.kind == kind for event in events) for kind in ("cut", "not visited")}
    far = max((event.start - event.end for event in skips), default=0)
    return (
        f"walked {len(walked)} of {T} steps; skips: {len(skips)}, the longest over {far} steps; "
        f"cuts: {count['cut']}; blocks not visited: {count['not visited']}"
    )


def blocks(events, T, k):
    """Lines: for each block the credit of its most credited step, and the skips that end and that start there."""
    last = {event.end: event.total for event in events if event.kind in ("loss", "local", "skip")}
    skips = [event for event in events if event.kind == "skip"]
    lines = []
    for first in reversed(range(0, T, k)):
        block = range(first, min(first + k, T))
        credit = max((last[t] for t in block if t in last), default=None)
        into, out = (sum(getattr(event, side) in block for event in skips) for side in ("end", "start"))
        numbers = ["(not visited)", "", ""] if credit is None else [f"{credit:.3g}", into, out]
        lines.append([f"{first}-{block[-1]}", *numbers])
    return table(["steps", "largest credit", "skips that end here", "skips that start here"], lines)


def add_arguments(parser):
    options.add_model(parser)
    parser.add_argument("--text", action="store_true", help="tell every event (without it: one line a block)")
    options.add_sequence(parser)
    parser.add_argument(
        "--at",
        metavar="N",
        default="last",
        help="the step whose loss gives credit: a number, or all (default: the last)",
    )
    parser.epilog = "example: sab walk copying-T100-sab --T 10 --text"


def steps_of(at, T):
    """The steps that --at names."""
    if at == "all":
        return slice(None)
    if at != "last" and not (at.isdecimal() and int(at) < T):
        raise ValueError(f"--at must be a step of 0..{T - 1}, last or all, found {at}")
    return T - 1 if at == "last" else int(at)


def run(args):
    one_thread()
    model = options.of_copying(trained(args.folder, args.best))
    x, targets = sequence(model, args.T, args.number)
    T, cfg = len(x), model.cfg
    y, tape = forward(model.params, x, cfg)
    _, dy = task(model.task).loss(y, targets)
    at = "every step" if args.at == "all" else f"step {steps_of(args.at, T)} alone"
    events = list(walk(loss_at(dy, steps_of(args.at, T)), tape))
    print(
        f"{model.name}: {T} steps, k_trunc={cfg.k_trunc}, k_top={cfg.k_top}, k_att={cfg.k_att}; loss at {at}; "
        "credit is the norm of dL/dh"
    )
    lines = blocks(events, T, cfg.k_trunc or T)
    if args.text:
        lines = tell(events, x[:, 0], y[:, 0].argmax(-1), targets[:, 0])
    print("\n".join(lines))
    print(summary(events, T))
    return 0
