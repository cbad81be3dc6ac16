"""Random annotations and boxes near them, with ties, crowds and empty pictures."""

from __future__ import annotations

from typing import Any

import numpy as np


def random_set(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return annotations in COCO's form, and results."""
    rng = np.random.default_rng(seed)
    n_pictures, n_categories = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    images = [{"id": i + 1, "file_name": f"{i + 1}.jpg"} for i in range(n_pictures)]
    categories = [{"id": 3 * c + 2, "name": f"c{c}"} for c in range(n_categories)]
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image in images:
        for _ in range(int(rng.integers(0, 9))):
            category = int(rng.choice([c["id"] for c in categories]))
            size = rng.choice([8, 40, 150]) * rng.uniform(0.5, 1.5, 2)
            box = [*rng.uniform(0, 300, 2), *size]
            box = [round(float(v), 1) for v in box]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": box,
                    "area": float(np.prod(box[2:])) * float(rng.uniform(0.5, 1)),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(int(rng.integers(0, 4))):
                moved = np.array(box) + rng.normal(0, 0.12, 4) * np.tile(box[2:], 2)
                moved[2:] = np.maximum(moved[2:], 1)
                results.append(
                    {
                        "image_id": image["id"],
                        "category_id": category,
                        "bbox": [round(float(v), 1) for v in moved],
                        "score": round(float(rng.random()), 1),  # many ties
                    }
                )
        results.extend(
            {
                "image_id": image["id"],
                "category_id": int(rng.choice([c["id"] for c in categories])),
                "bbox": [round(float(v), 1) for v in rng.uniform(1, 200, 4)],
                "score": round(float(rng.random()), 2),
            }
            for _ in range(int(rng.choice([0, 3, 130], p=[0.5, 0.45, 0.05])))
        )
    order = rng.permutation(len(results))
    truth = {"images": images, "categories": categories, "annotations": annotations, "info": {}}
    return truth, [results[i] for i in order]
