"""The templates of pages: the tour's, and those that extend it."""

from functools import cache

from jinja2 import Environment, PackageLoader, Template


@cache
def template(name: str) -> Template:
    """A template by its file in the folder of faces: tour/page.html, or one of its kind."""
    environment = Environment(loader=PackageLoader("phosphene", "faces"), autoescape=True, trim_blocks=True)
    return environment.get_template(name)
