"""Which files belong to a picture, by the names that cameras, phones and programs give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcli.images.companions import Companion, Companions


def touch(folder: Path, *names: str) -> Companions:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return Companions(str(folder))


def of(companions: Companions, path: str) -> list[str]:
    return [each.name for each in companions.of(path)]


def test_what_has_the_name_of_a_picture_follows_it(tmp_path: Path) -> None:
    followers = [
        *("IMG_1.AAE", "IMG_1.CR2", "IMG_1.CR2.dop", "IMG_1.CR2.xmp", "IMG_1.json"),
        *("IMG_1.JPG.pp3", "IMG_1.JPG.supplemental-metadata.json", "IMG_1.JPG.xmp"),
        *("IMG_1.MOV", "IMG_1.mp4", "IMG_1.WAV", "IMG_1.xmp"),
    ]
    companions = touch(
        tmp_path, "IMG_1.JPG", *followers, "IMG_1.txt", "IMG_10.xmp", "IMG_1b.MOV", "b/IMG_1.xmp"
    )

    assert sorted(of(companions, "IMG_1.JPG")) == sorted(followers)
    assert {companions.leader(x) for x in followers} >= {"IMG_1.JPG"}
    assert companions.leader("IMG_1.JPG") is None


def test_of_two_pictures_of_one_stem_the_jpeg_leads_what_the_stem_says(tmp_path: Path) -> None:
    companions = touch(
        tmp_path, "a.heic", "a.jpg", "a.mov", "a.heic.xmp", "a.jpg.xmp", "a.png", "a.nef"
    )

    assert of(companions, "a.jpg") == ["a.jpg.xmp", "a.mov", "a.nef"]
    assert of(companions, "a.heic") == ["a.heic.xmp"]
    assert of(companions, "a.png") == []
    assert [companions.leader(x) for x in ("a.heic", "a.png", "a.nef")] == [None, None, "a.jpg"]


def test_a_raw_photograph_alone_leads_its_group(tmp_path: Path) -> None:
    companions = touch(tmp_path, "a.CR2", "a.dng", "a.xmp", "a.CR2.xmp", "b/c.arw", "b/c.mp4")

    assert of(companions, "a.CR2") == ["a.CR2.xmp", "a.dng", "a.xmp"]
    assert (companions.leader("a.CR2"), companions.leader("a.dng")) == (None, "a.CR2")
    assert of(companions, str(Path("b", "c.arw"))) == ["c.mp4"]


def test_the_thumbnail_of_a_video_takes_the_video_along(tmp_path: Path) -> None:
    companions = touch(tmp_path, "MVI_1.THM", "MVI_1.AVI")  # the thumbnail is a JPEG inside

    assert companions.leader("MVI_1.THM") is None
    assert of(companions, "MVI_1.THM") == ["MVI_1.AVI"]


def test_a_name_in_full_counts_before_a_stem(tmp_path: Path) -> None:
    companions = touch(tmp_path, "a.jpg", "a.jpg.png", "a.jpg.xmp")

    assert of(companions, "a.jpg") == ["a.jpg.xmp"]
    assert of(companions, "a.jpg.png") == []


# https://support.google.com/photos/thread/ and the tools that mend takeouts: 46 characters and
# ".json", and numbers that wander behind the ending.
@pytest.mark.parametrize(
    ("picture", "json"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("PXL_20230714_180559123.jpg", "PXL_20230714_180559123.jpg.supplemental-metada.json"),
        (
            "PXL_20230714_180559123.PORTRAIT.jpg",
            "PXL_20230714_180559123.PORTRAIT.jpg.suppleme.json",
        ),
        ("IMG_1(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1(2).jpg", "IMG_1.jpg.supplemental-metadata(2).json"),
        (
            "original_0a1b2c3d-4e5f-6789-abcd-ef0123456789_PXL_2023.jpg",
            "original_0a1b2c3d-4e5f-6789-abcd-ef0123456789_.json",
        ),
    ],
)
def test_google_s_notes_follow_the_picture_that_they_speak_of(
    picture: str, json: str, tmp_path: Path
) -> None:
    companions = touch(tmp_path, picture, json, "IMG_9.jpg", "IMG_9.jpg.json")

    assert of(companions, picture) == [json]


def test_darktable_s_versions_follow_their_original(tmp_path: Path) -> None:
    companions = touch(tmp_path, "a.CR2", "a.CR2.xmp", "a_01.CR2.xmp", "b_01.jpg", "b_01.jpg.xmp")

    assert of(companions, "a.CR2") == ["a.CR2.xmp", "a_01.CR2.xmp"]
    assert of(companions, "b_01.jpg") == ["b_01.jpg.xmp"]


def test_the_rest_of_a_name_comes_after_a_new_stem(tmp_path: Path) -> None:
    companions = touch(
        tmp_path, "a.jpg", "a.CR2.xmp", "a.CR2", "a.xmp", "b(1).jpg", "b.jpg(1).json"
    )

    assert companions.of("a.jpg") == [
        Companion("a.CR2", ".CR2"),
        Companion("a.CR2.xmp", ".CR2.xmp"),
        Companion("a.xmp", ".xmp"),
    ]
    assert companions.of("b(1).jpg") == [Companion("b.jpg(1).json", ".jpg.json")]


def test_links_and_folders_neither_lead_nor_follow(tmp_path: Path) -> None:
    companions = touch(tmp_path, "a.CR2", "b.jpg", "elsewhere", "c/a.jpg")
    (tmp_path / "a.jpg").symlink_to("elsewhere")
    (tmp_path / "b.xmp").symlink_to("elsewhere")
    (tmp_path / "b.mov").mkdir()

    assert companions.leader("a.CR2") is None
    assert of(companions, "b.jpg") == []
    assert of(companions, "gone/d.jpg") == []
