//! Names that many images have in common, each kept once: hundreds of images name the same few libraries and sections.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

static NAMES: Mutex<BTreeSet<Arc<str>>> = Mutex::new(BTreeSet::new());

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

/// Drop what no image uses any more.
pub fn forget_unused() {
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
        forget_unused();
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!names.contains("a library of this test"));
    }
}
