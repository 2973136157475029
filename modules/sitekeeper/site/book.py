"""Writes the recovery book of a site: exact steps and who does them, as HTML and as text, on the control host."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from jinja2 import Environment, PackageLoader, StrictUndefined

from sitekeeper.engine.errors import SpaceError
from sitekeeper.engine.journal.journal import private_folder
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan, Result
from sitekeeper.engine.session import Context
from sitekeeper.model.site import TargetFacts
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.recovery import book_pages
from sitekeeper.site.recovery.staging import StagedRecovery


class BookParams(Params):
    """Which recovery."""

    set: ExtractedSet
    """The set."""
    target: TargetFacts
    """The machine."""
    staged: StagedRecovery | None = None
    """What was staged on it."""
    folder: str
    """Folder on the control host."""
    database: AttachedDatabase | None = None
    """The database that was brought up manually."""


class BookFiles(Result):
    """The book's files."""

    html: str = ""
    text: str = ""


class Book(Module[BookParams, None, BookFiles]):
    """Example::

    - site.book: {set: "{{ got }}", target: "{{ target }}", staged: "{{ staged }}", folder: recovery}
    """

    on_host = False

    def plan(self, ctx: Context, params: BookParams) -> Plan[None, BookFiles]:
        folder = Path(params.folder).expanduser().absolute()
        stem = f"recovery-{params.set.id}-{ctx.run_id}"
        predicted = BookFiles(
            changed=True,
            html=str(folder / f"{stem}.html"),
            text=str(folder / f"{stem}.txt"),
            msg=f"the recovery book: {folder / stem}.html",
        )
        return Plan(
            result=predicted,
            changes=(Change(f"recovery book {predicted.html}", "does not exist", "written"),),
        )

    def apply(self, ctx: Context, params: BookParams, plan: Plan[None, BookFiles]) -> BookFiles:
        book = plan.result
        staged, target = params.staged, params.target
        place = book_pages.RecoveryPlace(
            host=ctx.host,
            same_windows=target.same_windows,
            installed=target.installed,
            media=staged.media if staged else "",
            backup=staged.backup if staged else "",
            script=staged.script if staged else "",
            saved=staged.saved if staged else "",
            accounts=bool(staged and staged.accounts),
            folder=staged.folder if staged else "",
            database=_folder_of(params.database),
        )
        world = Environment(
            loader=PackageLoader("sitekeeper.site.recovery", ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        got = params.set
        html = world.get_template("book.html.j2").render(
            got=got,
            place=place,
            steps=list(book_pages.list_steps(got, place)),
            again=list(book_pages.list_to_enter(got)),
            gone=list(book_pages.list_lost(got)),
        )
        try:
            private_folder(Path(book.html).parent)
            Path(book.html).write_text(html, encoding="utf-8")
            Path(book.text).write_text(book_pages.as_text(got, place), encoding="utf-8")
        except OSError as error:
            raise SpaceError(f"the recovery book cannot be written to {book.html}: {error.strerror}") from None
        return BookFiles(changed=True, html=book.html, text=book.text, msg=f"the recovery book: {book.html}")


def _folder_of(made: AttachedDatabase | None) -> str:
    return str(PureWindowsPath(made.files[0]).parent) if made is not None and made.files else ""
