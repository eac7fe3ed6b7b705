//! DuckDB reads the same bits through the views. Runs where `LATEWOOD_PEERS` names a folder with a Python
//! that has DuckDB; the recorded set R is compared too where `LATEWOOD_DATA` is set.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latewood_block::{WriterConfig, views};
use latewood_model::histogram::{BucketCount, Histogram};
use latewood_model::{
    FloatRollup, HistogramRollup, HistogramSample, NO_START, NativeHistogram, Resolution, SeriesRollups,
    SeriesSamples, is_stale, storage_order,
};

use crate::histograms::{latency, odd_histograms, with};
use crate::select::fleet;
use crate::starts::counters;
use crate::support::{series, tiny, write};

/// Reads lines `labels TAB ts TAB bits TAB start timestamp` from `expected` and counts the differences to the view.
const COMPARE: &str = r"
import duckdb, sys
sql, expected = sys.argv[1], sys.argv[2]
con = duckdb.connect()
con.execute('set enable_progress_bar = false')
con.execute(open(sql, encoding='utf-8').read())
con.execute('''create table expected as select * from read_csv(?, delim='\t', header=false, quote='', escape='',
  columns={'key': 'VARCHAR', 'ts': 'BIGINT', 'bits': 'VARCHAR', 'start_ts': 'BIGINT'})''', [expected])
con.execute('''create table names as select series_id, coalesce(metric, '') || '|' ||
  list_aggregate(list_sort([hex(encode(e.key)) || '=' || hex(encode(e.value)) for e in map_entries(labels)]), 'string_agg', ',') as key
  from series''')
con.execute('''create table found as select coalesce(n.key, '') as key, ts, s.value::BIT::VARCHAR as bits, s.start_ts
  from samples s join names n using (series_id)''')
count = con.execute('select (select count(*) from found), (select count(*) from expected)').fetchone()
differ = con.execute('''select count(*) from ((from found except all from expected) union all
  (from expected except all from found))''').fetchone()[0]
print(count[0], count[1], differ)
";

/// Prints the numbers of histograms: metric, ts, kind, hint, schema, part, bucket, bits.
const HISTOGRAMS: &str = r"
import duckdb, sys
con = duckdb.connect()
con.execute(open(sys.argv[1], encoding='utf-8').read())
for row in con.execute('''select coalesce(metric, ''), ts, kind, reset_hint, schema, part, bucket,
  coalesce(value::BIT::VARCHAR, '') from histograms where part <> 'zero' or value <> 0''').fetchall():
    print(*row, sep='|')
";

/// Prints the start timestamps of histograms: metric, ts, start timestamp.
const STARTS: &str = r"
import duckdb, sys
con = duckdb.connect()
con.execute(open(sys.argv[1], encoding='utf-8').read())
for row in con.execute('''select metric, ts, coalesce(start_ts, 0) from histograms where part = 'count' order by all''').fetchall():
    print(*row, sep='|')
";

/// Prints windows of floats: metric, labels, end, count, times, staleness, bits of the values.
const ROLLUPS: &str = r"
import duckdb, sys
con = duckdb.connect()
con.execute(open(sys.argv[1], encoding='utf-8').read())
values = ', '.join(f'{name}::BIT::VARCHAR' for name in ['sum', 'min', 'max', 'first', 'last', 'correction', 'inc'])
for row in con.execute(f'''select coalesce(metric, ''), coalesce(labels['instance'], ''), ts, count, first_at, last_at,
  is_stale::INT, {values} from rollups''').fetchall():
    print(*row, sep='|')
";

/// Prints windows of histograms, and of each of their histograms role and count.
const HISTOGRAM_ROLLUPS: &str = r"
import duckdb, sys
con = duckdb.connect()
con.execute(open(sys.argv[1], encoding='utf-8').read())
for row in con.execute('''select coalesce(metric, ''), ts, count, first_at, last_at, is_stale::INT
  from histogram_rollups''').fetchall():
    print(*row, sep='|')
for row in con.execute('''select coalesce(metric, ''), ts, role, schema, part, coalesce(bucket, 0), value::BIT::VARCHAR
  from histograms where part = 'count' or part = 'positive' and bucket between -30 and -20''').fetchall():
    print(*row, sep='|')
";

