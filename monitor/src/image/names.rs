//! Names that many images have in common, each kept once: hundreds of images name the same few libraries and sections.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Part;

static PARTS: Mutex<BTreeSet<Arc<Part>>> = Mutex::new(BTreeSet::new());
static NAMES: Mutex<BTreeSet<Arc<str>>> = Mutex::new(BTreeSet::new());

/// A name in a message, which its reader keeps once.
#[derive(Clone, Debug)]
pub struct Name(pub Arc<str>);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(shared(&Cow::<str>::deserialize(deserializer)?)))
    }
}

/// The one copy of a name.
pub fn shared(name: &str) -> Arc<str> {
    // A panic of another thread in between cannot leave half an entry.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let fresh: Arc<str> = name.into();
    names.insert(Arc::clone(&fresh));
    fresh
}

/// The one copy of a part's names.
pub fn part(library: Option<&str>, section: &str) -> Arc<Part> {
    let part = Part {
        library: library.map(shared),
        section: shared(section),
    };
    let mut parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = parts.get(&part) {
        return Arc::clone(known);
    }
    let fresh = Arc::new(part);
    parts.insert(Arc::clone(&fresh));
    fresh
}

/// Drop what no image uses any more.
pub fn forget_unused() {
    let mut parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
    parts.retain(|part| Arc::strong_count(part) > 1);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.retain(|name| Arc::strong_count(name) > 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_no_longer_than_it_is_used() {
        let (first, again) = (shared("a library of this test"), shared("a library of this test"));
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        let of = |section| part(Some("a library of this test"), section);
        let (text, again, data) = (of("text"), of("text"), of("data"));
        assert!(Arc::ptr_eq(&text, &again) && !Arc::ptr_eq(&text, &data));
        drop((text, again, data));
        forget_unused();
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!names.contains("a library of this test"));
    }
}
