//! Does a snapshot hold anything of the requests that warmed it up? Everybody who starts it could read that.

use std::collections::HashSet;
use std::path::PathBuf;

use super::pages::Captured;
use crate::error::Error;

/// Bytes in a row that are no coincidence. A request of fewer is not looked for.
const WINDOW: usize = 16;

/// Refuse a snapshot with a piece of a warm-up request that one without warm-up does not have.
pub fn refuse(warmed: &Captured, cold: &Captured, paths: &[PathBuf], requests: &[Vec<u8>]) -> Result<(), Error> {
    for (path, request) in paths.iter().zip(requests) {
        let mut wanted: HashSet<&[u8]> = request.windows(WINDOW).filter(|window| !is_plain(window)).collect();
        for (_, page) in &cold.pages {
            for window in page.windows(WINDOW) {
                wanted.remove(window);
            }
        }
        for (address, page) in &warmed.pages {
            if let Some(at) = page.windows(WINDOW).position(|window| wanted.contains(window)) {
                return Err(Error::BadSnapshot {
                    what: format!(
                        "{} bytes or more of the warm-up request {} would be in the snapshot, at {:#x}: the function keeps them",
                        WINDOW,
                        path.display(),
                        address + at as u64
                    ),
                });
            }
        }
    }
    Ok(())
}

/// One byte repeated says nothing.
fn is_plain(window: &[u8]) -> bool {
    window.iter().all(|byte| *byte == window[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Waiting;
    use crate::image::PAGE;

    fn captured(text: &[u8]) -> Captured {
        let mut page = Box::new([0; PAGE as usize]);
        page[100..100 + text.len()].copy_from_slice(text);
        Captured {
            heap_ready: 0,
            waiting: Waiting::default(),
            pages: vec![(0x1000, page)],
        }
    }

    fn refused(warmed: &[u8], cold: &[u8], request: &[u8]) -> bool {
        refuse(&captured(warmed), &captured(cold), &["r".into()], &[request.to_vec()]).is_err()
    }

    #[test]
    fn a_piece_of_a_request_is_found_and_what_was_there_before_is_not() {
        assert!(refused(b"..of a secret request..", b"", b"a part of a secret request"));
        assert!(!refused(b"..of another request..", b"", b"a part of a secret request"));
        assert!(!refused(
            b"..of a secret request..",
            b"of a secret request",
            b"of a secret request"
        ));
        assert!(!refused(&[b'x'; 64], b"", &[b'x'; 64]));
    }
}
