"""The copying task is the paper's, and no test sequence is trained on."""

import numpy as np
import pytest

from sab_numpy.tasks import STREAMS, copying, stream, task
from sab_numpy.training.evaluation import interval, mean_metrics, recalled


def test_the_layout_is_the_papers():
    x, targets = copying.sequences(7, 5, np.random.default_rng(3))
    assert x.shape == targets.shape == (27, 5)
    assert ((x[:10] >= 1) & (x[:10] <= 8)).all()
    assert (x[10:16] == 0).all() and (x[16] == 9).all() and (x[17:] == 0).all()  # T - 1 blanks, marker, 10 blanks
    assert (targets[:17] == 0).all() and (targets[17:] == x[:10]).all()


def test_every_symbol_is_as_likely_as_any_other():
    x, _ = copying.sequences(1, 20_000, np.random.default_rng(1))
    shares = np.bincount(x[:10].ravel(), minlength=10)[1:9] / x[:10].size
    assert abs(shares - 1 / 8).max() < 0.004


@pytest.mark.parametrize("one", STREAMS)
@pytest.mark.parametrize("other", STREAMS)
def test_purposes_share_no_random_numbers(one, other):
    first, second = (stream(5, name, 0).integers(0, 2**62, 100) for name in (one, other))
    assert (first == second).all() == (one == other)


def test_updates_and_seeds_draw_different_sequences():
    draws = {
        copying.sequences(1, 1, stream(seed, "training", update))[0][:10].tobytes()
        for seed in range(20)
        for update in range(20)
    }
    assert len(draws) == 400


def test_test_sequences_are_not_among_those_of_a_training():
    trained = set()
    for update in range(300):
        trained |= {tuple(row) for row in copying.sequences(3, 64, stream(0, "training", update))[0][:10].T}
    tested = {tuple(row) for row in copying.sequences(3, 512, stream(0, "test", 3))[0][:10].T}
    assert len(trained) > 19_000 and not trained & tested


def test_a_batch_drawn_in_two_parts_is_the_same_batch():
    whole, _ = copying.sequences(4, 11, np.random.default_rng(8))
    rng = np.random.default_rng(8)
    parts = [copying.sequences(4, n, rng)[0] for n in (4, 7)]
    assert (np.concatenate(parts, axis=1) == whole).all()


def test_metrics_are_those_of_the_last_ten_steps():
    _, targets = copying.sequences(6, 9, np.random.default_rng(2))
    y = np.where(np.arange(10) == targets[..., None], 2.0, -1.0) + np.random.default_rng(4).normal(0, 0.1, (26, 9, 10))
    perfect = copying.metrics(y, targets)
    assert perfect["accuracy"] == 1.0
    y[-3, :4] = -y[-3, :4]  # four wrong answers of ninety
    found = copying.metrics(y, targets)
    assert found["accuracy"] == pytest.approx(1 - 4 / 90)
    probabilities = np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)
    of_target = -np.log(np.take_along_axis(probabilities, targets[..., None], -1))[..., 0]
    assert found["ce10"] == pytest.approx(of_target[-10:].mean(), rel=1e-12)
    assert found["ce"] == pytest.approx(of_target.mean(), rel=1e-12)
    y[0] = -y[0]  # before the answers: only CE notices
    assert copying.metrics(y, targets)["accuracy"] == found["accuracy"]
    assert copying.metrics(y, targets)["ce"] > found["ce"]


def test_a_model_that_knows_nothing_is_at_chance():
    _, targets = copying.sequences(6, 4000, np.random.default_rng(2))
    y = np.zeros((26, 4000, 10))
    y[..., 1:9] = 1e-6 * np.random.default_rng(4).normal(size=(26, 4000, 8)) + 30
    found = copying.metrics(y, targets)
    assert found["accuracy"] == pytest.approx(1 / 8, abs=0.01)
    assert found["ce10"] == pytest.approx(np.log(8), abs=1e-3)


