// Shortcuts and the palette.
