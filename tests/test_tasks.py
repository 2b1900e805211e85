"""Every task: its loss and mask against numbers, its data in the official layouts, damaged files, long streams."""

import gzip
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.core.config import Config
from sab_numpy.explore import sequence
from sab_numpy.explore.sequence import written
from sab_numpy.paper.recalls_of_images import look
from sab_numpy.tasks import TASKS, data, task
from sab_numpy.training import checkpoints
from sab_numpy.training.evaluation import mean_metrics
from sab_numpy.training.loop import train
from sab_numpy.training.run import Run

LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ", np.uint8)


def idx_bytes(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def make_data(folder, n=40):
    """Files in the layouts that are published, with numbers of our own. Returns what is in them."""
    rng = np.random.default_rng(0)
    made = {}
    for name in ("train", "t10k"):
        made[name] = rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(made[name][0]))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(made[name][1])))
    below = folder / "cifar"
    below.mkdir()
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        made[name] = rng.integers(0, 256, (n // 2, 3073), dtype=np.uint8)
        made[name][:, 0] %= 10
        (below / f"{name}.bin").write_bytes(made[name].tobytes())
    for part in ("train", "valid", "test"):
        lines = [*[" the <unk> costs N $ a share \n"] * 40, f"{part}\n"]
        (folder / f"ptb.{part}.txt").write_text("".join(lines))
    (folder / "text8").write_bytes(rng.choice(LETTERS, 2000).tobytes())
    (folder / "text.txt").write_bytes(bytes(rng.integers(0, 256, 2000, dtype=np.uint8)))
    return made


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("SAB_DATA", str(tmp_path))
    return make_data(tmp_path)


def batch_of(problem, B=3, T=7):
    T = getattr(problem, "LENGTH", T)
    if hasattr(problem, "segment"):
        return problem.segment(0, T, B)[:2]
    return problem.sequences(T, B, np.random.default_rng(1))


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_of_every_task_is_what_its_gradient_says(name, files):
    problem, rng = task(name), np.random.default_rng(2)
    x, targets = batch_of(problem)
    y = rng.normal(size=(len(x), x.shape[1], problem.N_OUT))
    _, dy = problem.loss(y, targets)
    direction = rng.normal(size=y.shape)
    directional = problem.loss(y + 1e-30j * direction, targets)[0].imag / 1e-30
    assert abs(directional - (dy * direction).sum()) < 1e-13 * np.abs(dy * direction).sum()
    if name not in ("copying", "ptb", "text8", "text"):  # one answer, at the end
        assert not dy[:-1].any() and dy[-1].any(axis=-1).all()
    assert problem.metrics(y, targets)["accuracy"] <= 1


@pytest.mark.parametrize("name", [name for name in TASKS if getattr(task(name), "LENGTH", 0) < 500])
def test_the_gradient_of_every_task_passes_the_proof(name, files):
    problem, rng = task(name), np.random.default_rng(3)
    cfg = Config(problem.N_IN, 5, problem.N_OUT, k_trunc=3, k_top=2, k_att=2)
    params = sab.init_params(cfg, rng)
    x, targets = batch_of(problem)
    x = x if x.ndim == 2 else x.astype(float)
    y, tape = sab.forward(params, x, cfg)
    grads = sab.backward(problem.loss(y, targets)[1], tape)
    for key, value in params.items():
        direction = rng.normal(size=value.shape)
        moved = {n: v.astype(complex) for n, v in params.items()}
        moved[key] = value + 1e-30j * direction
        exact = problem.loss(sab.forward(moved, x, cfg, frozen=tape)[0], targets)[0].imag / 1e-30
        assert abs(exact - (grads[key] * direction).sum()) < 1e-11 * np.abs(grads[key] * direction).sum()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_trains_and_goes_on_bit_for_bit(name, files, tmp_path):
    problem = task(name)
    if getattr(problem, "LENGTH", 0) > 500:
        pytest.skip("the same code as at 196 steps, four times as long")
    small = {"T": getattr(problem, "LENGTH", 6), "hidden": 6, "batch": 3, "k_trunc": 3, "k_top": 2}
    run = Run(task=name, **small, updates=5, validate_every=2, validation_sequences=4)
    train(run, tmp_path / "whole")

    def stop(state, row):
        if state.update == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "parts", progress=stop)
    train(run, tmp_path / "parts", resume=True)
    whole, parts = (checkpoints.load_run(str(tmp_path / folder))[1] for folder in ("whole", "parts"))
    for group in ("params", "carried"):
        for key, value in getattr(whole, group).items():
            assert value.tobytes() == getattr(parts, group)[key].tobytes(), key
    assert bool(whole.carried) == hasattr(problem, "carried")


def test_adding_asks_for_half_the_sum_of_one_value_of_each_half():
    problem = task("adding")
    x, targets = problem.sequences(9, 500, np.random.default_rng(4))
    assert x.shape == (9, 500, 2) and targets.shape == (1, 500, 1)
    first, second = x[:4, :, 1], x[4:, :, 1]
    assert (first.sum(0) == 1).all() and (second.sum(0) == 1).all()
    assert first.any(1).all() and second.any(1).all()  # every step is marked somewhere
    assert targets[0, :, 0] == pytest.approx((x[..., 0] * x[..., 1]).sum(0) / 2, rel=1e-6)
    x, targets = problem.sequences(20, 200_000, np.random.default_rng(5))
    mean = problem.metrics(np.full((1, 200_000, 1), 0.5), targets)
    assert mean["squared_error"] == pytest.approx(problem.CHANCE["squared_error"], rel=0.02)
    assert mean["accuracy"] == pytest.approx(problem.CHANCE["accuracy"], rel=0.02)
    with pytest.raises(ValueError, match="^adding needs T of at least 2 and .* found T=1, batch=3$"):
        problem.sequences(1, 3, np.random.default_rng(6))
    near = problem.metrics(targets + np.where(np.arange(200_000) % 4 == 0, 0.05, 0.03)[None, :, None], targets)
    assert near["accuracy"] == 0.75


def test_adding_counts_recalls_of_the_state_that_holds_a_mark():
    problem, cfg = task("adding"), Config(2, 4, 1, k_top=2, k_att=2)  # 3 empty slots, states of steps 1, 3, 5
    x = np.zeros((8, 3, 2))
    x[[2, 0, 5], [0, 1, 2], 1] = 1  # first kept by the states of steps 3, 1, 5
    x[7, :, 1] = 1
    slots = np.zeros((8, 3, 2), int)
    slots[-1] = [[4, 0], [3, 5], [5, -1]]
    assert problem.recalls(slots, cfg, x) == {"recalls_empty": 1 / 5, "recalls_input": 3 / 5}


def test_pixels_come_in_their_order_and_in_the_fixed_random_one(files):
    images, labels = files["t10k"]
    x, targets = next(task("mnist").batches(784, 5, 5, "test"))
    assert np.array_equal(x[:, 3, 0], (images[3].reshape(-1) / np.float32(255)).astype(np.float32))
    assert targets.tolist() == [labels[:5].tolist()]
    mixed, _ = next(task("pmnist").batches(784, 5, 5, "test"))
    order = np.random.default_rng(0).permutation(784)
    assert np.array_equal(mixed, x[order])
    small, _ = next(task("mnist14").batches(196, 5, 5, "test"))
    assert small[0, 2, 0] == pytest.approx(images[2][:2, :2].mean() / 255, rel=1e-6)
    assert small[15, 2, 0] == pytest.approx(images[2][2:4, 2:4].mean() / 255, rel=1e-6)
    red, _ = next(task("cifar10").batches(1024, 2, 2, "test"))
    assert np.array_equal((red[:, 1] * 255).round(), files["test_batch"][1, 1:].reshape(3, 1024).T)  # row by row
    assert "sha256 ddd2a1a82e3d" in task("pmnist14").about()


def test_no_training_draws_an_image_of_the_validation(files):
    problem = task("mnist")
    held, _ = problem.split("validation")
    kept, _ = problem.split("training")
    assert (len(kept), len(held)) == (36, 4) == (problem.count("training"), problem.count("validation"))
    assert np.array_equal(np.concatenate([kept, held]), files["train"][0])
    x, targets = problem.sequences(784, 200, np.random.default_rng(0))
    of = (x[:, None] == problem.pixels(kept)[:, :, None]).all((0, 3))  # (36, 200): which image was drawn
    assert of.any(0).all() and of.any(1).all() and np.array_equal(targets[0], files["train"][1][of.argmax(0)])
    parts = [labels.shape[1] for _, labels in problem.batches(784, None, 15, "test")]
    assert parts == [15, 15, 10]


def test_every_character_of_a_split_is_asked_once(files, tmp_path):
    problem = task("text8")
    (tmp_path / "text8.prefix").write_bytes(b"a" * 50)  # the whole text goes first
    text = problem.split("validation")
    seen = [t[t >= 0] for _, t in problem.batches(7, None, 512, "validation")]
    assert sum(map(len, seen)) == len(text) - 1
    columns = [np.concatenate(parts) for parts in zip(*(t.T for _, t in problem.batches(7, None, 512, "validation")))]
    assert np.array_equal(np.concatenate(columns)[: len(text) - 1], text[1:])
    assert "the <unk> costs N $ a share\nthe" in task("ptb").decode(task("ptb").split("training")[:40])
    ends = [task("ptb").decode(task("ptb").split(name)[-6:]) for name in ("training", "validation", "test")]
    assert ends == ["train\n", "valid\n", "\ntest\n"]
    assert sum((t >= 0).sum() for _, t in problem.batches(7, 3, 512, "validation")) == 3 * 7
    parts = [problem.decode(problem.split(name)) for name in ("training", "validation", "test")]
    assert "".join(parts) == (tmp_path / "text8").read_text()
    assert "1,800 / 100 / 100 characters, 27 symbols (a prefix" in problem.about()


def test_segments_follow_one_another_with_h_and_c_and_an_empty_memory(files, tmp_path):
    problem = task("text8")
    (a, next_of_a, begins), (b, _, again) = problem.segment(0, 6, 4), problem.segment(1, 6, 4)
    assert begins and not again and np.array_equal(next_of_a[-1], b[0])
    assert [problem.segment(number, 6, 4)[2] for number in (73, 74, 75)] == [False, True, False]  # 449 characters a row
    run = Run(task="text8", T=6, hidden=5, batch=4, k_trunc=3, k_top=2, k_att=2, updates=9, validate_every=9)
    state = train(run, tmp_path / "run")
    assert set(state.carried) == {"h", "c"}
    _, first = sab.forward(state.params, a, run.config())
    _, second = sab.forward(state.params, b, run.config(), state=problem.carried(first))
    assert np.array_equal(second.cache.h_prev[0], first.final_state.h) and not second.memory.M[:, :3].any()
    assert second.memory.initial_slots == 3


def test_the_state_stays_small_over_many_segments(files):
    """Where the last segment's microstates were kept, the untrained |h| went beyond 100 in these 40 segments."""
    problem, state = task("text8"), None
    cfg = Run(task="text8", T=30, hidden=32, k_trunc=5, k_top=5, k_att=5, empty_slots=1).config()
    params = sab.init_params(cfg, np.random.default_rng(0))
    for number in range(40):
        _, tape = sab.forward(params, problem.segment(number, 30, 3)[0], cfg, state=state)
        state = problem.carried(tape)
    assert abs(state.h).max() < 5


def test_a_text_is_tested_in_segments_as_in_one_long_forward(files):
    problem, cfg = task("text8"), Config(27, 5, 27)
    params = sab.init_params(cfg, np.random.default_rng(0))
    found, n = mean_metrics(params, cfg, problem, 7, None, None, chunk=1)
    text = problem.split("test")
    y, _ = sab.forward(params, text[:-1, None], cfg)
    nats, _ = sab.softmax_cross_entropy(y, text[1:, None])
    assert n == 99 and found["bpc"] == pytest.approx(nats / np.log(2), rel=1e-12)


def test_bits_per_character_of_a_uniform_guess(files):
    problem = task("text8")
    _, targets = next(problem.batches(50, 3, 512, "test"))
    found = problem.metrics(np.zeros((*targets.shape, 27)), targets)
    assert found["bpc"] == pytest.approx(np.log2(27)) == pytest.approx(problem.CHANCE["bpc"])


@pytest.mark.parametrize(
    "sizes, said",
    [
        ((18, 2, 1), "18 / 2 / 1 characters, 27 symbols (a prefix: not comparable with published numbers)"),
        (
            (90_000_000, 5_000_000, 4_999_999),
            "90,000,000 / 5,000,000 / 4,999,999 characters, 27 symbols (a prefix: not ",
        ),
        ((90_000_000, 4_999_999, 5_000_001), "90,000,000 / 4,999,999 / 5,000,001 characters, 27 symbols"),
    ],
)
def test_a_text_says_the_characters_of_every_split_and_whether_it_is_a_prefix(sizes, said, monkeypatch):
    parts = dict(zip(("training", "validation", "test"), map(range, sizes)))
    monkeypatch.setattr(type(task("text8")), "split", lambda problem, name: parts[name])
    about = task("text8").about()
    assert about.startswith(f"text8: {said}") and about.endswith(")" if "prefix" in said else " symbols")


def test_a_text_that_does_not_fit_says_where_and_how_much(files):
    with pytest.raises(ValueError, match="^text8: character 3 is 'X', expected one of ' abc"):
        task("text8").encode(np.frombuffer(b"abcXd", np.uint8))
    with pytest.raises(ValueError, match="^text8: 1,800 characters are too few for 9 rows of 200$"):
        task("text8").segment(0, 200, 9)


NEEDS = {
    "mnist": ("train-images-idx3-ubyte", "47.0 MB, published at http://yann.lecun.com/exdb/mnist"),
    "cifar10": ("data_batch_1.bin", "30.7 MB, published at https://www.cs.toronto.edu/~kriz/cifar.html"),
    "ptb": ("ptb.train.txt", "5.1 MB, published at Mikolov's simple-examples.tgz"),
    "text8": ("text8", "100 MB, published at http://mattmahoney.net/dc/text8.zip"),
}


@pytest.mark.parametrize("name, file, published", [(name, *words) for name, words in NEEDS.items()])
def test_a_missing_file_names_itself_its_size_and_its_source(name, file, published, tmp_path, capsys):
    empty = tmp_path / "nothing"
    empty.mkdir()
    out = tmp_path / "run"
    assert cli.main(["train", name, "--data-dir", str(empty), "--out", str(out), "--updates", "1"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{file} or {file}.gz is not in {empty}: {published}" in error
    assert not out.exists()


@pytest.mark.parametrize("name, size", [("training", 5.1), ("validation", 0.4), ("test", 0.4)])
def test_each_file_of_the_penn_treebank_has_its_own_size(name, size, tmp_path, monkeypatch):
    monkeypatch.setenv("SAB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=f"is not in .*: {size} MB, published at Mikolov"):
        task("ptb").split(name)


def damaged(raw, rng):
    """One way of many to damage the bytes of a data file."""
    kind = int(rng.integers(4))
    if kind == 0:
        return raw[: int(rng.integers(0, len(raw)))]
    if kind == 1:
        return raw + bytes(int(rng.integers(1, 9)))
    if kind == 2:  # the header
        where = int(rng.integers(0, min(8, len(raw))))
        return raw[:where] + bytes([raw[where] ^ int(rng.integers(1, 256))]) + raw[where + 1 :]
    packed = bytearray(gzip.compress(raw))
    packed = packed[: int(rng.integers(0, len(packed)))]
    return bytes(packed)


def test_200_damaged_files_are_refused_with_what_was_found(files, tmp_path):
    rng, kinds = np.random.default_rng(7), ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "data_batch_1.bin")
    for number, name in zip(range(200), itertools.cycle(kinds)):
        here = tmp_path / str(number)
        here.mkdir()
        for part, array in zip(("images-idx3", "labels-idx1"), files["train"]):
            (here / f"train-{part}-ubyte").write_bytes(idx_bytes(array))
        (here / "data_batch_1.bin").write_bytes(files["data_batch_1"].tobytes())
        raw = (here / name).read_bytes()
        bad = damaged(raw, rng)
        (here / name).unlink()
        (here / (name + ".gz" if bad[:2] == b"\x1f\x8b" else name)).write_bytes(bad)
        read = data.cifar10 if name.startswith("data") else data.mnist
        try:
            images, labels = read(str(here), "train")
        except ValueError as error:
            assert "\n" not in str(error)
            continue
        assert name == "data_batch_1.bin" and len(bad) % 3073 == 0  # whole records, every label 0..9: nothing tells


def test_a_label_out_of_range_is_named(files, tmp_path):
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.array([3] * 39 + [10]))))
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte.gz: label 39 is 10, expected 0\.\.9"):
        data.mnist(str(tmp_path), "train")


