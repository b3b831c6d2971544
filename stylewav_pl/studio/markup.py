"""The parts of the studio's page that are drawn as HTML: what was heard, and the faces."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from stylewav_pl.pictures.images import encode
from stylewav_pl.studio.hearing import Answer

PREVIEW_PIXELS = 384  # pictures on the page are scaled to at most this; saved ones are not
KEPT_PIXELS = 144


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
        may_be_kept: Whether there are buttons to keep it and to go on from it.
    """

    picture: Image.Image
    caption: str
    downloads: Sequence[Download] = ()
    may_be_kept: bool = False

    def html(self, number: int) -> str:
        """Returns the tile; ``number`` counts from 1."""
        picture = picture_html(self.picture, f"Generated face {number}")
        caption = escape(self.caption)
        if self.downloads:
            links = " ".join(download.html() for download in self.downloads)
            caption += f'<span class="save">Save {links}</span>'
        if self.may_be_kept:
            acts = button_html("keep", "Keep", number) + button_html("go_on", "Continue from it", number)
            caption += f'<span class="acts">{acts}</span>'
        return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def picture_html(picture: Image.Image, name: str, pixels: int = PREVIEW_PIXELS) -> str:
    """Returns a picture of at most so many pixels, with the name that is read aloud."""
    if picture.width > pixels:
        picture = picture.resize((pixels, pixels), Image.Resampling.LANCZOS)
    data = base64.b64encode(encode(picture, "webp", name, 0)).decode()
    return f'<img alt="{escape(name)}" src="data:image/webp;base64,{data}">'


def button_html(act: str, label: str, number: int = 0, can: bool = True) -> str:
    """Returns a button.

    Args:
        act: What it does, an event of the page.
        label: Its text.
        number: Of the face that it is about, from 1; 0: those that are chosen.
        can: Whether it can be pressed now.
    """
    state = "" if can else " disabled"
    return f'<button type="button" data-act="{act}" data-number="{number}"{state}>{escape(label)}</button>'


def faces_html(tiles: Sequence[Tile], title: str = "") -> str:
    """Returns a row of faces, with a heading if there is one to give."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    figures = "".join(tile.html(number) for number, tile in enumerate(tiles, start=1))
    return f'{heading}<div class="faces">{figures}</div>'


def kept_html(kept: Sequence[Image.Image], chosen: Sequence[int]) -> str:
    """Returns the faces that were kept, the last one first, and what can be done with them.

    Args:
        kept: Their pictures.
        chosen: Which of them are chosen, counted from 1.
    """
    if not kept:
        return ""
    faces = [_kept_face(number, one, number in chosen) for number, one in enumerate(kept, start=1)]
    acts = [
        button_html("go_on", "Continue from it", can=len(chosen) == 1),
        button_html("morph", "Morph between the two", can=len(chosen) == 2),
        button_html("drop", "Let go", can=bool(chosen)),
    ]
    return (
        "<h3>Kept</h3><p>Choose one to continue from, or two to morph between.</p>"
        f'<div class="kept">{"".join(reversed(faces))}</div><div class="acts">{"".join(acts)}</div>'
    )


def _kept_face(number: int, picture: Image.Image, is_chosen: bool) -> str:
    shown = picture_html(picture, f"Kept face {number}", KEPT_PIXELS)
    pressed = "true" if is_chosen else "false"
    about = f'data-act="choose" data-number="{number}" aria-pressed="{pressed}"'
    return f'<button type="button" {about}>{shown}</button>'


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