fn python() -> Option<PathBuf> {
    let peers = PathBuf::from(std::env::var_os("LATEWOOD_PEERS")?);
    Some(peers.join("venv/bin/python"))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

fn key(series: &SeriesSamples) -> String {
    let pairs = series.labels.iter().filter(|pair| pair.0 != "__name__");
    let mut pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", hex(name), hex(value))).collect();
    pairs.sort();
    format!("{}|{}", series.labels.metric_name().unwrap_or(""), pairs.join(","))
}

fn compare(python: &Path, all: &[SeriesSamples], config: WriterConfig) {
    let dir = tempfile::tempdir().unwrap();
    let block = dir.path().join("it's a block");
    write(&block, all, config, &|_| None);
    let (sql, expected) = (dir.path().join("views.sql"), dir.path().join("expected.tsv"));
    std::fs::write(&sql, views(&block).unwrap()).unwrap();
    let mut out = std::io::BufWriter::new(std::fs::File::create(&expected).unwrap());
    let mut samples = 0;
    for one in all {
        let key = key(one);
        for sample in one.samples() {
            samples += 1;
            let start = Some(one.starts.at(sample.timestamp)).filter(|&start| start != NO_START);
            let start = start.map_or_else(String::new, |start| start.to_string());
            writeln!(out, "{key}\t{}\t{:064b}\t{start}", sample.timestamp, sample.value.to_bits()).unwrap();
        }
    }
    out.into_inner().unwrap();
    let arguments = ["-c", COMPARE];
    let run = Command::new(python).args(arguments).arg(&sql).arg(&expected).stderr(Stdio::inherit()).output();
    let told = String::from_utf8(run.unwrap().stdout).unwrap();
    assert_eq!(told.trim(), format!("{samples} {samples} 0"));
}

#[test]
fn duckdb_reads_the_same_bits() {
    let Some(python) = python() else {
        eprintln!("LATEWOOD_PEERS is not set: no DuckDB to compare with");
        return;
    };
    let odd = [0x7ff0_0000_0000_0002, 0x8000_0000_0000_0000, 0xfff8_dead_beef_0001, 0x7ff0_0000_0000_0000, 1];
    let samples: Vec<(i64, f64)> =
        odd.iter().zip(-2..).map(|(&bits, at)| (at, f64::from_bits(bits))).collect();
    let mut all = fleet();
    all.push(series(&[("__name__", "x'y\"z"), ("Job", "a"), ("JOB", "b"), ("job", "c\"'")], &samples));
    all.extend(counters(100));
    all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
    compare(&python, &all, tiny());
    compare(&python, &all, WriterConfig { hot_labels: 0, ..tiny() });
    if let Some(folder) = std::env::var_os("LATEWOOD_DATA") {
        let all = crate::data_set::load(Path::new(&folder), "R").unwrap();
        compare(&python, &all, WriterConfig::default());
    }
}

/// The lines that [`HISTOGRAMS`] should print of a histogram.
fn lines<C: BucketCount>(start: &str, kind: u8, histogram: &Histogram<C>, out: &mut Vec<String>) {
    let start = format!("{start}|{kind}|{}|{}", histogram.reset_hint as u8, histogram.schema);
    let mut line = |part: &str, bucket: Option<i32>, value: f64| {
        let bucket = bucket.map_or("None".to_owned(), |bucket| bucket.to_string());
        let bits = if is_stale(value) { String::new() } else { format!("{:064b}", value.to_bits()) };
        out.push(format!("{start}|{part}|{bucket}|{bits}"));
    };
    line("count", None, histogram.count.to_f64());
    line("sum", None, histogram.sum);
    if histogram.zero_count.bits() != 0 {
        line("zero", None, histogram.zero_count.to_f64());
    }
    for (part, buckets) in [("positive", &histogram.positive), ("negative", &histogram.negative)] {
        buckets.iter().for_each(|(index, count)| line(part, Some(index), count.to_f64()));
    }
}

#[test]
fn duckdb_reads_the_same_histograms() {
    let Some(python) = python() else {
        eprintln!("LATEWOOD_PEERS is not set: no DuckDB to compare with");
        return;
    };
    let mut all = odd_histograms();
    // Integers from 2^53 on are no doubles.
    let is_double =
        |histogram: &NativeHistogram| !matches!(histogram, NativeHistogram::Integer(h) if h.count > 1 << 53);
    all.iter_mut().for_each(|one| one.histograms.retain(|sample| is_double(&sample.histogram)));
    all.push(with(&[("__name__", "slow")], latency(1, 50)));
    let mut expected = Vec::new();
    for (one, sample) in all.iter().flat_map(|one| one.histograms.iter().map(move |sample| (one, sample))) {
        let start = format!("{}|{}", one.labels.metric_name().unwrap_or(""), sample.timestamp);
        match &sample.histogram {
            stale if stale.is_stale() => expected.push(format!("{start}|3|0|0|count|None|")),
            NativeHistogram::Integer(histogram) => lines(&start, 1, histogram, &mut expected),
            NativeHistogram::Float(histogram) => lines(&start, 2, histogram, &mut expected),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (block, sql) = (dir.path().join("block"), dir.path().join("views.sql"));
    write(&block, &all, tiny(), &|_| None);
    std::fs::write(&sql, views(&block).unwrap()).unwrap();
    let run = Command::new(python).args(["-c", HISTOGRAMS]).arg(&sql).stderr(Stdio::inherit()).output();
    let told = String::from_utf8(run.unwrap().stdout).unwrap();
    let mut found: Vec<&str> = told.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn duckdb_reads_the_same_start_timestamps_of_histograms() {
    let Some(python) = python() else {
        eprintln!("LATEWOOD_PEERS is not set: no DuckDB to compare with");
        return;
    };
    let mut all = counters(3);
    all.push(with(&[("__name__", "g_histogram")], latency(1, 5)));
    let dir = tempfile::tempdir().unwrap();
    let (block, sql) = (dir.path().join("block"), dir.path().join("views.sql"));
    write(&block, &all, tiny(), &|_| None);
    std::fs::write(&sql, views(&block).unwrap()).unwrap();
    let run = Command::new(python).args(["-c", STARTS]).arg(&sql).stderr(Stdio::inherit()).output();
    let told = String::from_utf8(run.unwrap().stdout).unwrap();
    let samples = all.iter().flat_map(|one| one.histograms.iter().map(move |sample| (one, sample)));
    let line = |(one, sample): (&SeriesSamples, &HistogramSample)| {
        format!("{}|{}|{}", one.labels.metric_name().unwrap_or(""), sample.timestamp, sample.start)
    };
    assert_eq!(told.lines().collect::<Vec<_>>(), samples.map(line).collect::<Vec<_>>());
}

/// What a script prints of a block's views, line by line, sorted.
fn printed(python: &Path, block: &Path, script: &str) -> Vec<String> {
    let sql = block.with_extension("sql");
    std::fs::write(&sql, views(block).unwrap()).unwrap();
    let run = Command::new(python).args(["-c", script]).arg(&sql).stderr(Stdio::inherit()).output();
    let told = String::from_utf8(run.unwrap().stdout).unwrap();
    let mut lines: Vec<String> = told.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// The lines that [`ROLLUPS`] should print of a series.
fn float_windows(one: &SeriesRollups) -> impl Iterator<Item = String> {
    let (name, instance) = (one.labels.metric_name().unwrap_or(""), one.labels.get("instance").unwrap_or(""));
    one.floats.iter().map(move |window| {
        let FloatRollup { end, count, sum, min, max, first, last, first_at, last_at, correction, .. } =
            window;
        let values = [sum, min, max, first, last, correction, last - first + correction];
        let bits = values.map(|value| format!("{:064b}", value.to_bits())).join("|");
        let stale = u8::from(window.is_stale);
        format!("{name}|{instance}|{end}|{count}|{first_at}|{last_at}|{stale}|{bits}")
    })
}

/// The lines that [`HISTOGRAM_ROLLUPS`] should print of a series.
fn histogram_windows(one: &SeriesRollups, out: &mut Vec<String>) {
    let name = one.labels.metric_name().unwrap_or("");
    for window in &one.histograms {
        let end = window.end;
        let times = format!("{}|{}|{}", window.count, window.first_at, window.last_at);
        out.push(format!("{name}|{end}|{times}|{}", u8::from(window.is_stale)));
        let first = (window.first != window.last).then(|| window.first.to_float());
        let roles = [
            ("first", first),
            ("last", Some(window.last.to_float())),
            ("correction", window.correction.clone()),
            ("sum", window.sum.clone()),
        ];
        for (role, histogram) in roles.into_iter().filter_map(|(role, of)| Some((role, of?))) {
            let line = |part, bucket, value: f64| {
                // Where the marker's bits stand, the columns are NULL.
                let bits =
                    if is_stale(value) { "None".to_owned() } else { format!("{:064b}", value.to_bits()) };
                format!("{name}|{end}|{role}|{}|{part}|{bucket}|{bits}", histogram.schema)
            };
            out.push(line("count", 0, histogram.count));
            let buckets = histogram.positive.iter().filter(|(bucket, _)| (-30..=-20).contains(bucket));
            out.extend(buckets.map(|(bucket, count)| line("positive", bucket, count)));
        }
    }
}

#[test]
fn duckdb_reads_the_same_windows() {
    let Some(python) = python() else {
        eprintln!("LATEWOOD_PEERS is not set: no DuckDB to compare with");
        return;
    };
    let mut all = crate::rollups::rollups(Resolution::FiveMinutes);
    // Integers from 2^53 on are no doubles.
    let is_double =
        |histogram: &NativeHistogram| !matches!(histogram, NativeHistogram::Integer(h) if h.count > 1 << 53);
    let are_doubles = |window: &HistogramRollup| is_double(&window.first) && is_double(&window.last);
    all.iter_mut().for_each(|one| one.histograms.retain(are_doubles));
    let dir = tempfile::tempdir().unwrap();
    let block = dir.path().join("windows");
    let header = crate::rollups::rollup_header(Resolution::FiveMinutes);
    crate::rollups::write(&block, header, &all, tiny());
    let mut floats: Vec<String> = all.iter().flat_map(float_windows).collect();
    let mut histograms = Vec::new();
    all.iter().for_each(|one| histogram_windows(one, &mut histograms));
    for (script, mut expected) in [(ROLLUPS, std::mem::take(&mut floats)), (HISTOGRAM_ROLLUPS, histograms)] {
        expected.sort_unstable();
        let found = printed(&python, &block, script);
        assert_eq!(found.len(), expected.len());
        found.iter().zip(&expected).for_each(|(found, expected)| assert_eq!(found, expected));
    }
}
