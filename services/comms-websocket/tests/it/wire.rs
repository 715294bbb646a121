//! RFC 6455 as a hostile client speaks it: what Autobahn's suite tries, against the running service.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::raw::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, PUSHER_PING, Raw, TEXT, frame, head, reason,
};
use crate::support::Service;

/// The service's limit of a message, bytes.
const LARGEST: usize = 16_384;

/// What no text message may hold.
const NOT_UTF8: [&[u8]; 8] = [
    b"\xff",
    b"\x80",
    // Cut off at its end.
    b"\xce\xba\xe1",
    // More bytes than the letter takes.
    b"\xc0\xaf",
    b"\xf0\x80\x80\x80",
    // Half of a pair.
    b"\xed\xa0\x80",
    // Beyond the last letter.
    b"\xf4\x90\x80\x80",
    b"{\"event\":\"\xfe\"}",
];

/// Sends to a socket of its own; the code that this ends with. The bystander notices nothing.
async fn ends_with(service: &Service, bystander: &mut Raw, bytes: &[u8]) -> Option<u16> {
    let mut client = Raw::connect(service).await;
    client.send(bytes).await;
    let code = client.close_code().await;
    bystander.is_well().await;
    code
}

#[tokio::test]
async fn text_in_fragments_with_control_frames_between_them_is_one_message() {
    let service = Service::start().await;
    let mut client = Raw::connect(&service).await;
    let (last, before) = PUSHER_PING.split_last().unwrap();
    for (number, byte) in before.iter().enumerate() {
        let opcode = if number == 0 { TEXT } else { CONTINUATION };
        client.send(&frame(opcode, &[*byte])).await;
        let payload = [u8::try_from(number).unwrap(); 3];
        client.send(&frame(FIN | PONG, &payload)).await;
        client.send(&frame(FIN | PING, &payload)).await;
        client.expect_pong(&payload).await;
    }
    client.send(&frame(FIN | CONTINUATION, &[*last])).await;
    client.expect_pong_of_pusher().await;
    // Empty fragments at every place, and a great many of them.
    client.send(&frame(TEXT, b"")).await;
    client.send(&frame(CONTINUATION, PUSHER_PING)).await;
    client.send(&frame(CONTINUATION, b"").repeat(10_000)).await;
    client.send(&frame(FIN | CONTINUATION, b"")).await;
    client.expect_pong_of_pusher().await;
    // All of it, and twice, in one packet; and a byte at a time.
    let all = [frame(TEXT, b""), frame(FIN | CONTINUATION, PUSHER_PING)].concat();
    client.send(&all.repeat(2)).await;
    client.expect_pong_of_pusher().await;
    client.expect_pong_of_pusher().await;
    for byte in all {
        client.send(&[byte]).await;
    }
    client.expect_pong_of_pusher().await;
}

#[tokio::test]
async fn letter_that_is_cut_by_fragments_is_whole_again() {
    let service = Service::start().await;
    let mut client = Raw::connect(&service).await;
    let text = "{\"event\":\"pusher:ping\",\"data\":\"κόσμε 𐍈\"}".as_bytes();
    for cut in 1..text.len() {
        let (one, other) = text.split_at(cut);
        client.send(&frame(TEXT, one)).await;
        client.send(&frame(FIN | CONTINUATION, other)).await;
        client.expect_pong_of_pusher().await;
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007_whole_and_in_fragments() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    for bytes in NOT_UTF8 {
        let whole = frame(FIN | TEXT, bytes);
        assert_eq!(ends_with(&service, &mut bystander, &whole).await, Some(1007), "{bytes:?}");
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            let parts = [frame(TEXT, one), frame(FIN | CONTINUATION, other)].concat();
            let code = ends_with(&service, &mut bystander, &parts).await;
            assert_eq!(code, Some(1007), "{bytes:?} cut at {cut}");
        }
    }
    // It is not waited for the end of a message that is wrong already.
    let begun = [frame(TEXT, b"ok"), frame(CONTINUATION, b"\xff")].concat();
    assert_eq!(ends_with(&service, &mut bystander, &begun).await, Some(1007));
}

