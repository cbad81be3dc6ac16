"""Screens: the sizes in pixels that phones, tablets and computers have."""

from __future__ import annotations

# Upright: width, height. Makers' pages list them; models that share a size stand together.
PHONES = frozenset(
    {
        (640, 960),  # iPhone 4
        (640, 1136),  # iPhone 5, SE
        (750, 1334),  # iPhone 6 to 8, SE 2 and 3
        (828, 1792),  # iPhone XR, 11
        (1125, 2436),  # iPhone X, XS, 11 Pro
        (1080, 2340),  # iPhone 12 and 13 mini; many Android phones
        (1170, 2532),  # iPhone 12 to 14
        (1179, 2556),  # iPhone 14 Pro to 16
        (1206, 2622),  # iPhone 16 Pro, 17
        (1242, 2208),  # iPhone 6 to 8 Plus
        (1242, 2688),  # iPhone XS Max, 11 Pro Max
        (1260, 2736),  # iPhone Air
        (1284, 2778),  # iPhone 12 to 14 Pro Max and Plus
        (1290, 2796),  # iPhone 14 Pro Max to 16 Plus
        (1320, 2868),  # iPhone 16 Pro Max
        (720, 1440),  # Android, 18:9
        (720, 1480),
        (720, 1520),
        (720, 1544),
        (720, 1560),
        (720, 1570),
        (720, 1600),
        (720, 1612),
        (720, 1640),
        (1080, 2160),  # Pixel 3, and others of 18:9
        (1080, 2220),  # Galaxy S8 to S9 at their usual setting, Pixel 3a
        (1080, 2244),
        (1080, 2246),
        (1080, 2248),
        (1080, 2256),
        (1080, 2280),  # Galaxy S10e, Pixel 4
        (1080, 2310),
        (1080, 2312),
        (1080, 2316),
        (1080, 2388),
        (1080, 2400),  # Galaxy S20 to S23, Pixel 5 to 8
        (1080, 2404),
        (1080, 2408),
        (1080, 2412),
        (1080, 2424),  # Pixel 9
        (1080, 2460),
        (1080, 2520),  # Xperia 5, 10
        (1080, 2640),  # Galaxy Z Flip
        (1176, 2400),
        (1200, 2640),
        (1200, 2670),
        (1220, 2712),
        (1224, 2700),
        (1240, 2772),
        (1256, 2760),
        (1264, 2780),
        (1280, 2856),  # Pixel 9 Pro
        (1344, 2992),  # Pixel 8 Pro, 9 Pro XL
        (1440, 2880),  # Pixel 2 XL
        (1440, 2960),  # Galaxy S8 to S9
        (1440, 3040),  # Galaxy S10, Pixel 4 XL
        (1440, 3088),
        (1440, 3120),  # Pixel 6 Pro, Galaxy S24 Ultra
        (1440, 3168),
        (1440, 3200),  # Galaxy S20 to S21 Ultra, and others
        (1440, 3216),
        (1644, 3840),  # Xperia 1
    }
)
TABLETS = frozenset(
    {
        (1488, 2266),  # iPad mini 6
        (1536, 2048),  # iPad 3 to 6, mini 2 to 5
        (1620, 2160),  # iPad 7 to 9
        (1640, 2360),  # iPad 10, Air 4 and 5
        (1668, 2224),  # iPad Pro 10.5, Air 3
        (1668, 2388),  # iPad Pro 11
        (1668, 2420),
        (2048, 2732),  # iPad Pro 12.9
        (2064, 2752),
        (1200, 1920),  # Galaxy Tab A
        (1200, 2000),
        (1600, 2560),  # Galaxy Tab S, Pixel Tablet
        (1752, 2800),
        (1848, 2960),
        (1440, 2304),
    }
)
# Across. Sizes of films and slides, such as 1920 x 1080, are in MEDIA.
COMPUTERS = frozenset(
    {
        (1280, 800),
        (1360, 768),
        (1366, 768),
        (1440, 900),
        (1536, 864),  # 1920 x 1080 at 125 %
        (1600, 900),
        (1680, 1050),
        (1920, 1200),
        (2160, 1440),  # Surface Pro
        (2256, 1504),  # Surface Laptop
        (2496, 1664),
        (2736, 1824),
        (2880, 1920),
        (3000, 2000),  # Surface Book
        (3240, 2160),
        (2304, 1440),  # MacBook 12
        (2560, 1600),  # MacBook Pro 13, Air
        (2560, 1664),  # MacBook Air 13
        (2880, 1800),  # MacBook Pro 15; Air at its usual setting
        (2880, 1864),  # MacBook Air 15
        (3024, 1964),  # MacBook Pro 14
        (3072, 1920),
        (3456, 2234),  # MacBook Pro 16
        (4480, 2520),  # iMac 24
        (5120, 2880),  # iMac 27
        (2560, 1080),
        (3440, 1440),
        (3840, 1600),
        (3840, 2400),
        (5120, 1440),
    }
)
# Screens have these sizes, but slides, posters and stills of films have them as well.
MEDIA = frozenset({(1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (1024, 768)})
_UPRIGHT = PHONES | TABLETS
_TURNED = frozenset((height, width) for width, height in _UPRIGHT)


def is_screen(size: tuple[int, int]) -> bool:
    """Say whether a screen has this size (width, height), and hardly anything else does."""
    return size in _UPRIGHT or size in _TURNED or size in COMPUTERS


def is_media(size: tuple[int, int]) -> bool:
    """Say whether screens have this size, and slides and stills of films as well."""
    return size in MEDIA
