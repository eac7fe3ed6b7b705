//! All functions, one a line.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};
use crate::functions::Kernel::{self, Element, Engine, Range};
use crate::functions::spec::EngineFunction as E;
use crate::functions::{
    FunctionSpec, counter, date, elementwise as el, over_time, quantile, rate, regression,
};

/// The function with this name; experimental ones too.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static FunctionSpec> {
    static BY_NAME: LazyLock<HashMap<&str, &FunctionSpec>> =
        LazyLock::new(|| FUNCTIONS.iter().map(|spec| (spec.name, spec)).collect());
    BY_NAME.get(name).copied()
}

/// Whether the results of a function keep the metric's name.
#[must_use]
pub fn keeps_name(name: &str) -> bool {
    matches!(
        name,
        "first_over_time"
            | "info"
            | "label_join"
            | "label_replace"
            | "last_over_time"
            | "sort"
            | "sort_by_label"
            | "sort_by_label_desc"
            | "sort_desc"
    )
}

/// A function that always was there, with a fixed number of arguments.
const fn fixed(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
    kernel: Kernel,
) -> FunctionSpec {
    FunctionSpec { name, args, variadic: 0, returns, experimental: false, kernel }
}

/// Vector to vector.
const fn vector(name: &'static str, kernel: Kernel) -> FunctionSpec {
    fixed(name, &[Vector], Vector, kernel)
}

/// Matrix to vector.
const fn matrix(name: &'static str, kernel: Kernel) -> FunctionSpec {
    fixed(name, &[Matrix], Vector, kernel)
}

/// The last argument is optional.
const fn variadic(n: i32, spec: FunctionSpec) -> FunctionSpec {
    FunctionSpec { variadic: n, ..spec }
}

/// Needs the feature.
const fn experimental(spec: FunctionSpec) -> FunctionSpec {
    FunctionSpec { experimental: true, ..spec }
}

