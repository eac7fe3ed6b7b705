//! Whatever the bytes are, decoding a journal entry ends without a panic; what it accepts is written and
//! read again to the same.

#![no_main]

use latewood_ingester::journal::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(command) = decode(bytes) else { return };
    let written = encode(&command);
    assert_eq!(decode(&written).as_ref(), Ok(&command));
});
