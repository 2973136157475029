"""``sitekeeper backups``: the command; each verb is a file beside this one."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from sitekeeper.cli.backups.diff import diff
from sitekeeper.cli.backups.files import files
from sitekeeper.cli.backups.get import get
from sitekeeper.cli.backups.list import list_sets
from sitekeeper.cli.backups.pin import pin, unpin
from sitekeeper.cli.backups.prune import prune
from sitekeeper.cli.backups.show import show
from sitekeeper.cli.backups.verify import verify

Work = Callable[[argparse.Namespace], int]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    command = commands.add_parser("backups", help="list, inspect, verify, pin, prune and extract backup sets")
    verbs = command.add_subparsers(dest="action", required=True)

    def verb(name: str, text: str, work: Work, sets: str | None = None) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text)
        made.add_argument("--store", required=True, help="folder of the store")
        made.add_argument("--json", action="store_true", help="print JSON")
        if sets is not None:
            made.add_argument("sets", nargs=sets, metavar="SET", help="set id, or a site code for its newest")
        made.set_defaults(work=work)
        return made

    verb("list", "list all sets", list_sets).add_argument("--site", help="only this site")
    _add_identity(verb("show", "show a set (only the header, if sealed and no --identity)", show, "+"))
    made = verb("verify", "read every byte again and record the result", verify, "*")
    made.add_argument("--share", metavar="1/N", help="only this share: the sets that were verified longest ago")
    _add_identity(made)
    made = verb("files", "list the files of sets", files, "+")
    made.add_argument("--files", metavar="PREFIX", action="append", default=[], help="only below this path")
    _add_identity(made)
    made = verb("diff", "compare two sets", diff)
    made.add_argument("sets", nargs=2, metavar="SET", help="set id, or a site code for its newest")
    _add_identity(made)
    made = verb("pin", "keep sets whatever the policy says", pin, "+")
    made.add_argument("--why", default="", help="recorded with the pin")
    verb("unpin", "let the policy judge sets again", unpin, "+")
    made = verb("prune", "delete the sets that the inventory's retention does not keep", prune)
    made.add_argument("-i", "--inventory", required=True, help="inventory file or folder")
    made.add_argument("--vault-password-file", help="file with the Ansible Vault password")
    made.add_argument("--site", help="only this site")
    made.add_argument("--check", action="store_true", help="only show what would be deleted, and why the others stay")
    made = verb("get", "write a set's files, checked, into a new folder", get)
    made.add_argument("set", metavar="SET", help="set id, or a site code for its newest good one")
    made.add_argument("--to", metavar="FOLDER", required=True, help="new or empty folder")
    made.add_argument("--kind", choices=("snapshot", "task"), help="only a set of this kind")
    made.add_argument(
        "--files", metavar="PREFIX", action="append", default=[], help="only these: database, registry, or a path"
    )
    _add_identity(made)


def _add_identity(made: argparse.ArgumentParser) -> None:
    made.add_argument("--identity", metavar="FILE", help="age identity file: the key of sealed sets")
