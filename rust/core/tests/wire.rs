//! Streams of frames, cut and damaged anywhere.

use proptest::prelude::*;

use forge_core::value::Value;
use forge_core::wire::{Inbox, frame};

fn stream() -> (Vec<Value>, Vec<u8>) {
    let values = vec![
        Value::Int(7),
        Value::Tuple(vec![Value::text("value"), Value::List(vec![Value::None; 40])]),
        Value::text(&"x".repeat(300)),
        Value::Dict(vec![(Value::text("k"), Value::Float(0.5))]),
    ];
    let bytes = values.iter().flat_map(frame).collect();
    (values, bytes)
}

fn taken(inbox: &mut Inbox, seen: &mut Vec<Value>) -> bool {
    loop {
        match inbox.pop() {
            Ok(Some(value)) => seen.push(value),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

proptest! {
    #[test]
    fn frames_arrive_whole_however_they_are_cut(cuts in proptest::collection::vec(1_usize..200, 1..40)) {
        let (values, bytes) = stream();
        let (mut inbox, mut seen, mut rest) = (Inbox::default(), Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            inbox.push(now);
            prop_assert!(taken(&mut inbox, &mut seen));
            rest = later;
        }
        prop_assert_eq!(seen, values);
    }

    #[test]
    fn a_stream_cut_off_gives_only_what_came_whole(at in any::<prop::sample::Index>()) {
        let (values, bytes) = stream();
        let mut inbox = Inbox::default();
        inbox.push(&bytes[..at.index(bytes.len())]);
        let mut seen = Vec::new();
        prop_assert!(taken(&mut inbox, &mut seen));
        prop_assert!(values.starts_with(&seen));
        prop_assert!(seen.len() < values.len());
    }

    #[test]
    fn a_damaged_stream_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (values, mut bytes) = stream();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut inbox = Inbox::default();
        inbox.push(&bytes);
        let mut seen = Vec::new();
        taken(&mut inbox, &mut seen);
        prop_assert!(seen.len() <= values.len() + bytes.len() / 5);
    }

    #[test]
    fn any_stream_is_survived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..9)) {
        let (mut inbox, mut seen) = (Inbox::default(), Vec::new());
        for piece in &pieces {
            inbox.push(piece);
            if !taken(&mut inbox, &mut seen) {
                break;
            }
        }
    }
}
