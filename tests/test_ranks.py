"""Two ranks on this machine against one: gloo, as torchrun starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.ranks import ALONE, BatchNorm, Dropout, Ranks
from fashion_cnn.process import launch
from fashion_cnn.run.folder import Run

# Momentum and no Adam: where a gradient is nearly nothing, Adam makes a whole step of its sign,
# which the order of sums decides.
FLAGS = [
    *("--model", "strided_cnn", "--width", "8", "--optimizer", "sgd", "--lr", "0.05"),
    *("--train-images", "651", "--batch-size", "100", "--epochs", "2", "--validation", "0.02"),
    *("--dropout", "0.3", "--flip", "--translate", "1", "--cutmix", "0.5", "--ema-decay", "0.9"),
    *("--class-weights", "1,2,1,1,1,1,3,1,1,1", "--threads", "1"),
]
# Of weights and losses after 14 steps; a batch norm or a dropout of one share is 100 times as far.
TOLERANCE = 2e-4


@pytest.mark.parametrize("value", ["x", "-1", "0", "1.5", "", "²", "9" * 40])
def test_a_number_of_ranks_that_is_none_is_named(monkeypatch, capsys, value: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", value)
    assert main(["train", "--output", "run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fashion-cnn: $WORLD_SIZE is ")
    assert line.endswith("torchrun sets it to a number: without it, unset it")
    assert launch.ranks() == 1, "which is asked at the end of every command"


@pytest.mark.parametrize(
    ("variable", "ask"),
    [("RANK", launch.rank), ("LOCAL_RANK", launch.local_rank),
     ("LOCAL_WORLD_SIZE", launch.local_ranks), ("TORCHELASTIC_RESTART_COUNT", launch.restarts)],
)  # fmt: skip
def test_a_rank_that_is_none_is_named(monkeypatch, variable: str, ask) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(variable, "1")
    assert ask() == 1
    monkeypatch.setenv(variable, "x")
    with pytest.raises(UsageError, match=rf"^\${variable} is 'x'; torchrun sets it to a number"):
        ask()


def torchrun(output: Path, data: Path, *flags: str, restarts: int = 0) -> subprocess.Popen[str]:
    command = (
        f"-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts {restarts} "
        f"-m fashion_cnn train --output {output} --data-dir {data}"
    )
    return subprocess.Popen(
        [sys.executable, *command.split(), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def weights(run: Path, checkpoint: str = "final") -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "checkpoints" / checkpoint / "model.safetensors")


def ranks_of(run: Path) -> list[int]:
    """The processes that train into a folder, the agent left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(run) in words and "torch.distributed.run" not in words:
            found.append(int(entry.parent.name))
    return sorted(found)


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def alone(real_data, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("ranks") / "alone"
    assert main(["train", *FLAGS, "--output", str(output), "--data-dir", str(real_data)]) == 0
    return output


def test_two_ranks_learn_what_one_does(alone, real_data, tmp_path) -> None:
    """The last batch of 651 images gives one rank 26 of them, the other 25."""
    process = torchrun(tmp_path / "two", real_data, *FLAGS)
    printed, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert printed.count("test set opened 1 time(s)") == 1, "the first rank alone speaks"
    assert said.count("epoch 2/2: ") == 1
    one, two = Run(alone), Run(tmp_path / "two")
    for name, array in weights(alone).items():
        np.testing.assert_allclose(weights(two.path)[name], array, atol=TOLERANCE, err_msg=name)
    for a, b in zip(one.history, two.history, strict=True):
        assert (a.step, a.learning_rate) == (b.step, b.learning_rate)
        assert a.train_accuracy == b.train_accuracy
        assert a.train_loss == pytest.approx(b.train_loss, abs=TOLERANCE)
        assert a.val_loss == pytest.approx(b.val_loss, abs=TOLERANCE)
    test = two.results.metrics.final.test
    assert test
    assert test.n == 10_000
    assert two.environment["ranks"] == 2


def test_two_ranks_fine_tune_as_one_does(alone, real_data, tmp_path) -> None:
    """In the first of two epochs the head alone has gradients to share."""
    flags = [*FLAGS, "--init-from", str(alone), "--freeze", "1", "--no-test"]
    one = [*flags, "--output", str(tmp_path / "one"), "--data-dir", str(real_data)]
    assert main(["train", *one]) == 0
    _, said = torchrun(tmp_path / "two", real_data, *flags).communicate(timeout=200)
    assert said.count("epoch 2/2: ") == 1, said
    assert said.count("starting from") == 1
    for name, array in weights(tmp_path / "one").items():
        found = weights(tmp_path / "two")[name]
        np.testing.assert_allclose(found, array, atol=TOLERANCE, err_msg=name)
    for a, b in zip(Run(tmp_path / "one").history, Run(tmp_path / "two").history, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, abs=TOLERANCE)


def test_a_killed_rank_is_started_again_and_goes_on(alone, real_data, tmp_path) -> None:
    run = tmp_path / "killed"
    process = torchrun(run, real_data, *FLAGS, "--no-test", restarts=1)
    wait_for(lambda: (run / "history.csv").exists() and "\n1," in (run / "history.csv").read_text())
    os.kill(ranks_of(run)[-1], signal.SIGKILL)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    events = [entry["event"] for entry in Run(run).events()]
    assert events.count("started") == events.count("resumed") == 1
    for name, array in weights(alone).items():
        np.testing.assert_allclose(weights(run)[name], array, atol=TOLERANCE, err_msg=name)


def test_a_killed_rank_ends_the_job(few_data, tmp_path) -> None:
    run = tmp_path / "ended"
    process = torchrun(run, few_data, *FLAGS, "--epochs", "1000")
    wait_for(lambda: (run / "recipe.json").exists())
    os.kill(ranks_of(run)[-1], signal.SIGKILL)
    began = time.monotonic()
    process.communicate(timeout=100)
    assert process.returncode != 0
    assert time.monotonic() - began < 60
    assert not ranks_of(run)


def test_a_signal_stops_all_ranks_at_one_step(few_data, tmp_path) -> None:
    run = tmp_path / "stopped"
    process = torchrun(run, few_data, *FLAGS, "--epochs", "1000", "--no-test")
    wait_for(lambda: (run / "history.csv").exists() and "\n1," in (run / "history.csv").read_text())
    os.kill(ranks_of(run)[-1], signal.SIGTERM)  # one rank alone hears of it
    _, said = process.communicate(timeout=100)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"] == "interrupted", said
    assert metrics["final"]["step"] == Run(run).checkpoints.load("final").state["step"]
    assert process.returncode != 0, "torchrun knows that it was not the end"


def test_shares_are_the_batch() -> None:
    batch = torch.arange(7)
    shares = [Ranks(rank, 3).share(batch) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == list(range(7))
    assert ALONE.share(batch) is batch


@pytest.mark.parametrize(("rows", "size"), [(8, 2), (7, 2), (7, 3)])
def test_dropout_of_a_share_is_the_share_of_the_dropout(rows: int, size: int) -> None:
    layer, x = Dropout(0.4).train(), torch.rand(rows, 5)
    torch.manual_seed(0)
    whole = layer(x)
    for rank in range(size):
        layer.ranks = Ranks(rank, size)
        torch.manual_seed(0)
        assert torch.equal(layer(layer.ranks.share(x)), whole[rank::size])
    assert (whole == 0).any()
    assert torch.equal(layer.eval()(x), x)


def test_batch_norm_of_the_whole_batch(monkeypatch) -> None:
    """Forward and backward, with 4 images for one rank and 3 for the other.

    The ranks take turns, each with what the other sent the time before: from the third time on
    that is what it sends now.
    """
    x, wanted = torch.randn(7, 4, 3, 3) * 3 + 5, torch.randn(7, 4, 3, 3)
    theirs = torch.nn.BatchNorm2d(4).train()
    torch.nn.init.uniform_(theirs.weight, 0.5, 2)
    whole = x.clone().requires_grad_()
    answer = theirs(whole)
    (answer * wanted).sum().backward()

    sent: list[list[torch.Tensor]] = [[], []]
    layers: list[tuple[BatchNorm, torch.Tensor, torch.Tensor]] = []
    for _ in range(3):
        layers, heard, sent = [], sent, [[], []]
        for rank in range(2):

            def exchange(total: torch.Tensor, mine=sent[rank], others=heard[1 - rank]) -> None:
                mine.append(total.clone())
                if len(others) >= len(mine):
                    total += others[len(mine) - 1]

            monkeypatch.setattr("torch.distributed.all_reduce", exchange)
            ours = BatchNorm(4).train()
            ours.ranks, ours.weight = Ranks(rank, 2), torch.nn.Parameter(theirs.weight.detach())
            share = x[rank::2].clone().requires_grad_()
            out = ours(share)
            (out * wanted[rank::2]).sum().backward()
            layers.append((ours, share, out))
    assert [len(messages) for messages in sent] == [2, 2], "one each way"
    assert whole.grad is not None
    for rank, (ours, share, out) in enumerate(layers):
        torch.testing.assert_close(out, answer[rank::2])
        torch.testing.assert_close(share.grad, whole.grad[rank::2])
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
    for name in ("weight", "bias"):  # DistributedDataParallel adds these up
        torch.testing.assert_close(
            sum(getattr(ours, name).grad for ours, *_ in layers), getattr(theirs, name).grad
        )


@pytest.mark.parametrize(("images", "batch", "size"), [(101, 100, 2), (50, 1, 2), (9, 4, 3)])
def test_a_batch_too_small_for_the_ranks_is_refused(images: int, batch: int, size: int) -> None:
    with pytest.raises(UsageError, match="batch-size"):
        Ranks(0, size).check_batches(images, batch)
    ALONE.check_batches(images, batch)
