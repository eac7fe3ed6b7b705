//! Names and types of the block's files and columns, and the encodings that keep them small.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use latewood_model::Resolution;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::WriterConfig;
use crate::rollup_value::RollupValue;

/// The series table.
pub(crate) const SERIES: &str = "series.parquet";
/// The runs of rows of each series.
pub(crate) const SPANS: &str = "spans.parquet";
/// The dictionary of scrape times.
pub(crate) const SCRAPES: &str = "scrapes.parquet";
/// The folder of the samples.
pub(crate) const SAMPLES: &str = "samples";
/// The folder of the native histograms.
pub(crate) const HISTOGRAMS: &str = "hist";
/// Footers and offset indexes.
pub(crate) const INDEX: &str = "index";

/// The column of start timestamps, of samples, histograms and spans.
pub(crate) const START_TS: &str = "start_ts";
/// The columns of aggregates: the scrapes at which the times of first and last sample stand, how many samples there
/// are, and whether a stale marker follows the last.
pub(crate) const FIRST_SCRAPE: &str = "first_scrape";
pub(crate) const LAST_SCRAPE: &str = "last_scrape";
pub(crate) const COUNT: &str = "count";
pub(crate) const IS_STALE: &str = "is_stale";
/// The columns of spans of aggregates: which value columns hold anything, and which are told by others in some rows.
pub(crate) const HELD: &str = "held";
pub(crate) const DERIVED: &str = "derived";
/// The columns of spans of aggregates: the scrapes of the times of the first and of the last samples.
pub(crate) const SPAN_TIMES: [&str; 4] = ["first_at_first", "first_at_last", "last_at_first", "last_at_last"];

/// Whether the start timestamps of a span differ.
pub(crate) const STARTS_DIFFER: &str = "starts_differ";

/// What a hot label's column is called: this and the label's name.
pub(crate) const HOT_PREFIX: &str = "l_";
/// The column of all other labels.
pub(crate) const LABELS_REST: &str = "labels_rest";

/// Rows of a page of the series table and of the spans.
const TABLE_PAGE_ROWS: usize = 8_192;
/// Rows of a row group of the series table and of the spans.
const TABLE_ROW_GROUP_ROWS: usize = 1 << 20;
/// Bytes up to which a column of the series table keeps its dictionary.
const TABLE_DICTIONARY_BYTES: usize = 64 << 20;

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// `samples/w=…/part-N.parquet`: a row a sample.
pub(crate) fn samples() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("series_id", DataType::Int32, false),
        Field::new("scrape_id", DataType::Int32, false),
        Field::new("metric", dictionary(), true),
        Field::new("num", DataType::Int64, true),
        Field::new("den", DataType::Int64, true),
        Field::new("vi", DataType::Int64, true),
        Field::new("vf", DataType::Float64, true),
        Field::new(START_TS, DataType::Int64, true),
    ]))
}

/// `samples/w=…/part-N.parquet` of a block of aggregates: a row a window.
pub(crate) fn rollups() -> SchemaRef {
    let mut fields = vec![
        Field::new("series_id", DataType::Int32, false),
        Field::new("scrape_id", DataType::Int32, false),
        Field::new(FIRST_SCRAPE, DataType::Int32, false),
        Field::new(LAST_SCRAPE, DataType::Int32, false),
        Field::new("metric", dictionary(), true),
        Field::new("num", DataType::Int64, true),
        Field::new("den", DataType::Int64, true),
        Field::new(COUNT, DataType::Int64, false),
        Field::new(IS_STALE, DataType::Boolean, false),
    ];
    for value in RollupValue::ALL {
        let [vi, vf] = value.columns();
        fields.extend([Field::new(vi, DataType::Int64, true), Field::new(vf, DataType::Float64, true)]);
    }
    Arc::new(Schema::new(fields))
}

/// `hist/w=…/part-N.parquet`: a row a number of a native histogram.
pub(crate) fn histograms() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("series_id", DataType::Int32, false),
        Field::new("part", DataType::Int32, false),
        Field::new("bucket", DataType::Int32, true),
        Field::new("scrape_id", DataType::Int32, false),
        Field::new("vi", DataType::Int64, true),
        Field::new("vf", DataType::Float64, true),
        Field::new(START_TS, DataType::Int64, true),
    ]))
}

/// `scrapes.parquet`: a row a scrape of a group.
pub(crate) fn scrapes() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("scrape_id", DataType::Int32, false),
        Field::new("group_id", DataType::Int32, false),
        Field::new("ts", DataType::Int64, false),
    ]))
}

/// `spans.parquet`: a row a run of rows of one series and kind. Only blocks of windows have the columns about these.
pub(crate) fn spans(resolution: Resolution) -> SchemaRef {
    let mut fields = vec![
        Field::new("series_id", DataType::Int32, false),
        Field::new("part", DataType::Int32, false),
        Field::new("row_start", DataType::Int64, false),
        Field::new("row_count", DataType::Int64, false),
        Field::new("kind", DataType::Int32, false),
        Field::new("first_scrape", DataType::Int32, false),
        Field::new("last_scrape", DataType::Int32, false),
        Field::new("contiguous", DataType::Boolean, false),
        Field::new("num", DataType::Int64, true),
        Field::new("den", DataType::Int64, true),
        Field::new("has_vf", DataType::Boolean, false),
        Field::new("min_time", DataType::Int64, false),
        Field::new("max_time", DataType::Int64, false),
        Field::new("parts", DataType::Int32, true),
        Field::new("schema", DataType::Int32, true),
        Field::new("zero_threshold", DataType::Float64, true),
        Field::new("custom_bounds", DataType::List(bound()), true),
        Field::new("reset_hint", DataType::Int32, true),
        Field::new(START_TS, DataType::Int64, true),
        Field::new(STARTS_DIFFER, DataType::Boolean, false),
    ];
    if resolution != Resolution::Raw {
        let columns = [HELD, DERIVED].into_iter().chain(SPAN_TIMES);
        fields.extend(columns.map(|name| Field::new(name, DataType::Int32, true)));
    }
    Arc::new(Schema::new(fields))
}

