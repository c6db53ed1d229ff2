//! Which of an image's snapshots instances begin from. No more are loaded than instances are asked for: each is a placed image that the
//! zygote keeps.

use std::path::{Path, PathBuf};

use rustix::rand::GetRandomFlags;

use crate::error::Error;

/// The usable snapshots of an image that were loaded, by the numbers that the zygote gave them, and why others are not.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Not considered yet, in an order that was drawn.
    left: Vec<PathBuf>,
    /// How many are wanted.
    wanted: usize,
    usable: Vec<u64>,
    pub warnings: Vec<String>,
}

impl Choice {
    /// Among these, for so many instances.
    pub fn among(snapshots: &[PathBuf], instances: u32) -> Result<Self, Error> {
        let mut left = snapshots.to_vec();
        for last in (1..left.len()).rev() {
            left.swap(last, below(last as u64 + 1)? as usize);
        }
        Ok(Self {
            left,
            wanted: instances as usize,
            ..Self::default()
        })
    }

    /// The snapshot to load next; `None`: there are enough, or no more.
    pub fn to_load(&self) -> Option<&Path> {
        self.left
            .last()
            .filter(|_| self.usable.len() < self.wanted)
            .map(PathBuf::as_path)
    }

    /// Take the next snapshot, which was loaded, or remember why it cannot be used: the image itself still can.
    pub fn consider(&mut self, loaded: Result<u64, Error>) {
        match (self.left.pop(), loaded) {
            (_, Ok(snapshot)) => self.usable.push(snapshot),
            (path, Err(error)) => {
                let path = path.unwrap_or_default();
                self.warnings
                    .push(format!("the snapshot {} is not used: {error}", path.display()));
            }
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
        let number = match self.usable.len() {
            0 | 1 => 0,
            several => below(several as u64)?,
        };
        Ok(self.usable.get(number as usize).copied())
    }
}

/// A number below `limit`. The bias of a remainder by a few snapshots is less than 2^-50.
fn below(limit: u64) -> Result<u64, Error> {
    let mut drawn = [0; 8];
    rustix::rand::getrandom(&mut drawn, GetRandomFlags::empty()).map_err(|error| Error::io("reading random bytes", error))?;
    Ok(u64::from_le_bytes(drawn) % limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<PathBuf> {
        (0..4).map(|number| format!("{number}.json").into()).collect()
    }

    #[test]
    fn one_instance_loads_one_snapshot_and_more_when_that_cannot_be_used() {
        let mut choice = Choice::among(&paths(), 1).expect("random numbers");
        let first = choice.to_load().expect("a snapshot").to_owned();
        choice.consider(Err(Error::BadSnapshot { what: "old".into() }));
        assert_ne!(choice.to_load().expect("another"), first);
        choice.consider(Ok(7));
        assert!(choice.to_load().is_none());
        assert_eq!(choice.pick().expect("a number"), Some(7));
        assert!(choice.warnings[0].contains("old") && choice.warnings.len() == 1);
    }

    #[test]
    fn many_instances_load_all_and_each_snapshot_comes_first_at_times() {
        let mut choice = Choice::among(&paths(), 60).expect("random numbers");
        let mut loaded = Vec::new();
        while let Some(path) = choice.to_load() {
            loaded.push(path.to_owned());
            choice.consider(Ok(loaded.len() as u64));
        }
        loaded.sort();
        assert_eq!(loaded, paths());
        let first = || {
            Choice::among(&paths(), 1)
                .expect("random numbers")
                .to_load()
                .map(Path::to_owned)
        };
        let firsts: std::collections::BTreeSet<_> = (0..200).map(|_| first()).collect();
        assert_eq!(firsts.len(), 4);
    }
}
