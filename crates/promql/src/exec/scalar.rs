//! Scalars: one value at every step. They are computed whole when they are first needed.

use latewood_model::Labels;

use super::pace::Pace;
use super::probe::watched;
use super::row::is_histogram;
use super::tile::{Tile, computed, is_present};
use super::{Env, Grid, Operator, build, scalar_binary};
use crate::plan::Node;
use crate::{QueryError, Reservation};

/// Whether a node is a scalar.
pub(crate) fn is_scalar(node: &Node) -> bool {
    match node {
        Node::Number(_) | Node::Time | Node::ScalarOf(_) | Node::ScalarBinary(..) | Node::Extremum(..) => {
            true
        }
        Node::Negate(inner) | Node::Once(inner) => is_scalar(inner),
        _ => false,
    }
}

/// A scalar that is computed when it is first needed.
pub(super) struct Scalar {
    env: Env,
    grid: Grid,
    node: Node,
    values: Option<Values>,
}

/// A scalar's values.
pub(super) enum Values {
    /// The same at every step.
    Constant(f64),
    /// One to a step.
    Steps(Vec<f64>, #[allow(dead_code, reason = "held until the values go")] Reservation),
}

impl Values {
    /// The value at a step.
    pub(super) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(values, _) => values.get(step).copied().unwrap_or(f64::NAN),
        }
    }
}

impl Scalar {
    pub(super) fn new(env: &Env, grid: Grid, node: &Node) -> Self {
        Self { env: env.clone(), grid, node: node.clone(), values: None }
    }

    /// The values, computed at the first call.
    pub(super) fn values(&mut self) -> Result<&Values, QueryError> {
        let values = match self.values.take() {
            Some(values) => values,
            None => evaluate(&self.env, self.grid, &self.node)?,
        };
        Ok(self.values.insert(values))
    }
}

/// Some scalars together: the arguments of a function.
pub(super) struct Scalars {
    scalars: Vec<Scalar>,
    row: Vec<f64>,
}

impl Scalars {
    pub(super) fn new(env: &Env, grid: Grid, nodes: &[Node]) -> Self {
        Self {
            scalars: nodes.iter().map(|node| Scalar::new(env, grid, node)).collect(),
            row: vec![0.0; nodes.len()],
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.scalars.len()
    }

    /// Their values at a step.
    #[inline]
    pub(super) fn at(&mut self, step: usize) -> Result<&[f64], QueryError> {
        for (scalar, value) in self.scalars.iter_mut().zip(&mut self.row) {
            *value = scalar.values()?.at(step);
        }
        Ok(&self.row)
    }
}

fn evaluate(env: &Env, grid: Grid, node: &Node) -> Result<Values, QueryError> {
    env.control.check()?;
    watched(node, env, |env| compute(env, grid, node))
}

fn compute(env: &Env, grid: Grid, node: &Node) -> Result<Values, QueryError> {
    match node {
        Node::Number(value) => Ok(Values::Constant(*value)),
        Node::Time => steps(env, grid, |step| grid.time(step) as f64 / 1000.0),
        Node::Once(inner) => {
            let env = env.counting(env.counts.once(grid.len()));
            Ok(Values::Constant(evaluate(&env, Grid::single(grid.start()), inner)?.at(0)))
        }
        Node::Negate(inner) => {
            let inner = evaluate(env, grid, inner)?;
            combine(env, grid, [inner, Values::Constant(0.0)], |value, _| computed(-value))
        }
        Node::ScalarBinary(op, left, right) => {
            let sides = [evaluate(env, grid, left)?, evaluate(env, grid, right)?];
            combine(env, grid, sides, |left, right| scalar_binary(*op, left, right))
        }
        Node::Extremum(greater, left, right) => {
            let sides = [evaluate(env, grid, left)?, evaluate(env, grid, right)?];
            combine(env, grid, sides, |left, right| extremum(*greater, left, right))
        }
        Node::ScalarOf(input) => only_element(env, grid, input),
        _ => Err(QueryError::execution("expected a scalar")),
    }
}

/// As Go's `math.Max` and `math.Min`: NaN if either is.
fn extremum(greater: bool, left: f64, right: f64) -> f64 {
    if left.is_nan() || right.is_nan() {
        f64::NAN
    } else if greater {
        left.max(right)
    } else {
        left.min(right)
    }
}

fn steps(env: &Env, grid: Grid, value: impl Fn(usize) -> f64) -> Result<Values, QueryError> {
    let held = env.control.reserve((grid.len() as u64).saturating_mul(8))?;
    let mut pace = Pace::new(&env.control);
    let values = (0..grid.len()).map(|step| pace.did(1).map(|()| value(step)));
    Ok(Values::Steps(values.collect::<Result<_, _>>()?, held))
}

fn combine(
    env: &Env,
    grid: Grid,
    [left, right]: [Values; 2],
    with: impl Fn(f64, f64) -> f64,
) -> Result<Values, QueryError> {
    if let (Values::Constant(left), Values::Constant(right)) = (&left, &right) {
        return Ok(Values::Constant(with(*left, *right)));
    }
    steps(env, grid, |step| with(left.at(step), right.at(step)))
}

/// The value of the only float, NaN where there is none or more than one.
fn only_element(env: &Env, grid: Grid, input: &Node) -> Result<Values, QueryError> {
    let mut operator = build(input, grid, env)?;
    let held = env.control.reserve((grid.len() as u64).saturating_mul(9))?;
    let (mut values, mut seen) = (vec![f64::NAN; grid.len()], vec![false; grid.len()]);
    while let Some(tile) = operator.next()? {
        for row in tile.rows() {
            env.control.check()?;
            let floats = row.values.iter().enumerate();
            for (step, &value) in floats.filter(|(_, value)| is_present(**value) && !is_histogram(**value)) {
                values[step] = if seen[step] { f64::NAN } else { value };
                seen[step] = true;
            }
        }
    }
    Ok(Values::Steps(values, held))
}

/// A scalar as a series without labels.
pub(super) struct ScalarOperator(Option<Scalar>);

impl ScalarOperator {
    pub(super) fn new(scalar: Scalar) -> Self {
        Self(Some(scalar))
    }
}

impl Operator for ScalarOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut scalar) = self.0.take() else {
            return Ok(None);
        };
        let mut tile = Tile::new(&scalar.env.control.clone(), scalar.grid.len())?;
        let row = tile.push(Labels::empty())?;
        let values = scalar.values()?;
        for (step, value) in row.iter_mut().enumerate() {
            *value = computed(values.at(step));
        }
        let steps = tile.steps();
        tile.count_samples(steps)?;
        Ok(Some(tile))
    }
}
