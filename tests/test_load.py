"""What bench/load.py makes of what its tools say."""

import io

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.data.photo import read_photo
from load import closed_figures, medians, open_figures, pace
from pictures import shop_photo
from serving import BOOT

WRK = {
    "answers": 900, "microseconds": 3_000_000, "not_200": 300, "lost": 2, "p50_us": 7_500,
    "p99_us": 41_000,
}  # fmt: skip


def log(starts: list[int], status: list[int], taken: list[int]) -> str:
    rows = zip(starts, status, taken, strict=True)
    return "".join(f"{start}\t{code}\t{us}\n" for start, code, us in rows)


def test_a_closed_phase_counts_good_answers_over_the_time_that_passed() -> None:
    assert closed_figures(WRK) == {
        "elapsed_seconds": 3.0,
        "answered_per_second": 200.0,
        "p50_ms": 7.5,
        "p99_ms": 41.0,
        "outcomes": {"200": 600, "other": 300, "lost": 2},
    }
    longer = closed_figures({**WRK, "microseconds": 9_000_000})
    assert longer["answered_per_second"] == pytest.approx(200 / 3)


def test_an_open_phase_divides_by_the_time_until_the_last_answer() -> None:
    """11 requests in a second, the last of which is answered two seconds later."""
    starts = [1_700_000_000_000_000 + 100_000 * i for i in range(11)]
    found = open_figures(
        log(starts, [200] * 11, [1_000 * (i + 1) for i in range(10)] + [2_000_000]), 11, 10
    )
    assert found["offered_per_second"] == pytest.approx(10)
    assert found["elapsed_seconds"] == pytest.approx(3)
    assert found["answered_per_second"] == pytest.approx(11 / 3)
    assert found["p50_ms"] == pytest.approx(6)
    assert found["p99_ms"] == pytest.approx(10 + 0.9 * 1990)
    assert found["outcomes"] == {"200": 11, "lost": 0}


def test_what_is_turned_away_or_lost_is_no_answer() -> None:
    starts = [100_000 * i for i in range(11)]
    status = [200] * 5 + [503] * 4 + [-1] * 2
    found = open_figures(log(starts, status, [1_000] * 5 + [9_000] * 6), 14, 10)
    assert found["outcomes"] == {"200": 5, "503": 4, "lost": 5}
    assert found["answered_per_second"] == pytest.approx(5 / 1.009)
    assert found["p99_ms"] == 1


def test_a_load_that_was_not_offered_is_no_measurement() -> None:
    def rate(per_second: float) -> float:
        starts = [round(1e6 * i / per_second) for i in range(101)]
        return open_figures(log(starts, [200] * 101, [1] * 101), 101, 100)["offered_per_second"]

    assert rate(91) == pytest.approx(91, rel=1e-3)
    with pytest.raises(RuntimeError, match="89 requests a second were offered, not 100"):
        rate(89)
    with pytest.raises(RuntimeError, match="of 5 requests 0 were sent"):
        open_figures("", 5, 100)


def test_the_median_round_stands_for_all() -> None:
    rounds = [{"answered_per_second": rate, "p99_ms": 1000 / rate} for rate in (50.0, 10.0, 20.0)]
    assert medians(rounds) == {
        "answered_per_second": 20.0,
        "p99_ms": 50.0,
        "rounds_answered_per_second": [50.0, 10.0, 20.0],
    }
    assert medians(rounds, "p99_ms")["rounds_p99_ms"] == [20.0, 100.0, 50.0]
    assert medians(rounds, "p99_ms")["answered_per_second"] == 20.0


@pytest.mark.parametrize("rate", [25, 55, 140, 333, 1_100, 2_500.5, 9_999])
def test_connections_are_opened_at_the_rate(rate: float) -> None:
    count, milliseconds = pace(rate)
    assert 1000 * count / milliseconds == pytest.approx(rate, rel=0.05)
    assert milliseconds <= 100


def test_as_few_connections_are_opened_together_as_give_the_rate() -> None:
    assert [pace(rate) for rate in (420, 140.3, 127, 1000, 75)] == [
        (5, 12), (1, 7), (1, 8), (1, 1), (2, 27),
    ]  # fmt: skip


def test_the_photo_is_an_ordinary_one() -> None:
    data = shop_photo(BOOT)
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (800, 800), "RGB")
    assert 20_000 < len(data) < 60_000
    photo = read_photo(data)
    assert photo.plain
    assert photo.notes == ()
    sample = np.asarray(Image.open(io.BytesIO(BOOT)), float)
    assert np.corrcoef(photo.seen.ravel(), sample.ravel())[0, 1] > 0.9
