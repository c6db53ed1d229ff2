//! Names of instances: `<prefix>-<n>`, n counting up from 1 for each prefix. Since n is all digits, two prefixes never meet.

use std::collections::HashMap;

use super::refusal::Refusal;

const PREFIX_MAX: usize = 64;

/// Gives out each name once.
#[derive(Default)]
pub struct Names {
    last: HashMap<String, u64>,
}

impl Names {
    pub fn next(&mut self, prefix: &str) -> String {
        let number = match self.last.get_mut(prefix) {
            Some(number) => {
                *number += 1;
                *number
            }
            None => *self.last.entry(prefix.to_owned()).or_insert(1),
        };
        format!("{prefix}-{number}")
    }
}

/// A prefix that a client chose: names become file names, so they are held to what is harmless there and in a shell.
pub fn check_prefix(prefix: &str) -> Result<(), Refusal> {
    if !prefix.is_empty() && prefix.len() <= PREFIX_MAX && prefix.chars().all(is_harmless) && !prefix.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "name: {prefix:?} is not 1 to {PREFIX_MAX} letters, digits, '.', '_' or '-', beginning with a letter, digit or '_'"
    )))
}

/// The prefix that an image's name gives: what is not harmless becomes '_'.
pub fn prefix_of(image: &str) -> String {
    let prefix: String = image
        .chars()
        .take(PREFIX_MAX)
        .map(|letter| if is_harmless(letter) { letter } else { '_' })
        .collect();
    match prefix.strip_prefix(['.', '-']) {
        Some(rest) => format!("_{rest}"),
        None if prefix.is_empty() => "_".into(),
        None => prefix,
    }
}

fn is_harmless(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_counts_for_itself() {
        let mut names = Names::default();
        let given: Vec<String> = ["a", "b", "a", "a-1", "a", "a-1"].map(|prefix| names.next(prefix)).into();
        assert_eq!(given, ["a-1", "b-1", "a-2", "a-1-1", "a-3", "a-1-2"]);
    }

    #[test]
    fn prefixes_are_harmless_file_names() {
        for good in ["gzip", "a.b_c-1", "_", "7z"] {
            check_prefix(good).expect(good);
            assert_eq!(prefix_of(good), good);
        }
        for bad in ["", ".", "..", "../x", "a/b", "-rf", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
            check_prefix(&prefix_of(bad)).expect(bad);
        }
    }
}
