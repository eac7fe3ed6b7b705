//! Between spans and the indexes of buckets.

use super::{HistogramError, Span};

/// The indexes that spans cover; there must be as many as buckets.
pub(super) fn expand(side: &'static str, spans: &[Span], buckets: usize) -> Result<Vec<i32>, HistogramError> {
    let covered: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if covered != buckets as u64 {
        return Err(HistogramError::SpansMismatch { side, spans: covered, buckets });
    }
    let mut indexes = Vec::with_capacity(buckets);
    let mut next = 0_i64;
    for (position, span) in spans.iter().enumerate() {
        if position > 0 && span.offset < 0 {
            return Err(HistogramError::NegativeOffset { side, number: position + 1, offset: span.offset });
        }
        next += i64::from(span.offset);
        for _ in 0..span.length {
            indexes.push(i32::try_from(next).map_err(|_| HistogramError::IndexOutOfRange(side))?);
            next += 1;
        }
    }
    Ok(indexes)
}

/// The fewest spans that cover just these ascending indexes.
pub(super) fn to_spans(indexes: &[i32]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0_i64;
    for &index in indexes {
        let gap = i64::from(index) - next;
        match spans.last_mut().filter(|_| gap == 0) {
            Some(span) => span.length += 1,
            None => push_gap(&mut spans, gap),
        }
        next = i64::from(index) + 1;
    }
    spans
}

/// A span of one bucket after a gap; one that is longer than an offset can say takes empty spans.
fn push_gap(spans: &mut Vec<Span>, mut gap: i64) {
    while gap > i64::from(i32::MAX) {
        spans.push(Span { offset: i32::MAX, length: 0 });
        gap -= i64::from(i32::MAX);
    }
    spans.push(Span { offset: gap as i32, length: 1 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_indexes_are_the_same_thing() {
        for indexes in [vec![], vec![0], vec![-3, -2, 4, 5, 9], vec![i32::MIN, i32::MAX - 1, i32::MAX]] {
            assert_eq!(expand("positive", &to_spans(&indexes), indexes.len()).unwrap(), indexes);
        }
        assert_eq!(to_spans(&[-3, -2, 0]), [Span { offset: -3, length: 2 }, Span { offset: 1, length: 1 }]);
    }

    #[test]
    fn spans_that_do_not_fit_are_refused() {
        let run = |spans: &[(i32, u32)], buckets| {
            let spans: Vec<Span> = spans.iter().map(|&(offset, length)| Span { offset, length }).collect();
            expand("negative", &spans, buckets)
        };
        assert_eq!(run(&[(0, 2), (0, 0), (3, 1)], 3), Ok(vec![0, 1, 5]));
        assert_eq!(
            run(&[(0, 2)], 3),
            Err(HistogramError::SpansMismatch { side: "negative", spans: 2, buckets: 3 })
        );
        assert_eq!(
            run(&[(0, 1), (-1, 1)], 2),
            Err(HistogramError::NegativeOffset { side: "negative", number: 2, offset: -1 })
        );
        assert_eq!(run(&[(i32::MAX, 2)], 2), Err(HistogramError::IndexOutOfRange("negative")));
        let lies = [(0, u32::MAX), (0, u32::MAX)];
        assert!(matches!(run(&lies, 1), Err(HistogramError::SpansMismatch { .. })));
    }
}