def test_recalls_tell_empty_slots_from_the_input():
    import sab_numpy as sab

    cfg = sab.Config.sab(10, 4, 10, k_trunc=5, k_top=2, k_att=3)  # 3 empty slots; then steps 2, 5, 8, 11, ...
    slots = np.zeros((24, 1, 2), dtype=int)
    slots[-10:, 0] = [[0, 3], [1, 4], [2, 5], [3, 4], [6, 7], [6, 7], [6, 7], [6, 7], [6, 7], [6, 7]]
    slots[:-10] = 3  # recalls before the answers do not count
    assert copying.recalls(slots, cfg, None) == {"recalls_empty": 3 / 20, "recalls_input": 5 / 20}
    slots[-4:, 0, 1] = -1  # nor does what was not there to recall
    assert copying.recalls(slots, cfg, None) == {"recalls_empty": 3 / 16, "recalls_input": 5 / 16}
    cfg = sab.Config.sab(10, 4, 10, k_trunc=5, k_top=2, k_att=1)  # the tenth symbol is read at step 9
    slots[-10:, 0] = 3 + np.array([9, 10])
    assert copying.recalls(slots, cfg, None) == {"recalls_empty": 0, "recalls_input": 1 / 2}


@pytest.mark.parametrize("length, batch", [(0, 4), (-3, 4), (5, 0)])
def test_lengths_and_batches_below_one_are_refused(length, batch):
    with pytest.raises(ValueError, match=f"at least 1, found T={length}, batch={batch}"):
        copying.sequences(length, batch, np.random.default_rng(0))


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task must be one of copying.*found .copy."):
        task("copy")


@pytest.mark.parametrize("chunk", [3, 20])
def test_a_measurement_does_not_depend_on_its_chunks(chunk):
    import sab_numpy as sab

    cfg = sab.Config.sab(10, 8, 10, k_trunc=3, k_top=2, k_att=2)
    params = sab.init_params(cfg, np.random.default_rng(0))
    whole, n = mean_metrics(params, cfg, copying, 5, 20, stream(0, "test", 5), chunk=11)
    done = []
    parts, m = mean_metrics(params, cfg, copying, 5, 20, stream(0, "test", 5), chunk=chunk, progress=done.append)
    assert done == [min(end, 20) for end in range(chunk, 20 + chunk, chunk)]
    assert n == m == 20 and parts == pytest.approx(whole, rel=1e-12)
    assert {"accuracy", "ce10", "ce", "recalls_empty", "recalls_input", "max_abs_h"} == set(whole)


def test_the_threshold_of_relu_is_not_counted_among_the_recalls():
    import sab_numpy as sab

    cfg = sab.Config.sab(10, 8, 10, k_trunc=3, k_top=2, k_att=2, normalise="relu")
    x, _ = copying.sequences(5, 3, np.random.default_rng(0))
    _, tape = sab.forward(sab.init_params(cfg, 0), x, cfg)
    assert tape.slots.shape == (25, 3, 3) and np.array_equal(recalled(tape), tape.slots[..., :2])


def test_the_interval_covers_shares_of_whole_sequences_19_times_in_20():
    """The hardest case: the ten answers of a sequence are all right or all wrong."""
    rng, n = np.random.default_rng(6), 400
    for share in (0.2, 0.9, 0.99):
        drawn, times = np.unique(rng.binomial(n, share, 2000), return_counts=True)
        covers = [low <= share <= high for low, high in (interval(k / n, n) for k in drawn)]
        assert np.average(covers, weights=times) > 0.93


def test_the_largest_state_counts_whatever_its_sign():
    import sab_numpy as sab

    cfg = sab.Config(10, 8, 10)
    params = {name: 3 * value for name, value in sab.init_params(cfg, np.random.default_rng(0)).items()}
    params["W_x"][:, 16:24] -= 5  # g < 0: the largest are negative
    found, _ = mean_metrics(params, cfg, copying, 3, 4, stream(0, "test", 3))
    h = sab.forward(params, copying.sequences(3, 4, stream(0, "test", 3))[0], cfg)[1].cache.h
    assert h.max() < 0.99 * abs(h).max() and found["max_abs_h"] == abs(h).max()


def test_the_interval_is_wilsons():
    n, share, z = 50, 0.9, 1.959963984540054
    half = z * np.sqrt(share * (1 - share) / n + (z / n / 2) ** 2)
    ends = [(share + z * z / n / 2 + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert interval(share, n) == pytest.approx(ends, rel=1e-12)
    assert interval(0.91, n) == (interval(0.9, n)[0], interval(0.92, n)[1])  # 45.5 of 50: from 45 to 46


def test_the_interval_of_a_perfect_score_is_not_a_point():
    low, high = interval(1.0, 512)
    assert 0.99 < low < 1.0 and high == pytest.approx(1.0)
