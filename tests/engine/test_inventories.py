"""Inventories in Ansible's form, and the hierarchy of sites in them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sitekeeper.engine.errors import InventoryError, UsageError
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.secrets import Secret


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return folder / "hosts.yml"


def _of(tmp_path: Path, text: str, **files: str) -> Inventory:
    return inventory_reader.load(_write(tmp_path, {"hosts.yml": text, **files}))


def _refused(tmp_path: Path, text: str) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        _of(tmp_path, text)
    assert caught.value.exit_code == 3
    return caught.value


def test_ranges(tmp_path: Path) -> None:
    found = _of(
        tmp_path,
        """\
        sites:
          hosts:
            s[08:11]:
            db-[a:c].example:
            x[1:5:2]y[1:2]:
        """,
    )
    assert list(found.hosts) == [
        "s08",
        "s09",
        "s10",
        "s11",
        "db-a.example",
        "db-b.example",
        "db-c.example",
        "x1y1",
        "x1y2",
        "x3y1",
        "x3y2",
        "x5y1",
        "x5y2",
    ]


@pytest.mark.parametrize("pattern", ["s[5:1]", "s[a:5]", "s[aa:cc]", "s[1:5:0]"])
def test_what_is_no_range(tmp_path: Path, pattern: str) -> None:
    error = _refused(tmp_path, f"all:\n  hosts:\n    '{pattern}':\n")
    assert error.message == f"not a range: {pattern[1:]}"
    assert str(error.origin).endswith(":3:5")


GROUPS = """\
all:
  vars: {level: all, where: all}
  children:
    europe:
      vars: {level: europe}
      children:
        spain:
        germany:
          vars: {level: germany}
    asia:
spain:
  hosts:
    MAD: {level: own}
    BCN:
germany:
  hosts:
    BER:
asia:
  hosts:
    TYO:
b_last:
  vars: {tie: b, prio: b}
  hosts: {BER: }
a_first:
  vars: {tie: a, prio: a, ansible_group_priority: 5}
  hosts: {BER: }
