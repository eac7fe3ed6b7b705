//! From an expression to its value: plan, pull all tiles, put them in the order in which they are returned.

use std::collections::HashSet;

use latewood_model::Labels;

use crate::ast::{Expr, ExprKind, ValueType};
use crate::exec::{Env, Grid, Row, Tile, build_root, is_histogram, is_present, raw_windows, same_labelset};
use crate::plan::{self, QueryTimes};
use crate::{HistogramPoint, MatrixSeries, Point, QueryError, Reservation, Value, VectorSample};

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
            let value = rows.first().and_then(|sample| sample.value.as_float()).unwrap_or(f64::NAN);
            Ok(Value::Scalar(Point { timestamp, value }))
        }
        ValueType::Vector => vector(expr, times, env).map(Value::Vector),
    }
}

fn vector(expr: &Expr, times: &QueryTimes, env: &Env) -> Result<Vec<VectorSample>, QueryError> {
    let mut operator = build_root(&plan::plan(expr, times)?, Grid::single(times.start), env)?;
    let mut held = env.control.reserve(0)?;
    let mut samples = Vec::new();
    let mut seen = HashSet::<Labels>::new();
    while let Some(tile) = operator.next()? {
        env.control.check()?;
        book(&mut held, tile.len())?;
        for row in tile.rows() {
            let labels = row.labels;
            let Some(value) = row.get(0) else { continue };
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

/// Books histograms of the result.
fn book_histograms(held: &mut Reservation, points: &[HistogramPoint]) -> Result<(), QueryError> {
    let bytes: usize = points.iter().map(|point| point.histogram.heap_size()).sum();
    held.grow(bytes as u64)?;
    book(held, points.len())
}

/// A range selector or subquery by itself.
fn window(expr: &Expr, times: &QueryTimes, env: &Env) -> Result<Value, QueryError> {
    let input = plan::window_input(expr, times, "")?;
    let input = input.ok_or_else(|| QueryError::execution("expected a range vector"))?;
    let mut held = env.control.reserve(0)?;
    let mut matrix = Vec::new();
    raw_windows(env, Grid::single(times.start), &input, |labels, window| {
        book(&mut held, window.values.len())?;
        book_histograms(&mut held, window.histograms)?;
        let points = window.samples().map(|(timestamp, value)| Point { timestamp, value }).collect();
        matrix.push(MatrixSeries { labels: labels.clone(), points, histograms: window.histograms.to_vec() });
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
    let mut operator = build_root(&plan::plan(expr, times)?, grid, env)?;
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
    for row in tile.rows() {
        let floats = grid.times().zip(row.values);
        let floats = floats.filter(|(_, value)| is_present(**value) && !is_histogram(**value));
        let points: Vec<Point> = floats.map(|(timestamp, &value)| Point { timestamp, value }).collect();
        let histograms = if row.has_histograms() { histograms(row, grid) } else { Vec::new() };
        if !points.is_empty() || !histograms.is_empty() {
            book(held, points.len())?;
            book_histograms(held, &histograms)?;
            matrix.push(MatrixSeries { labels: row.labels.clone(), points, histograms });
        }
    }
    Ok(())
}

fn histograms(row: Row<'_>, grid: Grid) -> Vec<HistogramPoint> {
    let steps = grid.times().enumerate();
    let present = steps.filter_map(|(step, timestamp)| {
        Some(HistogramPoint { timestamp, histogram: row.histogram(step)?.clone() })
    });
    present.collect()
}

fn sorted(mut matrix: Vec<MatrixSeries>) -> Result<Value, QueryError> {
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    if matrix.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
        return Err(same_labelset());
    }
    Ok(Value::Matrix(matrix))
}
