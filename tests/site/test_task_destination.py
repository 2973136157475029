"""Which destinations of the site's own task are refused, and by which rule."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from sitekeeper.model.site import SiteFacts
from sitekeeper.site.task.destination import _find_faults

OLD, NEW = (
    "C:\\Program Files (x86)\\Microsoft Configuration Manager",
    "D:\\Program Files\\Microsoft Configuration Manager",
)
Product = Literal["2007", "2012"]


def site_of(**facts: Any) -> SiteFacts:
    return SiteFacts.model_construct(code="PR2", **facts)


@pytest.mark.parametrize(
    ("product", "install", "where", "said"),
    [
        ("2012", NEW, "E:\\SMSBackup", ""),
        ("2012", NEW, "E:\\SMS Backup", ""),
        ("2007", OLD, "E:\\SMSBackup", ""),
        ("2012", NEW, "D:\\Program Files\\Microsoft Configuration Manager Backup", ""),
        ("2007", OLD, "E:\\SMS Backup", "a space"),
        ("2012", NEW, "", "no destination"),
        ("2012", NEW, "\\\\FILER\\Backups", "no second hop"),
        ("2012", NEW, "E:", "not a folder of a local drive"),
        ("2012", NEW, "Backup", "not a folder of a local drive"),
        ("2012", NEW, "E:\\a\\..\\b", "not a folder of a local drive"),
        ("2012", NEW, "E:\\Sicherung \u00e4", "ASCII characters only"),
        ("2012", NEW, NEW + "\\Backup", "inside the site's own folder"),
        ("2012", NEW, NEW.upper(), "inside the site's own folder"),
        ("2012", NEW, "D:\\program files", "is inside it"),
    ],
)
def test_rules(product: Product, install: str, where: str, said: str) -> None:
    site = site_of(product=product, install_dir=install)
    found = list(_find_faults(where, site, exists=True))
    assert (said in "; ".join(found)) if said else not found


def test_a_folder_that_does_not_exist() -> None:
    site = site_of(product="2012", install_dir=NEW)
    assert list(_find_faults("E:\\SMSBackup", site, exists=False)) == ["the folder does not exist"]
