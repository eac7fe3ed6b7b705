//! `type-and-unit-labels`: what the metadata of a 2.0 series says of type and unit becomes labels of the series.

use std::collections::HashMap;

use latewood_model::MetricType;
use latewood_proto::remote_write::{LabelSpan, MetadataSpan, Range32, Span, text};

use crate::write::Buffers;

const TYPE: &str = "__type__";
const UNIT: &str = "__unit__";

/// Gives the labels to each series whose metadata says a type or a unit; they take the place of such labels as sent.
/// The texts that no request has are put behind the body.
pub(super) fn add_type_and_unit(buffers: &mut Buffers) {
    let Buffers { body, columns, .. } = buffers;
    let mut texts = Texts(HashMap::new());
    for index in 0..columns.metadata.len() {
        let Some(&MetadataSpan { series: Some(series), metric_type, unit, .. }) = columns.metadata.get(index)
        else {
            continue;
        };
        let is_known = metric_type != MetricType::Unknown;
        let Some(series) = columns.series.get_mut(series as usize) else { continue };
        if !is_known && unit.is_empty() {
            continue;
        }
        let start = columns.labels.len();
        for label in series.labels.start..series.labels.end {
            let Some(&label) = columns.labels.get(label as usize) else { continue };
            if ![TYPE, UNIT].contains(&text(label.name, body)) {
                columns.labels.push(label);
            }
        }
        let type_value = is_known.then(|| texts.of(metric_type.as_str(), body)).flatten();
        let unit_value = Some(unit).filter(|unit| !unit.is_empty());
        for (name, value) in [(TYPE, type_value), (UNIT, unit_value)] {
            let name = value.and_then(|_| texts.of(name, body));
            let label = name.zip(value).map(|(name, value)| LabelSpan { name, value });
            columns.labels.extend(label);
        }
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(columns.labels.len())) {
            series.labels = Range32 { start, end };
        }
    }
}

/// Texts behind the body, each once.
struct Texts(HashMap<&'static str, Span>);

impl Texts {
    /// The span of a text; `None` if a body that long has no room for more.
    fn of(&mut self, text: &'static str, body: &mut Vec<u8>) -> Option<Span> {
        if let Some(span) = self.0.get(text) {
            return Some(*span);
        }
        let start = u32::try_from(body.len()).ok()?;
        let len = u32::try_from(text.len()).ok()?;
        start.checked_add(len)?;
        body.extend_from_slice(text.as_bytes());
        let span = Span { start, len };
        self.0.insert(text, span);
        Some(span)
    }
}
