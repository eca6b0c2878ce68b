"""Set up this checkout and run it: `python run.py demo`, `python run.py batch` or `python run.py test`.

A fresh machine needs Python 3.10+ and a package index, nothing else: the first run creates `.venv` here and
installs requirements-dev.txt into it. `--here` uses the current interpreter as it is and installs nothing.
Further arguments go on to the demo, to the batch or to pytest.

`batch` runs many prompts and seeds through one workflow, on every GPU: `python run.py batch --help`, docs/batch.md.

`test` runs tests/comfyui once for every ComfyUI that it finds (for the newest, its tests/comfyui/servers in a run of
its own), and the unit tests. It looks in those named by COMFYUI_PATH (several: separated as in PATH), else the
ComfyUI that holds this pack, else ~/ComfyUI. As many of these runs as the processor has cores, and one more, go at a
time.

torch comes in the build for this machine: without an NVIDIA card the CPU build, which is much smaller than the one
with CUDA. Where its index cannot be reached, or is silent for half a minute, the package index's own build is taken.
UV_TORCH_BACKEND chooses another.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import venv
import xml.etree.ElementTree as ElementTree
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from tools.comfyui_installs import (
    find_comfyui,
    frontend_requirement,
    merged_requirements,
    version_text,
)

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
COMFYUI, FRONTEND = "COMFYUI_PATH", "COMFYUI_FRONTEND_PATH"  # read by tests/comfyui
OWN_SERVERS = "tests/comfyui/servers"
NO_TESTS_COLLECTED = 5  # exit code of pytest
# An index that is out of reach, or accepts and never answers, shall not be waited for: uv tries twice, each time so
# many seconds for the connection and for the next byte; a slow download goes on.
PATIENCE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "15"}
TIME_TO_CLEAN_UP = 10  # seconds after Ctrl-C, which the tests are told of too
HAS_ALL = """
import sys
from importlib.metadata import version
for pin in sys.argv[1:]:
    name, _, wanted = pin.partition("==")
    assert version(name).partition("+")[0] == wanted
"""


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("demo", "run the demo"), ("batch", "run many prompts"), ("test", "run every test")):
        command = commands.add_parser(name, help=text, add_help=False)
        command.add_argument("--here", action="store_true", help="use this interpreter, install nothing")
    options, rest = parser.parse_known_args()
    try:
        commands = {"demo": run_demo, "batch": run_batch, "test": run_tests}
        return commands[options.command](options.here, rest)
    except ValueError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def say(text):
    print(f"[run.py] {text}", flush=True)


def run_demo(here, arguments):
    installs = find_comfyui() if os.environ.get(COMFYUI) else []  # the demo runs in the one it is given
    python = sys.executable if here else prepare_environment(merged_requirements(installs))
    return subprocess.call([python, "-m", "demo", *arguments], cwd=ROOT)


def run_batch(here, arguments):
    from batch.request import read_request

    request = read_request(arguments)  # what is wrong with it is told before anything is installed
    if here:
        from batch.__main__ import main as batch

        return batch(arguments)
    installs = find_comfyui()[-1:]
    if request and not installs and not request.options.servers:
        raise ValueError("no ComfyUI was found: set COMFYUI_PATH to a ComfyUI folder")
    python = prepare_environment(merged_requirements(installs), "requirements-batch.txt")
    # This file again, not -m: relative paths are the user's, and a batch.py of theirs must not come first.
    process = subprocess.Popen([python, Path(__file__).resolve(), "batch", "--here", *arguments])
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the batch is told of it too, and ends in its own way


def run_tests(here, arguments):
    installs = find_comfyui()
    python = sys.executable if here else prepare_environment(merged_requirements(installs), "requirements-batch.txt")

    # The environment holds the newest ComfyUI's frontend; the others bring their own beside it.
    frontends = {} if here else {path: prepare_frontend(python, path) for path in installs[:-1]}

    # Two ComfyUIs cannot be imported by one process, so each has its own; the closing line adds them up.
    # The longest first, so that no processor waits for it at the end: the newest ComfyUI's, without the tests that
    # start servers of their own, which wait more than they compute and run beside it.
    runs = [(f"ComfyUI {version_text(path)} in {path}", ["tests/comfyui"], path) for path in reversed(installs)]
    if installs:
        runs[0][1].append(f"--ignore={OWN_SERVERS}")
        runs.append((f"servers of their own, ComfyUI {version_text(installs[-1])}", [OWN_SERVERS], installs[-1]))
    runs.append(("unit tests", ["tests", "--ignore=tests/comfyui"], None))
    if not installs:
        runs.append(("integration tests", ["tests/comfyui"], None))

    totals, reasons, closing, broken = Counter(), Counter(), [], False
    jobs = min(len(runs), (os.cpu_count() or 1) + 1)  # one more: each waits for a server or a browser at times
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        logs = [Path(folder) / f"{index}.log" for index in range(len(runs))]
        processes = []
        started = [
            pool.submit(run_pytest, python, [*targets, *arguments], comfyui, frontends, log, jobs, processes)
            for (_, targets, comfyui), log in zip(runs, logs, strict=True)
        ]
        results = []
        try:
            for (title, targets, _), log, run in zip(runs, logs, started, strict=True):
                say(f"{title}: pytest {' '.join([*targets, *arguments])}")
                results.append(follow(run, log))
        except BaseException:  # Ctrl-C: the runs that wait shall not begin, nor those that run go on unseen
            pool.shutdown(wait=False, cancel_futures=True)
            wait(started, timeout=TIME_TO_CLEAN_UP)
            for process in processes:
                process.terminate()
            raise

    for (title, _, _), (code, counts, skip_reasons) in zip(runs, results, strict=True):
        broken = broken or code not in (0, NO_TESTS_COLLECTED)
        totals.update(counts)
        reasons.update(skip_reasons)
        closing.append(f"{title}: {summary(counts)}")
    closing += [f"skipped {count}: {reason}" for reason, count in reasons.most_common()]
    if not installs:
        closing.append(
            f"No ComfyUI was found, so {counts['skipped']} integration tests were skipped: "
            "set COMFYUI_PATH to a ComfyUI folder to run them."
        )
    print("", *closing, summary(totals), sep="\n", flush=True)
    return 1 if broken or totals["failed"] or not totals["passed"] else 0


def summary(counts):
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))


def follow(run, log):
    """Print what a run in another thread writes to its log as it comes; return the run's result."""
    log.touch()
    with open(log, "rb") as written:
        finished = False
        while not finished:
            finished = bool(wait([run], timeout=0.5).done)
            sys.stdout.buffer.write(written.read())
            sys.stdout.flush()
    return run.result()


