"""The processor time of another process grows while it works and only then."""

from __future__ import annotations

import itertools
import resource
import signal
import subprocess
import sys

from unishare.host.processor import processor_ns

WORK = "import sys\nfor line in sys.stdin:\n    sum(range(3_000_000))\n    print('done', flush=True)\n"


def test_it_is_what_the_kernel_says_when_the_process_has_ended() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        readings = [processor_ns(process.pid)]
        for _ in range(3):
            process.stdin.write("go\n")
            process.stdin.flush()
            process.stdout.readline()
            readings.append(processor_ns(process.pid))
        process.send_signal(signal.SIGKILL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9
    assert all(later > earlier for earlier, later in itertools.pairwise(readings))
    assert 0 < readings[-1] <= total * 1.05
