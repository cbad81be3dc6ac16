"""Keywords for pictures, in XMP: beside them, or inside."""
