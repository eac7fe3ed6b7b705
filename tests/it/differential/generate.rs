//! Random expressions that type-check.

use latewood_base::Rng;

use super::data::{BUCKETS, COUNTERS, GAUGES, INSTANCES, JOBS};

/// An expression, and those of its parts that are expressions of their own: a failure is looked for in
/// the smallest.
pub struct Generated {
    pub text: String,
    pub parts: Vec<Self>,
}

impl Generated {
    pub fn leaf(text: impl Into<String>) -> Self {
        Self { text: text.into(), parts: Vec::new() }
    }

    pub fn of(text: impl Into<String>, parts: impl IntoIterator<Item = Self>) -> Self {
        Self { text: text.into(), parts: parts.into_iter().collect() }
    }

    /// This one and all its parts, the smallest first.
    pub fn all(&self) -> Vec<&Self> {
        let mut all: Vec<&Self> = self.parts.iter().flat_map(Self::all).collect();
        all.push(self);
        all
    }
}

const OVER_TIME: &[&str] = &[
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "changes",
    "resets",
    "delta",
    "deriv",
    "idelta",
    "rate",
    "increase",
    "irate",
    "absent_over_time",
];
const OF_VECTOR: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "sgn",
    "sqrt",
    "-1.7e9 + timestamp",
    "sort",
    "sort_desc",
    "round",
    "absent",
    "minute",
    "hour",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
    "deg",
    "rad",
];
/// These differ in their last bits from Go's, which functions around them would make large: they stand
/// outermost only.
const INEXACT: &[&str] = &["exp", "ln", "log2", "log10", "atan", "tanh", "sinh", "cosh", "asinh", "2 ^ "];
const AGGREGATIONS: &[&str] = &["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<="];
const GROUPINGS: &[&str] =
    &["", " by (job)", " by (instance)", " by (job, le)", " without (instance)", " without (job)", " by ()"];
const WINDOWS: &[&str] = &["10s", "25s", "1m", "90s", "5m", "20m", "35s"];

/// Makes expressions; the same seed gives the same ones.
pub struct Generator(pub Rng);

impl Generator {
    /// An expression of any type that a query may have.
    pub fn expression(&self) -> Generated {
        match self.0.below(28) {
            0 | 1 => self.scalar(3),
            6 => self.of_buckets(2),
            7 => self.mean_of_histograms(),
            3..6 => self.histograms(1 + self.0.below(3) as u32),
            2 => {
                let inner = self.vector(3);
                Generated::of(format!("{}({})", self.pick(INEXACT), inner.text), [inner])
            }
            _ => self.vector(1 + self.0.below(4) as u32),
        }
    }

