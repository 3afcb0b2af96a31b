"""Drawings of the products: a few shapes for each kind, in colours that come from the product's id."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from presage_console.shop.products import Product

__all__ = ["draw"]

_HUES: Final = {"lamps": 42, "audio": 258, "kitchen": 12, "bags": 205, "plants": 132, "desk": 330}
"""The hue of each category's background, in degrees."""

# The canvas is 120 by 90. `a` is the main colour, `b` a darker one, `c` a lighter one; `w` is what stays nearly white.
_DRAWINGS: Final = {
    "dome": """
        <path d="M34 50a26 24 0 0 1 52 0z" fill="{a}"/><path d="M34 50h52v4h-52z" fill="{b}"/>
        <path d="M57 54h6v16h-6z" fill="{b}"/><path d="M46 70h28v5h-28z" fill="{b}"/>
        <circle cx="60" cy="57" r="5" fill="{w}"/>""",
    "arm": """
        <path d="M42 72 62 46 50 28" fill="none" stroke="{b}" stroke-width="4" stroke-linejoin="round"/>
        <path d="M44 20 66 26 60 40 40 30z" fill="{a}"/><path d="m58 40 24 22-30-6z" fill="{w}" opacity=".6"/>
        <path d="M30 72h26v5h-26z" fill="{b}"/><circle cx="62" cy="46" r="3.5" fill="{c}"/>""",
    "floor": """
        <path d="M46 14h28l8 22H38z" fill="{a}"/><path d="M38 36h44v3H38z" fill="{b}"/>
        <path d="M60 39v26M60 62 46 79M60 62l14 17M60 62v18" stroke="{b}" stroke-width="3" stroke-linecap="round"/>""",
    "pendant": """
        <path d="M60 8v20" stroke="{b}" stroke-width="2.5"/><path d="M54 26h12v6H54z" fill="{b}"/>
        <circle cx="60" cy="52" r="22" fill="{a}"/>
        <path d="M46 44a17 17 0 0 1 14-10" fill="none" stroke="{w}" stroke-width="4" stroke-linecap="round" opacity=".8"/>
        <circle cx="60" cy="54" r="9" fill="{c}"/>""",
    "headphones": """
        <path d="M32 58V50a28 28 0 0 1 56 0v8" fill="none" stroke="{b}" stroke-width="5"/>
        <rect x="26" y="48" width="15" height="27" rx="7" fill="{a}"/>
        <rect x="79" y="48" width="15" height="27" rx="7" fill="{a}"/>
        <rect x="38" y="52" width="5" height="19" rx="2.5" fill="{c}"/>
        <rect x="77" y="52" width="5" height="19" rx="2.5" fill="{c}"/>""",
    "buds": """
        <circle cx="42" cy="34" r="12" fill="{a}"/><path d="M37 40h9v28a4.5 4.5 0 0 1-9 0z" fill="{b}"/>
        <circle cx="78" cy="34" r="12" fill="{a}"/><path d="M74 40h9v28a4.5 4.5 0 0 1-9 0z" fill="{b}"/>
        <circle cx="46" cy="33" r="5" fill="{c}"/><circle cx="74" cy="33" r="5" fill="{c}"/>""",
    "speaker": """
        <rect x="38" y="14" width="44" height="64" rx="9" fill="{a}"/><circle cx="60" cy="56" r="15" fill="{b}"/>
        <circle cx="60" cy="56" r="6" fill="{c}"/><circle cx="60" cy="29" r="7" fill="{b}"/>
        <circle cx="60" cy="29" r="2.5" fill="{c}"/>""",
    "radio": """
        <path d="M74 34 88 12" stroke="{b}" stroke-width="3" stroke-linecap="round"/>
        <rect x="26" y="32" width="68" height="44" rx="9" fill="{a}"/><circle cx="44" cy="54" r="13" fill="{b}"/>
        <circle cx="44" cy="54" r="4" fill="{c}"/>
        <path d="M66 44h20M66 52h20M66 60h20" stroke="{w}" stroke-width="3" stroke-linecap="round"/>""",
    "mug": """
        <path d="M36 30h40v34a11 11 0 0 1-11 11H47a11 11 0 0 1-11-11z" fill="{a}"/>
        <path d="M76 38h6a10 10 0 0 1 0 21h-6" fill="none" stroke="{b}" stroke-width="5"/>
        <path d="M36 30h40v7H36z" fill="{c}"/>
        <path d="M48 22q-4-6 0-11M60 22q-4-6 0-11" fill="none" stroke="{w}" stroke-width="2.5" stroke-linecap="round"/>""",
    "kettle": """
        <path d="M38 40h40l8 28a7 7 0 0 1-7 8H37a7 7 0 0 1-7-8z" fill="{a}"/>
        <path d="M38 52 22 40l-4 5 18 18z" fill="{b}"/>
        <path d="M44 40a14 16 0 0 1 28 0" fill="none" stroke="{b}" stroke-width="5"/>
        <circle cx="58" cy="38" r="4" fill="{c}"/><path d="M36 62h44" stroke="{c}" stroke-width="3"/>""",
    "pot": """
        <path d="M32 40h56v24a11 11 0 0 1-11 11H43a11 11 0 0 1-11-11z" fill="{a}"/><path d="M29 34h62v7H29z" fill="{b}"/>
        <path d="M22 48h10M88 48h10" stroke="{b}" stroke-width="6" stroke-linecap="round"/>
        <circle cx="60" cy="29" r="5" fill="{c}"/>""",
    "knife": """
        <rect x="24" y="60" width="72" height="14" rx="6" fill="{c}"/><path d="M22 46 74 20q12 14-6 26z" fill="{w}"/>
        <path d="M22 46h46l-2 4H26z" fill="{b}" opacity=".5"/><path d="m70 36 26-13 4 8-27 14z" fill="{a}"/>""",
    "backpack": """
        <path d="M48 22a12 12 0 0 1 24 0" fill="none" stroke="{b}" stroke-width="4"/>
        <rect x="36" y="20" width="48" height="58" rx="15" fill="{a}"/>
        <rect x="42" y="50" width="36" height="24" rx="6" fill="{b}"/><path d="M42 56h36" stroke="{c}" stroke-width="2.5"/>
        <path d="M44 36h32" stroke="{c}" stroke-width="3" stroke-linecap="round"/>""",
    "tote": """
        <path d="M46 40V30a14 14 0 0 1 28 0v10" fill="none" stroke="{b}" stroke-width="4"/>
        <path d="M34 38h52l5 34a5 5 0 0 1-5 6H34a5 5 0 0 1-5-6z" fill="{a}"/><path d="M33 52h54l1 9H32z" fill="{c}"/>""",
    "satchel": """
        <path d="M34 38Q60-4 86 38" fill="none" stroke="{b}" stroke-width="3.5"/>
        <rect x="28" y="36" width="64" height="40" rx="7" fill="{a}"/>
        <path d="M28 42a6 6 0 0 1 6-6h52a6 6 0 0 1 6 6v6q-32 18-64 0z" fill="{b}"/>
        <rect x="54" y="52" width="12" height="10" rx="2" fill="{c}"/>""",
    "leafy": """
        <path d="M60 58Q36 54 34 30q22 2 26 28Q60 24 80 16q8 24-20 42Q74 40 92 44q-6 16-32 14z" fill="{a}"/>
        <path d="M60 58Q56 40 44 36M60 58q4-22 14-32" fill="none" stroke="{c}" stroke-width="2"/>
        <path d="M44 58h32l-4 20H48z" fill="{p}"/>""",
    "fern": """
        <path d="M60 60Q30 58 24 34q26 2 36 26Q34 40 40 16q22 12 20 44 0-34 22-44 4 26-22 44Q72 36 98 36q-6 22-38 24z"
        fill="{a}"/><path d="M60 60V26M60 60 36 42M60 60l24-18" stroke="{c}" stroke-width="1.8"/>
        <path d="M42 58h36v7H42zM46 65h28l-3 15H49z" fill="{p}"/>""",
    "cactus": """
        <rect x="50" y="16" width="20" height="46" rx="10" fill="{a}"/>
        <path d="M50 46H42a7 7 0 0 1-7-7V32M70 40h8a6 6 0 0 0 6-6v-5" fill="none" stroke="{a}" stroke-width="9"
        stroke-linecap="round"/><path d="M60 22v36M55 26v30M65 26v30" stroke="{c}" stroke-width="1.6"/>
        <circle cx="60" cy="15" r="4" fill="{p}"/><path d="M44 60h32l-4 19H48z" fill="{p}"/>""",
    "tree": """
        <path d="M60 66V34" stroke="{b}" stroke-width="4"/><circle cx="60" cy="28" r="18" fill="{a}"/>
        <circle cx="45" cy="38" r="11" fill="{a}"/><circle cx="75" cy="38" r="11" fill="{a}"/>
        <circle cx="53" cy="24" r="4" fill="{c}"/><circle cx="69" cy="32" r="4" fill="{c}"/>
        <circle cx="48" cy="40" r="3" fill="{c}"/><path d="M44 62h32l-4 18H48z" fill="{p}"/>""",
    "notebook": """
        <rect x="38" y="14" width="48" height="64" rx="5" fill="{a}"/>
        <path d="M38 19a5 5 0 0 1 5-5h5v64h-5a5 5 0 0 1-5-5z" fill="{b}"/>
        <rect x="56" y="26" width="22" height="12" rx="2" fill="{w}"/><path d="M76 14v64" stroke="{c}" stroke-width="2.5"/>""",
    "pen": """
        <path d="M30 70 36 54 82 14l10 11-46 40z" fill="{a}"/><path d="m30 70 6-16 10 11z" fill="{w}"/>
        <path d="m30 70 2.500-6.500 4 4z" fill="{b}"/><path d="m72 23 10 11" stroke="{c}" stroke-width="4"/>
        <path d="M24 77h60" stroke="{b}" stroke-width="2.5" stroke-linecap="round"/>""",
    "stand": """
        <path d="M34 62 44 24h46L80 62z" fill="{a}"/><path d="m39 58 8-29h37l-8 29z" fill="{w}" opacity=".75"/>
        <path d="M26 62h66v6H26z" fill="{b}"/><path d="M40 68h38l6 9H34z" fill="{c}"/>""",
    "clock": """
        <circle cx="60" cy="46" r="32" fill="{a}"/><circle cx="60" cy="46" r="25" fill="{w}"/>
        <path d="M60 46V28M60 46l12 8" stroke="{b}" stroke-width="4" stroke-linecap="round"/>
        <circle cx="60" cy="46" r="3.5" fill="{b}"/>
        <path d="M60 23v4M60 65v4M37 46h4M79 46h4" stroke="{c}" stroke-width="3"/>""",
}


def draw(product: Product) -> str:
    """Return a picture of a product as SVG; the same for the same product."""
    digest = sha256(product.item_id.encode()).digest()
    hue = 95 + digest[0] % 60 if product.category == "plants" else digest[0] * 360 // 256
    background = _HUES[product.category]
    colours = {
        "a": f"hsl({hue} 46% 50%)",
        "b": f"hsl({hue} 44% 32%)",
        "c": f"hsl({hue} 62% 74%)",
        "p": f"hsl({10 + digest[1] % 30} 45% 48%)",
        "w": "hsl(40 40% 97%)",
    }
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 90">'
        f'<path d="M0 0h120v90H0z" fill="hsl({background} 38% 88%)"/>'
        f'<ellipse cx="60" cy="79" rx="38" ry="5" fill="hsl({background} 28% 74%)"/>'
        f"{_DRAWINGS[product.look].format(**colours)}</svg>"
    )
