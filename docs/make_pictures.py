"""Make the pictures of README and docs: `python docs/make_pictures.py [SPEC of a network for the dream [methods]]`.

`python docs/make_pictures.py attacks` makes those of docs/attacks.md alone, which need no other network than ours;
`python docs/make_pictures.py SPEC dreams` those of docs/dreams.md alone, `... SPEC inversion` those of
docs/inversion.md and docs/metamers.md, `... codes` those of docs/hog.md, and `python docs/make_pictures.py albums
faces.safetensors` that of docs/albums.md, with the network that is trained there. `python docs/make_pictures.py
decoders [nocats.safetensors]` makes those of docs/decoders.md, the second with a decoder that has seen no cats, and
`python docs/make_pictures.py styles` makes those of docs/style.md, `... arbitrary` that of docs/arbitrary_style.md,
`... textures` that of docs/textures.md, `... maps` that of docs/map.md, `... exemplars` that of docs/exemplars.md,
`... trial` that of docs/trial.md.
`... feed_forward` and `... larger FILE` make those of docs/feed_forward.md, the second with the network that `python -m
training.style larger` trains.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

import phosphene
from phosphene.adversarial.linearity import walk
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.colours import overlay
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit, resize
from phosphene.core.pictures.sheets import beside, figure, grid
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.inputs import feed
from phosphene.core.units.labels import label
from phosphene.dataset.index import index
from phosphene.dataset.layouts import Layout
from phosphene.dataset.map_drawing import scatter
from phosphene.dataset.map_tiles import Tiling, strips, thumbnail
from phosphene.dataset.maps import laid_out
from phosphene.dataset.trial.of_units import Painted, UnitTrial
from phosphene.faces.lessons.drawing import lines
from phosphene.models.decoder_files import decoder_pictures

HERE = Path(__file__).resolve().parent / "pictures"
CLASSES = ("goldfish", "king penguin", "school bus", "African elephant", "monarch", "orange", "lemon", "sports car")

ROBUST = ("golden retriever", "king penguin", "school bus", "African elephant", "monarch", "pizza", "orange", "teapot")


UNITS = [
    "mixed3a:10", "mixed3a:98", "mixed3a:200", "mixed4a:476", "mixed4a:55", "mixed4a:460",
    "mixed4d:97", "mixed4d:233", "mixed4d:495", "logits:ostrich", "logits:school bus", "logits:tarantula",
]  # fmt: skip
PRESETS = ("default", "lucid", "maco", "yosinski-c", "simonyan", "plain")


def shown_classes(network: phosphene.Network) -> list[str]:
    """The classes of the list that this network has."""
    names = [part.strip() for label in network.labels or () for part in label.split(",")]
    return [name for name in CLASSES if name in names][:6]


def classes(network: phosphene.Network) -> None:
    """Class images of the robust network."""
    made = phosphene.visualize(network, [f"logits:{name}" for name in ROBUST], size=128, steps=96)
    save_png(grid(made.image, columns=len(ROBUST), gap=4), HERE / "classes.png")


def units(network: phosphene.Network) -> None:
    """Three rows, from early units to classes."""
    wanted = [*(f"mixed3b:{i}" for i in range(64, 70)), *(f"mixed4b:{i}" for i in range(128, 134))]
    wanted += [f"logits:{name}" for name in shown_classes(network)]
    made = phosphene.visualize(network, wanted, size=128, steps=256)
    save_png(grid(made.image, columns=6, gap=4), HERE / "units.png")


def presets(network: phosphene.Network) -> None:
    """Twelve units at four depths under six presets, a row each; only for Inception, whose units people know."""
    rows = []
    for preset in PRESETS:
        made = phosphene.visualize(network, UNITS, preset=preset, size=128)
        rows.append(resize(made.image[:, :3].float(), (112, 112)))
    save_png(grid(torch.cat(rows), columns=len(UNITS), gap=3), HERE / "presets.png")


def dream(network: phosphene.Network) -> None:
    """The photograph, its dream, and the dream of another picture's features in it."""
    photo, inception = open_photo("skimage:chelsea"), "mixed4c" in network.layers
    made = phosphene.dream(network, "skimage:chelsea", layer="mixed4c" if inception else None, steps=15)
    low = "mixed3b" if "mixed3b" in network.layers else None
    led = phosphene.dream(network, "skimage:chelsea", layer=low, guide="skimage:hubble_deep_field")
    save_png(grid(torch.cat([photo, made.image, led.image]), columns=3, gap=6), HERE / "dream.png")


