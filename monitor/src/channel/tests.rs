use std::os::fd::AsFd;

use super::*;

fn message(kind: u32, flags: u32, data: &[u8]) -> Vec<u8> {
    let header = Message {
        kind,
        flags,
        id: 9,
        status: 3,
        reserved: 0,
    };
    [bytemuck::bytes_of(&header), data].concat()
}

#[test]
fn a_request_is_cut_into_parts_that_fit() {
    let (parent, instance) = pair(None).expect("a channel");
    let payload: Vec<u8> = (0..150_000_u32).map(|number| number as u8).collect();
    let (mut offset, mut received, mut buffer) = (Some(0), Vec::new(), vec![0; abi::MESSAGE_MAX]);
    while let Some(start) = offset {
        offset = send_request_part(parent.as_fd(), 5, &payload, start).expect("a part");
        let (length, _) = rustix::net::recv(&instance, &mut buffer[..], RecvFlags::DONTWAIT).expect("a message");
        let header: Message = bytemuck::pod_read_unaligned(&buffer[..HEADER]);
        assert_eq!((header.kind, header.id), (abi::MESSAGE_REQUEST, 5));
        assert_eq!(header.flags & abi::MESSAGE_MORE != 0, offset.is_some());
        received.extend_from_slice(&buffer[HEADER..length]);
    }
    assert_eq!(received, payload);
}

#[test]
fn a_full_channel_makes_no_progress_and_does_not_wait() {
    let (parent, _instance) = pair(None).expect("a channel");
    let payload = vec![0; 64 << 20];
    let mut offset = 0;
    while let Some(next) = send_request_part(parent.as_fd(), 5, &payload, offset).expect("a part") {
        if next == offset {
            return;
        }
        offset = next;
    }
    panic!("64 MiB went into a channel that nobody reads");
}

#[test]
fn the_other_sides_end_is_told() {
    let (parent, instance) = pair(None).expect("a channel");
    let mut buffer = vec![0; abi::MESSAGE_MAX];
    assert!(matches!(receive(parent.as_fd(), &mut buffer), Ok(Received::Empty)));
    drop(instance);
    assert!(matches!(receive(parent.as_fd(), &mut buffer), Ok(Received::Closed)));
    assert!(matches!(
        send_request_part(parent.as_fd(), 1, b"", 0),
        Err(Error::Ended { .. })
    ));
}

#[test]
fn replies_and_crashes_are_understood() {
    let last = message(abi::MESSAGE_REPLY, 0, b"ab");
    assert!(matches!(
        parse(&last),
        Incoming::Reply {
            id: 9,
            last: true,
            status: 3,
            data: b"ab"
        }
    ));
    let part = message(abi::MESSAGE_REPLY, abi::MESSAGE_MORE, b"");
    assert!(matches!(parse(&part), Incoming::Reply { last: false, .. }));
    for (status, told) in [(0, 0), (255, 255), (256, 255), (-1, 255), (i32::MIN, 255)] {
        let mut odd = message(abi::MESSAGE_REPLY, 0, b"");
        odd[..HEADER].copy_from_slice(bytemuck::bytes_of(&Message {
            status,
            ..bytemuck::pod_read_unaligned(&last[..HEADER])
        }));
        assert!(matches!(parse(&odd), Incoming::Reply { status, .. } if status == told));
    }
    // A record that ends with its 16 valid stack bytes.
    let mut crash: abi::Crash = Zeroable::zeroed();
    (crash.exception, crash.stack_bytes) = (14, 16);
    let bytes = &bytemuck::bytes_of(&crash)[..CRASH_HEAD + 16];
    assert!(matches!(parse(&message(abi::MESSAGE_CRASH, 0, bytes)), Incoming::Crash(record) if record.exception == 14));
}

#[test]
fn what_no_guest_should_send_is_malformed() {
    let mut lying: abi::Crash = Zeroable::zeroed();
    lying.stack_bytes = u32::MAX;
    let cases = [
        b"short".to_vec(),
        message(77, 0, b""),
        message(abi::MESSAGE_CRASH, 0, b"too short"),
        message(abi::MESSAGE_CRASH, 0, bytemuck::bytes_of(&lying)),
        message(abi::MESSAGE_CRASH, 0, &vec![0; size_of::<abi::Crash>() + 1]),
        message(0x8000_0000, 0, b"\x01\0\0\0\x42the monitor says so"),
    ];
    for bytes in cases {
        assert!(matches!(parse(&bytes), Incoming::Malformed), "{bytes:?}");
    }
}

/// A guest may send anything. What a message is said to hold lies in it, and a crash record's stack in the record.
#[test]
fn any_message_of_a_guest_is_understood_or_malformed() {
    let mut crash: abi::Crash = Zeroable::zeroed();
    crash.stack_bytes = 64;
    let seeds = [
        message(abi::MESSAGE_READY, 0, b""),
        message(abi::MESSAGE_REPLY, abi::MESSAGE_MORE, &[7; 100]),
        message(abi::MESSAGE_CRASH, 0, bytemuck::bytes_of(&crash)),
    ];
    let mut random = crate::fuzz::Random::new(2);
    for round in 0..crate::fuzz::rounds() {
        let bytes = random.change(
            &seeds[round as usize % seeds.len()],
            &[b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80"],
        );
        match parse(&bytes) {
            Incoming::Reply { data, .. } => assert_eq!(data, &bytes[HEADER..]),
            Incoming::Crash(record) => assert!(CRASH_HEAD + record.stack_bytes as usize <= bytes.len() - HEADER),
            Incoming::Ready | Incoming::Parked | Incoming::Malformed => {}
        }
    }
}
