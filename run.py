"""Set up this checkout and run it: `python run.py demo` or `python run.py test`.

A fresh machine needs Python 3.10+ and a package index, nothing else: the first run creates `.venv` here and
installs requirements-dev.txt into it. `--here` uses the current interpreter as it is and installs nothing.

`test` runs the unit tests, then tests/comfyui once for every ComfyUI that it finds: those named by COMFYUI_PATH
(several: separated as in PATH), else the ComfyUI that holds this pack, else ~/ComfyUI. On Linux the package index
serves torch with CUDA; UV_TORCH_BACKEND=cpu installs the much smaller CPU build.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PINNED_HERE = {"torch", "torchvision", "torchaudio"}  # requirements-dev.txt pins them
NO_TESTS_COLLECTED = 5  # exit code of pytest


class SetupError(Exception):
    """The environment cannot be made ready; the text says what to do."""


def say(text):
    print(f"[run.py] {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "test"], help="what to run")
    parser.add_argument("--here", action="store_true", help="use this interpreter, install nothing")
    options, rest = parser.parse_known_args()
    try:
        if options.command == "demo":
            return run_demo(options.here, rest)
        return run_tests(options.here, rest)
    except SetupError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def run_demo(here, arguments):
    python = sys.executable if here else prepare_environment([])
    return subprocess.call([python, "-m", "demo", *arguments], cwd=ROOT)


def run_tests(here, arguments):
    installs = find_comfyui()
    for install in installs:
        say(f"found ComfyUI {comfyui_version_text(install)} in {install}")
    python = sys.executable if here else prepare_environment(comfyui_requirements(installs))

    runs = [("unit tests", ["tests", "--ignore=tests/comfyui"], installs[-1] if installs else None)]
    runs += [(f"ComfyUI {comfyui_version_text(path)} ({path})", ["tests/comfyui"], path) for path in installs]
    if not installs:
        runs.append(("integration tests", ["tests/comfyui"], None))

    totals, reasons, closing, broken = Counter(), Counter(), [], False
    for title, targets, comfyui in runs:
        say(f"{title}: pytest {' '.join([*targets, *arguments])}")
        code, counts, skip_reasons = run_pytest(python, [*targets, *arguments], comfyui)
        broken = broken or code not in (0, NO_TESTS_COLLECTED)
        totals += counts
        reasons += skip_reasons
        closing.append(f"{title}: {summary(counts)}")
        if not installs and title == "integration tests":
            closing.append(
                f"No ComfyUI was found: {counts['skipped']} integration tests were skipped. "
                "Set COMFYUI_PATH to a ComfyUI folder to run them."
            )
    print()
    for reason, count in reasons.most_common():
        print(f"skipped {count}: {reason}")
    print("\n".join(closing))
    print(summary(totals))
    return 1 if broken or totals["failed"] or not totals["passed"] else 0


def summary(counts):
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))


def run_pytest(python, arguments, comfyui):
    """Run one pytest process; return its exit code, its totals and how often each reason to skip was given."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("COMFYUI_PATH", None)
    if comfyui is not None:
        environment["COMFYUI_PATH"] = str(comfyui)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", *arguments, f"--junitxml={report}", "--durations=5"]
        code = subprocess.call(command, cwd=ROOT, env=environment)
        if not report.is_file():  # pytest died before it could write
            say(f"pytest ended with exit code {code} and left no report")
            return code or 1, Counter(failed=1), Counter()
        suites = ElementTree.parse(report).getroot().findall("testsuite")
    total = Counter()
    for suite in suites:
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        total.update(passed=int(suite.get("tests", 0)) - failed - skipped, failed=failed, skipped=skipped)
    reasons = Counter(skip.get("message", "") for suite in suites for skip in suite.iter("skipped"))
    return code, total, reasons


def find_comfyui():
    """Return the folders of the ComfyUIs to test with, oldest version first."""
    named = os.environ.get("COMFYUI_PATH")
    if named:
        installs = [Path(path).expanduser().resolve() for path in named.split(os.pathsep) if path]
        for install in installs:
            if not (install / "main.py").is_file():
                raise SetupError(f"COMFYUI_PATH names {install}, which holds no main.py. Name a ComfyUI folder.")
    else:
        places = (ROOT.parent.parent, Path.home() / "ComfyUI")
        installs = [path for path in places if is_comfyui(path)][:1]
    return sorted(installs, key=comfyui_version)


def is_comfyui(path):
    return (path / "main.py").is_file() and (path / "comfy").is_dir()


def comfyui_version_text(install):
    file = install / "comfyui_version.py"
    found = re.search(r'__version__\s*=\s*"([^"]+)"', file.read_text(encoding="utf-8")) if file.is_file() else None
    return found.group(1) if found else "of unknown version"


def comfyui_version(install):
    return tuple(int(part) for part in re.findall(r"\d+", comfyui_version_text(install)))


def comfyui_requirements(installs):
    """Merge the requirements of several ComfyUIs: for each package the line of the newest one that names it."""
    lines = {}
    for install in installs:
        for line in (install / "requirements.txt").read_text(encoding="utf-8").splitlines():
            requirement = line.split("#")[0].strip()
            if not requirement:
                continue
            name = re.match(r"[A-Za-z0-9._-]+", requirement).group().lower()
            if name not in PINNED_HERE:
                lines[name] = requirement
    return list(lines.values())


def prepare_environment(extra_requirements):
    """Create `.venv`, install what is missing and return its Python. Everything in place: about a second."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not works(python, "--version"):
        say(f"creating {ENVIRONMENT}")
        try:
            venv.create(ENVIRONMENT, with_pip=True, clear=ENVIRONMENT.exists())
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupError(
                f"cannot create a virtual environment in {ENVIRONMENT}: {error}. On Debian and Ubuntu install "
                "python3-venv, or make an environment yourself and pass --here."
            ) from error
    if not works(python, "-m", "uv", "--version"):
        say("installing uv, the package installer")
        install([python, "-m", "pip", "install", "--quiet", "uv"])
    say("checking the installed packages (the first run downloads them: several GB with CUDA, minutes)")
    with tempfile.TemporaryDirectory() as folder:
        extra = Path(folder) / "comfyui.txt"
        extra.write_text("\n".join(extra_requirements) + "\n", encoding="utf-8")
        install([python, "-m", "uv", "pip", "install", "--python", python, "-r", "requirements-dev.txt", "-r", extra])
    return str(python)


def works(*command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def install(command):
    code = subprocess.call([str(part) for part in command], cwd=ROOT)
    if code:
        raise SetupError(
            f"the installation ended with exit code {code}; the lines above say why. Check the network connection "
            "and the free disk space (8 GB), then run the command again: it goes on where it stopped."
        )


if __name__ == "__main__":
    if sys.version_info < (3, 10):
        sys.exit(f"error: Python 3.10 or newer is needed, this is {sys.version.split()[0]}. Run it with a newer one.")
    sys.exit(main())
