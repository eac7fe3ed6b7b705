//! From an expression to its value: plan, pull all tiles, put them in the order in which they are returned.

use std::collections::HashSet;

use latewood_model::Labels;

use crate::ast::{Expr, ExprKind, ValueType};
use crate::exec::{Env, Grid, Tile, build, is_present, raw_windows, same_labelset};
use crate::plan::{self, QueryTimes};
use crate::{MatrixSeries, Point, QueryError, Reservation, Value, VectorSample};

/// The value of an expression at one time.
pub(crate) fn instant(expr: &Expr, times: &QueryTimes, env: &Env) -> Result<Value, QueryError> {
    env.control.check()?;
    let timestamp = times.start;
    match expr.value_type() {
        ValueType::String => match &expr.unparen().kind {
            ExprKind::Text(text) => Ok(Value::String { timestamp, text: text.to_lossy() }),
            _ => Err(QueryError::execution("expected a string literal")),
        },
        ValueType::Matrix => window(expr, times, env),
        ValueType::Scalar => {
            let rows = vector(expr, times, env)?;
            let value = rows.first().map_or(f64::NAN, |sample| sample.value);
            Ok(Value::Scalar(Point { timestamp, value }))
        }
        ValueType::Vector => vector(expr, times, env).map(Value::Vector),
    }
}

fn vector(expr: &Expr, times: &QueryTimes, env: &Env) -> Result<Vec<VectorSample>, QueryError> {
    let mut operator = build(&plan::plan(expr, times)?, Grid::single(times.start), env)?;
    let mut held = env.control.reserve(0)?;
    let mut samples = Vec::new();
    let mut seen = HashSet::<Labels>::new();
    while let Some(tile) = operator.next()? {
        env.control.check()?;
        book(&mut held, tile.len())?;
        for (labels, row) in tile.rows() {
            let Some(value) = row.first().copied().filter(|&value| is_present(value)) else {
                continue;
            };
            if !seen.insert(labels.clone()) {
                return Err(same_labelset());
            }
            samples.push(VectorSample { labels: labels.clone(), timestamp: times.start, value });
        }
    }
    Ok(samples)
}

/// Books points of the result.
fn book(held: &mut Reservation, points: usize) -> Result<(), QueryError> {
    held.grow(points as u64 * size_of::<VectorSample>() as u64)?;
    held.grow_samples(points as u64)
}

/// A range selector or subquery by itself.
fn window(expr: &Expr, times: &QueryTimes, env: &Env) -> Result<Value, QueryError> {
    let input = plan::window_input(expr, times, "")?;
    let input = input.ok_or_else(|| QueryError::execution("expected a range vector"))?;
    let mut held = env.control.reserve(0)?;
    let mut matrix = Vec::new();
    raw_windows(env, Grid::single(times.start), &input, |labels, timestamps, values| {
        book(&mut held, values.len())?;
        let pairs = timestamps.iter().zip(values);
        let points = pairs.map(|(&timestamp, &value)| Point { timestamp, value });
        matrix.push(MatrixSeries { labels: labels.clone(), points: points.collect() });
        Ok(())
    })?;
    sorted(matrix)
}

/// The values of an expression at the steps of a grid.
pub(crate) fn range(expr: &Expr, times: &QueryTimes, grid: Grid, env: &Env) -> Result<Value, QueryError> {
    env.control.check()?;
    let found = expr.value_type();
    if !matches!(found, ValueType::Scalar | ValueType::Vector) {
        return Err(QueryError::Invalid(format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            found.documented()
        )));
    }
    let mut operator = build(&plan::plan(expr, times)?, grid, env)?;
    let mut held = env.control.reserve(0)?;
    let mut matrix = Vec::new();
    while let Some(tile) = operator.next()? {
        env.control.check()?;
        take_rows(&tile, grid, &mut held, &mut matrix)?;
    }
    sorted(matrix)
}

fn take_rows(
    tile: &Tile,
    grid: Grid,
    held: &mut Reservation,
    matrix: &mut Vec<MatrixSeries>,
) -> Result<(), QueryError> {
    for (labels, row) in tile.rows() {
        let present = grid.times().zip(row).filter(|(_, value)| is_present(**value));
        let points: Vec<Point> = present.map(|(timestamp, &value)| Point { timestamp, value }).collect();
        if !points.is_empty() {
            book(held, points.len())?;
            matrix.push(MatrixSeries { labels: labels.clone(), points });
        }
    }
    Ok(())
}

fn sorted(mut matrix: Vec<MatrixSeries>) -> Result<Value, QueryError> {
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    if matrix.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
        return Err(same_labelset());
    }
    Ok(Value::Matrix(matrix))
}
