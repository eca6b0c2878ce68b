"""Run a ComfyUI for as long as somebody holds this process's standard input open; then end it and remove its folder.

    python keeper.py FOLDER LOG COMMAND...

A killed owner closes its pipes too, so that no server outlives it, holds a GPU, or leaves its folder behind. Ends with
the exit code of the command where that comes first; the folder then stays. Standard library only, no other file.
"""

import shutil
import subprocess
import sys
import threading

SECONDS_TO_END = 5
NOW = b"k"  # on standard input: do not wait for an orderly end


def main() -> int:
    folder, log, *command = sys.argv[1:]
    with open(log, "ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    released = threading.Event()

    def watch() -> None:
        now = sys.stdin.buffer.read(1) == NOW
        released.set()
        if not now:
            child.terminate()
            try:
                child.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                now = True
        if now:
            child.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    if released.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code & 0xFF


if __name__ == "__main__":
    sys.exit(main())