IMAGES, LABELS, RECORDS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "data_batch_1.bin"


@pytest.mark.parametrize(
    "name, raw, words",
    [
        (IMAGES, idx_bytes(np.zeros((3, 28, 28)))[:116], "its header promises [3, 28, 28], 2352 bytes; found 100"),
        (IMAGES, idx_bytes(np.zeros((40, 27, 28))), "expected images of 28 x 28, found (27, 28)"),
        (
            IMAGES,
            idx_bytes(np.zeros(9)),
            "expected an IDX file of bytes, beginning 00 00 08 03, found 00 00 08 01 in 17 b",
        ),
        (IMAGES, b"", "expected an IDX file of bytes, beginning 00 00 08 03, found nothing in 0 bytes"),
        (LABELS, idx_bytes(np.zeros(39)), "expected a label for each of 40 images, found 39"),
        (RECORDS, bytes(4000), "expected records of 3,073 bytes, found 4000 bytes"),
    ],
)
def test_a_damaged_file_says_what_was_expected_and_what_was_found(name, raw, words, files, tmp_path):
    (tmp_path / name).write_bytes(raw)  # before one that is packed, before those a level below
    with pytest.raises(ValueError) as refused:
        (data.cifar10 if name == RECORDS else data.mnist)(str(tmp_path), "train")
    assert str(refused.value).startswith(f"{tmp_path / name}: {words}")


