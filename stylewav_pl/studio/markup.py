"""The parts of the studio's page that are drawn as HTML: what was heard, and the faces."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from stylewav_pl.pictures.images import encode
from stylewav_pl.studio.hearing import Answer

PREVIEW_PIXELS = 384  # pictures on the page are scaled to at most this; saved ones are not


@dataclass(frozen=True)
class Download:
    """A link that saves a file; its content is in the page, so nothing is kept on the server.

    Attributes:
        label: Text of the link.
        name: Of the file.
        kind: Its media type.
        data: Its content.
    """

    label: str
    name: str
    kind: str
    data: bytes

    def html(self) -> str:
        """Returns the link."""
        address = f"data:{self.kind};base64,{base64.b64encode(self.data).decode()}"
        return f'<a download="{escape(self.name)}" href="{address}">{escape(self.label)}</a>'


@dataclass(frozen=True)
class Tile:
    """One face on the page.

    Attributes:
        picture: The face as it is now.
        caption: What stands below it.
        downloads: Links to save it; none while it grows.
    """

    picture: Image.Image
    caption: str
    downloads: Sequence[Download] = ()

    def html(self, number: int) -> str:
        """Returns the tile; ``number`` counts from 1."""
        links = " ".join(download.html() for download in self.downloads)
        save = f'<span class="save">Save: {links}</span>' if links else ""
        caption = f"<figcaption>{escape(self.caption)}{save}</figcaption>"
        return f"<figure>{self.picture_html(f'Generated face {number}')}{caption}</figure>"

    def picture_html(self, name: str) -> str:
        """Returns the picture alone, with the name that is read aloud."""
        shown = self.picture
        if shown.width > PREVIEW_PIXELS:
            shown = shown.resize((PREVIEW_PIXELS, PREVIEW_PIXELS), Image.Resampling.LANCZOS)
        data = base64.b64encode(encode(shown, "webp", name, 0)).decode()
        return f'<img alt="{escape(name)}" src="data:image/webp;base64,{data}">'


def faces_html(tiles: Sequence[Tile], title: str = "") -> str:
    """Returns a row of faces, with a heading if there is one to give."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    figures = "".join(tile.html(number) for number, tile in enumerate(tiles, start=1))
    return f'{heading}<div class="faces">{figures}</div>'


def kept_html(pictures: Sequence[Image.Image]) -> str:
    """Returns a row of small faces that were kept, the last one first."""
    if not pictures:
        return ""
    tiles = enumerate([Tile(picture, "") for picture in pictures], start=1)
    shown = [tile.picture_html(f"Kept face {number}") for number, tile in tiles]
    return f'<h3>Kept</h3><div class="kept">{"".join(reversed(shown))}</div>'


def heard_html(heard: Mapping[str, Sequence[Answer]]) -> str:
    """Returns bars: how strongly each word fits, and between what that lies over parts of the recording."""
    groups = [_question(name, answers) for name, answers in heard.items()]
    return '<div class="heard">' + "".join(groups) + "</div>"


def _question(name: str, answers: Sequence[Answer]) -> str:
    best, second = sorted(answers, key=lambda answer: -answer.share)[:2]
    how = certainty(best, second)
    rows = "".join(_bar(answer) for answer in answers)
    return f"<section><h4>{escape(name)}: {how} {escape(best.word)}</h4>{rows}</section>"


def certainty(best: Answer, second: Answer) -> str:
    """Returns how sure the first answer is, beside the second.

    >>> certainty(Answer("male", 0.9, 0.8, 0.95), Answer("female", 0.1, 0.05, 0.2))
    'clearly'
    """
    if best.low > second.high:
        return "clearly"
    return "probably" if best.share > 2 * second.share else "perhaps"


def _bar(answer: Answer) -> str:
    share, low, high = (round(100 * value) for value in (answer.share, answer.low, answer.high))
    spoken = f"{answer.word}: {share} percent, between {low} and {high} over parts of the recording"
    return (
        f'<div class="bar" role="img" aria-label="{escape(spoken)}"><span>{escape(answer.word)}</span>'
        f'<div class="track"><div class="fill" style="width:{share}%"></div>'
        f'<div class="range" style="left:{low}%;width:{max(high - low, 1)}%"></div></div>'
        f"<span>{share} %</span></div>"
    )
