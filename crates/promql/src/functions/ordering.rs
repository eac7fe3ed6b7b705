//! The orders of `sort`, `sort_desc`, `sort_by_label` and `sort_by_label_desc`.

use std::cmp::Ordering;

use latewood_model::Labels;

use crate::functions::quantile::nan_last;

/// The order of `sort`: ascending, NaN last.
#[must_use]
pub fn ascending(a: f64, b: f64) -> Ordering {
    nan_last(a, b)
}

/// The order of `sort_desc`: descending, NaN last.
#[must_use]
pub fn descending(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => nan_last(b, a),
        _ => nan_last(a, b),
    }
}

/// The order of `sort_by_label`: by the named labels in turn, numbers within them by value, then by all labels.
/// `sort_by_label_desc` is its reverse.
#[must_use]
pub fn by_labels(a: &Labels, b: &Labels, names: &[&str]) -> Ordering {
    names
        .iter()
        .map(|name| natural(a.get(name).unwrap_or(""), b.get(name).unwrap_or("")))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.cmp(b))
}

/// Texts with their numbers compared by value: `a2` before `a10`. Leading zeros do not count, but make texts that
/// are otherwise equal differ.
#[must_use]
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some((x, x_rest)), Some((y, y_rest))) = (left.split_first(), right.split_first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let ((x_number, x_rest), (y_number, y_rest)) = (number(left), number(right));
            let order = x_number.len().cmp(&y_number.len()).then(x_number.cmp(y_number));
            if order.is_ne() {
                return order;
            }
            (left, right) = (x_rest, y_rest);
        } else if x == y {
            (left, right) = (x_rest, y_rest);
        } else {
            return x.cmp(y);
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Splits the digits off, without leading zeros.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let start = digits.iter().position(|byte| *byte != b'0').unwrap_or(digits.len());
    (digits.split_at(start).1, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_last_in_both_orders() {
        let mut values = [2.0, f64::NAN, 1.0, 3.0];
        values.sort_by(|a, b| ascending(*a, *b));
        assert_eq!(values[..3], [1.0, 2.0, 3.0]);
        values.sort_by(|a, b| descending(*a, *b));
        assert_eq!(values[..3], [3.0, 2.0, 1.0]);
    }

    #[test]
    fn numbers_in_texts_are_numbers() {
        for (a, b) in [
            ("a2", "a10"),
            ("a", "a1"),
            ("", "0"),
            ("4m5", "4m600"),
            ("007", "8"),
            ("x0y", "x00z"),
            ("1.9", "1.10"),
        ] {
            assert_eq!((natural(a, b), natural(b, a)), (Ordering::Less, Ordering::Greater), "{a} {b}");
        }
        assert_eq!(natural("a01", "a01"), Ordering::Equal);
    }

    #[test]
    fn labels_decide_in_turn() {
        let set = |a: &str, b: &str| Labels::from_pairs([("a", a), ("b", b)]);
        assert_eq!(by_labels(&set("1", "10"), &set("1", "9"), &["a", "b"]), Ordering::Greater);
        assert_eq!(by_labels(&set("1", "10"), &set("1", "9"), &["a"]), Ordering::Less);
    }
}
