"""The guest's reader of the image's files, compiled for the host with sanitizers, on archives that nobody would make.

Longer: `UNISHARE_FUZZ_ROUNDS=1000000 pytest tests/fuzz/test_archive_reader.py`.
"""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

GUEST = Path(__file__).resolve().parents[2] / "src" / "unishare" / "guest"
ROUNDS = int(os.environ.get("UNISHARE_FUZZ_ROUNDS", "3000"))
FIELDS = [(0, 100), (124, 12), (156, 1), (257, 6), (345, 155)]


def archive(draw: random.Random) -> bytes:
    """A valid archive of a few files in folders."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for _ in range(draw.randrange(4)):
            info = tarfile.TarInfo("/".join("x" * draw.randrange(1, 40) for _ in range(draw.randrange(1, 6))))
            info.size = draw.randrange(1500)
            tar.addfile(info, io.BytesIO(draw.randbytes(info.size)))
    return stream.getvalue()[: draw.choice([None, 512, 1024, 1500])]


def damaged(draw: random.Random) -> bytes:
    """An archive with fields overwritten, or cut anywhere."""
    data = bytearray(archive(draw))
    for _ in range(draw.randrange(4)):
        start, length = draw.choice(FIELDS)
        at = draw.randrange(0, max(len(data), 1), 512) + start
        fill = draw.choice([b"7" * length, b"/" * length, b"\0" * length, b"\xff" * length, draw.randbytes(length)])
        data[at : at + length] = fill[: max(len(data) - at, 0)]
    return bytes(data[: draw.choice([None, draw.randrange(len(data) + 1)])])


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("harness") / "archive"
    files = [Path(__file__).with_name("archive_harness.c"), GUEST / "files" / "archive.c"]
    includes = [f"-I{GUEST / 'files'}", f"-I{GUEST / 'abi' / 'include'}"]
    command = ["gcc", "-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *includes, *files]
    subprocess.run([*command, "-o", program], check=True, capture_output=True)
    return program


def run(harness: Path, archives: list[bytes]) -> subprocess.CompletedProcess[bytes]:
    frames = b"".join(struct.pack("<I", len(one)) + one for one in archives)
    # Folders nest as deep as a name allows; leaks are the harness's own matter.
    return subprocess.run([harness], input=frames, capture_output=True, check=False, timeout=500)


def test_whole_archives_give_all_their_bytes(harness: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("a/b")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"\1\2\3"))
    done = run(harness, [stream.getvalue()])
    assert done.stdout.split() == [b"1", b"9"], done.stderr.decode()  # root, folder, file: one each; bytes: six


def test_no_archive_makes_it_read_or_write_where_it_must_not(harness: Path) -> None:
    draw = random.Random(4)
    done = run(harness, [damaged(draw) for _ in range(ROUNDS)])
    assert done.returncode == 0, done.stderr.decode()[:3000]
    assert int(done.stdout.split()[0]) == ROUNDS
