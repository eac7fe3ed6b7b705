//! Words that mean something outside of braces.

/// Whether a word is a binary operator or a modifier that makes the tree deeper.
pub(super) fn deepens(word: &str) -> bool {
    ["and", "or", "unless", "atan2", "offset"].iter().any(|operator| word.eq_ignore_ascii_case(operator))
}

/// The number that a word is.
pub(super) fn number(word: &str) -> Option<f64> {
    if word.eq_ignore_ascii_case("inf") {
        Some(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// What a word is about that Prometheus has as an experiment and we have not, in the plural.
pub(super) fn unsupported(word: &str) -> Option<&'static str> {
    ["anchored", "smoothed"]
        .iter()
        .any(|modifier| word.eq_ignore_ascii_case(modifier))
        .then_some("the experimental modifiers anchored and smoothed")
}

/// The error for the words that a range cannot have.
pub(super) const DURATION_EXPRESSION: &str = "the experimental duration expressions are not supported";
