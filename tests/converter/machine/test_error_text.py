from pathlib import Path

from converter.machine.error_text import first_line


def test_a_folder_is_told_by_its_name_whatever_its_path_has() -> None:
    folder = Path("/x odd/secret (1)/m,x :y/1")
    assert first_line(OSError(f"no file at: {folder}/a.pb\nmore"), folder) == "no file at: 1/a.pb"