def test_an_answer_to_a_picture_is_that_of_the_last_step_in_nats():
    y = np.zeros((5, 4, 10))
    y[0, :, 3] = 9
    found = task("mnist").metrics(y, np.array([[0, 0, 3, 0]]))  # of ten equal ones the first is said
    assert found == {"accuracy": 0.75, "ce": pytest.approx(np.log(10))} and task("mnist").CHANCE["ce"] == np.log(10)


def test_a_task_with_data_has_its_own_length():
    with pytest.raises(ValueError, match="^mnist14 has 196 steps, found T=100$"):
        task("mnist14").steps(100)
    assert Run(task="mnist14", T=196).T == 196
    with pytest.raises(ValueError, match="mnist14 has T=196 steps, found T=100"):
        Run(task="mnist14")


SMALL = {"hidden": 6, "batch": 3, "k_trunc": 3, "k_top": 2, "updates": 2, "validate_every": 2}


@pytest.mark.parametrize(
    "name, evaluated, sampled",
    [
        (
            "adding",
            ["squared error 0.042", "512 test sequences", "error: of the last step; right: within 0.04.\n"],
            ["marked     0.", "half their sum", "recalls"],
        ),
        (
            "pmnist14",
            ["Chance: 10.0 %, CE 2.303", "the whole test split", "CE: nats of the last step.\n"],
            ["should say ", "recalls"],
        ),
        (
            "text8",
            [
                "bits/char. 4.755",
                "the whole test split",
                "bits/char.: cross-entropy in bits; right: the likeliest character.\n",
            ],
            [],
        ),
        ("first_word", ["Chance: 12.5 %"], ["should say "]),
    ],
)
def test_evaluate_and_sample_speak_of_their_task(name, evaluated, sampled, files, tmp_path, capsys):
    train(Run(task=name, T=getattr(task(name), "LENGTH", 6), **SMALL), tmp_path / "run")
    run = str(tmp_path / "run")
    assert cli.main(["evaluate", run]) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in evaluated)
    assert cli.main(["sample", run]) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in sampled)
    if name == "pmnist14":
        image, shades = files["t10k"][0][0], [line[::2] for line in said.splitlines()[:14]]
        grey = image.reshape(14, 2, 14, 2).mean((1, 3)) / 255
        assert [[" .:-=+*#%@".index(one) for one in row] for row in shades] == (grey * 10).astype(int).tolist()
    for command in ("walk", "explore"):
        assert cli.main([command, run, *(["--out", f"{tmp_path}/p.html"] if command == "explore" else [])]) == 2
        error = capsys.readouterr().err
        assert f"expected a model of copying, found one of {name}" in error and error.count("\n") == 1


