//! From a plan to operators.

use super::aggregate::FoldOperator;
use super::scalar::{Scalar, ScalarOperator, Scalars, is_scalar};
use super::{
    BoxOperator, Env, Grid, absent, buckets, count_values, fold, info, join, map, names, once, probe,
    rollups, scan, set, smooth, sort, topk, windows,
};
use crate::ast::{AggregateOp, BinaryOp, Cardinality};
use crate::plan::{
    AggregateNode, MetricNames, Node, Reading, Scan, VectorBinary, WindowKernel, metric_names, names_of_scan,
};
use crate::{CallContext, QueryError};

/// The operators that compute a node at the steps of a grid.
pub(crate) fn build(node: &Node, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    if is_scalar(node) {
        return Ok(Box::new(ScalarOperator::new(Scalar::new(env, grid, node))));
    }
    probe::built(node, env, |env| build_vector(node, grid, env))
}

fn build_vector(node: &Node, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    Ok(match node {
        Node::Scan { scan, reading } => build_scan(scan, *reading, grid, env)?,
        Node::Smoothed(scan, place) => Box::new(smooth::SmoothOperator::new(&env.at(*place), grid, scan)?),
        Node::Window(call) => {
            let runs = rollups::windows_of(&env.at(call.place), grid, call)?;
            match (call.kernel, runs) {
                (WindowKernel::Value(..), Some(runs)) => Box::new(runs),
                (WindowKernel::Value(..), None) => {
                    Box::new(windows::WindowOperator::new(&env.at(call.place), grid, call)?)
                }
                (WindowKernel::Presence, runs) => {
                    Box::new(absent::AbsentOperator::of_windows(env, grid, call, runs)?)
                }
            }
        }
        Node::VectorOf(scalar) => build(scalar, grid, env)?,
        Node::Absent(input, labels) => {
            Box::new(absent::AbsentOperator::of_vector(env, grid, build(input, grid, env)?, labels))
        }
        Node::Sort(input, order, place) => {
            Box::new(sort::SortOperator::new(&env.at(*place), grid, build(input, grid, env)?, order))
        }
        Node::Buckets(input, call, places) => {
            let input = build(input, grid, env)?;
            Box::new(buckets::BucketOperator::new(&env.at(places.vector), grid, input, call, &places.params))
        }
        Node::VectorBinary(binary) => build_binary(binary, grid, env)?,
        Node::Aggregate(aggregate) => build_aggregate(aggregate, grid, env)?,
        Node::Info(call) => {
            Box::new(info::InfoOperator::new(env, grid, build(&call.input, grid, env)?, call))
        }
        Node::Once(input) => {
            let single =
                build(input, Grid::single(grid.start()), &env.counting(env.counts.once(grid.len())))?;
            Box::new(once::OnceOperator::new(env, grid, single))
        }
        _ => build_map(node, grid, env)?,
    })
}

fn build_scan(scan: &Scan, reading: Reading, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    let drops_names = reading != Reading::Value;
    let operator: BoxOperator = match rollups::scan_of(env, grid, scan, reading)? {
        Some(runs) => Box::new(runs),
        None => {
            let operator = scan::ScanOperator::new(env, grid, scan, reading)?;
            let collides = drops_names && !env.delays_names && names_of_scan(scan).may_collide();
            if collides { Box::new(scan::SampleTimes::new(env, operator)?) } else { Box::new(operator) }
        }
    };
    Ok(match drops_names && env.delays_names {
        true => Box::new(map::Map::new(env, grid, operator, false, names::MarkNames)),
        false => operator,
    })
}

fn build_map(node: &Node, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    let (input, drops_name) = match node {
        Node::Element { input, .. } | Node::StepTimes(input) | Node::Negate(input) => (input, true),
        Node::Relabel(input, _) => (input, false),
        Node::VectorScalar { op, return_bool, vector, .. } => (vector, *return_bool || op.changes_meaning()),
        _ => return Err(QueryError::execution("expected a vector")),
    };
    let merges = match node {
        Node::Relabel(..) => true,
        _ => drops_name && !env.delays_names && metric_names(input, false).may_collide(),
    };
    let input = build(input, grid, env)?;
    Ok(match node {
        Node::Element { function, kernel, params, .. } => {
            let function = map::Element {
                grid,
                kernel: *kernel,
                moment: crate::functions::histograms::moment(function),
                params: Scalars::new(env, grid, params),
                context: CallContext::default(),
            };
            Box::new(map::Map::new(env, grid, input, merges, function))
        }
        Node::StepTimes(_) => Box::new(map::Map::new(env, grid, input, merges, map::StepTimes(grid))),
        Node::Relabel(_, relabel) => Box::new(map::Map::new(env, grid, input, merges, relabel.clone())),
        Node::VectorScalar { op, return_bool, scalar, scalar_left, place, .. } => {
            let function = map::WithScalar {
                op: *op,
                return_bool: *return_bool,
                scalar: Scalar::new(env, grid, scalar),
                scalar_left: *scalar_left,
            };
            Box::new(map::Map::new(&env.at(*place), grid, input, merges, function))
        }
        _ => Box::new(map::Map::new(env, grid, input, merges, map::Negate)),
    })
}

