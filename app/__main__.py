"""`python -m app serve` runs the server, `detect` asks one, `doctor` tells what is missing here, `inspect` a model."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import app
from app import options
from app.misspelt import misspelt
from app.model_folder import NoModel
from app.settings import PREFIX, Settings, WrongSetting

if TYPE_CHECKING:
    from app.backends.spare import Spare
    from app.supervisor import Supervisor

log = logging.getLogger("app")

_MOST_IN_FLIGHT = 64
INTERRUPTED = 130  # as shells tell it
LOOKED_AT = ("model", "cache", "calibration_images")  # by the doctor; any text is a path, so these are never wrong
DECLARED = (
    "signature",
    "input_scale",
    "input_fit",
    "boxes",
    "outputs",
    "nms_iou",
    "nms_count",
    "labels",
    "label_offset",
)  # what a person says of a model


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0, 1 if the model can't be served, 2 for a wrong setting or argument."""
    args = vars(parser().parse_args(argv))
    command = args.pop("command")
    if command == "doctor":
        return _doctor(as_json=args["json"])
    try:
        return _detect(args) if command == "detect" else _by_settings(command, args)
    except (WrongSetting, NoModel) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2


def _by_settings(command: str, args: dict[str, Any]) -> int:
    as_json = args.pop("json", False)
    settings = Settings.from_env(os.environ, {name: value for name, value in args.items() if value is not None})
    return _serve(settings) if command == "serve" else _inspect(settings, as_json=as_json)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m app", description=app.__doc__)
    parser.add_argument("--version", action="version", version=app.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    options.add_all(
        commands.add_parser(
            "serve",
            help="run the server",
            description="Run the server. Each setting is an option and, as named in brackets, an environment variable; "
            f"options win. Tokens are read from variables or files alone: {PREFIX}TOKEN, {PREFIX}ADMIN_TOKEN, "
            f"{PREFIX}TOKEN_FILE, {PREFIX}ADMIN_TOKEN_FILE.",
        )
    )
    doctor = commands.add_parser("doctor", help="tell what can be made and served on this machine, and why not")
    doctor.add_argument("--json", action="store_true", help="print JSON, for programs")
    _add_detect(commands.add_parser("detect", help="find the objects in pictures, with a running server or without"))
    inspect = commands.add_parser("inspect", help="tell what a model takes and gives, and which copies it can have")
    inspect.add_argument(
        "model", nargs="?", help="the folder of the model or of its versions (default: DETECTOR_MODEL)"
    )
    inspect.add_argument("--json", action="store_true", help="print JSON, for programs")
    options.add(inspect, DECLARED)
    return parser


def _add_detect(detect: argparse.ArgumentParser) -> None:
    detect.add_argument("pictures", nargs="+", help="JPEG files, folders of them, or patterns like 'photos/**/*.jpg'")
    detect.add_argument(
        "--url",
        help="address of a running server (default: none; one is started for the model that DETECTOR_MODEL names)",
    )
    detect.add_argument("--draw", metavar="DIR", type=Path, help="write each picture with its boxes drawn into DIR")
    detect.add_argument("--json", action="store_true", help="print the answers, one JSON object a line")
    detect.add_argument(
        "--in-flight",
        metavar="N",
        type=_in_flight,
        default=4,
        help="maximum number of requests at once (default: %(default)s)",
    )
    detect.add_argument(
        "--backend", metavar="NAME", help="who answers: auto, both, or a backend's name such as native (default: auto)"
    )
    detect.add_argument("--threshold", metavar="SCORE", help="lowest score of an object, from 0 to 1 (default: 0.25)")
    detect.add_argument("--classes", metavar="NAMES", help="only these classes, by name or id, separated by commas")


def _in_flight(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_IN_FLIGHT):
        raise argparse.ArgumentTypeError(f"it is a number from 1 to {_MOST_IN_FLIGHT}, not {text!r}")
    return int(text)


def _detect(args: dict[str, Any]) -> int:
    from app.commands import detect

    names = ("backend", "threshold", "classes")
    asked = detect.Asked(
        pictures=args["pictures"],
        url=args["url"],
        draw=args["draw"],
        as_json=args["json"],
        in_flight=args["in_flight"],
        parameters={name: args[name] for name in names if args[name] is not None},
        token=_token(os.environ),
    )
    try:
        return detect.run(asked, os.environ)
    except KeyboardInterrupt:
        return INTERRUPTED


def _token(environ: Mapping[str, str]) -> str | None:
    """What a server that has these variables asks for; WrongSetting if that can't be told."""
    names = [PREFIX + name for name in ("TOKEN", "TOKEN_FILE")]
    key = Settings.from_env({name: environ[name] for name in names if name in environ}).detection_key
    return key.get_secret_value() if key else None


def _serve(settings: Settings) -> int:
    from app.backends.programs import program_of
    from app.backends.spare import Spare
    from app.choices import NATIVE
    from app.environ import forget_secrets
    from app.supervisor import Supervisor

    doubts, supervisor = misspelt(os.environ), Supervisor.of(os.environ)
    forget_secrets(os.environ, but=settings.child_environment)
    # What it imports takes longer than all that is imported from here on.
    with Spare(program_of(NATIVE), NATIVE) as spare:
        return _serve_with(spare, settings, doubts, supervisor)


def _serve_with(spare: "Spare", settings: Settings, doubts: Sequence[str], supervisor: "Supervisor") -> int:
    from app import logs, server
    from app.main import create_app
    from converter.machine import memory
    from converter.machine.confine import close_to_others

    memory.give_back_early()
    logs.set_up(settings.log_level, form=settings.log_format, requests=settings.request_log)
    _tell_of_doubts(settings, doubts)
    failures: list[str] = []

    def fail(sentence: str) -> None:
        failures.append(sentence)
        draining.should_exit = True

    close_to_others()
    try:
        api = create_app(settings, spare=spare, fail=fail)
    except NoModel as error:
        return _ended(settings, str(error), 2)
    draining = server.DrainingServer(api, settings, supervisor)
    draining.run()
    return _ended(settings, failures[0], 1) if failures else 0


def _tell_of_doubts(settings: Settings, doubts: Sequence[str]) -> None:
    """Log what is probably not as it was meant, though it can be served."""
    from converter.disk.opening import open_to_others
    from converter.machine import system

    if sentence := system.lacking():
        log.warning("system limited text=%r", sentence)
    for sentence in doubts:
        log.warning("setting unknown text=%r", sentence)
    if settings.cache is not None and (opened := open_to_others(settings.cache)):
        log.warning("cache open text=%r", opened)
    if "*" in settings.host_names:
        log.warning("hosts unrestricted bind=%s restricted_by=%s", settings.bind, PREFIX + "ALLOWED_HOSTS")


def _ended(settings: Settings, sentence: str, code: int) -> int:
    """Say why the server ends, in a form that whatever reads the log can read."""
    if settings.log_format == "json":
        log.error("server ended reason=%r", sentence)
    else:
        print(f"serve: {sentence}", file=sys.stderr)
    return code


def _inspect(settings: Settings, *, as_json: bool) -> int:
    from app import model_folder
    from app.commands import inspect
    from app.environ import forget_secrets
    from converter.description import Declared

    model = model_folder.find(settings.model, settings.labels, settings.label_offset)
    forget_secrets(os.environ, but=settings.child_environment)
    declared = Declared(**{name: getattr(settings, name) for name in DECLARED[:-2]})
    found = inspect.inspect(model, declared, tuple(sorted({1, settings.max_batch})))
    print(json.dumps(inspect.as_json(found), indent=2) if as_json else inspect.as_text(found))
    return 0 if found.problem is None else 1


def _doctor(*, as_json: bool) -> int:
    from app.commands import doctor
    from converter.disk.opening import open_to_others

    problems = misspelt(os.environ)
    try:
        settings = Settings.from_env(os.environ)
    except WrongSetting as error:
        problems.insert(0, str(error))
        names = [PREFIX + name.upper() for name in LOOKED_AT]
        settings = Settings.from_env({name: os.environ[name] for name in names if name in os.environ})
    if settings.cache is not None and (sentence := open_to_others(settings.cache)):
        problems.append(sentence)
    diagnosis = doctor.examine(
        model=settings.model,
        cache=settings.cache,
        calibration_images=settings.calibration_images,
        problems=problems,
    )
    print(json.dumps(doctor.as_json(diagnosis), indent=2) if as_json else doctor.as_text(diagnosis))
    return 0


if __name__ == "__main__":
    sys.exit(main())
