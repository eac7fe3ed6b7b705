//! Binary operators where at least one side is a histogram, and those that are for histograms only.

use std::sync::Arc;

use latewood_model::FloatHistogram;
use latewood_model::histogram::{Reconciled, ResetHint, Trim};

use super::Env;
use crate::ast::BinaryOp;
use crate::{HistogramOperation, Notice, SampleValue};

/// One side of an operator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Operand<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// An operator has no meaning for its operands, or what they say of resets contradicts; a notice says so. They are
/// as if they were not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoResult;

/// The result of an operator, `None` where a comparison does not hold. Comparisons give the left side.
pub(super) fn binary(
    env: &Env,
    op: BinaryOp,
    left: Operand<'_>,
    right: Operand<'_>,
) -> Result<Option<SampleValue>, NoResult> {
    use Operand::{Float, Histogram};
    let result = match (op, left, right) {
        (BinaryOp::Mul, Float(factor), Histogram(histogram))
        | (BinaryOp::Mul, Histogram(histogram), Float(factor)) => {
            changed(histogram, |copy| copy.multiply(factor))
        }
        (BinaryOp::Div, Histogram(histogram), Float(divisor)) => {
            changed(histogram, |copy| copy.divide(divisor))
        }
        (BinaryOp::Add, Histogram(left), Histogram(right)) => {
            combined(env, left.add(right), "+", HistogramOperation::Addition)?
        }
        (BinaryOp::Sub, Histogram(left), Histogram(right)) => {
            let mut difference = combined(env, left.sub(right), "-", HistogramOperation::Subtraction)?;
            difference.reset_hint = ResetHint::Gauge;
            difference
        }
        (BinaryOp::Equal, Histogram(left), Histogram(right)) => {
            return Ok(left.same_data(right).then(|| SampleValue::Histogram(Arc::clone(left))));
        }
        (BinaryOp::NotEqual, Histogram(left), Histogram(right)) => {
            return Ok((!left.same_data(right)).then(|| SampleValue::Histogram(Arc::clone(left))));
        }
        (BinaryOp::TrimUpper, Histogram(histogram), Float(at)) => histogram.trimmed(Trim::Upper, at),
        (BinaryOp::TrimLower, Histogram(histogram), Float(at)) => histogram.trimmed(Trim::Lower, at),
        _ => {
            env.add(&Notice::IncompatibleTypes(left.kind(), op.as_str(), right.kind()));
            return Err(NoResult);
        }
    };
    Ok(Some(result.into()))
}

fn changed(histogram: &FloatHistogram, change: impl FnOnce(&mut FloatHistogram)) -> FloatHistogram {
    let mut copy = histogram.clone();
    change(&mut copy);
    copy
}

/// Leaves what is to be said of a sum or difference.
fn combined<E>(
    env: &Env,
    result: Result<(FloatHistogram, Reconciled), E>,
    op: &'static str,
    operation: HistogramOperation,
) -> Result<FloatHistogram, NoResult> {
    let Ok((histogram, reconciled)) = result else {
        env.add(&Notice::IncompatibleBuckets(op));
        return Err(NoResult);
    };
    if reconciled.reset_collision {
        env.add(&Notice::ResetCollision(operation));
        return Err(NoResult);
    }
    if reconciled.bounds {
        env.add(&Notice::BoundsReconciled(operation));
    }
    Ok(histogram)
}