    pub fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.0.below(from.len() as u64) as usize]
    }

    fn vector(&self, depth: u32) -> Generated {
        if depth == 0 {
            return Generated::leaf(self.selector() + &self.shift());
        }
        match self.0.below(15) {
            14 => self.of_histograms(),
            0 => Generated::leaf(self.selector() + &self.shift()),
            1..4 => self.over_time(depth),
            4..7 => self.aggregation(depth),
            7 | 8 => self.call(depth),
            9 | 10 => self.binary(depth),
            11 => self.with_scalar(depth),
            12 => self.set(depth),
            _ => self.special(depth),
        }
    }

    fn selector(&self) -> String {
        let metric = match self.0.below(6) {
            0..3 => self.pick(&COUNTERS),
            3..5 => self.pick(&GAUGES),
            _ => BUCKETS,
        };
        let matchers = match self.0.below(8) {
            0 => format!("{{job=\"{}\"}}", self.pick(&JOBS)),
            1 => format!("{{instance!=\"{}\"}}", self.pick(&INSTANCES)),
            2 => "{instance=~\"[ab].*\"}".to_owned(),
            3 => "{job!~\"a.*|db\"}".to_owned(),
            4 => "{nothing=\"\"}".to_owned(),
            _ => String::new(),
        };
        format!("{metric}{matchers}")
    }

    pub fn shift(&self) -> String {
        match self.0.below(12) {
            0 => " offset 1m".to_owned(),
            1 => " offset -30s".to_owned(),
            2 => format!(" @ {}", super::data::START_MS / 1000 + self.0.below(1300) as i64),
            3 => format!(" @ {}()", self.pick(&["start", "end"])),
            _ => String::new(),
        }
    }

    /// A range vector and its parts.
    fn matrix(&self, depth: u32) -> Generated {
        let window = self.pick(WINDOWS);
        if self.0.below(4) > 0 || depth == 0 {
            return Generated {
                text: format!("{}[{window}]{}", self.selector(), self.shift()),
                parts: vec![],
            };
        }
        let inner = self.vector(depth - 1);
        let step = self.pick(&["", "5s", "10s", "30s", "1m"]);
        // Not to the future: a subquery that begins where its query does reads `@` in it with its own
        // offset added, in Prometheus (`setOffsetForAtModifier` is left out there).
        let shift = self.shift().replace("-30s", "30s");
        Generated::of(format!("({})[{window}:{step}]{shift}", inner.text), [inner])
    }

    fn over_time(&self, depth: u32) -> Generated {
        let matrix = self.matrix(depth);
        let text = match self.0.below(9) {
            0 => format!(
                "quantile_over_time({}, {})",
                self.pick(&["0.5", "0.9", "-1", "2", "0", "1"]),
                matrix.text
            ),
            1 if matrix.parts.is_empty() => {
                format!("predict_linear({}, {})", matrix.text, self.pick(&["60", "-30", "3600"]))
            }
            _ => format!("{}({})", self.pick(OVER_TIME), matrix.text),
        };
        Generated::of(text, matrix.parts)
    }

    fn aggregation(&self, depth: u32) -> Generated {
        let inner = self.vector(depth - 1);
        let grouping = self.pick(GROUPINGS);
        let text = match self.0.below(12) {
            // Between equal values either may be chosen: only their number is compared.
            0 => format!("count(topk{grouping} (2, {}))", inner.text),
            1 => format!("quantile{grouping} ({}, {})", self.pick(&["0.5", "0.25", "-1", "1.5"]), inner.text),
            // Rounded, because the last digits become a label.
            2 => format!("count_values{grouping} (\"v\", round({}, 1024))", inner.text),
            _ => format!("{}{grouping} ({})", self.pick(AGGREGATIONS), inner.text),
        };
        Generated::of(text, [inner])
    }

    fn call(&self, depth: u32) -> Generated {
        let inner = self.vector(depth - 1);
        let text = match self.0.below(10) {
            0 => format!("clamp({}, -3, {})", inner.text, self.pick(&["50", "-4", "1e9"])),
            1 => format!("clamp_min({}, 10)", inner.text),
            2 => format!("round({}, {})", inner.text, self.pick(&["5", "0.1", "0"])),
            3 => format!("-({})", inner.text),
            // Other powers are not exact.
            4 => format!("({}) ^ 2", inner.text),
            _ => format!("{}({})", self.pick(OF_VECTOR), inner.text),
        };
        Generated::of(text, [inner])
    }

    fn binary(&self, depth: u32) -> Generated {
        let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
        let operator = self.pick(OPERATORS);
        let is_comparison = ["==", "!=", ">", "<", ">=", "<="].contains(&operator);
        let modifier = if is_comparison && self.0.below(2) == 0 { " bool" } else { "" };
        let matching = match self.0.below(6) {
            0 => " on (job, instance)",
            1 => " ignoring (le)",
            2 => " on (job) group_left ()",
            3 => " on (job) group_right ()",
            4 => " ignoring (instance) group_left (instance)",
            _ => "",
        };
        let text = format!("({}) {operator}{modifier}{matching} ({})", left.text, right.text);
        Generated::of(text, [left, right])
    }

    fn with_scalar(&self, depth: u32) -> Generated {
        let (vector, scalar) = (self.vector(depth - 1), self.scalar(1));
        let operator = self.pick(OPERATORS);
        let text = match self.0.below(2) {
            0 => format!("({}) {operator} ({})", vector.text, scalar.text),
            _ => format!("({}) {operator} ({})", scalar.text, vector.text),
        };
        Generated::of(text, [vector, scalar])
    }

    fn set(&self, depth: u32) -> Generated {
        let (left, right) = (self.vector(depth - 1), self.vector(depth - 1));
        let matching = self.pick(&["", " on (job)", " ignoring (instance)"]);
        let text =
            format!("({}) {}{matching} ({})", left.text, self.pick(&["and", "or", "unless"]), right.text);
        Generated::of(text, [left, right])
    }

    fn special(&self, depth: u32) -> Generated {
        match self.0.below(5) {
            0 => {
                let scalar = self.scalar(depth - 1);
                Generated::of(format!("vector({})", scalar.text), [scalar])
            }
            1 => {
                let inner = self.vector(depth - 1);
                let (to, from) =
                    (self.pick(&["new", "job", "instance"]), self.pick(&["job", "instance", "none"]));
                let text = format!(
                    "label_replace({}, \"{to}\", \"x-$1\", \"{from}\", \"{}\")",
                    inner.text,
                    self.pick(&["(.).*", "(.*):.*", "a.*", ".*", "b|(d.)"]),
                );
                Generated::of(text, [inner])
            }
            2 => {
                let inner = self.vector(depth - 1);
                Generated::of(
                    format!("label_join({}, \"new\", \"-\", \"job\", \"instance\")", inner.text),
                    [inner],
                )
            }
            3 => {
                let window = self.pick(WINDOWS);
                let text = format!(
                    "histogram_quantile({}, {} (rate({BUCKETS}[{window}])))",
                    self.pick(&["0.5", "0.9", "0", "1", "-0.1"]),
                    self.pick(&["sum by (job, le)", "sum by (le)", ""]),
                );
                Generated::leaf(text)
            }
            _ => {
                let inner = self.vector(depth - 1);
                Generated::of(format!("sum(({}) unless ({}))", inner.text, inner.text), [inner])
            }
        }
    }

    fn scalar(&self, depth: u32) -> Generated {
        match self.0.below(if depth == 0 { 4 } else { 8 }) {
            0 => Generated::leaf("(time() - 1.7e9)"),
            1 => Generated::leaf(self.pick(&["NaN", "Inf", "-Inf", "0", "1e3", "0x1f", "pi()"])),
            2 | 3 => Generated::leaf(self.0.below(100).to_string()),
            4 | 5 => {
                let inner = self.vector(depth - 1);
                Generated::of(format!("scalar({})", inner.text), [inner])
            }
            _ => {
                let (left, right) = (self.scalar(depth - 1), self.scalar(depth - 1));
                let operator = self.pick(&["+", "-", "*", "/", "%", "== bool", "< bool"]);
                Generated::of(format!("({}) {operator} ({})", left.text, right.text), [left, right])
            }
        }
    }
}
