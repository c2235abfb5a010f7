from benchmarks.model_cost import PARTS, seconds_each, table


def busy(rounds: int) -> int:
    """Work of about so many rounds, on ten rows."""
    assert sum(range(rounds)) >= 0
    return 10


def test_a_models_cost_is_that_of_a_row_and_told_in_dins() -> None:
    works = {
        name: {part: lambda rounds=rounds: busy(rounds) for part in PARTS}
        for name, rounds in (("din", 100_000), ("heavy", 1_000_000))
    }
    seconds = seconds_each(works, repeats=3)
    assert {name: set(parts) for name, parts in seconds.items()} == {
        "din": set(PARTS),
        "heavy": set(PARTS),
    }
    assert 3 < seconds["heavy"]["training"] / seconds["din"]["training"] < 30


def test_the_table_has_microseconds_and_ratios() -> None:
    parts = dict.fromkeys(PARTS, 2e-5)
    rows = table({"din": parts, "daian": parts | {"training": 5e-5}})
    assert rows[0]["training × din"] == "1.00"
    assert (rows[1]["training µs"], rows[1]["training × din"]) == ("50.0", "2.50")
    assert rows[1]["scoring × din"] == "1.00"
