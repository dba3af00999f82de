"""What an image must be and do before it is published, whatever engine has built it."""

import re
from collections.abc import Iterator

from deploy.images.engine import ROOT, Config, Engine, NotFit, ask
from deploy.images.served import check_serving

CODE = ("app", "converter", "models")  # whole folders of the repository
# A builder's own settings, which an image would carry to every machine.
BUILDERS = re.compile(r"^(PIP|SSL|REQUESTS|CURL)_|_PROXY$", re.IGNORECASE)
WRONG_RIGHTS = ("(", "-perm", "/022", "-o", "!", "-readable", "-o", "!", "-user", "0", ")")


def check(engine: Engine, target: str) -> Iterator[str]:
    """Look at it and run it; one fact a line, as they are found. NotFit at the first that is not as it must be."""
    config = engine.config(target)
    check_config(config)
    count = check_files(engine, target)
    yield f"{engine.size_bytes(target) / 1e6:,.0f} MB; its {count} files of ours are the repository's"
    if target == "gpu":
        yield check_libraries(engine)
    yield from check_serving(engine, target, config)


def check_config(config: Config) -> None:
    """It says how it is run as the Dockerfile does, and nothing of who built it."""
    found = (config.user, config.folder, config.command, config.volumes, config.stop_signal)
    wanted = ("10001:10001", "/srv", ("python", "-m", "app", "serve"), ("/cache",), "SIGTERM")
    if found != wanted:
        raise NotFit(f"the image says {found}, not {wanted}")
    if names := [name for name in config.environ if BUILDERS.search(name)]:
        raise NotFit(f"the image carries settings of its builder: {', '.join(names)}")


def check_files(engine: Engine, target: str) -> int:
    """Its code is what git has, readable by all and writable by none; how many files."""
    listed = engine.run(target, ["find", "/srv", "-type", "f", "!", "-path", "*/__pycache__/*", "-printf", "%P\n"])
    found = set(listed.stdout.splitlines())
    tracked = set(ask("git", "-c", f"safe.directory={ROOT}", "ls-files").splitlines())
    lacking = {name for name in tracked if name.startswith(tuple(f"{each}/" for each in CODE))} - found
    if listed.returncode or lacking or found - tracked:
        strange = sorted(lacking | (found - tracked))
        raise NotFit(f"/srv lacks, or has beyond the repository: {strange[:3]} {listed.stderr[-200:]}")
    wrong = engine.run(target, ["find", "/srv", "/opt", "!", "-type", "l", *WRONG_RIGHTS])
    if wrong.returncode or wrong.stdout:
        raise NotFit(f"files have wrong rights: {wrong.stdout.splitlines()[:3]} {wrong.stderr[-200:]}")
    return len(found)


def check_libraries(engine: Engine) -> str:
    """TensorFlow finds TensorRT and all of CUDA's libraries; and by the image's own path alone."""
    program = ("python", "deploy/check_tensorrt.py")
    done = engine.run("gpu", program)
    if done.returncode != 0:
        raise NotFit(done.stderr.strip()[-500:])
    if engine.run("gpu", ["env", "--unset=LD_LIBRARY_PATH", *program]).returncode != 1:
        raise NotFit("deploy/check_tensorrt.py passes without the library path, so it tells nothing")
    return done.stdout.strip()