/// An item of `custom_bounds`.
pub(crate) fn bound() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float64, false))
}

/// `series.parquet`: a row a series; `hot` are the label names that have columns.
pub(crate) fn series<'a>(hot: impl Iterator<Item = &'a str>) -> SchemaRef {
    let mut fields =
        vec![Field::new("series_id", DataType::Int32, false), Field::new("metric", dictionary(), true)];
    fields.extend(hot.map(|name| Field::new(format!("{HOT_PREFIX}{name}"), dictionary(), true)));
    fields.push(Field::new(LABELS_REST, DataType::Map(map_entries(), false), true));
    fields.extend(["type", "unit", "help"].map(|name| Field::new(name, dictionary(), true)));
    Arc::new(Schema::new(fields))
}

/// The entries of `labels_rest`.
pub(crate) fn map_entries() -> Arc<Field> {
    let fields = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    Arc::new(Field::new("key_value", DataType::Struct(fields), false))
}

fn properties(config: &WriterConfig) -> Result<WriterPropertiesBuilder, ParquetError> {
    Ok(WriterProperties::builder()
        .set_created_by("latewood".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(config.zstd_level)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_bytes(None))
}

fn delta(builder: WriterPropertiesBuilder, columns: &[&str]) -> WriterPropertiesBuilder {
    columns.iter().fold(builder, |builder, &name| {
        let column = ColumnPath::from(name);
        builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
    })
}

/// How samples are encoded: dictionary pages small enough that a column without repetition falls back soon.
pub(crate) fn sample_properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
    let (metric, series) = (ColumnPath::from("metric"), ColumnPath::from("series_id"));
    let builder = properties(config)?
        .set_data_page_row_count_limit(config.page_rows)
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_data_page_size_limit(16 << 20)
        .set_column_statistics_enabled(metric, EnabledStatistics::Page)
        .set_column_statistics_enabled(series, EnabledStatistics::Page)
        .set_column_dictionary_enabled(ColumnPath::from("vf"), false)
        .set_column_encoding(ColumnPath::from("vf"), Encoding::BYTE_STREAM_SPLIT);
    Ok(delta(builder, &["series_id", "scrape_id", "vi", START_TS]).build())
}

/// How aggregates are encoded.
pub(crate) fn rollup_properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
    let (metric, series) = (ColumnPath::from("metric"), ColumnPath::from("series_id"));
    let builder = properties(config)?
        .set_data_page_row_count_limit(config.page_rows)
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_data_page_size_limit(16 << 20)
        .set_column_statistics_enabled(metric, EnabledStatistics::Page)
        .set_column_statistics_enabled(series, EnabledStatistics::Page);
    let builder = delta(builder, &["series_id", "scrape_id", FIRST_SCRAPE, LAST_SCRAPE, COUNT]);
    let builder = RollupValue::ALL.iter().fold(builder, |builder, value| {
        let [vi, vf] = value.columns();
        delta(builder, &[vi])
            .set_column_dictionary_enabled(ColumnPath::from(vf), false)
            .set_column_encoding(ColumnPath::from(vf), Encoding::BYTE_STREAM_SPLIT)
    });
    Ok(builder.build())
}

/// How native histograms are encoded.
pub(crate) fn histogram_properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
    let builder = properties(config)?
        .set_data_page_row_count_limit(config.page_rows)
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_data_page_size_limit(16 << 20)
        .set_column_statistics_enabled(ColumnPath::from("series_id"), EnabledStatistics::Page)
        .set_column_dictionary_enabled(ColumnPath::from("vf"), false)
        .set_column_encoding(ColumnPath::from("vf"), Encoding::BYTE_STREAM_SPLIT);
    Ok(delta(builder, &["series_id", "part", "bucket", "scrape_id", "vi", START_TS]).build())
}

/// How scrapes are encoded.
pub(crate) fn scrape_properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
    let builder = properties(config)?
        .set_data_page_row_count_limit(config.page_rows)
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_data_page_size_limit(16 << 20);
    Ok(delta(builder, &["scrape_id", "group_id", "ts"]).build())
}

/// How the series table and the spans are encoded.
pub(crate) fn table_properties(config: &WriterConfig) -> Result<WriterProperties, ParquetError> {
    let builder = properties(config)?
        .set_data_page_row_count_limit(TABLE_PAGE_ROWS)
        .set_max_row_group_row_count(Some(TABLE_ROW_GROUP_ROWS))
        .set_dictionary_page_size_limit(TABLE_DICTIONARY_BYTES)
        .set_column_statistics_enabled(ColumnPath::from("metric"), EnabledStatistics::Page);
    Ok(delta(builder, &["series_id", "part", "row_start", "row_count"]).build())
}
