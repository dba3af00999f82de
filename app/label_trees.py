"""Labels in files with structure: YAML, of which JSON is a part, and the text format of protocol buffers."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.label_rows import Row, WrongLine, number

KEYS = ("names", "categories", "id2label", "label2id", "classes", "labels")  # under which files have their classes
_CLOSED_BY = {"{": "}", "<": ">", "[": "]"}
_NULL = "tag:yaml.org,2002:null"
_MOST_NESTED = 20


def tree(text: str) -> Iterator[Row]:
    """The classes in YAML or JSON: a list of names or of objects, or a mapping of ids and names either way round.

    Words are taken as they are written: `no` and `on` are names too.
    """
    root = _composed(text)
    if root is not None:
        yield from _classes(_inner(root))


def _composed(text: str) -> Any:
    import yaml  # only who has such a file waits for it

    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise WrongLine(mark.line + 1 if mark else 1, f"it can't be read: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:  # which knows no lines
        line = text.count("\n", 0, error.position) + 1
        raise WrongLine(line, "it has characters that can't be printed") from error
    except RecursionError as error:
        raise WrongLine(1, "it is nested too deeply") from error


def _inner(node: Any) -> Any:
    """The part of a larger file that has the classes, or all of it."""
    if node.id != "mapping":
        return node
    parts = {key.value: value for key, value in node.value if key.id == "scalar" and value.id != "scalar"}
    return next((parts[key] for key in KEYS if key in parts), node)


def _classes(node: Any) -> Iterator[Row]:
    if node.id == "scalar":
        raise WrongLine(_line(node), "it has no list or mapping of names")
    if node.id == "sequence":
        return map(_entry, node.value)
    by_id = bool(node.value) and number(_scalar(node.value[0][0])) is not None
    return (_pair(key, value, by_id=by_id) for key, value in node.value)


def _pair(key: Any, value: Any, *, by_id: bool) -> Row:
    name, text = (_name(value), _scalar(key)) if by_id else (_scalar(key), _scalar(value))
    class_id = number(text)
    if class_id is None:
        raise WrongLine(_line(key), f"{_scalar(key)[:40]!r} is not a pair of a class id and a name")
    return Row(_line(key), class_id, name)


def _entry(node: Any) -> Row:
    """An item of a list: a name, or an object with a name and perhaps an id."""
    if node.id != "mapping":
        return Row(_line(node), None, _name(node))
    fields = {key.value: value for key, value in node.value if key.id == "scalar"}
    if "id" not in fields:
        return Row(_line(node), None, _name(node))
    class_id = number(_scalar(fields["id"]))
    if class_id is None:
        raise WrongLine(_line(node), f"{_scalar(fields['id'])[:40]!r} is not a class id")
    return Row(_line(node), class_id, _name(node))


def _name(node: Any) -> str:
    """A name, or that of an object."""
    if node.id == "mapping":
        fields = {key.value: value for key, value in node.value if key.id == "scalar"}
        node = next((fields[key] for key in ("display_name", "name") if key in fields), node)
    if node.id != "scalar" or node.tag == _NULL:
        raise WrongLine(_line(node), "there is no name where one belongs")
    return _scalar(node)


def _scalar(node: Any) -> str:
    if node.id != "scalar":
        raise WrongLine(_line(node), "there is a list or an object where a name or an id belongs")
    # JSON writes a character beyond 16 bits as a pair of halves.
    return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def pbtxt(text: str) -> Iterator[Row]:
    """The items of a label map as the object detection API has them: `display_name`, else `name`, and `id`."""
    from google.protobuf import text_format

    tokens: Any = text_format.Tokenizer(text.split("\n"))
    try:
        while not tokens.AtEnd():
            line = _line_of(tokens)
            tokens.Consume("item")
            tokens.TryConsume(":")
            opened = "<" if tokens.TryConsume("<") else tokens.Consume("{") or "{"
            yield _item(_fields(tokens, _CLOSED_BY[opened]), line)
            _separated(tokens)
    except text_format.ParseError as error:
        raise WrongLine(error.GetLine() or text.count("\n") + 1, f"it can't be read: {_unplaced(error)}") from error


def _item(fields: Mapping[str, str], line: int) -> Row:
    class_id = number(fields.get("id", ""))
    name = fields.get("display_name") or fields.get("name") or ""
    if class_id is None:
        raise WrongLine(line, f"the item has the id {fields.get('id', '')[:40]!r}, which is not a class id")
    if not name:
        raise WrongLine(line, "the item has no name")
    return Row(line, class_id, name.strip())


def _fields(tokens: Any, closed_by: str, depth: int = 0) -> dict[str, str]:
    """The fields with one value; what is nested, as key points are, is passed over."""
    found: dict[str, str] = {}
    if depth > _MOST_NESTED:
        raise WrongLine(_line_of(tokens), "it is nested too deeply")
    while not tokens.TryConsume(closed_by):
        name = "" if closed_by == "]" else tokens.ConsumeIdentifier()
        has_colon = tokens.TryConsume(":")
        opened = tokens.token
        if opened in _CLOSED_BY:
            tokens.NextToken()
            _fields(tokens, _CLOSED_BY[opened], depth + 1)
        else:
            found[name] = _value(tokens, needs_colon=bool(name) and not has_colon)
        _separated(tokens)
    return found


def _value(tokens: Any, *, needs_colon: bool) -> str:
    if needs_colon:
        tokens.Consume(":")
    if tokens.token[:1] in ("'", '"'):
        return str(tokens.ConsumeString())
    word = str(tokens.token)
    if not word or word in "}>],;:":
        raise tokens.ParseError(f"Expected a value: {word}")
    tokens.NextToken()
    return word


def _separated(tokens: Any) -> None:
    if not tokens.TryConsume(","):
        tokens.TryConsume(";")


def _line_of(tokens: Any) -> int:
    return int(tokens.ParseError("").GetLine())


def _unplaced(error: Exception) -> str:
    """What the library says, without the place that it begins with."""
    return str(error).rpartition(" : ")[2] or str(error)
