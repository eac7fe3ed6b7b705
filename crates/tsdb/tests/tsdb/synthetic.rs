//! Blocks that no Prometheus of today writes, and that are there all the same.

use latewood_model::Labels;
use latewood_tsdb::TsdbError;

use crate::read;
use crate::writer::{STEP_MS, Written, series, write};

/// The labels of a series, and its samples.
type Found = (String, Vec<(i64, f64)>);

/// What is read of a block of these series.
fn found(version: u8, all: &[Written]) -> Result<Vec<Found>, TsdbError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), version, all);
    let all = read(folder.path(), &Labels::empty())?;
    let samples = |one: &latewood_model::SeriesSamples| {
        (one.labels.to_string(), one.samples().map(|sample| (sample.timestamp, sample.value)).collect())
    };
    Ok(all.iter().map(samples).collect())
}

#[test]
fn both_versions_of_the_index_have_one_answer() {
    let all = [
        series(&[("A", "1"), ("__name__", "m")], &[(0, &[1.0, 1.0, 2.5, -2.5])]),
        series(&[("__name__", "a"), ("x", "ü")], &[(-5_000, &[1.0])]),
        series(&[("__name__", "m")], &[(7, &[f64::INFINITY]), (8_007, &[0.1, 0.2])]),
        series(&[("job", "nameless")], &[(1, &[4.0])]),
    ];
    let [old, new] = [1, 2].map(|version| found(version, &all).unwrap());
    assert_eq!(old, new);
    let expected = [
        (r#"{job="nameless"}"#, vec![(1, 4.0)]),
        (r#"{__name__="a", x="ü"}"#, vec![(-5_000, 1.0)]),
        (r#"{__name__="m"}"#, vec![(7, f64::INFINITY), (8_007, 0.1), (8_007 + STEP_MS, 0.2)]),
        (r#"{A="1", __name__="m"}"#, vec![(0, 1.0), (1_000, 1.0), (2_000, 2.5), (3_000, -2.5)]),
    ];
    assert_eq!(new, expected.map(|(labels, samples)| (labels.to_owned(), samples)));
}

#[test]
fn chunks_of_a_series_may_overlap() {
    let all = [series(&[("__name__", "m")], &[(0, &[1.0, 2.0, 3.0]), (1_000, &[5.0, 1.0]), (500, &[9.0])])];
    let samples = vec![(0, 1.0), (500, 9.0), (1_000, 5.0), (2_000, 3.0)];
    assert_eq!(found(2, &all).unwrap(), [(r#"{__name__="m"}"#.to_owned(), samples)]);
}

#[test]
fn labels_out_of_order_are_sorted_and_doubled_ones_refused() {
    let unsorted = [series(&[("b", "1"), ("__name__", "m"), ("a", "")], &[(0, &[1.0])])];
    assert_eq!(found(2, &unsorted).unwrap()[0].0, r#"{__name__="m", b="1"}"#);
    let doubled = [series(&[("__name__", "m"), ("a", "1"), ("a", "2")], &[(0, &[1.0])])];
    let error = found(2, &doubled).unwrap_err();
    assert!(matches!(error, TsdbError::Corrupt { offset: 1.., .. }), "{error}");
}

#[test]
fn a_newer_format_is_unknown_and_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    for (file, what) in [("index", "index format"), ("chunks/000001", "chunk format")] {
        write(folder.path(), 2, &[series(&[("__name__", "m")], &[(0, &[1.0])])]);
        let path = folder.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4] = 9;
        std::fs::write(&path, bytes).unwrap();
        let error = read(folder.path(), &Labels::empty()).unwrap_err();
        assert!(matches!(error, TsdbError::Unknown { found: 9, offset: 4, .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}
