//! Go's regular expressions (RE2) as Rust's.
//!
//! Prometheus's matchers are Go expressions. The two dialects look alike and differ in the details: in Go
//! `\d`, `\s`, `\w` and `\b` are ASCII, `\s` has no vertical tab, `{` that starts no valid repetition is a letter,
//! there are octal escapes and `\Q…\E`, and inside classes `[`, `&&`, `--` and `~~` are nothing special.
//! The translation writes every letter escaped, so that nothing is special by chance. Errors have Go's texts.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::CharIndices;

/// The highest count of a repetition, as in Go.
const MAX_REPEAT: u32 = 1000;

/// Says the same in Rust's syntax.
///
/// # Errors
/// What Go says of the expression, after "error parsing regexp: ".
pub(super) fn translate(expression: &str) -> Result<String, String> {
    let mut translator = Translator {
        whole: expression,
        chars: expression.char_indices().peekable(),
        out: String::with_capacity(expression.len() + 8),
        depth: 0,
        operand: Operand::Missing,
    };
    translator.run()?;
    Ok(translator.out)
}

/// What a repetition at this place would repeat.
#[derive(Clone, Copy)]
enum Operand {
    Missing,
    Present,
    /// Already a repetition, which started at this byte.
    Repeated(usize),
}

struct Translator<'a> {
    whole: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
    depth: usize,
    operand: Operand,
}

