//! Writes small blocks, of both versions of the index, with whatever series a test wants.

use std::path::Path;

/// A series: labels in the order in which they are to be written, and chunks of a first time and values a second apart.
pub struct Written {
    pub labels: Vec<(&'static str, &'static str)>,
    pub chunks: Vec<(i64, Vec<f64>)>,
}

pub fn series(labels: &[(&'static str, &'static str)], chunks: &[(i64, &[f64])]) -> Written {
    let chunks = chunks.iter().map(|(from, values)| (*from, values.to_vec())).collect();
    Written { labels: labels.to_vec(), chunks }
}

/// Milliseconds between the samples of a chunk.
pub const STEP_MS: i64 = 1_000;

fn uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(out: &mut Vec<u8>, value: i64) {
    uvarint(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn piece(out: &mut Vec<u8>, text: &str) {
    uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a section: its length in four bytes, itself, its checksum; returns where it begins.
fn section(out: &mut Vec<u8>, content: &[u8]) -> u64 {
    let at = out.len() as u64;
    out.extend_from_slice(&(content.len() as u32).to_be_bytes());
    out.extend_from_slice(content);
    out.extend_from_slice(&crc32c::crc32c(content).to_be_bytes());
    at
}

/// The encoding XOR; each value is written out.
fn xor_chunk(from: i64, values: &[f64]) -> Vec<u8> {
    let mut bits = String::new();
    let mut bytes = |value: &[u8]| value.iter().for_each(|byte| bits += &format!("{byte:08b}"));
    let mut first = Vec::new();
    varint(&mut first, from);
    bytes(&first);
    bytes(&values[0].to_be_bytes());
    let mut delta = Vec::new();
    uvarint(&mut delta, STEP_MS as u64);
    for (place, pair) in values.windows(2).enumerate() {
        if place == 0 {
            delta.iter().for_each(|byte| bits += &format!("{byte:08b}"));
        } else {
            bits += "0";
        }
        let xor = pair[0].to_bits() ^ pair[1].to_bits();
        // A window of all 64 bits.
        bits += &if xor == 0 { "0".to_owned() } else { format!("1100000000000{xor:064b}") };
    }
    let mut chunk = (values.len() as u16).to_be_bytes().to_vec();
    let byte = |bits: &[u8]| bits.iter().zip(0..8).fold(0, |byte, (bit, at)| byte | (bit - b'0') << (7 - at));
    chunk.extend(bits.as_bytes().chunks(8).map(byte));
    chunk
}

/// Writes a block; the series must be in the index's order.
pub fn write(folder: &Path, version: u8, all: &[Written]) {
    let (mut index, mut segment) =
        (0xBAAA_D700_u32.to_be_bytes().to_vec(), 0x85BD_40DD_u32.to_be_bytes().to_vec());
    index.push(version);
    segment.extend([1, 0, 0, 0]);
    let mut texts: Vec<&str> =
        all.iter().flat_map(|one| one.labels.iter().flat_map(|pair| [pair.0, pair.1])).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut symbols = (texts.len() as u32).to_be_bytes().to_vec();
    let mut places = Vec::new();
    for text in &texts {
        places.push(index.len() + 4 + symbols.len());
        piece(&mut symbols, text);
    }
    let symbols_at = section(&mut index, &symbols);
    let reference = |text: &str| {
        let number = texts.binary_search(&text).unwrap();
        if version == 1 { places[number] as u64 } else { number as u64 }
    };
    let mut references = Vec::new();
    for one in all {
        while version > 1 && index.len() % 16 != 0 {
            index.push(0);
        }
        references.push(if version == 1 { index.len() } else { index.len() / 16 } as u32);
        let mut entry = Vec::new();
        uvarint(&mut entry, one.labels.len() as u64);
        for (name, value) in &one.labels {
            uvarint(&mut entry, reference(name));
            uvarint(&mut entry, reference(value));
        }
        uvarint(&mut entry, one.chunks.len() as u64);
        let (mut last_time, mut last_at) = (0, 0);
        for (place, (from, values)) in one.chunks.iter().enumerate() {
            let (at, data) = (segment.len() as i64, xor_chunk(*from, values));
            uvarint(&mut segment, data.len() as u64);
            let sealed = [&[1], data.as_slice()].concat();
            segment.extend_from_slice(&sealed);
            segment.extend(crc32c::crc32c(&sealed).to_be_bytes());
            let to = from + (values.len() as i64 - 1) * STEP_MS;
            match place {
                0 => varint(&mut entry, *from),
                _ => uvarint(&mut entry, from.wrapping_sub(last_time) as u64),
            }
            uvarint(&mut entry, (to - from) as u64);
            match place {
                0 => uvarint(&mut entry, at as u64),
                _ => varint(&mut entry, at - last_at),
            }
            (last_time, last_at) = (to, at);
        }
        uvarint(&mut index, entry.len() as u64);
        index.extend_from_slice(&entry);
        index.extend(crc32c::crc32c(&entry).to_be_bytes());
    }
    finish(folder, index, symbols_at, all, &references);
    std::fs::create_dir_all(folder.join("chunks")).unwrap();
    std::fs::write(folder.join("chunks/000001"), segment).unwrap();
    let meta = r#"{"ulid":"01BKGV7JBM69T2G1BGBGM6KB12","minTime":0,"maxTime":1000000,"version":1}"#;
    std::fs::write(folder.join("meta.json"), meta).unwrap();
}

/// Postings of all pairs, in no order, and the contents.
fn finish(folder: &Path, mut index: Vec<u8>, symbols_at: u64, all: &[Written], references: &[u32]) {
    let mut pairs: Vec<(&str, &str)> = all.iter().flat_map(|one| one.labels.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.reverse();
    pairs.push(("", ""));
    let mut table = (pairs.len() as u32).to_be_bytes().to_vec();
    for pair in pairs {
        let has = |one: &Written| pair.0.is_empty() || one.labels.contains(&pair);
        let of: Vec<u32> =
            all.iter().zip(references).filter(|(one, _)| has(one)).map(|(_, at)| *at).collect();
        let list = std::iter::once(of.len() as u32).chain(of).flat_map(u32::to_be_bytes);
        let at = section(&mut index, &list.collect::<Vec<u8>>());
        table.push(2);
        piece(&mut table, pair.0);
        piece(&mut table, pair.1);
        uvarint(&mut table, at);
    }
    let table_at = section(&mut index, &table);
    let contents: Vec<u8> =
        [symbols_at, 0, 0, 0, 0, table_at].into_iter().flat_map(u64::to_be_bytes).collect();
    index.extend_from_slice(&contents);
    index.extend(crc32c::crc32c(&contents).to_be_bytes());
    std::fs::write(folder.join("index"), index).unwrap();
}