"""


def test_groups_children_and_precedence(tmp_path: Path) -> None:
    found = _of(tmp_path, GROUPS)
    levels = {name: found.vars_of(name)["level"] for name in found.hosts}
    assert levels == {"MAD": "own", "BCN": "europe", "BER": "germany", "TYO": "all"}
    assert found.members("europe") == ["MAD", "BCN", "BER"]
    values = found.vars_of("BER")
    assert (values["inventory_hostname"], values["group_names"]) == ("BER", ["a_first", "b_last", "europe", "germany"])
    assert values["tie"] == "a"  # ansible_group_priority beats the alphabet
    assert str(found.origin_of("BER", "level")).endswith(":9:25")
    assert str(found.origin_of("BER")).endswith(":17:5")


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("all", ["MAD", "BCN", "BER", "TYO"]),
        ("*", ["MAD", "BCN", "BER", "TYO"]),
        ("MAD:TYO", ["MAD", "TYO"]),
        ("TYO,MAD,TYO", ["MAD", "TYO"]),
        ("europe:!spain", ["BER"]),
        ("!spain:europe", ["BER"]),
        ("europe:&b_last", ["BER"]),
        ("!europe", ["TYO"]),
        ("&europe:!BER", ["MAD", "BCN"]),
        ("B*", ["BCN", "BER"]),
        ("*a*:!*Y*", ["MAD", "BCN", "BER"]),
        ("?YO", ["TYO"]),
        ("[MT]*", ["MAD", "TYO"]),
        ("", []),
        ("europe:!all", []),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, hosts: list[str]) -> None:
    assert _of(tmp_path, GROUPS).select(pattern) == hosts


def test_an_unknown_name_in_a_pattern(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _of(tmp_path, GROUPS).select("europe:!span")
    assert (caught.value.message.split(" is ")[0], caught.value.hint) == ("`span`", "did you mean `spain`?")
    with pytest.raises(UsageError, match="neither a host nor a group"):
        _of(tmp_path, GROUPS).select("Z*")


def test_variable_folders_and_files(tmp_path: Path) -> None:
    found = _of(
        tmp_path,
        "all:\n  children:\n    sites:\n      hosts:\n        PR1: {a: inline}\n        PR2:\n",
        **{
            "group_vars/all.yml": "a: all\nb: all\nc: all\nd: all\n",
            "group_vars/sites/10-first.yml": "b: sites\nc: sites\n",
            "group_vars/sites/20-second.yaml": "c: second\n",
            "group_vars/sites/notes.txt": "no: yaml: at: all",
            "host_vars/PR2.yaml": "d: PR2\nsite_code: 1E5\n",
            "host_vars/PR1/main.yml": "e: '{{ a }}'\n",
        },
    )
    values = found.vars_of("PR2")
    assert [values[name] for name in "abcd"] == ["all", "sites", "second", "PR2"]
    assert found.vars_of("PR1")["a"] == "inline"
    assert list(found.sites) == ["1E5"]
    assert found.origin_of("PR2", "c").file == str(tmp_path / "group_vars/sites/20-second.yaml")
    assert found.origin_of("PR1", "e").file == str(tmp_path / "host_vars/PR1/main.yml")


def test_a_folder_of_inventories(tmp_path: Path) -> None:
    _write(tmp_path, {"1.yml": "sites:\n  hosts:\n    PR1:\n", "2.yml": "sites:\n  hosts:\n    PR2:\n  vars: {x: 1}\n"})
    found = inventory_reader.load(tmp_path)
    assert found.members("sites") == ["PR1", "PR2"]
    assert found.vars_of("PR1")["x"] == 1


ANSIBLES = """\
all:
  children:
    windows:
      hosts:
        sccm01.corp.example:
          ansible_host: 10.0.0.11
        sccm02.corp.example:
          ansible_host: 10.0.0.12
          ansible_psrp_auth: basic
      vars:
        ansible_connection: psrp
        ansible_user: CORP\\svc
        ansible_password: "0123"
        ansible_psrp_password: 4567
        ansible_psrp_protocol: https
        ansible_psrp_cert_validation: ignore
        ansible_port: 5986
        ansible_become: false
