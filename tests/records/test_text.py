import pytest

from resbench.records.text import duration, file_stem, file_stems, one_line, printable


def test_what_a_terminal_would_act_on_is_shown_as_its_code() -> None:
    assert printable("é µ 漢 a\\b") == "é µ 漢 a\\b"
    assert printable("\x1b]0;mine\x07") == "\\x1b]0;mine\\x07"
    assert printable("a\u202eb\x00\ud800") == "a\\u202eb\\x00\\ud800"


def test_lines_become_one() -> None:
    assert one_line(" a\r\n\tb\u2028c\x1b ") == "a b c\\x1b"


def test_a_file_name_is_no_path_and_never_empty_hidden_or_an_option() -> None:
    names = ["../up", "/etc/passwd", "a/../b", "a\\b", "nul\x00", "", ".", "..", ".hidden", "--all", "漢"]
    assert [file_stem(name) for name in names] == [
        *("up", "etc_passwd", "a_.._b", "a_b", "nul", "_", "_", "_", "hidden", "all", "_"),
    ]
    assert file_stem("mnist-10k_lenet5.v2") == "mnist-10k_lenet5.v2"
    assert len(file_stem("x" * 5000)) == 100


def test_no_two_file_names_are_one() -> None:
    stems = file_stems(["a/b", "a b", "A_B", "a_b-2", "a_b-2", "", "."])
    assert stems == ["a_b", "a_b-2", "A_B-3", "a_b-2-2", "a_b-2-3", "_", "_-2"]
    assert len({stem.lower() for stem in file_stems(["x"] * 3000)}) == 3000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59.6, "1 min"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h 0 min"),
        (5 * 3600 + 7 * 60, "5 h 7 min"), (7 * 86400 + 3 * 3600, "7 d 3 h"),
    ],
)  # fmt: skip
def test_durations_are_said_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