#[tokio::test]
async fn frame_that_breaks_the_rules_is_closed_with_1002() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    let mut cases = vec![
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"x")),
        ("an open continuation of nothing", frame(CONTINUATION, b"x")),
        ("a text within a text", [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat()),
        ("a binary within a text", [frame(TEXT, b"a"), frame(BINARY, b"b")].concat()),
        (
            "a continuation after the last one",
            [frame(TEXT, b"["), frame(FIN | CONTINUATION, b"]"), frame(FIN | CONTINUATION, b"x")]
                .concat(),
        ),
        ("a ping in fragments", frame(PING, b"")),
        ("a pong in fragments", frame(PONG, b"x")),
        ("a close in fragments", frame(CLOSE, b"")),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'x'; 126])),
        ("a pong of 126 bytes", frame(FIN | PONG, &[b'x'; 126])),
        ("a close of 126 bytes", frame(FIN | CLOSE, &reason(1000, &[b'x'; 124]))),
        ("a text without a mask", vec![FIN | TEXT, 2, b'[', b']']),
        ("a ping without a mask", vec![FIN | PING, 0]),
        ("a close without a mask", vec![FIN | CLOSE, 2, 3, 232]),
    ];
    for bit in [0x40, 0x20, 0x10] {
        cases.push(("a reserved bit of a text", frame(FIN | TEXT | bit, b"[]")));
        cases.push(("a reserved bit of a ping", frame(FIN | PING | bit, b"")));
    }
    for opcode in (3..8).chain(11..16) {
        cases.push(("a reserved opcode", frame(FIN | opcode, b"")));
        cases.push(("a reserved opcode in fragments", frame(opcode, b"x")));
    }
    for (what, bytes) in cases {
        let code = ends_with(&service, &mut bystander, &bytes).await;
        assert_eq!(code, Some(1002), "{what}: {bytes:02x?}");
    }
}

#[tokio::test]
async fn message_that_is_too_large_is_closed_with_1009_before_it_has_come() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    let too_large = LARGEST as u64 + 1;
    let half = vec![b'x'; LARGEST / 2];
    let halves = [frame(TEXT, &half), frame(CONTINUATION, &half)].concat();
    for (what, bytes) in [
        ("announced", head(FIN | TEXT, too_large)),
        ("announced, and as binary", head(FIN | BINARY, too_large)),
        ("announced, 2^32", head(FIN | TEXT, 1 << 32)),
        ("announced, the most there is", head(FIN | TEXT, u64::MAX >> 1)),
        ("announced, more than there is", head(FIN | TEXT, u64::MAX)),
        ("sent whole", frame(FIN | TEXT, &vec![b'x'; LARGEST + 1])),
        ("in fragments", [halves.clone(), frame(FIN | CONTINUATION, b"x")].concat()),
        ("in many more", [halves.clone(), frame(CONTINUATION, b"x").repeat(9)].concat()),
    ] {
        assert_eq!(ends_with(&service, &mut bystander, &bytes).await, Some(1009), "{what}");
    }
    // At the edge it is taken, and answered as what it is.
    for edge in [frame(FIN | TEXT, &vec![b'x'; LARGEST]), [halves, frame(FIN, b"")].concat()] {
        let mut client = Raw::connect(&service).await;
        client.send(&edge).await;
        let (_, said) = client.frame().await.unwrap();
        assert!(String::from_utf8(said).unwrap().contains("pusher:error"));
        client.is_well().await;
    }
}

#[tokio::test]
async fn binary_message_is_closed_with_1003_at_its_end() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    let parts = [frame(BINARY, b"\xff"), frame(FIN | CONTINUATION, b"\xfe")].concat();
    for bytes in [frame(FIN | BINARY, b""), frame(FIN | BINARY, PUSHER_PING), parts] {
        assert_eq!(ends_with(&service, &mut bystander, &bytes).await, Some(1003), "{bytes:?}");
    }
}