def test_text_is_written_as_it_was_asked_for(files, tmp_path, capsys):
    train(Run(task="text8", T=6, **SMALL), tmp_path / "run")

    def text(*words):
        assert cli.main(["sample", str(tmp_path / "run"), "--length", "40", *words]) == 0
        return capsys.readouterr().out.removesuffix("\n")

    one = text()
    assert len(one) == 40 and one == text() != text("--number", "1") and set(one) <= set(task("text8").alphabet)
    assert len(set(text("--temperature", "0.001"))) < len(set(one))
    assert cli.main(["sample", str(tmp_path / "run"), "--temperature", "0"]) == 2
    assert "above 0" in capsys.readouterr().err


def test_recalls_of_images_tell_empty_slots_ink_and_paper():
    cfg = Config(1, 4, 10, k_top=2, k_att=2)  # 3 empty slots, then the states of steps 1, 3, 5
    x = np.zeros((7, 2, 1))
    x[0], x[3, 0], x[1, 1] = 1, 1, 0.5  # the first pixel has ink: an empty slot is not its state
    slots = np.full((7, 2, 2), 3)
    slots[-1] = [[4, 2], [3, 5]]  # ink, the last empty slot; ink, paper
    assert task("mnist").recalls(slots, cfg, x) == {"recalls_empty": 1 / 4, "recalls_input": 2 / 4}
    slots[-1] = [[0, 3], [-1, 4]]  # an empty slot, paper; nothing, paper
    assert task("mnist").recalls(slots, cfg, x) == {"recalls_empty": 1 / 3, "recalls_input": 0}


