"""What is run for the tables: one row a method, one recipe a length. Edit this file alone; results follow the recipe.

Every name below is a field of run.Run. A cell's run is EVERYWHERE | AT[T] | the row's fields | the row's own AT[T].
"""

from sab_numpy.run import Run

EVERYWHERE = {"task": "copying", "min_length": 5, "k_att": 5, "batch": 16, "lr": 3e-3, "warmup": 5000,
              "first_lr_ratio": 0.3333, "schedule": "cosine", "decay_from": 0.6, "updates": 10_000, "clip": 0.1}
AT = {100: {"clip": 1.0}, 200: {}, 300: {}, 1000: {}}               # 1.0 is the release's
RELEASE = {"k_att": 2}                     # the default of the authors' release
# The form of the paper and its budget of updates:
PAPER = {"score": "mlp", "normalise": "relu", "empty_slots": 1, "min_length": None, "schedule": "constant", "k_att": 2,
         "updates": 200_000, "batch": 64, "lr": 1e-3, "warmup": 0, "first_lr_ratio": 0.0, "clip": 1.0}

ROWS = {  # name: (what the tables call it, the row's fields, {T: fields at that length alone})
    "bptt": ("LSTM, full BPTT", {"k_trunc": None, "k_top": 0}, {}),
    "attention": ("LSTM + self-attention", {"k_trunc": None, "k_top": None}, {}),
    "tbptt-1": ("LSTM, TBPTT 1", {"k_trunc": 1, "k_top": 0}, {}),
    "tbptt-5": ("LSTM, TBPTT 5", {"k_trunc": 5, "k_top": 0}, {}),
    "tbptt-10": ("LSTM, TBPTT 10", {"k_trunc": 10, "k_top": 0}, {}),
    "tbptt-20": ("LSTM, TBPTT 20", {"k_trunc": 20, "k_top": 0}, {}),
    "tbptt-150": ("LSTM, TBPTT 150", {"k_trunc": 150, "k_top": 0}, {}),
    "sab-1-1": ("SAB 1/1, relu", {"k_trunc": 1, "k_top": 1, "k_att": 1, "normalise": "relu"}, {}),
    "sab-1-5": ("SAB 1/5", {"k_trunc": 1, "k_top": 5, "k_att": 1}, {}),
    "sab-1-5-empty1": ("SAB 1/5, one empty slot, clip 0.1",
                       {"k_trunc": 1, "k_top": 5, "k_att": 1, "empty_slots": 1, "clip": 0.1}, {}),
    "sab-5-5": ("SAB 5/5", {"k_trunc": 5, "k_top": 5}, {}),
    "sab-5-5-clip": ("SAB 5/5, clip 0.1", {"k_trunc": 5, "k_top": 5, "clip": 0.1}, {}),
    "sab-5-5-empty1": ("SAB 5/5, one empty slot, clip 0.1",
                       {"k_trunc": 5, "k_top": 5, "empty_slots": 1, "clip": 0.1}, {}),
    "sab-10-10": ("SAB 10/10", {"k_trunc": 10, "k_top": 10}, {}),
    "sab-10-10-clip": ("SAB 10/10, clip 0.1", {"k_trunc": 10, "k_top": 10, "clip": 0.1}, {}),
    "sab-10-10-empty1": ("SAB 10/10, one empty slot, clip 0.1",
                         {"k_trunc": 10, "k_top": 10, "empty_slots": 1, "clip": 0.1}, {}),
    "sab-10-10-att10": ("SAB 10/10, k_att 10", {"k_trunc": 10, "k_top": 10, "k_att": 10}, {}),
    "sab-5-5-att2": ("SAB 5/5, k_att 2", {"k_trunc": 5, "k_top": 5} | RELEASE, {}),
    "sab-5-5-att2-empty1": ("SAB 5/5, k_att 2, one empty slot, clip 0.1",
                            {"k_trunc": 5, "k_top": 5, "empty_slots": 1, "clip": 0.1} | RELEASE, {}),
    "sab-10-10-att2": ("SAB 10/10, k_att 2", {"k_trunc": 10, "k_top": 10} | RELEASE, {}),
    "sab-5-5-paper": ("SAB 5/5, the paper's form", {"k_trunc": 5, "k_top": 5} | PAPER, {}),
    "sab-5-5-constant": ("SAB 5/5, no mental updates", {"k_trunc": 5, "k_top": 5, "mental_updates": False}, {}),
    "sab-5-5-dense": ("SAB 5/5, dense forward", {"k_trunc": 5, "k_top": 5, "dense_forward": True}, {}),
}

ABLATION = ("sab-5-5", "sab-5-5-constant", "sab-5-5-dense")
COPYING = tuple(name for name in ROWS if name not in ABLATION[1:])
LENGTHS = {"copying": (100, 200, 300), "ablation": (100,)}
TRANSFER = (100, 200, 300, 400, 2000, 5000)                        # tested at these, trained at 100
SHIPPED = {"copying-T100-sab": ("sab-5-5", 100), "copying-T100-bptt": ("bptt", 100),
           "copying-T300-sab": ("sab-5-5", 300)}
QUICK = {"min_length": 2, "updates": 40, "batch": 8, "hidden": 16, "validate_every": 20,
         "validation_sequences": 20}                               # --quick: shows that all works, learns nothing


def cell(name, T, seed, quick=False):
    """The Run of one row at one length. Raises ValueError for a row or a length that is not in the table."""
    if name not in ROWS:
        raise ValueError(f"no row {name!r}: expected one of {', '.join(ROWS)}")
    if T not in AT and not quick:
        raise ValueError(f"no recipe for T={T}: expected one of {', '.join(map(str, AT))}")
    _, fields, at = ROWS[name]
    small = QUICK if quick else {}
    return Run(**EVERYWHERE | AT.get(T, {}) | fields | at.get(T, {}) | small | {"T": T, "seed": seed})
