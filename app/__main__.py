"""`python -m app serve` runs the server, `doctor` tells what is missing here, `inspect` what a model is."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence

import app
from app.misspelt import misspelt
from app.model_folder import NoModel
from app.settings import PREFIX, Settings, WrongSetting

log = logging.getLogger("app")

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
    args = vars(_parser().parse_args(argv))
    command = args.pop("command")
    if command == "doctor":
        return _doctor(as_json=args["json"])
    as_json = args.pop("json", False)
    try:
        settings = Settings.from_env(os.environ, {name: value for name, value in args.items() if value is not None})
        return _serve(settings) if command == "serve" else _inspect(settings, as_json=as_json)
    except (WrongSetting, NoModel) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description=app.__doc__)
    parser.add_argument("--version", action="version", version=app.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve", help="run the server", description="Run the server. Options win over variables."
    )
    for name, field in Settings.model_fields.items():
        text = f"{field.description} [{PREFIX}{name.upper()}]"
        if "token" not in name:  # command lines are public on a machine
            serve.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text.replace("%", "%%"))
    doctor = commands.add_parser("doctor", help="tell what can be made and served on this machine, and why not")
    doctor.add_argument("--json", action="store_true", help="for programs")
    inspect = commands.add_parser("inspect", help="tell what a model takes and gives, and which copies it can have")
    inspect.add_argument("model", nargs="?", help="its folder, or that of its versions (default: DETECTOR_MODEL)")
    inspect.add_argument("--json", action="store_true", help="for programs")
    for name in DECLARED:
        inspect.add_argument(
            f"--{name.replace('_', '-')}", metavar="VALUE", help=Settings.model_fields[name].description
        )
    return parser


def _serve(settings: Settings) -> int:
    from app import logs, server
    from app.environ import forget_secrets
    from app.main import create_app
    from converter.machine import memory
    from converter.machine.confine import close_to_others

    memory.give_back_early()
    logs.set_up(settings.log_level, form=settings.log_format, requests=settings.request_log)
    _tell_of_doubts(settings)
    failures: list[str] = []

    def fail(sentence: str) -> None:
        failures.append(sentence)
        draining.should_exit = True

    forget_secrets(os.environ, but=settings.child_environment)
    close_to_others()
    try:
        api = create_app(settings, fail=fail)
    except NoModel as error:
        return _ended(settings, str(error), 2)
    draining = server.DrainingServer(api, settings)
    log.info("listening bind=%s model=%s version=%s", settings.bind, settings.model, app.__version__)
    draining.run()
    return _ended(settings, failures[0], 1) if failures else 0


def _tell_of_doubts(settings: Settings) -> None:
    """Log what is probably not as it was meant, though it can be served."""
    from converter.disk.opening import open_to_others

    for sentence in misspelt(os.environ):
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