def test_where_a_picture_is_looked_back_to_is_said_pixel_by_pixel(files):
    problem, cfg = task("pmnist14"), Run(task="pmnist14", T=196, hidden=6, k_trunc=20, k_top=2, k_att=20).config()
    params = {name: 4 * value for name, value in sab.init_params(cfg, np.random.default_rng(0)).items()}
    rows = list(look(checkpoints.Trained("x", params, cfg, 1, 196, 0, "pmnist14")))
    x, targets = next(problem.batches(196, 40, 40, "test"))
    labels = files["t10k"][1].tolist()
    assert len(rows) == 10 * 196 and [row["image"] for row in rows[::196]] == [labels.index(n) for n in range(10)]
    for image in {row["image"] for row in rows}:
        own = [row for row in rows if row["image"] == image]
        y, tape = sab.forward(params, x[:, [image]], cfg)
        given = {step: f"{weight:.3f}" for _, step, weight in tape.recalls(195) if step >= 0 and weight >= 5e-4}
        assert {row["step"]: row["weight"] for row in own if row["weight"] != "0.000"} == given
        assert {(row["label"], row["says"]) for row in own} == {(targets[0, image], y[-1, 0].argmax())}
        assert [row["step"] for row in own] == list(range(196)) and [row["pixel"] for row in own] == list(problem.order)
        picture = files["t10k"][0][image].reshape(14, 2, 14, 2).mean((1, 3)).ravel() / 255
        assert [float(row["grey"]) for row in own] == pytest.approx(picture[problem.order], abs=6e-4)