fn build_binary(binary: &VectorBinary, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    let sides = [build(&binary.left, grid, env)?, build(&binary.right, grid, env)?];
    let names = [&binary.left, &binary.right].map(|side| metric_names(side, env.delays_names));
    Ok(match binary.op {
        BinaryOp::And | BinaryOp::Unless => Box::new(set::FilterOperator::new(env, grid, binary, sides)?),
        BinaryOp::Or => {
            let named = names.iter().all(|name| matches!(name, MetricNames::One(_)));
            let disjoint = grid.len() == 1 || (named && names[0] != names[1]);
            Box::new(set::OrOperator::new(env, grid, binary, sides, disjoint)?)
        }
        _ => {
            let unique = results_are_unique(binary, &names);
            Box::new(join::JoinOperator::new(&env.at(binary.place), grid, binary, sides, unique)?)
        }
    })
}

/// Whether the results of different rows of the streaming side must differ in their labels.
pub(crate) fn results_are_unique(binary: &VectorBinary, names: &[MetricNames; 2]) -> bool {
    let matching = &binary.matching;
    let many = &names[usize::from(matching.cardinality == Cardinality::OneToMany)];
    let one = &names[usize::from(matching.cardinality != Cardinality::OneToMany)];
    if many.may_collide() || one.may_collide() || !matching.include.is_empty() {
        return false;
    }
    matching.cardinality != Cardinality::OneToOne || (!matching.on && matching.labels.is_empty())
}

/// The input of an operator that folds groups into one series each, and looks at the labels of groups alone.
fn build_grouped(node: &Node, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    match node {
        Node::Window(call) if windows::drops_names(node, env) => probe::built(node, env, |env| {
            let env = &env.at(call.place);
            Ok(match rollups::windows_of(env, grid, call)? {
                Some(runs) => Box::new(runs.for_groups()),
                None => Box::new(windows::WindowOperator::new(env, grid, call)?.for_groups()),
            })
        }),
        _ => build(node, grid, env),
    }
}

fn build_aggregate(node: &AggregateNode, grid: Grid, env: &Env) -> Result<BoxOperator, QueryError> {
    let input = match node.op {
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio
        | AggregateOp::CountValues => build(&node.input, grid, env)?,
        _ => build_grouped(&node.input, grid, env)?,
    };
    let env = &env.at(node.place);
    Ok(match node.op {
        AggregateOp::Sum => Box::new(FoldOperator::<fold::Sum>::new(env, grid, input, node)),
        AggregateOp::Avg => Box::new(FoldOperator::<fold::Avg>::new(env, grid, input, node)),
        AggregateOp::Count => Box::new(FoldOperator::<fold::Count>::new(env, grid, input, node)),
        AggregateOp::Min => Box::new(FoldOperator::<fold::Min>::new(env, grid, input, node)),
        AggregateOp::Max => Box::new(FoldOperator::<fold::Max>::new(env, grid, input, node)),
        AggregateOp::Group => Box::new(FoldOperator::<fold::Group>::new(env, grid, input, node)),
        AggregateOp::Stddev => Box::new(FoldOperator::<fold::Stddev>::new(env, grid, input, node)),
        AggregateOp::Stdvar => Box::new(FoldOperator::<fold::Stdvar>::new(env, grid, input, node)),
        AggregateOp::Quantile => Box::new(FoldOperator::<fold::Quantile>::new(env, grid, input, node)),
        AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio => {
            Box::new(topk::TopkOperator::new(env, grid, input, node))
        }
        AggregateOp::CountValues => Box::new(count_values::CountValuesOperator::new(env, grid, input, node)),
    })
}
