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

    /// With room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
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

    /// A sample's value, as a string: the shortest decimal that reads back the same, of two that are as near
    /// the even one, with an exponent below 1e-6 and from 1e21.
    pub(super) fn value(&mut self, value: f64) {
        self.raw("\"");
        if value.is_finite() {
            let mut buffer = zmij::Buffer::new();
            let text = buffer.format_finite(value);
            match text.split_once('e') {
                None => self.raw(text.strip_suffix(".0").unwrap_or(text)),
                Some((mantissa, exponent)) => self.scaled(mantissa, exponent.parse().unwrap_or(0)),
            }
        } else {
            self.raw(match (value.is_nan(), value > 0.0) {
                (true, _) => "NaN",
                (false, true) => "+Inf",
                (false, false) => "-Inf",
            });
        }
        self.raw("\"");
    }

    /// A scalar's value, as a string: as [`Self::value`], and never with an exponent.
    pub(super) fn scalar(&mut self, value: f64) {
        if value.is_finite() {
            let _ = write!(self.0, "\"{value}\"");
        } else {
            self.value(value);
        }
    }

    /// `mantissa` × 10^`exponent`, the mantissa with one digit before its point. Go writes an exponent with its
    /// sign and two digits at least.
    fn scaled(&mut self, mantissa: &str, exponent: i32) {
        let (sign, size) = match mantissa.strip_prefix('-') {
            Some(size) => ("-", size),
            None => ("", mantissa),
        };
        let digits = size.replace('.', "");
        let _ = match usize::try_from(exponent) {
            Ok(places) if exponent < 21 && digits.len() <= places + 1 => {
                write!(self.0, "{sign}{digits}{:0<1$}", "", places + 1 - digits.len())
            }
            Ok(places) if exponent < 21 => {
                let (whole, fraction) = digits.split_at(places + 1);
                write!(self.0, "{sign}{whole}.{fraction}")
            }
            Err(_) if exponent >= -6 => {
                let zeros = (-1 - exponent).unsigned_abs() as usize;
                write!(self.0, "{sign}0.{:0<1$}{digits}", "", zeros)
            }
            _ => write!(self.0, "{mantissa}e{exponent:+03}"),
        };
    }

    /// A time in seconds, with three decimals where it has milliseconds.
    pub(super) fn timestamp(&mut self, at: TimestampMs) {
        let sign = if at < 0 { "-" } else { "" };
        let size = at.unsigned_abs();
        self.raw(sign);
        self.raw(itoa::Buffer::new().format(size / 1000));
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
            (-123_456_789_012_345_680_000.0, "-123456789012345680000"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1_000_000_000_000_000.5, "1000000000000000.5"),
            (1_138_983_889_216_653.0 / 8.0, "142372986152081.62"),
            (-1.25e-6, "-0.00000125"),
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
    fn scalars_have_no_exponent() {
        for (value, expected) in [(1e21, "1000000000000000000000"), (1.5e-7, "0.00000015"), (f64::NAN, "NaN")]
        {
            assert_eq!(written(|json| json.scalar(value)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn values_are_the_shortest_that_read_back_the_same() {
        let rng = latewood_base::Rng::seeded(3);
        let any = std::iter::repeat_with(|| f64::from_bits(rng.next_u64())).take(20_000);
        let near = (0..20_000).map(|number| (rng.unit() - 0.5) * 10f64.powi(number % 60 - 30));
        for value in any.chain(near).filter(|value| value.is_finite()) {
            let text = written(|json| json.value(value));
            let text = text.trim_matches('"');
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            let has_exponent = !(1e-6..1e21).contains(&value.abs());
            assert_eq!(text.contains('e'), has_exponent, "{text}");
            let digits = |text: &str| {
                let mantissa = text.split('e').next().unwrap().replace(['.', '-'], "");
                mantissa.trim_matches('0').len()
            };
            assert_eq!(digits(text), digits(&format!("{value:e}")), "{text}");
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