def test_recalls_of_the_first_word_are_those_of_the_first_state():
    cfg = Config(8, 4, 8, k_top=2, k_att=1)
    slots = np.array([[[0, 0], [0, 0]], [[3, 4], [2, -1]]])  # at last: the first state, the second; empty, nothing
    assert task("first_word").recalls(slots, cfg, None) == {"recalls_input": 1 / 3}


def test_a_task_with_data_takes_no_shorter_lengths(files):
    with pytest.raises(ValueError, match="mnist14 has one length: expected no min_length, found 10"):
        Run(task="mnist14", T=196, min_length=10)


def test_a_cold_text_is_the_likeliest_and_a_warm_one_is_not(files, tmp_path):
    train(Run(task="text8", T=6, hidden=5, batch=4, k_trunc=3, k_top=2, updates=9, validate_every=9), tmp_path / "run")

    def texts(temperature):
        return {written(str(tmp_path / "run"), 20, temperature, number) for number in range(4)}

    assert len(texts(1e-9)) == 1 and len(texts(1.0)) == 4
    assert texts(1.0) == texts(1.0) and {len(text) for text in texts(1.0)} == {20}


def test_the_seventh_test_sequence_is_the_seventh(files):
    x, targets = sequence.sequence(SimpleNamespace(task="mnist14", T=196), number=7)
    images, labels = next(task("mnist14").batches(196, 8, 8, "test"))
    assert np.array_equal(x, images[:, 7:]) and np.array_equal(targets, labels[:, 7:])


