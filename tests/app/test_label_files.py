"""Files of labels as people have them: read as they are meant, or refused by form and line."""

from pathlib import Path

import pytest

from app.label_files import MOST_BYTES, Labels, WrongLabels, read

WITH_IDS: dict[str, tuple[str, str, dict[int, str]]] = {
    "lines": ("1 person\n13  stop sign \n\n# more\n", "lines", {1: "person", 13: "stop sign"}),
    "from 0, other scripts": ("0 Straßenbahn\n7 路面電車", "lines", {0: "Straßenbahn", 7: "路面電車"}),
    "id: name": ("0: person\n1: 'traffic light'\n", "lines", {0: "person", 1: "traffic light"}),
    "name: id": ("person: 0\ntraffic light = 1\n", "lines", {0: "person", 1: "traffic light"}),
    "tab": ("0\tperson\r\n1\tbicycle\r\n", "lines", {0: "person", 1: "bicycle"}),
    "CSV": ('0,person\n1,"light, red"\n', "table", {0: "person", 1: "light, red"}),
    "CSV, name first": ("person;1\ncar;3\n", "table", {1: "person", 3: "car"}),
    "CSV with a heading": ("color,name,ID\n#f00,person,1\n#0f0,car,3\n", "table", {1: "person", 3: "car"}),
    "tab with a heading": ("id\tname\n1\tperson\n", "table", {1: "person"}),
    "TFLite's": ("???\nperson\ncar\n???\ntruck\n", "lines", {1: "person", 2: "car", 4: "truck"}),
    "background": ("background\nperson\n", "lines", {0: "background", 1: "person"}),
    "pbtxt": (
        "# map\nitem {\n  id: 1 # one\n  name: '/m/01'\n  display_name: \"caf\\303\\251\"\n"
        "  keypoints { id: 7 label: 'nose' }\n}\nitem: <name: 'car', id: 3, sizes: [1, 2]>;\n",
        "pbtxt",
        {1: "café", 3: "car"},
    ),
    "pbtxt in lines": ("item { name: 'a' id: 1 }\nitem { id: 2 name: 'b' }", "pbtxt", {1: "a", 2: "b"}),
    "JSON": ('{"1": "person", "3": "car"}', "JSON", {1: "person", 3: "car"}),
    "JSON, name first": ('{"person":1,\n\t"car":3}', "JSON", {1: "person", 3: "car"}),
    "COCO's categories": (
        '{"info": {}, "categories": [{"id": 3, "name": "car \\ud83d\\ude97", "supercategory": "x"}]}',
        "JSON",
        {3: "car 🚗"},
    ),
    "id2label": ('{"layers": [1], "id2label": {"0": "N/A", "1": "person"}}', "JSON", {1: "person"}),
    "Python's": ("{0: 'person', 1: {'id': 1, 'name': 'car'}}", "JSON", {0: "person", 1: "car"}),
    "YAML": ("path: x\nnames:\n  0: person\n  1: no\nnc: 2\n", "YAML", {0: "person", 1: "no"}),
}
NAMES = ["person", "traffic light", "3d printer"]
ALONE = {
    "lines": "\n".join(NAMES),
    "Windows' ends, blank lines at the end": "\r\n".join(NAMES) + "\r\n\r\n",
    "a byte order mark": "\ufeff" + "\n".join(NAMES),
    "JSON": '["person", "traffic light",\n "3d printer"]',
    "Python": str(NAMES),
    "YAML": "nc: 3\nnames: # all\n- person\n- traffic light\n- 3d printer\n",
    "YAML, bare": "- person\n- traffic light\n- 3d printer\n",
    "YAML in one line": "names: [person, 'traffic light', 3d printer]\n",
    "objects": '[{"name": "person"}, {"name": "traffic light"}, {"name": "3d printer"}]',
    "a heading": "name\nperson\ntraffic light\n3d printer\n",
}
WRONG = {
    "empty": ("", "line 1 of .*: there is no name"),
    "only what stands for no class": ("???\nn/a\n", "line 1 of .*: there is no name"),
    "a line without an id": ("1 person\n2 car\ndog\n", "line 1 of .* lines: '1 person' has a number"),
    "a blank line": ("person\n\ncar\n", "line 2 of .* blank"),
    "a comment": ("person\n# two wheels\ncar\n", "line 2 of .* begins with '#'"),
    "a tag": ("#person\n#car\n", "line 1 of .* begins with '#'"),
    "numbers in another way": ("1. person\n2. car\n", "line 1 of .* id can't be told"),
    "a name that begins with a number": ("person\n7 up\n", "line 2 of .* id can't be told"),
    "numbers behind names": ("person 0\ncar 1\n", "line 1 of .* id can't be told"),
    "an id twice": ("1 person\n\n1 car\n", "line 3 of .* class 1 again, as line 1"),
    "an id out of range": ("99999999999 person\n", "line 1 of .* not a class id"),
    "commas and no ids": ("/m/1,person\n/m/2,car\n", "line 1 of .* table: no single column"),
    "columns without a heading": ("0,person,red\n1,car,blue\n", "line 1 of .* 3 columns"),
    "a torn table": ("0,person\n1,car,blue\n", "line 2 of .* 3 columns"),
    "a control character": ("person\ncar\0\n", "line 2 of .* printable"),
    "pbtxt without an end": ("item {\n id: 1\n name: 'a'\n", "line 4 of .* pbtxt"),
    "pbtxt without a name": ("item { id: 1 name: 'a' }\nitem { id: 2 }", "line 2 of .* pbtxt: the item has no name"),
    "pbtxt without an id": (
        "item { id: 1 name: 'a' }\nitem { name: 'b' }",
        "line 2 of .* pbtxt: the item has the id ''",
    ),
    "pbtxt with a negative id": ("item {\n id: -1 name: 'a' }", "line 1 of .* pbtxt: .*'-1'"),
    "broken JSON": ('["person",\n "car"\n "dog"]', "line 3 of .* JSON"),
    "JSON with a null": ('["person",\n null]', "line 2 of .* JSON: there is no name"),
    "JSON of other things": ('{"1": "person",\n "x": "car"}', "line 2 of .* JSON: 'x' is not a pair"),
    "JSON in JSON in JSON": ("[" * 100_000, "line 1 of .* JSON: it is nested too deeply"),
    "some with ids": ('[{"id": 1, "name": "a"},\n{"name": "b"}]', "line 2 of .* 'b' is unlike"),
    "YAML with a tab": ("names:\n\t0: person\n", "line 2 of .* YAML"),
    "YAML of other things": ("nc: 3\nnames: {a: b}\n", "line 2 of .* YAML: 'a' is not a pair"),
}


