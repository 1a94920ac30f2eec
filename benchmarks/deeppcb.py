"""A catalog of DeepPCB patches (a folder with labels.csv; MIT, research use) with their boxes, boards kept together.

python -m benchmarks.deeppcb DIR [--types] writes var/catalogs/deeppcb.csv; --types makes each defect type a class of its own.
"""

import argparse
import csv
from pathlib import Path

from data.catalog import Catalog, CatalogRow, write_catalog
from data.sources.image_file import read_image_file

OUT = Path("var/catalogs/deeppcb.csv")
OUT_TYPES = Path("var/catalogs/deeppcb_types.csv")


def read_deeppcb(root: Path, types: bool = False) -> Catalog:
    """The patches with the splits of labels.csv; labels are `good` and `defect`, or with `types` the defect type."""
    with (root / "labels.csv").open(newline="", encoding="utf-8") as stream:
        return Catalog(root=root, rows=tuple(_row(root, fields, types) for fields in csv.DictReader(stream)))


def _row(root: Path, fields: dict[str, str], types: bool) -> CatalogRow:
    image = read_image_file(root / fields["path"])
    return CatalogRow.model_validate(
        {
            "path": fields["path"],
            "label": (types and fields["defect_type"]) or fields["label"],
            "defect_probability": float(fields["label"] == "defect"),
            "classes": fields["defect_type"] or fields["label"],
            "group": fields["board_group"],
            "split": fields["split"],
            "width": image.width,
            "height": image.height,
            "sha256": image.sha256,
            "source": "deeppcb",
            "boxes": fields["boxes_in_patch"],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, metavar="DIR")
    parser.add_argument("--types", action="store_true", help="each defect type is a class of its own")
    given = parser.parse_args()
    out = OUT_TYPES if given.types else OUT
    write_catalog(read_deeppcb(given.root, given.types), out)
    print(out)


if __name__ == "__main__":
    main()