const FUNCTIONS: &[FunctionSpec] = &[
    vector("abs", Element(el::abs)),
    vector("absent", Engine(E::Absent)),
    matrix("absent_over_time", Engine(E::AbsentOverTime)),
    vector("acos", Element(el::acos)),
    vector("acosh", Element(el::acosh)),
    vector("asin", Element(el::asin)),
    vector("asinh", Element(el::asinh)),
    vector("atan", Element(el::atan)),
    vector("atanh", Element(el::atanh)),
    matrix("avg_over_time", Range(over_time::avg)),
    vector("ceil", Element(el::ceil)),
    matrix("changes", Range(counter::changes)),
    fixed("clamp", &[Vector, Scalar, Scalar], Vector, Element(el::clamp)),
    fixed("clamp_max", &[Vector, Scalar], Vector, Element(el::clamp_max)),
    fixed("clamp_min", &[Vector, Scalar], Vector, Element(el::clamp_min)),
    vector("cos", Element(el::cos)),
    vector("cosh", Element(el::cosh)),
    matrix("count_over_time", Range(over_time::count)),
    variadic(1, vector("day_of_month", Element(date::day_of_month))),
    variadic(1, vector("day_of_week", Element(date::day_of_week))),
    variadic(1, vector("day_of_year", Element(date::day_of_year))),
    variadic(1, vector("days_in_month", Element(date::days_in_month))),
    vector("deg", Element(el::deg)),
    matrix("delta", Range(rate::delta)),
    matrix("deriv", Range(regression::deriv)),
    experimental(fixed(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
        Range(regression::double_exponential_smoothing),
    )),
    experimental(fixed("end", &[], Scalar, Engine(E::End))),
    vector("exp", Element(el::exp)),
    matrix("first_over_time", Range(over_time::first)),
    vector("floor", Element(el::floor)),
    vector("histogram_avg", Element(el::histograms_only)),
    vector("histogram_count", Element(el::histograms_only)),
    fixed("histogram_fraction", &[Scalar, Scalar, Vector], Vector, Engine(E::HistogramFraction)),
    fixed("histogram_quantile", &[Scalar, Vector], Vector, Engine(E::HistogramQuantile)),
    experimental(variadic(
        9,
        fixed(
            "histogram_quantiles",
            &[Vector, String, Scalar, Scalar],
            Vector,
            Engine(E::HistogramQuantiles),
        ),
    )),
    vector("histogram_stddev", Element(el::histograms_only)),
    vector("histogram_stdvar", Element(el::histograms_only)),
    vector("histogram_sum", Element(el::histograms_only)),
    variadic(1, vector("hour", Element(date::hour))),
    matrix("idelta", Range(rate::idelta)),
    matrix("increase", Range(rate::increase)),
    experimental(variadic(1, fixed("info", &[Vector, Vector], Vector, Engine(E::Info)))),
    matrix("irate", Range(rate::irate)),
    variadic(-1, fixed("label_join", &[Vector, String, String, String], Vector, Engine(E::LabelJoin))),
    fixed("label_replace", &[Vector, String, String, String, String], Vector, Engine(E::LabelReplace)),
    matrix("last_over_time", Range(over_time::last)),
    vector("ln", Element(el::ln)),
    vector("log10", Element(el::log10)),
    vector("log2", Element(el::log2)),
    experimental(matrix("mad_over_time", Range(quantile::mad))),
    experimental(fixed("max_of", &[Scalar, Scalar], Scalar, Engine(E::MaxOf))),
    matrix("max_over_time", Range(over_time::max)),
    experimental(fixed("min_of", &[Scalar, Scalar], Scalar, Engine(E::MinOf))),
    matrix("min_over_time", Range(over_time::min)),
    variadic(1, vector("minute", Element(date::minute))),
    variadic(1, vector("month", Element(date::month))),
    fixed("pi", &[], Scalar, Engine(E::Pi)),
    fixed("predict_linear", &[Matrix, Scalar], Vector, Range(regression::predict_linear)),
    matrix("present_over_time", Range(over_time::present)),
    fixed("quantile_over_time", &[Scalar, Matrix], Vector, Range(quantile::over_time)),
    vector("rad", Element(el::rad)),
    experimental(fixed("range", &[], Scalar, Engine(E::Range))),
    matrix("rate", Range(rate::rate)),
    matrix("resets", Range(counter::resets)),
    variadic(1, fixed("round", &[Vector, Scalar], Vector, Element(el::round))),
    fixed("scalar", &[Vector], Scalar, Engine(E::Scalar)),
    vector("sgn", Element(el::sgn)),
    vector("sin", Element(el::sin)),
    vector("sinh", Element(el::sinh)),
    vector("sort", Engine(E::Sort)),
    experimental(variadic(-1, fixed("sort_by_label", &[Vector, String], Vector, Engine(E::SortByLabel)))),
    experimental(variadic(
        -1,
        fixed("sort_by_label_desc", &[Vector, String], Vector, Engine(E::SortByLabelDesc)),
    )),
    vector("sort_desc", Engine(E::SortDesc)),
    vector("sqrt", Element(el::sqrt)),
    experimental(fixed("start", &[], Scalar, Engine(E::Start))),
    experimental(vector("start_timestamp", Engine(E::StartTimestamp))),
    matrix("stddev_over_time", Range(over_time::stddev)),
    matrix("stdvar_over_time", Range(over_time::stdvar)),
    experimental(fixed("step", &[], Scalar, Engine(E::Step))),
    matrix("sum_over_time", Range(over_time::sum)),
    vector("tan", Element(el::tan)),
    vector("tanh", Element(el::tanh)),
    fixed("time", &[], Scalar, Engine(E::Time)),
    vector("timestamp", Engine(E::Timestamp)),
    experimental(matrix("ts_of_first_over_time", Range(over_time::time_of_first))),
    experimental(matrix("ts_of_last_over_time", Range(over_time::time_of_last))),
    experimental(matrix("ts_of_max_over_time", Range(over_time::time_of_max))),
    experimental(matrix("ts_of_min_over_time", Range(over_time::time_of_min))),
    fixed("vector", &[Scalar], Vector, Engine(E::Vector)),
    variadic(1, vector("year", Element(date::year))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(lookup("rate").is_some_and(|spec| matches!(spec.kernel, Range(_))));
        assert!(lookup("rat").is_none());
    }
}
