//! From an expression to its value: plan, pull all tiles, put them in the order in which they are returned.

use std::collections::HashSet;

use latewood_model::{Labels, TimestampMs};

use crate::exec::{
    Env, Grid, Row, Tile, build_root, is_histogram, is_present, raw_windows, same_labelset, sort_by,
};
use crate::plan::{Node, QueryPlan, WindowInput};
use crate::{HistogramPoint, MatrixSeries, Point, QueryError, Reservation, Value, VectorSample};

/// A value and what is booked for it.
pub(crate) type Held<T> = (T, Reservation);

/// What a plan gives at one time; a scalar for an expression that is one.
pub(crate) fn instant(
    plan: &QueryPlan,
    is_scalar: bool,
    timestamp: TimestampMs,
    env: &Env,
) -> Result<Held<Value>, QueryError> {
    env.control.check()?;
    match plan {
        QueryPlan::Text(text) => {
            Ok((Value::String { timestamp, text: text.clone() }, env.control.reserve(0)?))
        }
        QueryPlan::Windows(input) => match &env.probe {
            Some(probe) => probe.run(|| window(input, timestamp, env)),
            None => window(input, timestamp, env),
        },
        QueryPlan::Vector(node) if is_scalar => {
            let (rows, held) = vector(node, timestamp, env)?;
            let value = rows.first().and_then(|sample| sample.value.as_float()).unwrap_or(f64::NAN);
            Ok((Value::Scalar(Point { timestamp, value }), held))
        }
        QueryPlan::Vector(node) => {
            vector(node, timestamp, env).map(|(samples, held)| (Value::Vector(samples), held))
        }
    }
}

fn vector(node: &Node, timestamp: TimestampMs, env: &Env) -> Result<Held<Vec<VectorSample>>, QueryError> {
    let mut operator = build_root(node, Grid::single(timestamp), env)?;
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
            samples.push(VectorSample { labels: labels.clone(), timestamp, value });
        }
    }
    Ok((samples, held))
}

/// Books points of the result.
fn book(held: &mut Reservation, points: usize) -> Result<(), QueryError> {
    held.grow(points as u64 * size_of::<VectorSample>() as u64)?;
    held.grow_samples(points as u64)
}

/// Books a series of the result.
fn book_series(held: &mut Reservation, series: &MatrixSeries) -> Result<(), QueryError> {
    held.grow(series.size() as u64)?;
    held.grow_samples((series.points.len() + series.histograms.len()) as u64)
}

/// A range selector or subquery by itself.
fn window(input: &WindowInput, timestamp: TimestampMs, env: &Env) -> Result<Held<Value>, QueryError> {
    let mut held = env.control.reserve(0)?;
    let mut matrix = Vec::new();
    raw_windows(env, Grid::single(timestamp), input, |labels, window| {
        let points = window.samples().map(|(timestamp, value)| Point { timestamp, value }).collect();
        let histograms = window.histograms.to_vec();
        let series = MatrixSeries { labels: labels.clone(), points, histograms };
        book_series(&mut held, &series)?;
        matrix.push(series);
        Ok(())
    })?;
    Ok((sorted(matrix, env)?, held))
}

/// What a plan gives at the steps of a grid.
pub(crate) fn range(plan: &QueryPlan, grid: Grid, env: &Env) -> Result<Held<Value>, QueryError> {
    env.control.check()?;
    let QueryPlan::Vector(node) = plan else {
        return Err(QueryError::execution("expected a scalar or an instant vector"));
    };
    let mut operator = build_root(node, grid, env)?;
    let mut held = env.control.reserve(0)?;
    let mut matrix = Vec::new();
    while let Some(tile) = operator.next()? {
        env.control.check()?;
        take_rows(&tile, grid, &mut held, &mut matrix)?;
    }
    Ok((sorted(matrix, env)?, held))
}

fn take_rows(
    tile: &Tile,
    grid: Grid,
    held: &mut Reservation,
    matrix: &mut Vec<MatrixSeries>,
) -> Result<(), QueryError> {
    for row in tile.rows() {
        let points = floats(row, grid);
        let histograms = if row.has_histograms() { histograms(row, grid) } else { Vec::new() };
        if !points.is_empty() || !histograms.is_empty() {
            let series = MatrixSeries { labels: row.labels.clone(), points, histograms };
            book_series(held, &series)?;
            matrix.push(series);
        }
    }
    Ok(())
}

fn floats(row: Row<'_>, grid: Grid) -> Vec<Point> {
    let is_float = |value: &f64| is_present(*value) && !is_histogram(*value);
    // Counted first: points of a long answer must not be moved as they grow.
    let mut points = Vec::with_capacity(row.values.iter().filter(|value| is_float(value)).count());
    let floats = grid.times().zip(row.values).filter(|(_, value)| is_float(value));
    points.extend(floats.map(|(timestamp, &value)| Point { timestamp, value }));
    points
}

fn histograms(row: Row<'_>, grid: Grid) -> Vec<HistogramPoint> {
    let steps = grid.times().enumerate();
    let present = steps.filter_map(|(step, timestamp)| {
        Some(HistogramPoint { timestamp, histogram: row.histogram(step)?.clone() })
    });
    present.collect()
}

fn sorted(matrix: Vec<MatrixSeries>, env: &Env) -> Result<Value, QueryError> {
    let _held = env.control.reserve((matrix.len() * size_of::<usize>()) as u64)?;
    let mut order: Vec<usize> = (0..matrix.len()).collect();
    sort_by(&env.control, &mut order, |&a, &b| matrix[a].labels.cmp(&matrix[b].labels))?;
    if order.windows(2).any(|pair| matrix[pair[0]].labels == matrix[pair[1]].labels) {
        return Err(same_labelset());
    }
    let mut matrix = matrix;
    let series = order.into_iter().map(|number| std::mem::take(&mut matrix[number]));
    Ok(Value::Matrix(series.collect()))
}