"""


def test_an_inventory_of_ansibles_works_as_it_is(tmp_path: Path) -> None:
    found = _of(tmp_path, ANSIBLES)
    values = found.vars_of("sccm02.corp.example")
    assert (values["ansible_psrp_protocol"], values["ansible_psrp_auth"]) == ("https", "basic")
    assert (values["ansible_port"], values["ansible_user"]) == (5986, "CORP\\svc")
    assert values["ansible_password"].reveal() == "0123"
    assert values["ansible_psrp_password"].reveal() == "4567"
    assert found.sites == {}


@pytest.mark.parametrize("code", ["YES", "OFF", "NO1", "001", "1E5", "0x1", "yes", "007", "'010'", "N0N", "1_0"[:3]])
def test_site_codes_that_yaml_would_spoil(tmp_path: Path, code: str) -> None:
    if code == "1_0":
        assert (
            "three letters or digits" in _refused(tmp_path, f"all:\n  hosts:\n    h: {{site_code: {code}}}\n").message
        )
        return
    found = _of(tmp_path, f"all:\n  hosts:\n    h: {{site_code: {code}}}\n    c: {{site_code: XYZ, parent: {code}}}\n")
    expected = code.strip("'").upper()
    assert list(found.sites) == [expected, "XYZ"]
    assert found.sites["XYZ"].parent == expected
    assert found.select(expected) == ["h"]


def test_an_empty_parent_or_password_is_none(tmp_path: Path) -> None:
    found = _of(tmp_path, "all:\n  hosts:\n    h: {site_code: AAA, parent: , ansible_password: }\n")
    assert found.sites["AAA"].parent is None
    assert found.vars_of("h")["ansible_password"] is None


HIERARCHY: list[tuple[str, str, str, str]] = [
    (
        "unknown parent",
        "A: {site_code: AAA, parent: ZZZ}",
        ":3:33",
        "parent ZZZ of site AAA is not a site of this inventory",
    ),
    ("itself", "A: {site_code: AAA, parent: AAA}", ":3:33", "the hierarchy goes in a circle: AAA > AAA"),
    (
        "circle",
        "A: {site_code: AAA, parent: BBB}\n    B: {site_code: BBB, parent: AAA}",
        ":3:33",
        "circle: AAA > BBB > AAA",
    ),
    ("duplicate", "A: {site_code: AAA}\n    B: {site_code: aaa}", ":4:20", "site code AAA is already the one of A"),
    ("reserved", "A: {site_code: SMS}", ":3:20", "SMS is a reserved name"),
    ("reserved by Windows", "A: {site_code: nul}", ":3:20", "NUL is a reserved name"),
    ("too long", "A: {site_code: ABCD}", ":3:20", "a site code is three letters or digits"),
    ("umlaut", "A: {site_code: ÄBC}", ":3:20", "a site code is three letters or digits"),
    ("type", "A: {site_code: AAA, site_type: main}", ":3:36", "`main` is not a site type"),
    (
        "database host",
        "A: {site_code: AAA, database_host: sql}",
        ":3:40",
        "database_host sql is not a host of this inventory",
    ),
]


@pytest.mark.parametrize(
    ("hosts", "place", "message"), [case[1:] for case in HIERARCHY], ids=[case[0] for case in HIERARCHY]
)
def test_hierarchy_errors_at_their_place(tmp_path: Path, hosts: str, place: str, message: str) -> None:
    error = _refused(tmp_path, f"all:\n  hosts:\n    {hosts}\n")
    assert message in error.message
    assert str(error.origin).endswith(place)


FILES: list[tuple[str, str, str, str]] = [
    ("no mapping", "[a, b]\n", ":1:1", "an inventory is a mapping of groups"),
    ("group no mapping", "all: [a]\n", ":1:6", "group `all` must be a mapping"),
    ("unknown part", "all:\n  host:\n    a:\n", ":2:3", "`host` is not part of a group"),
    ("hosts no mapping", "all:\n  hosts: [a, b]\n", ":2:10", "expected a mapping here"),
    ("vars no mapping", "all:\n  hosts: {a: }\n  vars: x\n", ":3:9", "expected a mapping here"),
    ("host vars no mapping", "all:\n  hosts:\n    a: x\n", ":3:8", "expected a mapping here"),
    (
        "group in itself",
        "a:\n  children:\n    b:\n      children: {a: }\n  hosts: {h: }\n",
        ":2:3",
        "group `a` contains itself",
    ),
    ("no hosts", "all:\n  children: {a: }\n", "hosts.yml", "no hosts in"),
    ("not YAML", "all: [\n", ":2:1", "not YAML"),
]


@pytest.mark.parametrize(("text", "place", "message"), [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_file_errors_at_their_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    error = _refused(tmp_path, text)
    assert message in error.message
    assert str(error.origin).endswith(place)


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="no inventory at"):
        inventory_reader.load(tmp_path / "none.yml")


def test_secrets_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SK_ONE", "one")
    key = tmp_path / "key"
    key.write_text("two\n")
    key.chmod(0o600)
    found = _of(
        tmp_path,
        f"""\
        all:
          hosts:
            a: {{ansible_password: !env SK_ONE}}
            b: {{ansible_password: !file {key}}}
            c: {{ansible_password: !command echo three}}
            d: {{ansible_password: 1E5}}
            e: {{ansible_password: "{{{{ lookup('env', 'SK_ONE') }}}}"}}
        """,
    )
    passwords: list[Any] = [found.vars_of(host)["ansible_password"] for host in "abcd"]
    assert all(isinstance(one, Secret) for one in passwords)
    assert [one.reveal() for one in passwords] == ["one", "two", "three", "1E5"]
    assert found.origin_of("d", "ansible_password").secret
    assert found.origin_of("e", "ansible_password").secret


def test_a_thousand_sites_in_twenty_groups(tmp_path: Path) -> None:
    groups = "".join(f"g{number}:\n  hosts:\n    s[0001:1000]:\n" for number in range(20))
    found = _of(tmp_path, groups)
    assert len(found.vars_of("s0500")["group_names"]) == 20