#[tokio::test]
async fn close_is_answered_with_its_code_and_a_bad_one_with_1002_or_1007() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    let sound = (1000..=1003).chain(1007..=1011).chain([3000, 3999, 4000, 4999]);
    for code in sound {
        let close = frame(FIN | CLOSE, &reason(code, b"bye"));
        assert_eq!(ends_with(&service, &mut bystander, &close).await, Some(code));
    }
    let longest = frame(FIN | CLOSE, &reason(1000, &[b'x'; 123]));
    assert_eq!(ends_with(&service, &mut bystander, &longest).await, Some(1000));
    let silent = frame(FIN | CLOSE, b"");
    assert_eq!(ends_with(&service, &mut bystander, &silent).await, Some(1005));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let close = frame(FIN | CLOSE, &reason(code, b"bye"));
        assert_eq!(ends_with(&service, &mut bystander, &close).await, Some(1002), "{code}");
    }
    let half = frame(FIN | CLOSE, &[3]);
    assert_eq!(ends_with(&service, &mut bystander, &half).await, Some(1002));
    for bytes in NOT_UTF8 {
        let close = frame(FIN | CLOSE, &reason(1000, bytes));
        assert_eq!(ends_with(&service, &mut bystander, &close).await, Some(1007), "{bytes:?}");
    }
}

#[tokio::test]
async fn nothing_that_comes_after_a_close_is_heard() {
    let service = Service::start().await;
    let mut client = Raw::connect(&service).await;
    let ping = frame(FIN | TEXT, PUSHER_PING);
    let close = frame(FIN | CLOSE, &reason(1000, b""));
    let all = [close, ping, frame(FIN | PING, b"x"), frame(FIN | 3, b"")].concat();
    client.send(&all).await;
    assert_eq!(client.frame().await, Some((FIN | CLOSE, reason(1000, b""))));
    assert_eq!(client.frame().await, None);
}

#[tokio::test]
async fn ping_comes_back_as_it_was_and_a_pong_that_nobody_asked_for_is_nothing() {
    let service = Service::start().await;
    let mut client = Raw::connect(&service).await;
    for payload in [&b""[..], b"\x00\xff\xfe", &[b'x'; 125]] {
        client.send(&frame(FIN | PING, payload)).await;
        client.expect_pong(payload).await;
        client.send(&frame(FIN | PONG, payload)).await;
        client.is_well().await;
    }
    // Of several at once the last is answered, or more of them, in their order.
    let several: Vec<u8> = (0..10).flat_map(|n| frame(FIN | PING, &[n])).collect();
    client.send(&several).await;
    let mut answered = Vec::new();
    while answered.last() != Some(&9) {
        let (first, payload) = client.frame().await.unwrap();
        assert_eq!(first, FIN | PONG);
        answered.extend(payload);
    }
    assert!(answered.is_sorted(), "{answered:?}");
    client.is_well().await;
}

/// Pongs to somebody who does not read them would otherwise fill the memory.
#[tokio::test]
async fn flood_of_pings_by_somebody_who_does_not_read_ends_and_delays_nobody() {
    let service = Service::start_with(|config| {
        config.socket.pong_timeout = Duration::from_secs(1);
    })
    .await;
    let mut bystander = Raw::connect(&service).await;
    let mut flooding = Raw::connect(&service).await;
    let pings = frame(FIN | PING, &[b'x'; 125]).repeat(500);
    let flood = async { while flooding.0.write_all(&pings).await.is_ok() {} };
    let watch = async {
        loop {
            bystander.is_well().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = async {
        tokio::select! {
            () = flood => {}
            () = watch => {}
        }
    };
    let longest = Duration::from_secs(60);
    tokio::time::timeout(longest, ended).await.expect("the flood is not borne for ever");
    bystander.is_well().await;
}
