//! Random expressions of PromQL that type-check.

use latewood_base::Rng;

/// Makes expressions over `m_total` and `n`, whose series have labels `a` (1 to 3), `b` (x, y) and `c` (p, q): some of
/// them give the same answer in pieces and others do not.
#[derive(Debug)]
pub struct RandomExpressions<'a>(pub &'a Rng);

impl RandomExpressions<'_> {
    fn pick<'t>(&self, from: &[&'t str]) -> &'t str {
        from[self.0.below(from.len() as u64) as usize]
    }

    fn selector(&self) -> String {
        let name =
            self.pick(&["m_total", "n", "m_total{a=\"1\"}", "n{b!=\"x\"}", "{__name__=~\"m_total|n\"}"]);
        name.to_owned()
    }

    fn shift(&self) -> &'static str {
        self.pick(&["", "", "", " offset 7m", " offset -3m", " @ 9000", " @ 100 offset 1m"])
    }

    fn grouping(&self) -> &'static str {
        self.pick(&["", " by (a)", " by (b, c)", " without (a)", " by (c)"])
    }

    /// An instant vector of about so many levels.
    #[must_use]
    pub fn vector(&self, depth: u32) -> String {
        if depth == 0 {
            return self.selector() + self.shift();
        }
        let below = depth - 1;
        match self.0.below(12) {
            // The order of groups matters to what is around them.
            11 => {
                let outer = self.pick(&["sum", "limitk", "topk", "avg"]);
                let param = if outer.ends_with('k') { "1, " } else { "" };
                let inner = self.pick(&["sum", "count"]);
                let grouping = self.pick(&["by (b, c)", "by (c)", "without (a)"]);
                format!("{outer} ({param}{inner} {grouping} ({}))", self.selector())
            }
            0..3 => {
                let function =
                    self.pick(&["rate", "increase", "avg_over_time", "sum_over_time", "last_over_time"]);
                let function = if self.0.below(4) == 0 { "stddev_over_time" } else { function };
                let range = self.pick(&["2m", "5m", "30m", "2h"]);
                format!("{function}({}[{range}]{})", self.selector(), self.shift())
            }
            3 => {
                let function = self.pick(&["max_over_time", "avg_over_time", "changes"]);
                let range = self.pick(&["9m:1m", "1h:7m", "40m:10m"]);
                format!("{function}(({})[{range}]{})", self.vector(below), self.shift())
            }
            4..7 => {
                let op =
                    self.pick(&["sum", "avg", "min", "max", "count", "stddev", "topk", "limitk", "quantile"]);
                let param = match op {
                    "topk" | "limitk" => "2, ",
                    "quantile" => "0.7, ",
                    _ => "",
                };
                format!("{op}{} ({param}{})", self.grouping(), self.vector(below))
            }
            7 => {
                let op = self.pick(&["+", "/", ">", "== bool", "and", "or", "unless"]);
                format!("({}) {op} ({})", self.vector(below), self.vector(below))
            }
            8 => {
                let op = self.pick(&[
                    "* on (a, b) group_left () ",
                    "- ignoring (c) group_right () ",
                    "and on (a) ",
                ]);
                format!("({}) {op} ({})", self.vector(below), self.vector(below))
            }
            9 => format!("({}) {} {}", self.vector(below), self.pick(&["*", ">", "-"]), self.0.below(9)),
            _ => {
                let function = self.pick(&["abs", "timestamp", "-", "absent", "ceil", "scalar"]);
                let inner = format!("{function}({})", self.vector(below));
                if function == "scalar" { format!("vector({inner})") } else { inner }
            }
        }
    }
}
