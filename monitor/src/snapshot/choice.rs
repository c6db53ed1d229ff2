//! Which of an image's snapshots an instance begins from.

use std::path::Path;
use std::sync::Arc;

use rustix::rand::GetRandomFlags;

use crate::error::Error;
use crate::image::Image;
use crate::placing::Placed;

/// The usable snapshots of an image, and why the others are not.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    usable: Vec<Arc<Placed>>,
    pub warnings: Vec<String>,
}

impl Choice {
    /// Take a snapshot that was loaded, or remember why it cannot be used: the image itself still can.
    pub fn consider(&mut self, path: &Path, loaded: Result<impl Into<Arc<Placed>>, Error>) {
        match loaded {
            Ok(placed) => self.usable.push(placed.into()),
            Err(error) => self
                .warnings
                .push(format!("the snapshot {} is not used: {error}", path.display())),
        }
    }

    /// A reset needs a function that keeps nothing, and a snapshot to return to.
    pub fn check_reset(&self, reset: bool, image: &Image) -> Result<(), Error> {
        let name = &image.name;
        if reset && !image.is_stateless {
            return Err(Error::BadRequest {
                what: format!(
                    "{name} keeps state between requests, so it is not reset; if it does not, say state = \"none\" in app.toml"
                ),
            });
        }
        if reset && self.usable.is_empty() {
            return Err(Error::BadSnapshot {
                what: format!("{name} cannot be reset: it has no usable snapshot"),
            });
        }
        Ok(())
    }

    /// One of them, each as likely.
    pub fn pick(&self) -> Result<Option<Arc<Placed>>, Error> {
        let mut drawn = [0; 8];
        if self.usable.len() > 1 {
            rustix::rand::getrandom(&mut drawn, GetRandomFlags::empty())
                .map_err(|error| Error::io("reading random bytes", error))?;
        }
        // The bias of a remainder by a few snapshots is less than 2^-50.
        let number = u64::from_le_bytes(drawn).checked_rem(self.usable.len() as u64);
        Ok(number.and_then(|number| self.usable.get(number as usize)).map(Arc::clone))
    }
}
