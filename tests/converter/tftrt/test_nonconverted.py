"""Why operations were left to TensorFlow, from the log of a real conversion."""

from converter.tftrt.nonconverted import read
from tests.support.places import DATA

LOG = (DATA / "tftrt.log").read_text().splitlines()
REASONS = {
    "Cast op is not supported - Allowed input dtypes: [float, half]. Received: int32": 3,
    "Cast op is not supported - Allowed output dtypes: [float, half]. Received: int32": 2,
    "Cast op is not supported - Allowed input dtypes: [float, half]. Received: bool": 1,
}
CAST = {"operation": "Cast", "count": 6, "reasons": REASONS}


def test_each_type_of_operation_is_counted_with_its_reasons() -> None:
    found = read(LOG)
    assert CAST in found
    assert {"operation": "DecodeJpeg", "count": 1, "reasons": {"Op type DecodeJpeg is not supported.": 1}} in found
    assert all(each["count"] == sum(each["reasons"].values()) for each in found)


def test_they_are_as_many_as_the_log_says() -> None:
    found = read(LOG)
    assert f"\t- Total nonconverted OPs: {sum(each['count'] for each in found)}" in LOG
    assert f"\t- Total nonconverted OP Types: {len(found)}" in LOG


def test_the_most_frequent_is_the_first() -> None:
    counts = [each["count"] for each in read(LOG)]
    assert counts == sorted(counts, reverse=True)


def test_reports_of_several_passes_are_added_up() -> None:
    twice = {each["operation"]: each for each in read([*LOG, "I between them", *LOG])}
    assert twice["Cast"]["count"] == 12
    assert twice["Cast"]["reasons"] == {reason: 2 * count for reason, count in REASONS.items()}


def test_without_a_report_there_is_nothing() -> None:
    begin = next(number for number, line in enumerate(LOG) if "non-converted OP Report" in line)
    assert read([]) == []
    assert read([*LOG[:begin], *LOG[begin + 1 :]]) == []


def test_what_stands_after_the_report_is_no_part_of_it() -> None:
    assert read([*LOG, "\t- Cast -> 100x", "\t\t- [Count: 100x] because"]) == read(LOG)


def test_a_report_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    end = LOG.index("\t- Cast -> 6x") + 2
    first = "Cast op is not supported - Allowed input dtypes: [float, half]. Received: int32"
    assert read(LOG[:end])[-1] == {"operation": "Cast", "count": 6, "reasons": {first: 3}}


def test_a_reason_without_an_operation_is_left_out() -> None:
    assert read(["TensorRT unsupported/non-converted OP Report:", "\t\t- [Count: 3x] because", "nonsense"]) == []
