"""`surtitle.pipeline.process`: what the C library does in a process of ours. Streams and statuses: `test_cli.py`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.process import exit_status

NINE_THREADS = """
import ctypes, os, threading
from surtitle.pipeline.process import set_up_libraries

set_up_libraries()
nine = threading.Barrier(9)

def work():
    kept = [bytes(1000) for _ in range(1000)]
    nine.wait()
    nine.wait()

for _ in range(8):
    threading.Thread(target=work).start()
nine.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
nine.wait()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")
@pytest.mark.parametrize(("wanted", "heaps"), [({}, 2), ({"MALLOC_ARENA_MAX": "4"}, 4)])
def test_nine_threads_share_two_heaps_unless_the_environment_says_otherwise(wanted: dict[str, str], heaps: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | wanted
    command = [sys.executable, "-c", NINE_THREADS]
    assert subprocess.check_output(command, env=environment, text=True).count("<heap nr=") == heaps


ENDING = """
import atexit, sys, time
from surtitle.pipeline.process import exit_status
atexit.register(lambda: (print("ending", flush=True), time.sleep(60)))  # as libraries tidy up
sys.exit(exit_status("surtitle", lambda: 0))
"""


def test_who_presses_ctrl_c_once_more_while_python_ends_sees_no_traceback() -> None:
    command = [sys.executable, "-c", ENDING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ending\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (-signal.SIGINT, "")


def test_what_others_wrote_into_an_error_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise UserError("the server says \x1b]0;mine\x07 and \x9b2J\u202e, of the file é\nb.wav")

    assert exit_status("surtitle", fail) == 1
    said = r"surtitle: the server says \x1b]0;mine\x07 and \x9b2J\u202e, of the file é b.wav"
    assert capsys.readouterr().err == f"{said}\n"