/// An error with the part of the expression that it is about.
fn error<T>(what: &str, part: &str) -> Result<T, String> {
    Err(format!("{what}: `{part}`"))
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '(' => self.open(at)?,
                ')' => self.close()?,
                '|' => self.special('|', Operand::Missing),
                '^' | '$' | '.' => self.special(c, Operand::Present),
                '[' => self.class(at)?,
                '*' | '+' | '?' => {
                    self.out.push(c);
                    self.repeat(at)?;
                }
                '{' => self.brace(at)?,
                '\\' => self.escape(at)?,
                c => self.literal(c),
            }
        }
        if self.depth > 0 {
            return error("missing closing )", self.whole);
        }
        Ok(())
    }

    fn special(&mut self, c: char, operand: Operand) {
        self.out.push(c);
        self.operand = operand;
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.operand = Operand::Present;
    }

    /// The byte where the next character is.
    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.whole.len(), |next| next.0)
    }

    fn since(&mut self, start: usize) -> String {
        let end = self.position();
        self.whole.get(start..end).unwrap_or_default().to_owned()
    }

    fn next_if(&mut self, expected: char) -> bool {
        self.chars.next_if(|next| next.1 == expected).is_some()
    }

    /// Goes on at this byte.
    fn skip_to(&mut self, position: usize) {
        while self.chars.next_if(|next| next.0 < position).is_some() {}
    }

    /// A repetition has been written: checks that it may stand here and takes a `?` that belongs to it.
    fn repeat(&mut self, at: usize) -> Result<(), String> {
        if self.next_if('?') {
            self.out.push('?');
        }
        match self.operand {
            Operand::Present => self.operand = Operand::Repeated(at),
            Operand::Missing => return error("missing argument to repetition operator", &self.since(at)),
            Operand::Repeated(start) => {
                return error("invalid nested repetition operator", &self.since(start));
            }
        }
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else is a letter.
    fn brace(&mut self, at: usize) -> Result<(), String> {
        let Some((least, most, end)) = repetition(self.whole.get(at..).unwrap_or_default()) else {
            self.literal('{');
            return Ok(());
        };
        self.skip_to(at + end);
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            return error("invalid repeat count", &self.since(at));
        }
        self.out.push_str(self.whole.get(at..at + end).unwrap_or_default());
        self.repeat(at)
    }

    /// `(`, `(?:`, `(?P<name>`, `(?flags)`, `(?flags:`
    fn open(&mut self, at: usize) -> Result<(), String> {
        let rest = self.whole.get(at..).unwrap_or_default();
        if let Some(named) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            let start = at + rest.len() - named.len();
            let Some((name, _)) = named.split_once('>') else {
                return error("invalid named capture", rest);
            };
            if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
                return error(
                    "invalid named capture",
                    self.whole.get(at..=start + name.len()).unwrap_or_default(),
                );
            }
            let _ = write!(self.out, "(?P<{name}>");
            self.skip_to(start + name.len() + 1);
        } else if rest.starts_with("(?") {
            return self.flags(at, rest);
        } else {
            self.out.push('(');
        }
        self.depth += 1;
        self.operand = Operand::Missing;
        Ok(())
    }

    /// `(?ims-U)` or `(?ims-U:`
    fn flags(&mut self, at: usize, rest: &str) -> Result<(), String> {
        let end = rest.find([':', ')']).unwrap_or(rest.len());
        let flags = rest.get(2..end).unwrap_or_default();
        let (on, off) = flags.split_once('-').map_or((flags, None), |(on, off)| (on, Some(off)));
        let known = |flags: &str| flags.bytes().all(|flag| b"imsU".contains(&flag));
        if end == rest.len() || !known(on) || off.is_some_and(|off| off.is_empty() || !known(off)) {
            let bad = flags.find(|c| !"imsU-".contains(c)).map_or(end, |bad| bad + 2);
            let shown =
                rest.char_indices().nth(bad + 1).map_or(rest, |(stop, _)| rest.get(..stop).unwrap_or(rest));
            return if end == rest.len() && known(on) {
                error("missing argument to repetition operator", "?")
            } else {
                error("invalid or unsupported Perl syntax", shown)
            };
        }
        self.skip_to(at + end + 1);
        let is_group = rest.as_bytes().get(end) == Some(&b':');
        if is_group {
            let _ = write!(self.out, "(?{flags}:");
            self.depth += 1;
            self.operand = Operand::Missing;
        } else if !flags.is_empty() {
            let _ = write!(self.out, "(?{flags})");
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        if self.depth == 0 {
            return error("unexpected )", self.whole);
        }
        self.depth -= 1;
        self.special(')', Operand::Present);
        Ok(())
    }

    /// A backslash outside of classes.
    fn escape(&mut self, at: usize) -> Result<(), String> {
        let simple = match self.chars.peek().map(|next| next.1) {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            Some('Q') => {
                self.quoted(at);
                return Ok(());
            }
            _ => {
                if let Some(class) = self.class_escape(at)? {
                    let _ = write!(self.out, "[{class}]");
                } else {
                    let c = self.char_escape(at)?;
                    push_literal(&mut self.out, c);
                }
                self.operand = Operand::Present;
                return Ok(());
            }
        };
        self.chars.next();
        self.out.push_str(simple);
        self.operand = Operand::Present;
        Ok(())
    }

    /// `\Qletters\E`; without an end to the end of the expression.
    fn quoted(&mut self, at: usize) {
        let text = self.whole.get(at + 2..).unwrap_or_default();
        let (text, length) =
            text.split_once(r"\E").map_or((text, text.len()), |(text, _)| (text, text.len() + 2));
        text.chars().for_each(|c| self.literal(c));
        self.skip_to(at + 2 + length);
    }

    /// `\d`, `\pL` and their kin as the inside of a class; `None` where there is another escape.
    fn class_escape(&mut self, at: usize) -> Result<Option<String>, String> {
        let perl = match self.chars.peek().map(|next| next.1) {
            Some('d') => "0-9",
            Some('D') => "[^0-9]",
            Some('s') => r"\t\n\x0C\r\x20",
            Some('S') => r"[^\t\n\x0C\r\x20]",
            Some('w') => "0-9A-Za-z_",
            Some('W') => "[^0-9A-Za-z_]",
            Some('p' | 'P') => return self.unicode_class(at).map(Some),
            _ => return Ok(None),
        };
        self.chars.next();
        Ok(Some(perl.to_owned()))
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`
    fn unicode_class(&mut self, at: usize) -> Result<String, String> {
        let mut negated = self.chars.next().is_some_and(|next| next.1 == 'P');
        let Some((start, first)) = self.chars.next() else {
            return error("invalid character class range", &self.since(at));
        };
        let mut name = first.to_string();
        if first == '{' {
            let rest = self.whole.get(start + 1..).unwrap_or_default();
            let Some((inside, _)) = rest.split_once('}') else {
                return error("invalid character class range", self.whole.get(at..).unwrap_or_default());
            };
            inside.clone_into(&mut name);
            self.skip_to(start + 1 + inside.len() + 1);
        }
        if let Some(rest) = name.strip_prefix('^') {
            (negated, name) = (!negated, rest.to_owned());
        }
        if name.is_empty() || !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            return error("invalid character class range", &self.since(at));
        }
        Ok(format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// One letter of an escape; the backslash at `at` has been read.
    fn char_escape(&mut self, at: usize) -> Result<char, String> {
        let Some((_, c)) = self.chars.next() else {
            return error("trailing backslash at end of expression", "");
        };
        let code = match c {
            '0'..='7' => self.octal(c),
            'x' => self.hexadecimal(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        match code.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => error("invalid escape sequence", &self.since(at)),
        }
    }

    /// Up to three octal digits; one that is not 0 alone would be a back reference, which there is not.
    fn octal(&mut self, first: char) -> Option<u32> {
        let mut code = first.to_digit(8)?;
        let mut digits = 1;
        while digits < 3 {
            let Some((_, digit)) = self.chars.next_if(|next| next.1.is_digit(8)) else {
                break;
            };
            code = code * 8 + digit.to_digit(8)?;
            digits += 1;
        }
        (digits > 1 || first == '0').then_some(code)
    }

    /// `{1F600}` or two digits.
    fn hexadecimal(&mut self) -> Option<u32> {
        if !self.next_if('{') {
            let mut digit = || self.chars.next().and_then(|next| next.1.to_digit(16));
            return Some(digit()? * 16 + digit()?);
        }
        let (mut code, mut digits) = (0_u32, 0);
        for (_, c) in self.chars.by_ref() {
            if c == '}' {
                return (digits > 0).then_some(code);
            }
            code = code.checked_mul(16)?.checked_add(c.to_digit(16)?)?;
            digits += 1;
        }
        None
    }

    /// `[…]`
    fn class(&mut self, at: usize) -> Result<(), String> {
        self.out.push('[');
        if self.next_if('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(&(start, c)) = self.chars.peek() else {
                return error("missing closing ]", self.whole.get(at..).unwrap_or_default());
            };
            if c == ']' && !first {
                break;
            }
            first = false;
            self.class_item(start, c)?;
        }
        self.chars.next();
        self.special(']', Operand::Present);
        Ok(())
    }

    fn class_item(&mut self, start: usize, c: char) -> Result<(), String> {
        if c == '[' && self.posix_class(start)? {
            return Ok(());
        }
        if c == '\\' {
            self.chars.next();
            if let Some(class) = self.class_escape(start)? {
                self.out.push_str(&class);
                return Ok(());
            }
        }
        let low = if c == '\\' { self.char_escape(start)? } else { self.class_char(start)? };
        push_literal(&mut self.out, low);
        let after = self.position();
        let rest = self.whole.get(after..).unwrap_or_default();
        // A minus before the closing bracket is a letter.
        if rest.starts_with('-') && rest.len() > 1 && !rest.starts_with("-]") {
            self.chars.next();
            let position = self.position();
            let high = self.class_char(position)?;
            if high < low {
                return error("invalid character class range", &self.since(start));
            }
            self.out.push('-');
            push_literal(&mut self.out, high);
        }
        Ok(())
    }

    fn class_char(&mut self, at: usize) -> Result<char, String> {
        match self.chars.next() {
            Some((_, '\\')) => self.char_escape(at),
            Some((_, c)) => Ok(c),
            None => error("missing closing ]", self.whole),
        }
    }

    /// `[:alpha:]`, `[:^alpha:]`; false where there is none.
    fn posix_class(&mut self, at: usize) -> Result<bool, String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "word", "xdigit",
        ];
        let rest = self.whole.get(at..).unwrap_or_default();
        let Some((name, _)) = rest.strip_prefix("[:").and_then(|inside| inside.split_once(":]")) else {
            return Ok(false);
        };
        let part = rest.get(..name.len() + 4).unwrap_or_default();
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return error("invalid character class range", part);
        }
        self.out.push_str(part);
        self.skip_to(at + part.len());
        Ok(true)
    }
}

/// Writes a letter so that it is nothing else, within classes too.
fn push_literal(out: &mut String, c: char) {
    if regex_syntax::is_meta_character(c) {
        out.push('\\');
    }
    out.push(c);
}

/// The counts (no second one where it is open) and the length of the repetition `{n}`, `{n,}` or `{n,m}` that a
/// text starts with.
fn repetition(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
    let count = |digits: &str| {
        let valid = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        valid.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inside.split_once(',') {
        None => (count(inside)?, Some(count(inside)?)),
        Some((least, "")) => (count(least)?, None),
        Some((least, most)) => (count(least)?, Some(count(most)?)),
    };
    Some((least, most, inside.len() + 2))
}

#[cfg(test)]
mod tests;