def labels(folder: Path, text: str | bytes, name: str = "labels.txt") -> Labels:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path)


@pytest.mark.parametrize(("text", "form", "names"), WITH_IDS.values(), ids=WITH_IDS.keys())
def test_files_with_ids_are_read(text: str, form: str, names: dict[int, str], tmp_path: Path) -> None:
    found = labels(tmp_path, text)
    assert (found.has_ids, found.names) == (True, names)
    assert form in found.form


@pytest.mark.parametrize("text", ALONE.values(), ids=ALONE.keys())
def test_names_alone_have_places_and_no_ids(text: str, tmp_path: Path) -> None:
    found = labels(tmp_path, text, "labels.csv" if text.startswith("name\n") else "labels.txt")
    assert (found.has_ids, found.names) == (False, dict(enumerate(NAMES)))


def test_what_powershell_writes_is_read(tmp_path: Path) -> None:
    assert labels(tmp_path, "person\r\ncafé\r\n".encode("utf-16")).names == {0: "person", 1: "café"}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_of_its_form_is_refused_by_form_and_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(WrongLabels, match=f"^{says}"):
        labels(tmp_path, text)


def test_another_encoding_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongLabels, match=r"^line 2 of labels.txt, read as text: it is not UTF-8"):
        labels(tmp_path, "person\ncafé\n".encode("latin-1"))
    with pytest.raises(WrongLabels, match="more than 1,048,576 bytes"):
        labels(tmp_path, b"a" * (MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("text", "first", "names"),
    [
        ("person\ncar\n", 1, {1: "person", 2: "car"}),
        ("???\nperson\ncar\n", 0, {0: "person", 1: "car"}),
        ("background\nperson\ncar\n", -1, {0: "person", 1: "car"}),
        ("1 person\n3 car\n", 0, {0: "person", 2: "car"}),
    ],
)
def test_names_move_together(text: str, first: int, names: dict[int, str], tmp_path: Path) -> None:
    assert labels(tmp_path, text).shifted(first) == names
