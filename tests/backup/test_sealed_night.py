"""A whole backup that is sealed: no plain byte of the site is ever in the store, also where the run was killed while sealing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyrage
from tests.killing import killed

from sitekeeper.cli.main import main

from .conftest import MakeStage

ROOT = Path(__file__).resolve().parents[2]
KILLED = {
    "packing": "from sitekeeper.store.sealing import seal_set; seal_set._one = kill_after(seal_set._one, 7)",
    "dropping what is plain": "import shutil; shutil.rmtree = kill_after(shutil.rmtree, 1)",
}


def test_sealed_killed_taken_up_and_got_out(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR2")
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"{key}\n")
    (tmp_path / "key.txt").chmod(0o600)
    here.extra += ["-e", "store_compress=zstd", "-e", json.dumps({"store_recipients": [str(key.to_public())]})]
    runs = ["--runs", str(here.root / "runs")]
    for line in KILLED.values():
        arguments = [
            "run",
            str(ROOT / "playbooks/backup.yml"),
            "-i",
            str(here.inventory),
            "-e",
            f"store={here.store}",
            *runs,
        ]
        command = [sys.executable, "-c", killed(line), *arguments, *here.extra]
        done = subprocess.run(command, check=False, capture_output=True, timeout=100)
        assert done.returncode == 9, done.stdout + done.stderr
        before = len(here.sets("PR2"))
        run = max(one.name for one in (here.root / "runs").iterdir() if (one / "journal.db").is_file())
        assert main(["resume", run, *runs, "--json"]) == 0
        assert len(here.sets("PR2")) == before + 1
        here.assert_clean("PR2")
    here.capture.readouterr()
    assert main(["backups", "verify", "--store", str(here.store)]) == 0
    folder = here.sets("PR2")[-1]
    stored = b"".join(file.read_bytes() for file in here.store.rglob("*") if file.is_file())
    for word in ("SMS_SITE_COMPONENT_MANAGER", "Identification", "sitectrl", "SiteDBServer"):
        assert word.encode() not in stored
        assert word.encode("utf-16-le") not in stored
    got = tmp_path / "got"
    get = ["backups", "get", folder.name, "--store", str(here.store), "--to", str(got)]
    assert main(get) == 4
    assert not got.exists()
    assert main([*get, "--identity", str(tmp_path / "key.txt")]) == 0
    assert (got / "SiteDBServer").is_dir()
    assert (got / "SiteServer" / "SMSServer" / "inboxes").is_dir()
