//! The manifest's mirror (docs/formats/manifest.md).
