//! Asking a Prometheus API and comparing answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The samples of an answer: labels → time in milliseconds → value. A native histogram is its parts, each under a
/// label that says which.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer(pub BTreeMap<BTreeMap<String, String>, BTreeMap<i64, f64>>);

impl Answer {
    /// Asks for an expression at one time.
    pub async fn instant(url: &str, expression: &str, seconds: f64) -> Result<Self, String> {
        let form = [("query", expression.to_owned()), ("time", seconds.to_string())];
        Self::post(&format!("{url}/api/v1/query"), &form).await
    }

    /// Asks for an expression over a range.
    pub async fn range(url: &str, expression: &str, start: f64, end: f64, step: f64) -> Result<Self, String> {
        let [start, end, step] = [start, end, step].map(|number| number.to_string());
        let form = [("query", expression.to_owned()), ("start", start), ("end", end), ("step", step)];
        Self::post(&format!("{url}/api/v1/query_range"), &form).await
    }

    /// Asks by POST.
    pub async fn post(url: &str, form: &[(&str, String)]) -> Result<Self, String> {
        Self::read(reqwest::Client::new().post(url).form(form)).await
    }

    /// Asks by GET.
    #[allow(dead_code, reason = "only measurements ask so")]
    pub async fn get(url: &str, form: &[(&str, String)]) -> Result<Self, String> {
        Self::read(reqwest::Client::new().get(url).query(form)).await
    }

    async fn read(request: reqwest::RequestBuilder) -> Result<Self, String> {
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        if body["status"] != "success" {
            return Err(body["error"].as_str().unwrap_or("no error text").to_owned());
        }
        Ok(Self::of(&body["data"]))
    }

    /// What the `data` of an answer says.
    pub fn of(data: &Value) -> Self {
        let mut answer = Self::default();
        let point = |pair: &Value| {
            let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at, pair[1].as_str().unwrap().parse::<f64>().unwrap_or(f64::NAN))
        };
        for item in data.as_array().into_iter().flatten() {
            // A label's value, or a series.
            let labels = match item.as_str() {
                Some(text) => [(String::new(), text.to_owned())].into(),
                None => serde_json::from_value(item.clone()).unwrap(),
            };
            answer.0.insert(labels, [(0, 1.0)].into());
        }
        match data["resultType"].as_str() {
            Some("scalar") => {
                answer.0.insert(BTreeMap::new(), [point(&data["result"])].into());
            }
            Some("vector" | "matrix") => {
                for series in data["result"].as_array().unwrap() {
                    let labels: BTreeMap<String, String> =
                        serde_json::from_value(series["metric"].clone()).unwrap();
                    let all = |name: &str| series.get(name).and_then(Value::as_array).into_iter().flatten();
                    for pair in all("histograms").chain(series.get("histogram")) {
                        for (part, number) in parts(&pair[1]) {
                            let mut labels = labels.clone();
                            labels.insert(PART.to_owned(), part);
                            answer.0.entry(labels).or_default().extend([point(&json!([pair[0], number]))]);
                        }
                    }
                    let floats: BTreeMap<i64, f64> =
                        all("values").chain(series.get("value")).map(point).collect();
                    if !floats.is_empty() {
                        answer.0.insert(labels, floats);
                    }
                }
            }
            _ => {}
        }
        answer
    }

    /// The same with the count alone of each histogram.
    pub fn with_counts_of_histograms(self) -> Self {
        let counts = self.0.into_iter().filter_map(|(mut labels, points)| {
            let part = labels.remove(PART);
            part.is_none_or(|part| part == "count").then_some((labels, points))
        });
        Self(counts.collect())
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

/// The label that says which part of a histogram it is.
const PART: &str = "histogram part";

/// Count, sum and buckets, each with what it is.
fn parts(histogram: &Value) -> impl Iterator<Item = (String, &Value)> {
    let buckets = histogram["buckets"].as_array().into_iter().flatten();
    let buckets = buckets.map(|bucket| (format!("{} {} {}", bucket[0], bucket[1], bucket[2]), &bucket[3]));
    ["count", "sum"].into_iter().map(|part| (part.to_owned(), &histogram[part])).chain(buckets)
}

/// What differs between two answers: labels, times, and values by more than 1e-10 of the larger. A bucket that is not
/// there is an empty one.
pub fn differences(ours: &Answer, theirs: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let labels: std::collections::BTreeSet<_> = ours.0.keys().chain(theirs.0.keys()).collect();
    let nothing = BTreeMap::new();
    for labels in labels {
        let (a, b) = (ours.0.get(labels).unwrap_or(&nothing), theirs.0.get(labels).unwrap_or(&nothing));
        let times: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        let differ = times.into_iter().find(|at| match (a.get(at), b.get(at)) {
            (Some(a), Some(b)) => !is_close(*a, *b),
            (a, b) => !labels.contains_key(PART) || a.or(b).is_some_and(|value| value.abs() > 1e-12),
        });
        if let Some(at) = differ {
            found.push(format!("{labels:?} at {at}: ours {:?}, theirs {:?}", a.get(at), b.get(at)));
        }
    }
    found
}

fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-10 * a.abs().max(b.abs())
}
