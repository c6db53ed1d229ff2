//! Frames of the control protocol: two lengths, a JSON object, a payload. What comes in is cut at their borders, however it was
//! split on its way.

/// The most that a frame's JSON object may have.
pub const BODY_MAX: usize = 1 << 20;
/// The most that a frame's payload may have.
pub const PAYLOAD_MAX: usize = 64 << 20;
const HEADER: usize = 8;

/// One message, its JSON not yet looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub body: Vec<u8>,
    pub payload: Vec<u8>,
}

/// A frame that announces more than the protocol allows. What follows it cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversize {
    pub body: usize,
    pub payload: usize,
}

/// The part of the next frame that has arrived. An idle one holds no memory of its own.
#[derive(Default)]
pub struct Inbox {
    header: [u8; HEADER],
    header_filled: usize,
    frame: Frame,
}

impl Inbox {
    /// Take bytes from the front of `bytes`, up to the end of one frame.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, Oversize> {
        let count = bytes.len().min(HEADER - self.header_filled);
        self.header[self.header_filled..][..count].copy_from_slice(&bytes[..count]);
        self.header_filled += count;
        *bytes = &bytes[count..];
        if self.header_filled < HEADER {
            return Ok(None);
        }
        let (body, payload) = lengths(self.header);
        if body > BODY_MAX || payload > PAYLOAD_MAX {
            return Err(Oversize { body, payload });
        }
        // Memory follows what was sent, not what was announced.
        move_up_to(body, &mut self.frame.body, bytes);
        move_up_to(payload, &mut self.frame.payload, bytes);
        if self.frame.body.len() < body || self.frame.payload.len() < payload {
            return Ok(None);
        }
        self.header_filled = 0;
        Ok(Some(std::mem::take(&mut self.frame)))
    }
}

fn lengths(header: [u8; HEADER]) -> (usize, usize) {
    let [a, b, c, d, e, f, g, h] = header;
    (
        u32::from_le_bytes([a, b, c, d]) as usize,
        u32::from_le_bytes([e, f, g, h]) as usize,
    )
}

fn move_up_to(length: usize, into: &mut Vec<u8>, from: &mut &[u8]) {
    let count = from.len().min(length - into.len());
    into.extend_from_slice(&from[..count]);
    *from = &from[count..];
}

/// What goes before a payload of `payload` bytes: the lengths and the object. `None` if the object is too large.
pub fn head(body: &[u8], payload: usize) -> Option<Vec<u8>> {
    if body.len() > BODY_MAX || payload > PAYLOAD_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend((payload as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(body: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = head(body, payload.len()).expect("small enough");
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_are_found_however_they_were_split() {
        let bytes = [wire(b"{}", b""), wire(b"{\"a\":1}", b"payload"), wire(b"", b"x")].concat();
        for step in 1..=bytes.len() {
            let (mut inbox, mut found) = (Inbox::default(), Vec::new());
            for mut chunk in bytes.chunks(step) {
                while let Some(frame) = inbox.feed(&mut chunk).expect("valid") {
                    found.push((frame.body, frame.payload));
                }
                assert!(chunk.is_empty());
            }
            let expected: [(Vec<u8>, Vec<u8>); 3] = [
                (b"{}".to_vec(), vec![]),
                (b"{\"a\":1}".to_vec(), b"payload".to_vec()),
                (vec![], b"x".to_vec()),
            ];
            assert_eq!(found, expected, "in steps of {step}");
        }
    }

    #[test]
    fn too_large_a_frame_is_refused_by_its_header_alone() {
        for (body, payload) in [
            (BODY_MAX + 1, 0),
            (0, PAYLOAD_MAX + 1),
            (u32::MAX as usize, u32::MAX as usize),
        ] {
            let header = [(body as u32).to_le_bytes(), (payload as u32).to_le_bytes()].concat();
            assert_eq!(Inbox::default().feed(&mut &header[..]), Err(Oversize { body, payload }));
        }
        let largest = [(BODY_MAX as u32).to_le_bytes(), (PAYLOAD_MAX as u32).to_le_bytes()].concat();
        assert_eq!(Inbox::default().feed(&mut &largest[..]), Ok(None));
    }

    #[test]
    fn too_large_an_answer_is_not_framed() {
        assert!(head(&vec![b' '; BODY_MAX + 1], 0).is_none());
        assert!(head(b"{}", PAYLOAD_MAX + 1).is_none());
    }
}