def test_every_character_follows_from_all_that_were_written(files, monkeypatch):
    cfg = sab.Config(27, 12, 27, k_trunc=3, k_top=2, k_att=2)
    params = {name: 8 * value for name, value in sab.init_params(cfg, np.random.default_rng(0)).items()}
    monkeypatch.setattr(sequence, "trained", lambda *_: checkpoints.Trained("x", params, cfg, 1, 9, 0, "text8"))
    said = task("text8").encode(np.frombuffer(sequence.written("x", 9, 1e-9).encode(), np.uint8))
    read = np.concatenate([[0], said[:-1]])  # a space, then what it wrote: one segment of T = 9
    assert sab.forward(params, read[:, None], cfg)[0][:, 0].argmax(-1).tolist() == said.tolist()
    assert len(set(said.tolist())) > 2


def test_what_a_task_tells_of_a_sequence():
    x = np.zeros((6, 1, 2), np.float32)
    x[[1, 4], 0] = [[0.25, 1], [0.5, 1]]
    assert task("adding").tell(x, np.full((6, 1, 1), 0.4), np.full((1, 1, 1), 0.375)) == [
        "marked     0.2500 at step 1 and 0.5000 at step 4, of 6 steps",
        "should say 0.3750, half their sum",
        "says       0.4000   (off by 0.0250)",
    ]
    y = np.zeros((196, 1, 10))
    y[0, 0, 3] = y[-1, 0, 7] = 1
    said = task("mnist14").tell(np.zeros((196, 1, 1)), y, np.array([[5]]))
    assert said[-2:] == ["should say 5", "says       7"]


def test_a_place_without_a_character_is_neither_right_nor_wrong():
    y = np.eye(27)[[[1, 5], [3, 0]]]
    assert task("text8").metrics(y, np.array([[1, 2], [3, -1]]))["accuracy"] == pytest.approx(2 / 3)


def test_a_task_of_images_says_how_many_it_trains_on(files, tmp_path):
    assert task("mnist14").about() == "mnist14: 36 training images, 196 steps, row by row"
    for number in (3, 4, 5):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(files["data_batch_1"].tobytes())
    assert task("cifar10").about() == "cifar10: 90 training images, 1024 steps, row by row"


@pytest.mark.parametrize(
    "words, asked",
    [
        ([], (300, 1.0, 0, False)),
        (["--length", "9", "--temperature", "0.5", "--number", "2", "--best"], (9, 0.5, 2, True)),
    ],
    ids=["usual", "asked for"],
)
def test_a_text_has_the_length_the_temperature_and_the_parameters_that_were_asked_for(
    words, asked, monkeypatch, capsys
):
    from sab_numpy.cli import sample

    model = checkpoints.Trained("x", {}, Config(27, 4, 27), 1, 6, 0, "text8")
    monkeypatch.setattr(sample, "trained", lambda *_: model)
    monkeypatch.setattr(sample, "written", lambda *given: given)
    assert cli.main(["sample", "x", *words]) == 0
    assert capsys.readouterr().out == f"{('x', *asked)}\n"
