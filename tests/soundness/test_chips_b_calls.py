"""Group H: READ, WRITE and SHA2."""

from rv32im_attack import failing, of_kind, refused

from localbento.field.babybear import P


def test_read_answers_are_between_0_and_the_length():
    """r = -5 passes if only n - r is checked; n - r = -1 if only r is."""
    row = of_kind("host_io", is_read=1, some=1)
    n = row["length"]
    refused("host_io", row | {"result": P - 5}, "r is not negative")
    assert n + 5 < 1 << 11
    refused("host_io", row | {"length": 3, "result": P - 5}, "r is not negative")
    refused("host_io", row | {"length": 3, "result": 4}, "r is at most n")
    write = of_kind("host_io", is_write=1)
    refused("host_io", write | {"result": P - 5}, "r is not negative")
    refused("host_io", write | {"length": 3, "result": 4}, "r is at most n")
    assert failing("host_io", write | {"some": 1, "result": 0, "pointer.hi": 1}) == {"only READ has data"}


def test_read_lengths_and_pointers():
    """At most 1024, no wrap around 2^32, never into the zero area, the byte in its word."""
    row = of_kind("host_io", is_read=1, some=1, carry=0) | {"length": 1025, "result": 0, "some": 0}
    refused("host_io", row, "n is at most 1024")
    row = of_kind("host_io", is_read=1, some=1, carry=0)
    zero = row | {"pointer.hi": 0}
    refused("host_io", zero, "p is above the zero area")
    assert not failing("host_io", zero | {"result": 0, "some": 0})
    top = row | {"pointer.hi": 0xFFFF, "pointer.lo": 0xFFFC, "byte_low": 0, "byte_high": 0, "length": 4, "result": 0}
    top |= {"some": 0}
    assert failing("host_io", top | {"carry": 1}) == {"p + n is below 2^32"}
    assert failing("host_io", top | {"carry": 0}) == {"p + n, low limb"}
    assert not failing("host_io", top | {"length": 3, "carry": 0})
    low = row["pointer.lo"] & ~3
    refused("host_io", row | {"pointer.lo": low + 1, "byte_low": 0, "byte_high": 1}, "word in its 64 KiB is 14 bits")
    refused("host_io", row | {"some": 0}, "no data, no bytes")


def test_read_data_ends_when_nothing_is_left():
    whole, byte = of_kind("read_data", whole=1, last=0), of_kind("read_data", byte1=1, last=0)
    refused("read_data", whole | {"last": 1}, "last: nothing is left")
    refused("read_data", byte | {"last": 1}, "last: nothing is left")
    refused("read_data", of_kind("read_data", whole=1, last=1) | {"left": 3}, "last: nothing is left")


def test_read_data_writes_bytes_only_where_it_says():
    for i, half in enumerate(("lo", "lo", "hi", "hi")):
        row = of_kind("read_data", **{f"byte{i}": 1})
        other = {"lo": "hi", "hi": "lo"}[half]
        refused("read_data", row | {f"new.{other}": row[f"new.{other}"] ^ 1}, "low" if other == "lo" else "high")
        # the byte beside, changed together with what the row says of it before
        changed = row | {"beside": row["beside"] ^ 1}
        refused("read_data", changed, f"byte {i}: before", f"byte {i}: after")
        big = row | {"put": row["put"] + 256, "beside": row["beside"] - 1}
        assert failing("read_data", big)
    row = of_kind("read_data", whole=1)
    refused("read_data", row | {"new.lo": 1 << 16}, "new word, low limb")
    refused("read_data", row | {"new.hi": P - 1}, "new word, high limb")


def test_sha2_calls_have_good_pointers_and_at_most_10_blocks():
    """The word address is what the pointer's row hands on, so a changed pointer is another address or no pointer."""
    row = of_kind("sha2", count=1)
    for value in (11, 16, 64):
        refused("sha2", row | {"left": value, "before.lo": value, "after[0]": value}, "at most 10 blocks")
    for row in (of_kind("sha2", pointer=1, index=i) for i in (0, 1, 2, 4)):
        for extra in (1, 2, 3):
            found = failing("sha2", row | {"before.lo": row["before.lo"] + extra, "after[0]": row["after[0]"] + extra})
            assert found == {"the pointer is aligned"}
        zero = row | {"before.hi": 0, "after[2]": 0, "after[3]": 0}
        assert failing("sha2", zero) == {"the pointer is above the zero area"}
        refused("sha2", row | {"before.hi": row["before.hi"] ^ 1}, "a read leaves the word, high")


def test_sha2_carries_are_bits_and_only_in_blocks():
    """A carry of 2 or p - 1 with the done word moved by 2^16 would leave every equation true."""
    row = of_kind("sha2", block=1)
    for i, name in enumerate(("low", "high")):
        for value in (2, P - 1):
            assert failing("sha2", row | {f"carry[{i}]": value}) == {f"carry[{i}] is a bit"}
        for kind in ("call", "pointer", "load", "store", "finish"):
            other = of_kind("sha2", **{kind: 1})
            refused("sha2", other | {f"carry[{i}]": 1}, f"{name}: no carry but in a block")
    refused("sha2", row | {"after[3]": 256}, "bytes 2")


def test_sha2_data_in_rounds_0_to_15_only():
    data, later = of_kind("sha2_round", round=15), of_kind("sha2_round", round=16)
    place = "data in rounds 0 to 15 and no other; constant: time passed, high 8 bits"
    assert place in failing("sha2_round", later | {"is_data": 1})
    assert place in failing("sha2_round", data | {"is_data": 0})
    refused("sha2_round", of_kind("sha2_round", round=62) | {"last": 1}, "last is round 63")
    assert failing("sha2_round", of_kind("sha2_round", round=63) | {"round": 64, "last": 0}) == set()
    assert place in failing("sha2_round", of_kind("sha2_round", round=63) | {"round": 80, "last": 0})


def test_sha2_answers():
    """Another sum, another carry, a word out of range: noticed in the round or in the next one."""
    row = of_kind("sha2_round", round=20)
    for word in ("next_a", "next_e"):
        name = word.replace("_", " ")
        refused("sha2_round", row | {f"{word}.lo": row[f"{word}.lo"] ^ 1}, f"{name}, low limb")
        refused("sha2_round", row | {f"{word}.hi": row[f"{word}.hi"] ^ 1}, f"{name}, high limb")
        digit = row[f"{word}_carry[1]"]
        moved = row | {f"{word}_carry[1]": 4 + digit, f"{word}.hi": row[f"{word}.hi"] - 4 * 65536}
        refused("sha2_round", moved, f"{name}, high: carry digit is 0 to 3")