def dreams(network: phosphene.Network) -> None:
    """Three guides at three depths, and a dream's depths and colours; only for Inception, whose layers people know."""
    photo, depths = "skimage:coffee", ("mixed3b", "mixed4c", "mixed5a")
    plain = phosphene.dream(network, photo, strip=",".join(depths)).result
    rows = [("the photograph", open_photo(photo))]
    rows += [(f"{depth} alone", one[None]) for depth, one in zip(depths, plain.image, strict=True)]
    for guide in ("chelsea", "hubble_deep_field", "brick"):
        rows.append((f"the guide: {guide}", open_photo(f"skimage:{guide}")))
        for depth in depths:
            made = phosphene.dream(network, photo, layer=depth, guide=f"skimage:{guide}")
            rows.append((f"{guide} in {depth}", made.image))
    sheet = [(words, fit(picture, (200, 300))) for words, picture in rows]
    figure(sheet, "What a guide leads to, at three depths", columns=4, side=300).save(HERE / "guides.png")
    how = {"layer": "mixed4c", "steps": 15}
    told = [
        ("the photograph", open_photo("skimage:chelsea")),
        ("mixed4c", phosphene.dream(network, "skimage:chelsea", **how).image),
        ("keep-colours chroma", phosphene.dream(network, "skimage:chelsea", keep_colours="chroma", **how).image),
        ("only Egyptian cat", phosphene.dream(network, "skimage:chelsea", only="Egyptian cat", **how).image),
        ("strongest 5", phosphene.dream(network, "skimage:chelsea", strongest=5, **how).image),
        ("start noise, twice", _from_noise(network)),
    ]
    figure(told, "One dream, told to be otherwise", columns=3, side=300).save(HERE / "told.png")


def _from_noise(network: phosphene.Network) -> torch.Tensor:
    """A dream of a dream of noise."""
    first = phosphene.dream(network, "skimage:chelsea", layer="mixed4c", start="noise", steps=20, octaves=6)
    return phosphene.dream(network, first.image[0], layer="mixed4c", steps=10, octaves=6).image


def pixels(network: phosphene.Network) -> None:
    """Original, gradient, guided backprop, occlusion."""
    photo = "skimage:chelsea"
    parts = [phosphene.gradient(network, photo), phosphene.guided(network, photo)]
    covered = phosphene.occlusion(network, photo, stride=8).result
    fed = parts[0].input
    strip = [fed, *(part.image for part in parts), overlay(fed, torch.from_numpy(covered.values), signed=True)]
    save_png(grid(resize(torch.cat(strip), (224, 224)), columns=4, gap=6), HERE / "pixels.png")


def methods(network: phosphene.Network) -> None:
    """Every method of attribution, and the checks of one of them."""
    phosphene.compare(network, "skimage:chelsea").result.figure().save(HERE / "methods.png")
    phosphene.guided(network, "skimage:chelsea", check=True).result.figure().save(HERE / "check.png")


