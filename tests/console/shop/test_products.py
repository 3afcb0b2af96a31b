from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from presage_console.shop.pictures import draw
from presage_console.shop.products import read_shelf

SVG = "{http://www.w3.org/2000/svg}"


def test_there_are_sixty_products_in_six_categories():
    shelf = read_shelf()
    assert len(shelf.products) == 60
    assert {len(category.products) for category in shelf.categories.values()} == {10}
    assert all(product.price > 0 and product.about.endswith(".") for product in shelf.products.values())
    for category in shelf.categories.values():
        assert {product.tier for product in category.products} == {0, 1, 2}, "a choice for each purse"


@pytest.mark.parametrize(
    ("words", "found"),
    [("glide kettle", ["kitchen-glide"]), ("KETTLE aurelle", ["kitchen-glide"]), ("", []), ("submarine", [])],
)
def test_products_are_found_by_all_words(words, found):
    assert [product.item_id for product in read_shelf().find(words)] == found


def test_each_product_has_a_picture_of_its_own_without_anything_from_elsewhere():
    pictures = {product.item_id: draw(product) for product in read_shelf().products.values()}
    assert len(set(pictures.values())) == len(pictures)
    for item_id, picture in pictures.items():
        assert picture == draw(read_shelf().products[item_id])
        root = ET.fromstring(picture)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg",
            "path",
            "circle",
            "ellipse",
            "rect",
        }
        assert not any(name in {"style", "href"} for element in root.iter() for name in element.attrib)
