//! Where an image lies in one instance: fixed by its layout, or drawn (docs/formats/aslr.md).

pub mod draw;
pub mod frames;
pub mod placement;
pub mod seed;