def attacks() -> None:
    """The smallest change that fools the plain network and its robust twin, and the scores of both along a line."""
    photo, found, scores = "skimage:coffee", [], []
    for name in ("embedded:photo", "embedded:photo-robust"):
        network = phosphene.load(name)
        picture = phosphene.fmn(network, photo, norm="l2").result.figure()
        found.append(open_photo(picture))
        seen = walk(network, feed(network, photo))
        scores.append(lines(seen, [label(network, index) for index in seen.classes]))
    wide = min(one.shape[3] for one in found)
    save_png(
        grid(torch.cat([resize(one, (one.shape[2] * wide // one.shape[3], wide)) for one in found]), columns=1, gap=6),
        HERE / "smallest.png",
    )
    save_png(grid(torch.cat(scores), columns=2, gap=6), HERE / "lines.png")


def albums(spec: str) -> None:
    """A photograph dreamt at three layers by the embedded network, and below by one that was trained on an album."""
    photo, made = open_photo("skimage:chelsea"), []
    for network in (phosphene.load(), phosphene.load(spec)):
        for layer in ("mixed4b", "mixed5a", "mixed5b"):
            made.append(phosphene.dream(network, photo, layer=layer).image)
    save_png(grid(torch.cat(made), columns=3, gap=6), HERE / "album.png")


def codes() -> None:
    """A cat from its HOG and from its SIFT, and a cat that is on its way to the HOG of a cup."""
    photo, found = "skimage:chelsea", []
    for spec in ("hog:8x8x9", "hog:8x8x9?votes=soft", "sift:4x4x8"):
        sign = "&" if "?" in spec else "?"
        network = phosphene.load(f"{spec}{sign}channels=1")
        found.append((spec, phosphene.invert(network, photo, steps=200).image))
    fed = feed(network, photo)
    figure([("the photograph", fed), *found], columns=4, side=224).save(HERE / "hog.png")
    soft = phosphene.load("hog:8x8x9?votes=soft&channels=1")
    made = phosphene.invert(soft, "skimage:coffee", start=photo, preset="plain", rate=0.02, steps=300)
    panels = [made.result.panels[0][i] for i in (0, 1, 2)]
    figure(panels, columns=3, side=224).save(HERE / "same_hog.png")


def decoders(without: str | None = None, beside: str | None = None) -> None:
    """Two photographs by the decoders of three layers alone; and by one that has seen no cats, if given, beside another
    that was trained as long and has."""
    network, size = phosphene.load(), (224, 224)

    def alone(fed: torch.Tensor, layer: str, file: str | None = None) -> torch.Tensor:
        with torch.no_grad():
            code = network.planned("reading").read(fed, [layer])[layer]
        return decoder_pictures(file, network, layer, code, size)

    photos = [fit(open_photo(f"skimage:{name}"), size) for name in ("chelsea", "coffee")]
    rows = [
        part for fed in photos for part in (fed, *(alone(fed, layer) for layer in ("mixed3b", "mixed4b", "mixed5b")))
    ]
    save_png(grid(torch.cat(rows), columns=4, gap=6), HERE / "decoders.png")
    if without is not None:
        rows = [part for fed in photos for part in (fed, alone(fed, "mixed5b", beside), alone(fed, "mixed5b", without))]
        save_png(grid(torch.cat(rows), columns=3, gap=6), HERE / "without.png")


def arbitrary(network: phosphene.Network, **how: list[str]) -> None:
    """Two photographs and a painting of our own, and the photographs in its style, by a method in each column."""
    rows, size = [], (256, 384)
    for photo in ("skimage:chelsea", "skimage:coffee"):
        made = [method(network, photo, ["painting:night"], size=384, **how).image for method in (
            phosphene.adain, phosphene.wct, phosphene.transport,
        )]  # fmt: skip
        rows += [resize(one, size) for one in (open_photo(photo), open_photo("painting:night"), *made)]
    save_png(grid(torch.cat(rows), columns=5, gap=6), HERE / "arbitrary.png")


def styles(network: phosphene.Network) -> None:
    """Three photographs in two styles, a painting and bricks; and one in two with a soft edge between them."""
    painting, size, rows = "painting:night", (256, 384), []
    photos = ["skimage:chelsea", "skimage:coffee", "skimage:rocket"]
    for style in (painting, "skimage:brick"):
        made = [phosphene.stylize(network, photo, [style], size=384).image for photo in photos]
        rows += [resize(one, size) for one in (open_photo(style).expand(-1, 3, -1, -1), *made)]
    save_png(grid(torch.cat(rows), columns=4, gap=6), HERE / "styles.png")
    across = torch.linspace(1.5, -0.5, 384).clamp(0, 1).expand(1, 3, 256, -1)
    photo = resize(open_photo("skimage:chelsea"), size)
    made = phosphene.stylize(network, photo, [painting, "skimage:grass"], size=384, mask=[across]).image
    save_png(grid(torch.cat([photo, across, made]), columns=3, gap=6), HERE / "masks.png")


def feed_forward() -> None:
    """A photograph in the style of the network that comes with phosphene, and two others."""
    photos = [open_photo(f"skimage:{name}") for name in ("astronaut", "coffee", "rocket")]
    made = [phosphene.apply_style(phosphene.load(), photo).image for photo in photos]
    small = [fit(one, (320, 320)) for one in [*photos, *made]]
    save_png(grid(torch.cat(small), columns=3, gap=4), HERE / "feed_forward.png")


def textures(side: int = 224) -> None:
    """In each row a texture, and more of it by Gram matrices, by sliced histograms, by a robust network, and seamless.

    The seamless one is shifted by half its sides, so that its edges meet in the middle.
    """
    own, robust = phosphene.load(), phosphene.load("embedded:photo-robust")
    rows = []
    for name in ("skimage:gravel", "skimage:brick"):
        part = resize(open_photo(name).float(), (2 * side, 2 * side))[..., :side, :side]
        made = [
            phosphene.texture(own, [part], size=side).image,
            phosphene.texture(own, [part], size=side, gram=0, spread=0, sliced=1).image,
            phosphene.texture(robust, [part], size=side).image,
            phosphene.texture(robust, [part], size=side, seamless=True).image.roll((side // 2, side // 2), (2, 3)),
        ]
        rows += [part, *made]
    save_png(grid(torch.cat(rows), columns=5, gap=6), HERE / "textures.png")


def exemplars(side: int = 128) -> None:
    """Parts of scikit-image's photographs that excite three units, behind the picture that was painted for each."""
    parts = []
    for name in ("astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry"):
        photo = open_photo(f"skimage:{name}")
        rows, columns = ((length - side) // (side // 2) + 1 for length in photo.shape[2:])
        at = [(side // 2 * i, side // 2 * j) for i in range(rows) for j in range(columns)]
        parts += [photo[..., top : top + side, left : left + side].contiguous() for top, left in at]
    made = phosphene.exemplars(
        phosphene.load(), parts, layers=["conv2", "mixed3b", "mixed4b"], each=1, figure="strip", sees="picture",
        synthetic=True, verify=True,
    )  # fmt: skip
    made.figure().save(HERE / "exemplars.png")


def trial(unit: tuple[str, int] = ("mixed4a", 87)) -> None:
    """A question about a unit, with exemplars and with pictures; its photographs are parts of scikit-image's."""
    with TemporaryDirectory() as folder:
        pieces = Path(folder) / "pieces"
        pieces.mkdir()
        for name in ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina", "clock"):
            photo = open_photo(f"skimage:{name}")
            for i in range(40):
                side = (64, 96, 128, 192)[i % 4]
                top, left = (
                    int(Key(0, [i]).child(axis).integers(torch.tensor([0]), 1, photo.shape[2 + axis] - side)[0, 0])
                    for axis in (0, 1)
                )
                save_png(photo[..., top : top + side, left : left + side], pieces / f"{name}-{i:02d}.png")
        network = phosphene.load()
        made = index(network, pieces, Path(folder) / "pieces.index", layers=[unit[0]])
        shown = {
            sign: phosphene.visualize(network, [f"{unit[0]}:{unit[1]}"], size=128, negative=sign).image
            for sign in (False, True)
        }
        painted = Painted({unit: shown[False]}, {unit: shown[True]})
        sheets = []
        for hint in ("exemplars", "synthetic"):
            asked = UnitTrial(made, network, units=[unit], hint=hint, painted=lambda units: painted, references=6)
            (question,) = asked.questions(1)
            asked.prepare([question])
            sheets.append(asked.picture(question))
        beside(*sheets).save(HERE / "trial.png")


def larger(model: str) -> None:
    """A part of a photograph, and the same out of a sixteenth of its pixels, with the network of training/style.py."""
    photo = open_photo("skimage:astronaut")[..., 0:256, 96:352]
    size = (photo.shape[2] // 4, photo.shape[3] // 4)
    made = phosphene.apply_style(phosphene.load(), resize(photo, size), with_=model).result
    (words, interpolated), (_, found) = made.panels[0]
    panels = [("the photograph", photo), (words, interpolated), ("by the network, 4 times", found)]
    figure(panels, "").save(HERE / "larger.png")


def inversion(network: phosphene.Network) -> None:
    """What five depths keep of a photograph, below by the bare loop; what two networks do without a prior; priors."""
    layers = ["mixed3b", "mixed4a", "mixed4c", "mixed5a", "mixed5b"]
    rows = []
    for preset in ("default", "plain"):
        found = phosphene.invert(network, "skimage:chelsea", layer=layers, preset=preset).result
        rows += [found.input, found.image]
    save_png(grid(torch.cat(rows), columns=6, gap=4), HERE / "depths.png")
    rows = []
    for spec in ("embedded:photo", "embedded:photo-robust"):
        own = phosphene.load(spec)
        found = phosphene.invert(own, "skimage:chelsea", layer=["mixed4b", "mixed5a", "mixed5b"], preset="plain").result
        rows += [found.input, found.image]
    enlarged = torch.nn.functional.interpolate(torch.cat(rows), scale_factor=3, mode="nearest")
    save_png(grid(enlarged, columns=4, gap=4), HERE / "robust.png")
    photo = fit(open_photo("skimage:chelsea"), (64, 64))
    for name, made in (
        ("priors", phosphene.compare_priors(phosphene.load(), photo, layer="mixed4b")),
        ("metamers", phosphene.metamers(phosphene.load(), photo, layer="mixed4b")),
        ("privacy", phosphene.privacy(phosphene.load(), photo)),
    ):
        made.result.figure().save(HERE / f"{name}.png")


def each(network: phosphene.Network) -> None:
    """Those of docs/dreams.md, and README's."""
    dreams(network)
    dream(network)


def maps() -> None:
    """Pieces of ten photographs, as they are laid out and each in a cell."""
    names = "astronaut chelsea coffee hubble_deep_field immunohistochemistry rocket retina grass brick gravel".split()
    generator = np.random.default_rng(0)
    pieces, labels = [], []
    for number, name in enumerate(names):
        whole = (open_photo(f"skimage:{name}")[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        height, width, _ = whole.shape
        for _ in range(40):
            side = int(generator.integers(90, 160))
            top, left = (int(generator.integers(0, length - side)) for length in (height, width))
            piece = Image.fromarray(whole[top : top + side, left : left + side])
            pieces.append(np.asarray(piece.resize((64, 64), Image.Resampling.LANCZOS)))
            labels.append(number)
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "pieces.npz", X=np.stack(pieces), y=labels, classes=names)
        network = phosphene.load()
        made = index(network, Path(folder) / "pieces.npz", Path(folder) / "pieces.index", layers=["mixed5b"])
        shown = laid_out(made, "mixed5b", Layout())
        print(shown.words)
        side = 44
        tiling = Tiling.of(shown.shape, side, 256)
        rows = strips(tiling, shown.cells, lambda i: thumbnail(made.thumbnail_jpeg(i), side))
        pixels = torch.from_numpy(np.concatenate(list(rows))).permute(2, 0, 1)[None].float() / 255
    dots = scatter(shown)
    dots = dots.resize((round(dots.width * pixels.shape[2] / dots.height), pixels.shape[2]), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (pixels.shape[3] + 12 + dots.width, pixels.shape[2]), "white")
    sheet.paste(to_pil(pixels), (0, 0))
    sheet.paste(dots, (pixels.shape[3] + 12, 0))
    sheet.save(HERE / "map.png")


ALONE: dict[str, Callable[..., None]] = {
    "codes": codes, "arbitrary": lambda: arbitrary(phosphene.load()), "styles": lambda: styles(phosphene.load()),
    "maps": maps, "trial": trial,
    "feed_forward": feed_forward, "textures": textures, "exemplars": exemplars, "larger": larger, "decoders": decoders,
    "albums": albums, "attacks": attacks,
}  # fmt: skip
"""By the name that is given first."""

OF_A_NETWORK: dict[str, Callable[[phosphene.Network], None]] = {
    "dreams": each, "inversion": inversion, "methods": methods,
}  # fmt: skip
"""By the name that is given behind a network."""


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    first, then = (sys.argv[at] if len(sys.argv) > at else "" for at in (1, 2))
    if first in ALONE:
        ALONE[first](*sys.argv[2:])
        sys.exit()
    if then in OF_A_NETWORK:
        OF_A_NETWORK[then](phosphene.load(first))
        sys.exit()
    own, other = phosphene.load(), phosphene.load(*sys.argv[1:2])
    classes(phosphene.load("embedded:photo-robust"))
    units(own)
    dream(other)
    if "mixed4d" in other.layers:
        presets(other)
        dreams(other)
    pixels(other)
    inversion(other)
    methods(other)
    attacks()
