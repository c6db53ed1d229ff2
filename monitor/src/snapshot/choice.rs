//! Which of an image's snapshots an instance begins from.

use std::path::Path;

use rustix::rand::GetRandomFlags;

use crate::error::Error;

/// The usable snapshots of an image, by the numbers that the zygote gave them, and why the others are not.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    usable: Vec<u64>,
    pub warnings: Vec<String>,
}

impl Choice {
    /// Take a snapshot that was loaded, or remember why it cannot be used: the image itself still can.
    pub fn consider(&mut self, path: &Path, loaded: Result<u64, Error>) {
        match loaded {
            Ok(snapshot) => self.usable.push(snapshot),
            Err(error) => self
                .warnings
                .push(format!("the snapshot {} is not used: {error}", path.display())),
        }
    }

    /// A reset needs a function that keeps nothing, and a snapshot to return to.
    pub fn check_reset(&self, reset: bool, name: &str, is_stateless: bool) -> Result<(), Error> {
        if reset && !is_stateless {
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
    pub fn pick(&self) -> Result<Option<u64>, Error> {
        let mut drawn = [0; 8];
        if self.usable.len() > 1 {
            rustix::rand::getrandom(&mut drawn, GetRandomFlags::empty())
                .map_err(|error| Error::io("reading random bytes", error))?;
        }
        // The bias of a remainder by a few snapshots is less than 2^-50.
        let number = u64::from_le_bytes(drawn).checked_rem(self.usable.len() as u64);
        Ok(number.and_then(|number| self.usable.get(number as usize)).copied())
    }
}