def run_pytest(python, arguments, comfyui, frontends, log, jobs, processes):
    """Run one pytest process; return its exit code, its totals and the count of each reason to skip.

    jobs: how many such processes share the processor's cores. processes: gets the one that is started.
    """
    environment = {name: value for name, value in os.environ.items() if name not in (COMFYUI, FRONTEND)}
    if comfyui is not None:
        environment[COMFYUI] = str(comfyui)
    if comfyui in frontends:
        environment[FRONTEND] = str(frontends[comfyui])
    environment.setdefault("PYTHONUTF8", "1")  # into a log a Windows Python writes in another encoding
    if jobs > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", *arguments, f"--junitxml={report}", "--durations=5"]
        command += ["--color=yes"] if sys.stdout.isatty() else []
        with open(log, "ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            processes.append(process)
            code = process.wait()
            if not report.is_file():
                output.write(f"pytest ended with exit code {code} and wrote no report\n".encode())
        if not report.is_file():
            return code or 1, Counter(failed=1), Counter()
        suites = ElementTree.parse(report).getroot().findall("testsuite")
    counts, reasons = Counter(), Counter()
    for suite in suites:
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        counts.update(passed=int(suite.get("tests", 0)) - failed - skipped, failed=failed, skipped=skipped)
        reasons.update(skip.get("message", "") for skip in suite.iter("skipped"))
    return code, counts, reasons


def prepare_environment(extra_requirements, *files):
    """Create `.venv`, install what it lacks and return its Python. Takes a second once all is in place.

    files: of requirements beside requirements-dev.txt.
    """
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not works(python, "--version"):
        say(f"creating {ENVIRONMENT}")
        try:
            venv.create(ENVIRONMENT, with_pip=True, clear=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ValueError(
                f"cannot create a virtual environment in {ENVIRONMENT}: {error}. On Debian or Ubuntu install "
                "python3-venv; or activate an environment of your own and pass --here."
            ) from error
    if not works(python, "-m", "uv", "--version"):
        say("installing uv, the package installer")
        install([python, "-m", "pip", "install", "--quiet", "uv"])
    say("checking the packages (the first time this downloads them and takes minutes)")
    uv = [python, "-m", "uv", "pip", "install", "--python", python]
    install_torch(python, uv)
    with tempfile.TemporaryDirectory() as folder:
        extra = Path(folder) / "comfyui-requirements.txt"
        extra.write_text("\n".join(extra_requirements), encoding="utf-8")
        named = [part for file in files for part in ("-r", ROOT / file)]
        install([*uv, "-r", ROOT / "requirements-dev.txt", *named, "-r", extra])
    return str(python)


def install_torch(python, uv):
    """Install the pinned torch packages, where they are missing, in the build for this machine's card or for none.

    After a failure the installation of everything else takes them from the package index.
    """
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.strip() for line in lines if line.startswith("torch")]
    if os.environ.get("UV_TORCH_BACKEND") or works(python, "-c", HAS_ALL, *pins):
        return
    command = [str(part) for part in (*uv, "--torch-backend=auto", *pins)]
    if subprocess.call(command, cwd=ROOT, env={**PATIENCE, **os.environ}):
        say(
            "torch's own index did not give the build for this machine (the lines above say why): taking the package "
            "index's, which on Linux brings CUDA, a few GB"
        )


def prepare_frontend(python, comfyui):
    """Install the frontend that a ComfyUI pins into a folder of its own and return the folder to serve."""
    requirement = frontend_requirement(comfyui)
    folder = ENVIRONMENT / requirement.replace("==", "-")
    served = folder / "comfyui_frontend_package" / "static"
    if not served.is_dir():
        uv = [python, "-m", "uv", "pip", "install", "--python", python]
        install([*uv, "--no-deps", "--target", folder, requirement])
    return served


def works(*command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def install(command):
    code = subprocess.call([str(part) for part in command], cwd=ROOT)
    if code:
        raise ValueError(
            f"the installation ended with exit code {code}; the lines above say why. Check the network and "
            "the free disk space (8 GB), then run the same command again."
        )


if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036, this check is for those who have an older one
        sys.exit(f"error: Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    sys.exit(main())
