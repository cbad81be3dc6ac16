"""Colour profiles: ignored as the references do, converted where that is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageCms

from clipcli.images.decode import decode
from tests.broken_pictures import encoded, photo


def profile_of(kind: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()  # type: ignore[arg-type]


def pixels_of(content: bytes, *, convert: bool) -> np.ndarray:
    return np.asarray(decode(content, convert_profiles=convert).image).astype(int)


def test_profiles_are_ignored_unless_asked_for() -> None:
    content = encoded(photo(), "PNG", icc_profile=profile_of("XYZ"))

    assert np.array_equal(pixels_of(content, convert=False), np.asarray(photo()))


def test_a_profile_of_srgb_changes_nothing() -> None:
    content = encoded(photo(), "PNG", icc_profile=profile_of("sRGB"))

    assert np.abs(pixels_of(content, convert=True) - np.asarray(photo())).max() <= 1


def test_colours_are_converted_as_the_profile_says() -> None:
    # A profile in which red and blue have changed places: so must the picture's.
    swapped = profile_of("sRGB").replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    content = encoded(photo(), "PNG", icc_profile=swapped.replace(b"????", b"bXYZ"))

    converted = pixels_of(content, convert=True)

    assert np.abs(converted - np.asarray(photo())[..., ::-1]).max() <= 2


@pytest.mark.parametrize("profile", [b"no profile at all", b"", profile_of("LAB")])
def test_a_broken_or_unfit_profile_costs_nothing(profile: bytes) -> None:
    content = encoded(photo(), "PNG", icc_profile=profile)

    assert np.array_equal(pixels_of(content, convert=True), np.asarray(photo()))


def test_transparency_survives_the_conversion() -> None:
    picture = photo().convert("RGBA")
    picture.putalpha(0)
    content = encoded(picture, "PNG", icc_profile=profile_of("sRGB"))

    assert (pixels_of(content, convert=True) == 255).all()
