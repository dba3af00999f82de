"""`python -m app serve` runs the server, `python -m app doctor` tells what can run here."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

import app
from app.models import NoModel
from app.settings import PREFIX, Settings, WrongSetting, misspelt

log = logging.getLogger("app")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0, 1 if the model can't be served, 2 for a wrong setting or argument."""
    args = vars(_parser().parse_args(argv))
    command = args.pop("command")
    if command == "doctor":
        return _doctor(as_json=args["json"])
    try:
        settings = Settings.from_env(os.environ, {name: value for name, value in args.items() if value is not None})
        return _serve(settings)
    except (WrongSetting, NoModel) as error:
        print(f"serve: {error}", file=sys.stderr)
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
    return parser


def _serve(settings: Settings) -> int:
    from app import logs, server
    from app.main import create_app

    logs.set_up(settings.log_level)
    for sentence in misspelt(os.environ):
        log.warning("setting unknown text=%r", sentence)
    failures: list[str] = []

    def fail(sentence: str) -> None:
        failures.append(sentence)
        draining.should_exit = True

    api = create_app(settings, fail=fail)
    draining = server.DrainingServer(api, settings)
    log.info("listening bind=%s model=%s version=%s", settings.bind, settings.model, app.__version__)
    draining.run()
    if failures:
        print(f"serve: {failures[0]}", file=sys.stderr)
        return 1
    return 0


def _doctor(*, as_json: bool) -> int:
    from converter import environment, targets

    found = environment.probe()
    answers = {target: environment.availability(target, found) for target in targets.KINDS}
    if as_json:
        verdicts = {target: asdict(answer) for target, answer in answers.items()}
        print(json.dumps({"environment": environment.as_json(found), "targets": verdicts}, indent=2))
        return 0
    print(f"TensorFlow   {found.tensorflow or 'not found'}")
    linked, loaded = environment.dotted(found.tensorrt_linked), environment.dotted(found.tensorrt_loaded)
    print(f"TensorRT     {loaded or 'not loaded'} (TensorFlow is built for {linked or 'none'})")
    print(f"GPU          {', '.join(found.gpus) or 'none'}{_capability(found.compute_capability)}")
    for target, answer in answers.items():
        print(f"{target:12} {'can be made here' if answer.available else f'can not: {answer.code}: {answer.reason}'}")
    return 0


def _capability(capability: str | None) -> str:
    return f" (compute capability {capability})" if capability else ""


if __name__ == "__main__":
    sys.exit(main())
