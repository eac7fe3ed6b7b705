//! JSON straight into bytes, numbers as Prometheus's `jsonutil` writes them.

use std::io::Write;

use latewood_model::{Labels, TimestampMs};

/// Collects JSON. Commas are placed by [`Json::list`] and [`Json::object`].
#[derive(Debug, Default)]
pub(super) struct Json(Vec<u8>);

impl Json {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Text that is JSON already.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A string, escaped.
    pub(super) fn string(&mut self, text: &str) {
        // Neither strings nor vectors fail to be written.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    /// A whole number.
    pub(super) fn integer(&mut self, number: impl std::fmt::Display) {
        let _ = write!(self.0, "{number}");
    }

    /// A sample's value, as a string: the shortest decimal that reads back the same, with an exponent below
    /// 1e-6 and from 1e21.
    pub(super) fn value(&mut self, value: f64) {
        self.raw("\"");
        let size = value.abs();
        if value.is_nan() {
            self.raw("NaN");
        } else if value.is_infinite() {
            self.raw(if value > 0.0 { "+Inf" } else { "-Inf" });
        } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
            self.exponent(value);
        } else {
            let _ = write!(self.0, "{value}");
        }
        self.raw("\"");
    }

    /// As Go writes it: a sign and at least two digits after the `e`.
    fn exponent(&mut self, value: f64) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        let _ = write!(self.0, "{mantissa}e{sign}{digits:0>2}");
    }

    /// A time in seconds, with three decimals where it has milliseconds.
    pub(super) fn timestamp(&mut self, at: TimestampMs) {
        let sign = if at < 0 { "-" } else { "" };
        let size = at.unsigned_abs();
        let _ = write!(self.0, "{sign}{}", size / 1000);
        if !size.is_multiple_of(1000) {
            let _ = write!(self.0, ".{:03}", size % 1000);
        }
    }

    /// A number that is no sample: seconds, for one. What is not finite is 0.
    pub(super) fn number(&mut self, number: f64) {
        let number = if number.is_finite() { number } else { 0.0 };
        let _ = write!(self.0, "{number}");
    }

    /// `[…]` of items.
    pub(super) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.raw("[");
        for (index, one) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            item(self, one);
        }
        self.raw("]");
    }

    /// `{…}` of keys and values.
    pub(super) fn object<'a, T>(
        &mut self,
        fields: impl IntoIterator<Item = (&'a str, T)>,
        mut value: impl FnMut(&mut Self, T),
    ) {
        self.raw("{");
        for (index, (name, one)) in fields.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.string(name);
            self.raw(":");
            value(self, one);
        }
        self.raw("}");
    }

    /// A label set.
    pub(super) fn labels(&mut self, labels: &Labels) {
        self.object(labels.iter(), |json, value| json.string(value));
    }

    /// A list of strings.
    pub(super) fn strings<S: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = S>) {
        self.list(texts, |json, text| json.string(text.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Json)) -> String {
        let mut json = Json::new();
        write(&mut json);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1_234_567.0, "1234567"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e300, "1e+300"),
            (-1.25e-7, "-1.25e-07"),
            (1e-6, "0.000001"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(|json| json.value(value)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn times_have_up_to_three_decimals() {
        for (at, expected) in
            [(0, "0"), (1_500, "1.500"), (-1, "-0.001"), (i64::MIN, "-9223372036854775.808")]
        {
            assert_eq!(written(|json| json.timestamp(at)), expected);
        }
    }

    #[test]
    fn labels_are_escaped() {
        let labels = Labels::from_pairs([("a", "x\"\\\n\u{1}"), ("ü", "日本")]);
        let expected = r#"{"a":"x\"\\\n\u0001","ü":"日本"}"#;
        assert_eq!(written(|json| json.labels(&labels)), expected);
    }
}
