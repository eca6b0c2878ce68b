"""A white picture to draw on, twice as fine as what it becomes, so that lines come out smooth."""

from PIL import Image, ImageDraw, ImageFont

_OVERSAMPLING = 2

INK = "#222222"
FAINT = "#d9d9d9"
BAND = "#ececec"

# Okabe and Ito, "Color Universal Design" (2008): told apart with every common colour blindness. Yellow is left
# out, being too pale for lines on white.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY, BLACK = "#E69F00", "#CC79A7", "#56B4E9", "#000000"
LINE_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)

Point = tuple[float, float]


class Canvas:
    """Draws in pixels of the finished picture, fractions allowed; `picture` returns it as RGB."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * _OVERSAMPLING, height * _OVERSAMPLING), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._fonts: dict[float, ImageFont.FreeTypeFont] = {}

    def line(self, points: list[Point], colour: str, width: float, dash: float = 0) -> None:
        """A line through `points`, in strokes and gaps of `dash` pixels unless that is 0."""
        strokes = _dashes(points, dash) if dash else [points]
        for stroke in strokes:
            self._draw.line([_fine(p) for p in stroke], fill=colour, width=round(width * _OVERSAMPLING), joint="curve")

    def rectangle(self, corner: Point, opposite: Point, colour: str) -> None:
        """A filled one."""
        (left, top), (right, bottom) = _fine(corner), _fine(opposite)
        self._draw.rectangle([min(left, right), min(top, bottom), max(left, right), max(top, bottom)], fill=colour)

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        """With a thin white rim, so that it stands out from lines."""
        x, y = centre
        self._draw.ellipse(
            [*_fine((x - radius, y - radius)), *_fine((x + radius, y + radius))],
            fill=colour,
            outline="white",
            width=_OVERSAMPLING,
        )

    def text(self, place: Point, text: str, size: float, anchor: str = "la", colour: str = INK) -> None:
        """`text` at `place`; `anchor` as in Pillow: l, m, r and a, m, s, d."""
        self._draw.text(_fine(place), text, fill=colour, font=self._font(size), anchor=anchor)

    def text_width(self, text: str, size: float) -> float:
        """In pixels of the finished picture."""
        return self._font(size).getlength(text) / _OVERSAMPLING

    def wrap(self, text: str, size: float, width: float) -> list[str]:
        """`text` in lines no wider than `width`, broken between words; its own line breaks are kept."""
        lines = []
        for paragraph in text.splitlines():
            line = ""
            for word in paragraph.split():
                longer = f"{line} {word}".strip()
                if line and self.text_width(longer, size) > width:
                    lines.append(line)
                    line = word
                else:
                    line = longer
            lines.append(line)
        return lines

    def picture(self) -> Image.Image:
        """What was drawn so far, RGB of `width` x `height`."""
        return self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def _font(self, size: float) -> ImageFont.FreeTypeFont:
        if size not in self._fonts:
            self._fonts[size] = ImageFont.load_default(size * _OVERSAMPLING)
        return self._fonts[size]


def _fine(point: Point) -> Point:
    return point[0] * _OVERSAMPLING, point[1] * _OVERSAMPLING


def _dashes(points: list[Point], length: float) -> list[list[Point]]:
    """Every second piece of `length` pixels along the line through `points`."""
    strokes: list[list[Point]] = [[points[0]]]
    drawn, inked = 0.0, True
    for start, end in zip(points, points[1:], strict=False):
        span = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
        done = 0.0
        while span - done > length - drawn:
            done += length - drawn
            turn = (start[0] + (end[0] - start[0]) * done / span, start[1] + (end[1] - start[1]) * done / span)
            if inked:
                strokes[-1].append(turn)
            else:
                strokes.append([turn])
            drawn, inked = 0.0, not inked
        drawn += span - done
        if inked:
            strokes[-1].append(end)
    return [stroke for stroke in strokes if len(stroke) > 1]
