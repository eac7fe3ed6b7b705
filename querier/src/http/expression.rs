//! Expressions and selectors in requests, `format_query` and `parse_query`.

use latewood_base::{ErrorKind, Offload};
use latewood_model::Matcher;
use latewood_promql::ast::{Expr, ExprKind, VectorSelector};
use latewood_promql::parse::{ParseError, ParseOptions, parse};
use latewood_promql::print::pretty;
use latewood_promql::{EngineConfig, NoRoom, with_room};

use super::Call;
use super::envelope::Answer;
use crate::ApiError;

/// Parses off the runtime what is long.
pub(crate) struct Parser {
    options: ParseOptions,
    lane: Offload,
}

impl Parser {
    pub(crate) fn new(config: &EngineConfig, lane: Offload) -> Self {
        Self { options: ParseOptions { features: config.features }, lane }
    }

    async fn parse(&self, text: &str) -> Result<Result<Expr, ParseError>, ApiError> {
        let (text, options) = (text.to_owned(), self.options);
        let parsed = self.lane.run_on_text(text.len(), move || parse(&text, &options)).await;
        parsed.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
    }
}

impl Call {
    /// The expression in `query`.
    pub(super) async fn query(&self) -> Result<Expr, ApiError> {
        let parsed = self.api.parser.parse(self.params.get("query")).await?;
        parsed.map_err(|error| ApiError::parameter("query", error))
    }

    /// The selectors in `match[]`.
    pub(super) async fn selectors(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let max = self.api.config.max_selectors;
        if self.params.all("match[]").nth(max).is_some() {
            let text = format!("more than {max} match[] parameters (querier.max_selectors)");
            return Err(ApiError::new(ErrorKind::Unprocessable, text));
        }
        let mut selectors = Vec::new();
        for text in self.params.all("match[]") {
            let parsed = self.api.parser.parse(text).await?;
            let expr = parsed.map_err(|error| ApiError::parameter("match[]", error))?;
            selectors.push(matchers_of(expr)?);
        }
        Ok(selectors)
    }
}

fn matchers_of(expr: Expr) -> Result<Vec<Matcher>, ApiError> {
    match expr.kind {
        ExprKind::Selector(VectorSelector { matchers, shift, .. }) if shift == Default::default() => {
            Ok(matchers)
        }
        _ => {
            let text = "must be a series selector such as up{job=\"a\"}, without offset, @ or range";
            Err(ApiError::parameter("match[]", text))
        }
    }
}

/// The matchers of all selectors in an expression.
pub(super) fn selectors_of(expr: &Expr) -> Vec<Vec<Matcher>> {
    let mut found = Vec::new();
    collect(expr, &mut found);
    found
}

fn collect(expr: &Expr, found: &mut Vec<Vec<Matcher>>) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
            found.push(selector.matchers.clone());
        }
        ExprKind::Subquery(subquery) => collect(&subquery.expr, found),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => collect(inner, found),
        ExprKind::Binary(binary) => {
            collect(&binary.left, found);
            collect(&binary.right, found);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(|param| collect(param, found));
            collect(&aggregate.expr, found);
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| collect(arg, found)),
    }
}

pub(super) async fn format_query(call: Call) -> Result<Answer, ApiError> {
    let expr = call.query().await?;
    let text = with_room(expr.levels(), || pretty(&expr)).map_err(no_room)?;
    Ok(Answer::new(|json| json.string(&text)))
}

pub(super) async fn parse_query(call: Call) -> Result<Answer, ApiError> {
    let expr = call.query().await?;
    let tree = with_room(expr.levels(), || super::tree::tree(&expr).to_string()).map_err(no_room)?;
    Ok(Answer::new(|json| json.raw(&tree)))
}

fn no_room(error: NoRoom) -> ApiError {
    ApiError::new(ErrorKind::Overloaded, error.to_string())
}
