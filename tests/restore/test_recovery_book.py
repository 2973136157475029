"""The recovery book is of this run: what it names is there, it says nothing unescaped, and it loads nothing from anywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from tests.drill.conftest import edited

from .conftest import Ward

STAGED = re.compile(r"[A-Z]:\\(?:Restore|sitekeeper)\\[^\n\":;]*?(?=[:;\"\n]| back to )")


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _html(ward: Ward) -> str:
    (found,) = (ward.root / "book").glob("*.html")
    return found.read_text()


@pytest.mark.parametrize(("site", "kind"), [("PR2", "task"), ("PR2", "snapshot"), ("CEN", "task")])
def test_what_it_names_is_there(ward: Ward, site: str, kind: str) -> None:
    host = ward.lab.host(site)
    ward.wreck(site)
    if site == "CEN":
        ward.lab.operate(site, "install")
    chosen = ward.set_of(site, kind).name
    assert ward.restore(site, "-e", f"set={chosen}").code == 0
    book = ward.book()
    named = STAGED.findall(book)
    assert len(named) >= 2
    assert [place for place in named if not host.exists(place)] == [], book
    assert f"--limit {site} -e set={chosen}" in book
    assert f"From set {chosen} ({kind})" in _html(ward)
    if site == "PR2":
        started = next(one for one in ward.audit("native", site)[::-1] if one["command"].lower() == "setup.exe")
        assert f'/script "{started["arguments"][-1]}"' in book, "the command is the one that ran"
    if site == "CEN":
        ward.lab.operate(site, "repair", folder=next(one for one in named if one.endswith("CENBackup")))
        ward.lab.operate(site, "reset")


def test_nothing_is_unescaped_and_nothing_is_loaded(ward: Ward) -> None:
    ward.wreck("PR1")

    def edit(data: dict[str, object]) -> None:
        data["install_dir"] = "D:\\SMS & <script>alert(1)</script>"

    edited(ward.set_of("PR1", "task"), edit)
    outcome = ward.restore("PR1", "-e", f"set={ward.set_of('PR1', 'task').name}")
    assert outcome.code == 0, outcome.error("PR1")
    text = _html(ward)
    page = Page(text)
    assert "SMS &amp; &lt;script&gt;" in text
    assert page.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "ol",
        "ul",
        "li",
        "span",
        "code",
    }
    assert page.attributes <= {"lang", "charset", "class"}
    assert "url(" not in text
    assert "@import" not in text
    ward.lab.operate("PR1", "install")
    ward.lab.operate("PR1", "repair", folder=_backup(ward))
    ward.lab.operate("PR1", "reset")


def _backup(ward: Ward) -> str:
    found = re.search(r"site backup: (\S+)", ward.book())
    assert found is not None
    return found[1]
